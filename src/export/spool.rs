//! Canonical rows between the two passes: in a file without a name, so that memory does not grow
//! with the input. What is put here was cleaned of secrets before.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

/// Where a piece lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct At {
    offset: u64,
    len: usize,
}

/// An unnamed file of pieces.
#[derive(Debug)]
pub(super) struct Spool {
    file: File,
    len: u64,
}

impl Spool {
    /// A spool on the disk of `folder`.
    ///
    /// # Errors
    /// The file can't be made.
    pub(super) fn new(folder: &Path) -> io::Result<Self> {
        Ok(Self { file: tempfile::tempfile_in(folder)?, len: 0 })
    }

    /// Adds pieces.
    ///
    /// # Errors
    /// The disk is full, or broken.
    pub(super) fn push(&mut self, pieces: &[Vec<u8>]) -> io::Result<Vec<At>> {
        let mut places = Vec::with_capacity(pieces.len());
        for piece in pieces {
            places.push(At { offset: self.len, len: piece.len() });
            self.len += piece.len() as u64;
            self.file.write_all(piece)?;
        }
        Ok(places)
    }

    /// Reads a piece; many threads may do so at once.
    ///
    /// # Errors
    /// The disk is broken.
    pub(super) fn read(&self, at: At) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; at.len];
        self.file.read_exact_at(&mut bytes, at.offset)?;
        Ok(bytes)
    }
}
