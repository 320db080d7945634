//! What the store thread does with a batch.
//!
//! Invariant, in this order: evidence and trajectory on disk, exchanges on disk, all fsynced, then the
//! records, fsynced: only then do they count. So a record never points at what is not there.

use super::disk::{Disk, DiskFile};
use super::error::StoreError;
use super::kept::Kept;
use super::{manifest, tape, wire};
use crate::model::{AttemptRecord, Finished, RunManifest, TrajectoryRef};
use crate::util::digest::sha256_hex;
use rayon::prelude::*;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The journal.
pub(super) const ATTEMPTS: &str = "attempts.jsonl";
/// The trajectories.
pub(super) const TRAJECTORIES: &str = "trajectories.jsonl";
/// The model exchanges.
pub(super) const CASSETTE: &str = "cassette.jsonl";
/// Folder of evidence, by digest.
pub(super) const ARTEFACTS: &str = "artefacts";

/// Something to write.
#[derive(Debug)]
pub(super) enum Job {
    /// The run begins.
    Manifest(Box<RunManifest>),
    /// The line of a model exchange.
    Exchange(String),
    /// An attempt ended.
    Finished(Box<Attempt>),
    /// Nothing comes after this.
    End,
}

/// An attempt that ended, with the line of its trajectory and the digest of that.
#[derive(Debug)]
pub(super) struct Attempt {
    finished: Arc<Finished>,
    line: String,
    sha256: String,
}

impl Attempt {
    /// Makes the line.
    pub(super) fn new(finished: &Arc<Finished>) -> Self {
        let line = tape::trajectory_line(&finished.trajectory);
        let sha256 = sha256_hex(line.as_bytes());
        Self { finished: Arc::clone(finished), line, sha256 }
    }
}

/// The open files of a run.
#[derive(Debug)]
pub(super) struct Writer {
    dir: PathBuf,
    disk: Disk,
    files: Option<Files>,
    artefacts: BTreeSet<String>,
    /// What is taken and not written yet.
    batch: Batch,
    /// What it still knows of a run that began here.
    kept: Option<Kept>,
}

#[derive(Debug)]
struct Files {
    attempts: DiskFile,
    trajectories: DiskFile,
    cassette: DiskFile,
    /// Length of the journal up to the last record that counts.
    valid: u64,
    cassette_dirty: bool,
}

/// What a batch appends: first trajectories and exchanges, then the records, which count from then on.
#[derive(Debug, Default)]
struct Batch {
    trajectories: String,
    cassette: String,
    attempts: String,
    records: Vec<AttemptRecord>,
    /// Bytes of trajectories and exchanges that are in their files already.
    written: usize,
    /// Whether evidence was put into its folder.
    evidence: bool,
}

impl Batch {
    /// Empties it; the next one of about the same size needs no new memory.
    fn clear(&mut self) {
        let Self { trajectories, cassette, attempts, records, written, evidence } = self;
        [trajectories, cassette, attempts].into_iter().for_each(String::clear);
        records.clear();
        (*written, *evidence) = (0, false);
    }
}

/// Records whose lines one core makes before another is asked to help.
const PIECE: usize = 32;
/// Bytes of a batch beyond which it waits for no more.
const ENOUGH: usize = 8 << 20;
/// Bytes of lines that wait in memory. What is beyond goes to its file, where it counts no sooner: memory that was never
/// used before is dear.
const WAITING: usize = 128 << 10;
/// Bytes that the record of a short attempt takes, about.
const LINE: usize = 1024;
/// Attempts of a run for which room is made beforehand.
const EXPECTED: u64 = 1024;

impl Writer {
    /// For a folder without a run.
    pub(super) fn fresh(dir: &Path, disk: &Disk) -> Self {
        Self {
            dir: dir.to_owned(),
            disk: disk.clone(),
            files: None,
            artefacts: BTreeSet::new(),
            batch: Batch::default(),
            kept: None,
        }
    }

    /// For a run that goes on; torn tails are cut already.
    pub(super) fn reopen(dir: &Path, disk: &Disk) -> Result<Self, StoreError> {
        let mut writer = Self::fresh(dir, disk);
        writer.open_files()?;
        Ok(writer)
    }

    /// Whether jobs may wait for others. A test that plans the N-th change wants many small batches.
    pub(super) fn gathers(&self) -> bool {
        !self.disk.is_planned()
    }

    /// Whether no run was begun in the folder.
    pub(super) fn is_untouched(&self) -> bool {
        self.files.is_none()
    }

    pub(super) fn remove_empty_folder(&self) {
        // A folder that holds something of the user's stays.
        let _ = self.disk.remove_dir(&self.dir);
    }

    /// Takes jobs into the batch; what comes before the lines of a batch is done at once. The lines of many records
    /// are made on all cores: a run whose attempts end quickly waits for them at its end.
    pub(super) fn take(&mut self, jobs: Vec<Job>) -> Result<(), StoreError> {
        let first = self.batch.records.len();
        for job in jobs {
            match job {
                Job::Manifest(manifest) => self.begin(*manifest)?,
                Job::Exchange(line) => {
                    self.batch.cassette.push_str(&line);
                    self.batch.cassette.push('\n');
                    self.write_ahead(WAITING)?;
                }
                Job::Finished(attempt) => {
                    self.batch.evidence |= self.evidence(&attempt.finished)?;
                    self.finished(*attempt)?;
                    self.write_ahead(WAITING)?;
                }
                Job::End => {}
            }
        }
        let Batch { records, attempts, .. } = &mut self.batch;
        let records = &records[first..];
        if records.len() < 2 * PIECE {
            attempts.extend(records.iter().map(wire::encode));
        } else {
            let lines: Vec<String> = records.par_iter().with_min_len(PIECE).map(wire::encode).collect();
            attempts.reserve(lines.iter().map(String::len).sum());
            attempts.extend(lines);
        }
        Ok(())
    }

    /// Whether the batch is so large that it should be written now.
    pub(super) fn has_enough(&self) -> bool {
        let batch = &self.batch;
        batch.written + batch.trajectories.len() + batch.cassette.len() + batch.attempts.len() > ENOUGH
    }

    /// Writes the batch: when this returns, its records count.
    pub(super) fn commit(&mut self) -> Result<(), StoreError> {
        self.write_ahead(0)?;
        let mut batch = std::mem::take(&mut self.batch);
        if batch.evidence {
            let folder = self.dir.join(ARTEFACTS);
            self.disk.sync_dir(&folder).map_err(|error| StoreError::disk("write", &folder, &error))?;
        }
        if !batch.attempts.is_empty() {
            let gathers = self.gathers();
            let files = self.files()?;
            let (trajectories, cassette) = (&mut files.trajectories, &mut files.cassette);
            match (files.cassette_dirty, gathers) {
                (false, _) => sync(trajectories)?,
                // Both at once: the disk is waited for once. Not by threads that have work to do.
                (true, true) => std::thread::scope(|threads| {
                    let second = threads.spawn(|| sync(cassette));
                    let first = sync(trajectories);
                    let second = second.join().unwrap_or_else(|payload| std::panic::resume_unwind(payload));
                    first.and(second)
                })?,
                // The N-th change is always the same one.
                (true, false) => sync(trajectories).and_then(|()| sync(cassette))?,
            }
            files.cassette_dirty = false;
            append(&mut files.attempts, batch.attempts.as_bytes())?;
            sync(&mut files.attempts)?;
            files.valid = files.attempts.len();
        }
        if let Some(kept) = &mut self.kept {
            kept.records(&mut batch.records);
        }
        batch.clear();
        self.batch = batch;
        Ok(())
    }

    /// The run with the batch that is still to be committed, if the files need not be read for any of it. Nothing may
    /// be taken afterwards.
    pub(super) fn give_early(&mut self) -> Option<Kept> {
        let mut kept = self.kept.take_if(|kept| kept.has_all() && !self.disk.is_planned())?;
        kept.records(&mut self.batch.records);
        Some(kept)
    }

    /// What it still knows of the run, if that began here and nothing of it failed.
    pub(super) fn into_kept(self) -> Option<Kept> {
        self.kept
    }

    /// Fsyncs what no record has carried along.
    pub(super) fn close(&mut self) -> Result<(), StoreError> {
        match &mut self.files {
            Some(files) if files.cassette_dirty => sync(&mut files.cassette),
            _ => Ok(()),
        }
    }

    /// After a failed write: drops what stands behind the last record that counts. If the disk refuses
    /// this too, `resume` does it.
    pub(super) fn cut_to_valid(&mut self) {
        if let Some(files) = &mut self.files {
            let _ = files.attempts.truncate(files.valid);
        }
    }

    fn begin(&mut self, manifest: RunManifest) -> Result<(), StoreError> {
        if self.files.is_some() {
            // A resumed run keeps the manifest that it was planned with.
            return Ok(());
        }
        // The journal first: a folder with a manifest is a whole run, if an empty one.
        self.open_files().map_err(StoreError::unbegun)?;
        let path = self.dir.join(manifest::FILE);
        self.disk
            .replace(&path, &manifest::encode(&manifest))
            .map_err(|error| StoreError::disk("write", &path, &error).unbegun())?;
        let expected = usize::try_from(manifest.planned.min(EXPECTED)).unwrap_or_default();
        self.batch.records.reserve(expected);
        self.batch.attempts.reserve(expected * LINE);
        self.kept = Some(Kept::begin(manifest, expected));
        Ok(())
    }

    fn open_files(&mut self) -> Result<(), StoreError> {
        let open = |name: &str| {
            let path = self.dir.join(name);
            self.disk.append(&path).map_err(|error| StoreError::disk("open", &path, &error))
        };
        let attempts = open(ATTEMPTS)?;
        let valid = attempts.len();
        let (trajectories, cassette) = (open(TRAJECTORIES)?, open(CASSETTE)?);
        self.files = Some(Files { attempts, trajectories, cassette, valid, cassette_dirty: false });
        self.disk.sync_dir(&self.dir).map_err(|error| StoreError::disk("write", &self.dir, &error))
    }

    fn files(&mut self) -> Result<&mut Files, StoreError> {
        self.files.as_mut().ok_or_else(unstarted)
    }

    /// Puts lines of which more than `waiting` bytes are in memory into their files, one write a file: many small ones
    /// cost more than all else that the store does. They count when the batch is committed.
    fn write_ahead(&mut self, waiting: usize) -> Result<(), StoreError> {
        let waiting = if self.gathers() || waiting == 0 { waiting } else { usize::MAX };
        let Self { files, batch, .. } = self;
        let [cassette, trajectories] = [&mut batch.cassette, &mut batch.trajectories];
        if cassette.len() <= waiting && trajectories.len() <= waiting {
            return Ok(());
        }
        let files = files.as_mut().ok_or_else(unstarted)?;
        if cassette.len() > waiting {
            files.cassette_dirty = true;
            append(&mut files.cassette, cassette.as_bytes())?;
            batch.written += cassette.len();
            cassette.clear();
        }
        if trajectories.len() > waiting {
            append(&mut files.trajectories, trajectories.as_bytes())?;
            batch.written += trajectories.len();
            trajectories.clear();
        }
        Ok(())
    }

    /// Keeps what is not kept yet; tells whether anything was.
    fn evidence(&mut self, finished: &Finished) -> Result<bool, StoreError> {
        let mut any = false;
        let folder = self.dir.join(ARTEFACTS);
        for (digest, bytes) in &finished.evidence {
            if self.artefacts.contains(digest) {
                continue;
            }
            if !is_digest(digest) {
                return Err(StoreError::input(format!("'{digest}' is no digest of evidence")));
            }
            let path = folder.join(digest);
            if !path.exists() {
                if self.artefacts.is_empty() {
                    self.disk
                        .create_dir_all(&folder)
                        .map_err(|error| StoreError::disk("create", &folder, &error))?;
                }
                self.disk.replace(&path, bytes).map_err(|error| StoreError::disk("write", &path, &error))?;
                any = true;
            }
            self.artefacts.insert(digest.clone());
        }
        Ok(any)
    }

    /// Adds an attempt to the batch: its trajectory, and the record that points at it, whose line is still to be made.
    fn finished(&mut self, attempt: Attempt) -> Result<(), StoreError> {
        let Attempt { finished, line, sha256 } = attempt;
        let Finished { mut record, trajectory, .. } = Arc::unwrap_or_clone(finished);
        let offset = self.files()?.trajectories.len() + self.batch.trajectories.len() as u64;
        let len = line.len() as u64;
        record.trajectory = Some(TrajectoryRef { offset, len, sha256 });
        self.batch.trajectories.push_str(&line);
        self.batch.trajectories.push('\n');
        self.batch.records.push(record);
        if let Some(kept) = &mut self.kept {
            kept.trajectory(offset, len, trajectory);
        }
        Ok(())
    }
}

fn unstarted() -> StoreError {
    StoreError::input("an attempt ended before its run began")
}

fn append(file: &mut DiskFile, bytes: &[u8]) -> Result<(), StoreError> {
    file.write(bytes).map_err(|error| StoreError::disk("write", file.path(), &error))
}

fn sync(file: &mut DiskFile) -> Result<(), StoreError> {
    file.sync().map_err(|error| StoreError::disk("write", file.path(), &error))
}

/// Whether it is a name under `artefacts/` and nothing else.
pub(super) fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}
