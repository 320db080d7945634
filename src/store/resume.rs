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
    /// What was used before: by every try that is in the journal, cancelled ones too, and by attempts that were in
    /// flight when a crash came. On tape or not, the manifest does not say.
    pub used: Vec<Used>,
    /// What was wrong with the files.
    pub warnings: Vec<String>,
    /// Goes on writing. [`crate::model::Event::RunStarted`] changes nothing in it.
    pub recorder: Recorder,
}

/// What a try used of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Used {
    /// Id of the subject.
    pub subject: String,
    /// US dollars; 0 for a try on tape that has ended.
    pub usd: Option<f64>,
    /// Prompt and completion tokens.
    pub tokens: Option<u64>,
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
    let mut used: Vec<Used> = journal.records.iter().map(|(_, record)| used_by(record)).collect();
    let recorded: BTreeSet<(String, String, u64)> = journal
        .records
        .iter()
        .map(|(_, record)| (record.id.task.clone(), record.id.subject.clone(), u64::from(record.id.n)))
        .collect();
    let (records, mut warnings) = journal::last_tries(ATTEMPTS, journal);
    let (finished, lost): (Vec<_>, Vec<_>) = records
        .into_iter()
        .filter(|record| record.outcome != Outcome::Cancelled)
        .partition(|record| trajectory_fits(record, bytes));
    for record in lost {
        warnings
            .push(format!("{TRAJECTORIES}: the trajectory of '{}' is missing: it is done again", record.id));
    }
    used.extend(drop_exchanges_in_flight(dir, disk, &finished, &recorded)?);
    let recorder = Recorder::start(dir, Writer::reopen(dir, disk)?, lock)?;
    Ok(Resumed { manifest, finished, used, warnings, recorder })
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
///
/// Gives what was used by exchanges of attempts that no record tells of.
fn drop_exchanges_in_flight(
    dir: &Path,
    disk: &Disk,
    finished: &[AttemptRecord],
    recorded: &BTreeSet<(String, String, u64)>,
) -> Result<Vec<Used>, StoreError> {
    let path = dir.join(CASSETTE);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(StoreError::disk("read", &path, &error)),
    };
    let done: BTreeSet<(&str, &str, u64)> = finished
        .iter()
        .map(|record| (record.id.task.as_str(), record.id.subject.as_str(), u64::from(record.id.n)))
        .collect();
    let mut kept = Vec::with_capacity(bytes.len());
    let mut lost = Vec::new();
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let Some(exchange) = line.ends_with(b"\n").then(|| exchange(line)).flatten() else { continue };
        let (task, subject, n) = &exchange.of;
        if done.contains(&(task.as_str(), subject.as_str(), *n)) {
            kept.extend_from_slice(line);
        } else if !recorded.contains(&exchange.of) {
            lost.push(exchange.used);
        }
    }
    if kept.len() < bytes.len() {
        disk.replace(&path, &kept).map_err(|error| StoreError::disk("write", &path, &error))?;
    }
    Ok(lost)
}

/// What a line of the cassette tells of its attempt.
struct Exchange {
    /// Task, subject and number.
    of: (String, String, u64),
    used: Used,
}

fn exchange(line: &[u8]) -> Option<Exchange> {
    let value: serde_json::Value = serde_json::from_slice(line).ok()?;
    let text = |key: &str| value.get(key)?.as_str().map(str::to_owned);
    let subject = text("subject")?;
    let usage = |key: &str| value.get("usage")?.get(key);
    let count = |key: &str| usage(key)?.as_u64();
    let tokens = count("prompt_tokens").zip(count("completion_tokens"));
    let used = Used {
        subject: subject.clone(),
        usd: usage("cost_usd").and_then(serde_json::Value::as_f64),
        tokens: tokens.map(|(prompt, completion)| prompt.saturating_add(completion)),
    };
    Some(Exchange { of: (text("task")?, subject, value.get("attempt")?.as_u64()?), used })
}

fn used_by(record: &AttemptRecord) -> Used {
    Used {
        subject: record.id.subject.clone(),
        usd: Some(record.spent_usd),
        tokens: record.usage.total_tokens(),
    }
}
