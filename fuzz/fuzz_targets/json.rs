//! JSON: the scanner beside serde_json.

#![no_main]

#[path = "../../tests/it/properties.rs"]
mod properties;

mod mutate;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| properties::json(bytes));

libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max: usize, seed: u32| {
    mutate::json(data, size, max, seed)
});
