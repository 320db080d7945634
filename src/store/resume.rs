//! Goes on with a run that was stopped, however it was stopped.
//!
//! Invariant: what counts stays as it is; what was in flight leaves no trace, so that it can be done
//! again without being there twice.

use super::disk::Disk;
use super::error::StoreError;
use super::journal;
use super::lock::RunLock;
use super::reader::{read_journal, read_manifest, trajectory_fits};
use super::recorder::Recorder;
use super::version::SCHEMA;
use super::writer::{ATTEMPTS, CASSETTE, TRAJECTORIES, Writer};
use crate::model::{AttemptRecord, Outcome, RunManifest};
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

/// A run that can go on.
#[derive(Debug)]
pub struct Resumed {
    /// The manifest that the run was planned with.
    pub manifest: RunManifest,
    /// The last try of each attempt that ended, errors and skips included; cancelled ones are left out,
    /// for they are to be done again.
    pub finished: Vec<AttemptRecord>,
    /// What was wrong with the files.
    pub warnings: Vec<String>,
    /// Goes on writing. [`crate::model::Event::RunStarted`] changes nothing in it.
    pub recorder: Recorder,
}

/// Takes the lock of the run in `dir`, cuts torn tails and goes on.
///
/// # Errors
/// There is no run, another process writes it, it is of a newer version, or the disk refuses.
pub fn resume(dir: &Path) -> Result<Resumed, StoreError> {
    resume_on(dir, &Disk::real())
}

/// [`resume`] on a disk that a test may have prepared.
pub fn resume_on(dir: &Path, disk: &Disk) -> Result<Resumed, StoreError> {
    let (manifest, version) = read_manifest(dir)?;
    if !version.writable() {
        return Err(StoreError::input(format!(
            "the run '{}' has schema version {version} and can't be added to: {SCHEMA} is the newest known here",
            dir.display()
        ))
        .hint("go on with the rolltape that wrote it, or a newer one"));
    }
    let lock = RunLock::take(dir, disk)?;
    let bytes = fs::metadata(dir.join(TRAJECTORIES)).map_or(0, |meta| meta.len());
    let journal = read_journal(dir)?;
    let keep = journal
        .records
        .iter()
        .filter(|(_, record)| trajectory_fits(record, bytes))
        .filter_map(|(_, record)| record.trajectory.as_ref().map(|at| at.offset + at.len + 1))
        .max()
        .unwrap_or(0);
    cut(disk, &dir.join(ATTEMPTS), journal.valid)?;
    cut(disk, &dir.join(TRAJECTORIES), keep)?;
    let (records, mut warnings) = journal::last_tries(ATTEMPTS, journal);
    let (finished, lost): (Vec<_>, Vec<_>) = records
        .into_iter()
        .filter(|record| record.outcome != Outcome::Cancelled)
        .partition(|record| trajectory_fits(record, bytes));
    for record in lost {
        warnings
            .push(format!("{TRAJECTORIES}: the trajectory of '{}' is missing: it is done again", record.id));
    }
    drop_exchanges_in_flight(dir, disk, &finished)?;
    let recorder = Recorder::start(dir, Writer::reopen(dir, disk)?, lock)?;
    Ok(Resumed { manifest, finished, warnings, recorder })
}

fn cut(disk: &Disk, path: &Path, len: u64) -> Result<(), StoreError> {
    let refused = |error: io::Error| StoreError::disk("write", path, &error);
    let mut file = disk.append(path).map_err(refused)?;
    if file.len() > len {
        file.truncate(len).map_err(refused)?;
        file.sync().map_err(refused)?;
    }
    Ok(())
}

/// The exchanges of attempts that will be done again are recorded again: the old ones go.
///
/// A line names no suite; where two suites of one run share a task id, a line is kept if either's
/// attempt has ended, and a replay takes the later of two equal positions.
fn drop_exchanges_in_flight(dir: &Path, disk: &Disk, finished: &[AttemptRecord]) -> Result<(), StoreError> {
    let path = dir.join(CASSETTE);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(StoreError::disk("read", &path, &error)),
    };
    let done: BTreeSet<(&str, &str, u64)> = finished
        .iter()
        .map(|record| (record.id.task.as_str(), record.id.subject.as_str(), u64::from(record.id.n)))
        .collect();
    let mut kept = Vec::with_capacity(bytes.len());
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        if line.ends_with(b"\n") && of_finished(line, &done) {
            kept.extend_from_slice(line);
        }
    }
    if kept.len() == bytes.len() {
        return Ok(());
    }
    disk.replace(&path, &kept).map_err(|error| StoreError::disk("write", &path, &error))
}

fn of_finished(line: &[u8], done: &BTreeSet<(&str, &str, u64)>) -> bool {
    let Ok(value) = serde_json::from_slice::<serde_json::Value>(line) else { return false };
    let text = |key: &str| value.get(key).and_then(serde_json::Value::as_str);
    let n = value.get("attempt").and_then(serde_json::Value::as_u64);
    match (text("task"), text("subject"), n) {
        (Some(task), Some(subject), Some(n)) => done.contains(&(task, subject, n)),
        _ => false,
    }
}
