//! A message in every dialect, strictly and as the runtimes read it.

#![no_main]

#[path = "../../tests/it/properties.rs"]
mod properties;

libfuzzer_sys::fuzz_target!(|text: &str| properties::any_message(text));
