//! The one integration-test binary.
#![allow(clippy::unwrap_used, reason = "a test may stop at once, its helpers too")]
#![allow(clippy::disallowed_methods, reason = "tests look at the machine that they run on")]

#[macro_use]
mod support;

mod agent;
mod attempts;
mod backend;
mod bad_input;
mod check;
mod clients;
mod dialects;
mod formats;
mod harness;
mod licences;
mod llm;
mod oracle;
mod proof;
mod report;
mod rules;
mod run;
mod runs;
mod sample;
mod sandbox;
mod score;
mod secrets;
mod service;
mod store;
mod suite;
mod tidy;
mod tls;
mod tools;
