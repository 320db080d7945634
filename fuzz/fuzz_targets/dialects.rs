//! A message in every dialect, strictly and as the runtimes read it.

#![no_main]

#[path = "../../tests/it/properties.rs"]
mod properties;

mod mutate;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| properties::any_message(&String::from_utf8_lossy(bytes)));

libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max: usize, seed: u32| {
    mutate::text(data, size, max, seed)
});
