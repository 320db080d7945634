//! The one integration-test binary.
#![allow(clippy::disallowed_methods, reason = "tests look at the machine that they run on")]

#[macro_use]
mod support;

mod harness;
mod service;
mod licences;
mod report;
mod runs;
mod store;
mod tidy;
