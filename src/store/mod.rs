//! What a run leaves on disk: one thread does all file work of a run.
//!
//! Invariants: a record counts only after its trajectory and itself are fsynced; a torn tail is
//! dropped with a warning, never taken for whole; derived files are written aside and renamed.
//! Must not know: how attempts are run.

use crate::model::{AttemptRecord, RunManifest};
use std::path::PathBuf;

/// A run as reports see it: the same live or stored.
#[derive(Debug, Clone, PartialEq)]
pub struct RunView {
    /// Folder of the run.
    pub dir: PathBuf,
    /// The manifest.
    pub manifest: RunManifest,
    /// Records sorted by plan order; only the last try of each attempt.
    pub records: Vec<AttemptRecord>,
    /// What was wrong with the files: torn tails, bad lines.
    pub warnings: Vec<String>,
}
