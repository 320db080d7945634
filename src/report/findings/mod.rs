//! Findings as other tools take them. The reports of a run and the outputs of `check` share these.

pub mod github;
pub mod pieces;
pub mod sarif;

use crate::model::{Finding, Location};
use std::borrow::Cow;

/// A finding and where it stands.
#[derive(Debug, Clone)]
pub struct Entry<'a> {
    /// The finding.
    pub finding: Cow<'a, Finding>,
    /// Where it stands.
    pub place: Where<'a>,
    /// Digest of its content, wherever that stands: by it a finding is known again after the file was changed.
    pub content: String,
}

/// Where a finding stands.
#[derive(Debug, Clone)]
pub enum Where<'a> {
    /// In a file, from `finding.location` to `end`.
    File {
        /// Path as the user gave it.
        path: Cow<'a, str>,
        /// One past the last character, if a span is known.
        end: Option<Location>,
    },
    /// In the trajectory of an attempt of a run.
    Attempt(String),
}

/// A file or a record that could not be read.
#[derive(Debug, Clone)]
pub struct Unread<'a> {
    /// Path as the user gave it.
    pub path: Cow<'a, str>,
    /// Line from 1; 0 for a whole file.
    pub line: u64,
    /// What is wrong.
    pub message: Cow<'a, str>,
}
