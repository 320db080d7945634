//! The protocol between the harness and the init of a sandbox.

#![no_main]

#[path = "../../tests/it/frames.rs"]
mod frames;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| frames::any(bytes));
