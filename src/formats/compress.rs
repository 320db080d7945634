//! Gzip and Zstandard, told by their first bytes.

use std::borrow::Cow;
use std::io::Read as _;

/// Most bytes that a compressed file may grow to.
const LIMIT: u64 = 2 << 30;

/// Decompressed bytes, and what went wrong on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decompressed<'a> {
    /// All bytes that could be had.
    pub bytes: Cow<'a, [u8]>,
    /// One lower-case sentence if the file is damaged, cut, or too large.
    pub problem: Option<String>,
}

/// Decompresses gzip and Zstandard; everything else comes back as it is.
///
/// A damaged file gives what could be read before the damage, and says so.
pub fn decompress(bytes: &[u8]) -> Decompressed<'_> {
    if bytes.starts_with(&[0x1f, 0x8b]) {
        return drain(flate2::read::MultiGzDecoder::new(bytes), "gzip");
    }
    if bytes.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        return match zstd::stream::read::Decoder::new(bytes) {
            Ok(decoder) => drain(decoder, "zstd"),
            Err(error) => {
                Decompressed { bytes: Cow::Borrowed(&[]), problem: Some(format!("bad zstd data: {error}")) }
            }
        };
    }
    Decompressed { bytes: Cow::Borrowed(bytes), problem: None }
}

fn drain<'a>(decoder: impl std::io::Read, kind: &str) -> Decompressed<'a> {
    let mut out = Vec::new();
    let problem = match decoder.take(LIMIT + 1).read_to_end(&mut out) {
        Ok(_) if out.len() as u64 > LIMIT => {
            out.truncate(LIMIT as usize);
            Some(format!("the {kind} data grows over the limit of {} GiB", LIMIT >> 30))
        }
        Ok(_) => None,
        Err(error) => Some(format!("damaged {kind} data after {} bytes: {error}", out.len())),
    };
    Decompressed { bytes: Cow::Owned(out), problem }
}
