//! Redaction of any text.

#![no_main]

#[path = "../../tests/it/properties.rs"]
mod properties;

libfuzzer_sys::fuzz_target!(|text: &str| properties::redacted(text));
