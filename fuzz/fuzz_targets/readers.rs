//! A file in a format that is named: `ROLLTAPE_FUZZ_FORMAT`, one target a reader; without it the first byte names one.

#![no_main]

#[path = "../../tests/it/properties.rs"]
mod properties;

mod mutate;

use rolltape::formats;
use std::sync::LazyLock;

static NAMED: LazyLock<Option<String>> = LazyLock::new(|| std::env::var("ROLLTAPE_FUZZ_FORMAT").ok());

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Some(name) = NAMED.as_deref() {
        assert!(formats::find(name).is_some(), "no format is named '{name}'");
        properties::file(bytes, Some(name));
    } else if let Some((first, rest)) = bytes.split_first() {
        let format = formats::ALL[usize::from(*first) % formats::ALL.len()];
        properties::file(rest, Some(format.name));
    }
});

libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max: usize, seed: u32| {
    mutate::json(data, size, max, seed)
});
