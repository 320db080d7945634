//! The properties of the fuzz targets, quickly: samples of every format with random edits, random markup.

use crate::properties;
use proptest::prelude::*;
use rolltape::formats;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// Samples of our own making.
static SAMPLES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/formats")];
    let mut files: Vec<PathBuf> = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    let read = |path: &PathBuf| std::fs::read(path).expect("a file");
    files.iter().map(read).filter(|bytes| bytes.len() < 16 << 10).collect()
});

#[derive(Debug, Clone)]
pub(crate) struct Edit {
    at: prop::sample::Index,
    cut: usize,
    piece: &'static str,
}

pub(crate) fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let edit = (any::<prop::sample::Index>(), 0_usize..12, prop::sample::select(properties::pieces()));
    prop::collection::vec(edit.prop_map(|(at, cut, piece)| Edit { at, cut, piece }), 1..5)
}

pub(crate) fn edited(sample: &[u8], edits: &[Edit]) -> Vec<u8> {
    let mut bytes = sample.to_vec();
    for edit in edits {
        let at = edit.at.index(bytes.len() + 1);
        let end = (at + edit.cut).min(bytes.len());
        bytes.splice(at..end, edit.piece.bytes());
    }
    bytes
}

/// Prose with markup of every dialect in it.
fn markup() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(properties::pieces()), 0..24)
        .prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_edited_sample_is_read_or_refused(sample in any::<prop::sample::Index>(), edits in edits()) {
        let bytes = edited(sample.get::<Vec<u8>>(&SAMPLES), &edits);
        properties::file(&bytes, None);
    }

    #[test]
    fn an_edited_sample_in_any_format_is_read_or_refused(
        sample in any::<prop::sample::Index>(), format in any::<prop::sample::Index>(), edits in edits()
    ) {
        let bytes = edited(sample.get::<Vec<u8>>(&SAMPLES), &edits);
        properties::file(&bytes, Some(format.get(formats::ALL).name));
    }

    #[test]
    fn markup_of_any_dialect_has_spans_inside_the_text(text in markup()) {
        properties::any_message(&text);
    }

    #[test]
    fn a_redacted_text_is_clean(text in markup(), key in "(sk-[0]{32}|Bearer [a-z0-9]{24}|api_key=[A-Za-z0-9]{20})") {
        properties::redacted(&format!("{text} {key} {text}"));
    }
}
