//! What a run leaves on disk: one thread does all file work of a run.
//!
//! Invariants: a record counts only after its trajectory and itself are fsynced; a torn tail is
//! dropped with a warning, never taken for whole; derived files are written aside and renamed.
//! Must not know: how attempts are run.

pub mod disk;
mod error;
mod glance;
mod intern;
mod journal;
mod kept;
mod lock;
mod manifest;
mod reader;
mod recorder;
mod resume;
mod run_id;
mod tape;
mod version;
mod wire;
mod writer;

use crate::model::{AttemptRecord, RunManifest};
use std::path::PathBuf;

pub use error::{StoreError, StoreErrorKind, io_text};
pub use glance::{Glance, State, glance, run_folders};
pub use kept::Remembered;
pub use reader::{Trajectories, is_run, open, runs};
pub use recorder::Recorder;
pub use resume::{Resumed, Used, resume, resume_on};
pub use run_id::run_id;
pub use version::{SCHEMA, Version};
pub use wire::RecordJson;

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
    /// Trajectories that are in memory anyway.
    pub remembered: Remembered,
}
