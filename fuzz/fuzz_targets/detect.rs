//! A file in the format that it looks like.

#![no_main]

#[path = "../../tests/it/properties.rs"]
mod properties;

mod mutate;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| properties::file(bytes, None));

libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max: usize, seed: u32| {
    mutate::json(data, size, max, seed)
});
