//! What a list of runs shows of one: read without its trajectories, never an error.

use super::writer::ATTEMPTS;
use super::{Remembered, RunView, journal, lock, reader};
use crate::model::{Outcome, RunManifest};
use std::fs;
use std::path::{Path, PathBuf};

/// What became of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Every planned attempt ended.
    Finished,
    /// It can be resumed.
    Unfinished,
    /// A process writes it now.
    Running,
    /// Its files are not what they should be; the reason.
    Damaged(String),
}

impl State {
    /// The word that lists show.
    pub fn word(&self) -> &'static str {
        match self {
            State::Finished => "finished",
            State::Unfinished => "unfinished",
            State::Running => "running",
            State::Damaged(_) => "damaged",
        }
    }
}

/// A run at a glance.
#[derive(Debug, Clone, PartialEq)]
pub struct Glance {
    /// Its folder.
    pub dir: PathBuf,
    /// What became of it.
    pub state: State,
    /// Manifest and records, as far as they can be read.
    pub view: Option<RunView>,
}

/// The folders directly under `parent` that hold a run or what is left of one, sorted by name.
pub fn run_folders(parent: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(parent) else { return Vec::new() };
    let left = |path: &PathBuf| reader::is_run(path) || path.join(ATTEMPTS).exists();
    let mut folders: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(left).collect();
    folders.sort();
    folders
}

/// Looks at the run in `dir`.
pub fn glance(dir: &Path) -> Glance {
    let damaged = |reason: String| Glance { dir: dir.to_owned(), state: State::Damaged(reason), view: None };
    // The lock first: a run that ends in between is told as running, not as unfinished.
    let running = lock::is_held(dir);
    let (manifest, _) = match reader::read_manifest(dir) {
        Ok(found) => found,
        Err(error) => return damaged(error.message),
    };
    let journal = match reader::read_journal(dir) {
        Ok(journal) => journal,
        Err(error) => return damaged(error.message),
    };
    let torn = journal.torn;
    let (records, warnings) = journal::last_tries(ATTEMPTS, journal);
    let worse = warnings.iter().rev().skip(usize::from(torn)).next_back().cloned();
    let remembered = Remembered::default();
    let view = RunView { dir: dir.to_owned(), manifest, records, warnings, remembered };
    let state = match worse {
        _ if running => State::Running,
        Some(reason) => State::Damaged(reason),
        None if is_whole(&view.manifest, &view) => State::Finished,
        None => State::Unfinished,
    };
    Glance { dir: dir.to_owned(), state, view: Some(view) }
}

fn is_whole(manifest: &RunManifest, view: &RunView) -> bool {
    let ended = view.records.iter().filter(|record| record.outcome != Outcome::Cancelled).count();
    ended as u64 >= manifest.planned
}
