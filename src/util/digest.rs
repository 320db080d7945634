//! SHA-256 in lower-case hexadecimal.

use sha2::{Digest, Sha256};

/// Digest of `bytes`, 64 lower-case hexadecimal digits.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Digest of several parts; each is preceded by its length, so that no two lists collide.
pub fn sha256_parts<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    hex(&sha256(parts))
}

/// As [`sha256_parts`], in bytes.
pub fn sha256<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// A digest of text that grows.
#[derive(Clone, Default)]
pub struct Growing(Sha256);

impl Growing {
    /// Adds text at the end.
    pub fn add(&mut self, text: &str) {
        self.0.update(text.as_bytes());
    }

    /// The digest of all that was added so far.
    pub fn so_far(&self) -> String {
        hex(&self.0.clone().finalize())
    }
}

/// Bytes as lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(DIGITS[usize::from(byte >> 4)]);
        text.push(DIGITS[usize::from(byte & 15)]);
    }
    text
}
