//! The one integration-test binary.

#[macro_use]
mod support;

mod harness;
mod licences;
mod tidy;
