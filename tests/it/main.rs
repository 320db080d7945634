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
mod check_calls;
mod check_memory;
mod check_outputs;
mod check_quick;
mod check_settings;
mod clients;
mod command;
mod compare;
mod conduct;
mod config;
mod container;
mod convert;
mod convert_quick;
mod dataset;
mod dialect_stream;
mod dialects;
mod dialects_harmony;
mod dialects_tokens;
mod doctor;
mod export;
mod formats;
mod frames;
mod fuzzed;
mod harness;
mod init;
mod json_rfc;
mod licences;
mod lint;
mod lists;
mod llm;
mod local_model;
mod many;
mod money;
mod native;
#[cfg(feature = "oci")]
mod oci;
#[cfg(not(feature = "oci"))]
mod oci_absent;
mod oracle;
mod order;
mod proof;
mod properties;
mod report;
mod report_html;
mod rules;
mod run;
mod runs;
mod sample;
mod sandbox;
mod sandbox_verb;
mod schema;
mod score;
mod secrets;
mod servers;
mod service;
mod show;
mod show_large;
mod store;
mod suite;
mod tapes;
mod tidy;
mod tls;
mod told;
mod tools;
mod trust;
mod values;
mod wilson;
