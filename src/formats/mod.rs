//! Trajectory formats: detect, read, write. One file a format.
//!
//! Readers take bytes and give trajectories plus [`ReadError`]s: a bad record never loses the
//! good ones. Must not know: rules, runs, where the bytes came from (the caller opens files).

use crate::model::Trajectory;

/// A record that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadError {
    /// Path as the user gave it.
    pub path: String,
    /// Line in the decompressed file, from 1.
    pub line: u64,
    /// Byte offset in the decompressed file.
    pub offset: u64,
    /// One lower-case sentence.
    pub message: String,
    /// What the user may do.
    pub hint: Option<String>,
}

/// What a reader gives.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ReadOutput {
    /// Trajectories in file order.
    pub trajectories: Vec<Trajectory>,
    /// Records that could not be read.
    pub errors: Vec<ReadError>,
}

/// How sure a sniffer is, 0 (no) to 100 (certain).
pub type Confidence = u8;

/// Writes trajectories as bytes.
pub type Writer = fn(&[Trajectory]) -> Vec<u8>;

/// A trajectory format.
pub struct Format {
    /// Name as in `--from NAME`.
    pub name: &'static str,
    /// One line for `list formats`.
    pub about: &'static str,
    /// How sure it is that the bytes (the head of the file, at least one whole record where possible) are its own.
    pub sniff: fn(head: &[u8]) -> Confidence,
    /// Reads a whole decompressed file. `path` only names things.
    pub read: fn(path: &str, bytes: &[u8]) -> ReadOutput,
    /// Writes trajectories, where the format can be written.
    pub write: Option<Writer>,
}
