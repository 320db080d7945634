//! The values that the page opens on demand: attempts, differences, and the texts that they share.
//!
//! Each value has a number. They are packed in order into chunks of about [`CHUNK`] bytes, and each chunk is
//! deflated on its own, so that a page of many megabytes is open at once and reads only what is looked at.
//! Invariant: same values, same bytes.

use super::parts::{Parts, Shared};
use flate2::Compression;
use flate2::write::DeflateEncoder;
use rayon::prelude::*;
use std::collections::{BTreeSet, HashMap};
use std::io::Write as _;

/// Bytes of JSON from which on a chunk is closed.
const CHUNK: usize = 256 * 1024;
/// How hard deflate tries: beyond this, half a second for each tenth of the size.
const LEVEL: u32 = 4;

/// The numbers of a value's chunks, first its own.
pub(super) type Chunks = Vec<usize>;

/// Values and the chunks that they are packed in.
#[derive(Default)]
pub(super) struct Pool {
    known: HashMap<[u8; 32], usize>,
    /// Number of the first value of each chunk.
    starts: Vec<usize>,
    values: usize,
    open: String,
    closed: Vec<String>,
    packed: Vec<String>,
}

impl Pool {
    /// Takes a value: its number, and the chunks that hold it and its texts.
    pub(super) fn add(&mut self, parts: Parts) -> (usize, Chunks) {
        let mut others = BTreeSet::new();
        let json = parts.resolve(|shared| {
            let number = self.number(shared);
            others.insert(self.chunk(number));
            number
        });
        let number = self.push(&json);
        let own = self.chunk(number);
        others.remove(&own);
        (number, std::iter::once(own).chain(others).collect())
    }

    fn number(&mut self, shared: &Shared) -> usize {
        if let Some(number) = self.known.get(&shared.digest) {
            return *number;
        }
        let number = self.push(&shared.json);
        self.known.insert(shared.digest, number);
        number
    }

    fn push(&mut self, json: &str) -> usize {
        if self.open.len() >= CHUNK {
            self.close();
        }
        if self.open.is_empty() {
            self.starts.push(self.values);
        }
        self.open.push(if self.open.is_empty() { '[' } else { ',' });
        self.open.push_str(json);
        self.values += 1;
        self.values - 1
    }

    fn close(&mut self) {
        if !self.open.is_empty() {
            self.open.push(']');
            self.closed.push(std::mem::take(&mut self.open));
        }
    }

    fn chunk(&self, number: usize) -> usize {
        self.starts.partition_point(|start| *start <= number) - 1
    }

    /// Packs the chunks that are closed; the bytes of all that are packed.
    pub(super) fn pack(&mut self) -> usize {
        let closed = std::mem::take(&mut self.closed);
        self.packed.par_extend(closed.into_par_iter().map(|json| pack(&json)));
        self.packed.iter().map(String::len).sum()
    }

    /// Packs all; the number of each chunk's first value.
    pub(super) fn seal(&mut self) -> Vec<usize> {
        self.close();
        self.pack();
        self.starts.clone()
    }

    /// The chunks, as many from the first on as fit into `budget` bytes.
    pub(super) fn finish(mut self, budget: usize) -> Vec<String> {
        self.seal();
        let mut bytes = 0;
        let fit = self.packed.iter().take_while(|chunk| {
            bytes += chunk.len();
            bytes <= budget
        });
        let fit = fit.count();
        self.packed.truncate(fit);
        self.packed
    }
}

/// Deflated without a header, in base 64.
pub(super) fn pack(json: &str) -> String {
    let mut encoder = DeflateEncoder::new(Vec::with_capacity(json.len() / 3), Compression::new(LEVEL));
    // A write into memory does not fail.
    let done = encoder.write_all(json.as_bytes()).and_then(|()| encoder.finish());
    base64(&done.unwrap_or_default())
}

/// RFC 4648, with padding.
pub(super) fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let block =
            chunk.iter().fold(0_u32, |sum, byte| sum << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let digit = ALPHABET[(block >> (18 - 6 * place) & 63) as usize];
            out.push(if place <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::parts::Parts;
    use super::{CHUNK, Pool, base64};

    fn value(text: &str) -> Parts {
        let mut parts = Parts::default();
        parts.array(|list| list.text(text));
        parts
    }

    #[test]
    fn a_text_is_stored_once_and_its_chunk_is_named() {
        let mut pool = Pool::default();
        let (shared, filler) = ("s".repeat(1000), "f".repeat(CHUNK));
        assert_eq!(pool.add(value(&shared)), (1, vec![0]));
        assert_eq!(pool.add(value(&filler)), (3, vec![1, 0]), "the text closed the chunk of its value");
        assert_eq!(pool.add(value(&shared)), (4, vec![1, 0]), "the text of the first value");
        assert_eq!(pool.seal(), [0, 3]);
        assert_eq!(pool.finish(1 << 20).len(), 2);
    }

    #[test]
    fn what_does_not_fit_is_left_out_from_the_end() {
        let mut pool = Pool::default();
        for at in 0..4 {
            pool.add(value(&at.to_string().repeat(CHUNK)));
        }
        let all = pool.finish(1 << 20);
        let mut pool = Pool::default();
        for at in 0..4 {
            pool.add(value(&at.to_string().repeat(CHUNK)));
        }
        let fit = pool.finish(all[0].len() + all[1].len());
        assert_eq!(fit, all[..2]);
    }

    #[test]
    fn base64_is_the_one_of_the_rfc() {
        for (plain, coded) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")]
        {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }
}
