//! Trajectory formats: detect, read, write. One file a format.
//!
//! Readers take bytes and give trajectories plus [`ReadError`]s: a bad record never loses the
//! good ones. Must not know: rules, runs, where the bytes came from (the caller opens files).
//!
//! [`plan()`] groups paths (a run folder is one input, a folder of prompt logs another),
//! [`read_files`] reads a group, [`read_bytes`] one file; [`decompress`] and [`Locator`] turn an
//! offset in a message into line and column of the decompressed file.

mod chat;
mod compress;
mod detect;
mod locate;
mod plan;
mod record;
mod source;
mod text_calls;

use crate::model::Trajectory;

pub use compress::{Decompressed, decompress};
pub use detect::{DetectError, read_bytes, read_files};
pub use locate::Locator;
pub use plan::{Input, plan};
pub use source::{LINE_LIMIT, Shape, Source};

registry! {
    /// All formats, in the order of `list formats`.
    Format: openhands_prompt_log, openhands_completion_log, openai_chat, atif, rolltape_run
}

/// The blocks of a prompt log, before they become steps.
pub mod prompt_log {
    pub use super::openhands_prompt_log::{Block, Role, blocks};
}

/// ATIF lines for whoever writes them one by one.
pub mod atif_lines {
    pub use super::atif::{line, read_line, value};
}

/// The format of that name.
pub fn find(name: &str) -> Option<&'static Format> {
    ALL.iter().copied().find(|format| format.name == name)
}

/// A record that could not be read, or that was read with a remark.
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

impl std::fmt::Display for ReadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}: {} (byte {})", self.path, self.line, self.message, self.offset)
    }
}

/// What a reader gives.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ReadOutput {
    /// Name of the format.
    pub format: &'static str,
    /// Trajectories in file order.
    pub trajectories: Vec<Trajectory>,
    /// Records that could not be read, in file order.
    pub errors: Vec<ReadError>,
    /// What was read all the same but deserves a word: repeated keys, lone surrogates, roles that
    /// could not be told for sure.
    pub warnings: Vec<ReadError>,
}

impl ReadOutput {
    /// Adds what another input gave.
    pub fn append(&mut self, other: ReadOutput) {
        self.trajectories.extend(other.trajectories);
        self.errors.extend(other.errors);
        self.warnings.extend(other.warnings);
        if self.format.is_empty() {
            self.format = other.format;
        }
    }
}

/// How sure a format is that an input is its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sniff {
    /// 0 (no) to 100 (certain); from 50 on it counts as a yes.
    pub confidence: u8,
    /// Why not more: a sentence without a subject, for example `has no "messages"`.
    pub why: String,
}

impl Sniff {
    /// A verdict.
    pub fn new(confidence: u8, why: impl Into<String>) -> Self {
        Self { confidence, why: why.into() }
    }
}

/// Writes trajectories as bytes.
pub type Writer = fn(&[Trajectory]) -> Vec<u8>;

/// A trajectory format.
pub struct Format {
    /// Name as in `--from NAME`.
    pub name: &'static str,
    /// One line for `list formats`.
    pub about: &'static str,
    /// How sure it is that the file is its own, by content alone.
    pub sniff: fn(&Source<'_>) -> Sniff,
    /// Reads a whole decompressed file.
    pub read: fn(&Source<'_>) -> ReadOutput,
    /// Writes trajectories, where the format can be written.
    pub write: Option<Writer>,
}
