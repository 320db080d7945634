//! What the store thread does with a batch.
//!
//! Invariant, in this order: evidence and trajectory on disk, exchanges on disk, all fsynced, then the
//! records, fsynced: only then do they count. So a record never points at what is not there.

use super::disk::{Disk, DiskFile};
use super::error::StoreError;
use super::{manifest, tape, wire};
use crate::model::{AttemptRecord, Exchanged, Finished, RunManifest, TrajectoryRef};
use crate::util::digest::sha256_hex;
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
    /// A model exchange.
    Exchange(Arc<Exchanged>),
    /// An attempt ended.
    Finished(Arc<Finished>),
    /// Nothing comes after this.
    End,
}

/// The open files of a run.
#[derive(Debug)]
pub(super) struct Writer {
    dir: PathBuf,
    disk: Disk,
    files: Option<Files>,
    artefacts: BTreeSet<String>,
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

/// What a batch appends before its records.
#[derive(Debug, Default)]
struct Lines {
    trajectories: String,
    cassette: String,
}

impl Lines {
    fn exchange(&mut self, exchange: &Exchanged) {
        self.cassette.push_str(&tape::cassette_line(&exchange.line));
        self.cassette.push('\n');
    }
}

impl Writer {
    /// For a folder without a run.
    pub(super) fn fresh(dir: &Path, disk: &Disk) -> Self {
        Self { dir: dir.to_owned(), disk: disk.clone(), files: None, artefacts: BTreeSet::new() }
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

    pub(super) fn write(&mut self, batch: Vec<Job>) -> Result<(), StoreError> {
        let mut records = Vec::new();
        let mut lines = Lines::default();
        let mut kept_evidence = false;
        for job in batch {
            match job {
                Job::Manifest(manifest) => self.begin(&manifest)?,
                Job::Exchange(exchange) => lines.exchange(&exchange),
                Job::Finished(finished) => {
                    kept_evidence |= self.evidence(&finished)?;
                    records.push(self.trajectory(Arc::unwrap_or_clone(finished), &mut lines)?);
                }
                Job::End => {}
            }
        }
        self.append(&lines)?;
        if kept_evidence {
            let folder = self.dir.join(ARTEFACTS);
            self.disk.sync_dir(&folder).map_err(|error| StoreError::disk("write", &folder, &error))?;
        }
        if records.is_empty() { Ok(()) } else { self.commit(&records) }
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

    fn begin(&mut self, manifest: &RunManifest) -> Result<(), StoreError> {
        if self.files.is_some() {
            // A resumed run keeps the manifest that it was planned with.
            return Ok(());
        }
        // The journal first: a folder with a manifest is a whole run, if an empty one.
        self.open_files().map_err(StoreError::unbegun)?;
        let path = self.dir.join(manifest::FILE);
        self.disk
            .replace(&path, &manifest::encode(manifest))
            .map_err(|error| StoreError::disk("write", &path, &error).unbegun())
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
        self.files.as_mut().ok_or_else(|| StoreError::input("an attempt ended before its run began"))
    }

    /// One write a file and batch: many small ones cost more than all else that the store does.
    fn append(&mut self, lines: &Lines) -> Result<(), StoreError> {
        if lines.cassette.is_empty() && lines.trajectories.is_empty() {
            return Ok(());
        }
        let files = self.files()?;
        if !lines.cassette.is_empty() {
            files.cassette_dirty = true;
            append(&mut files.cassette, lines.cassette.as_bytes())?;
        }
        if lines.trajectories.is_empty() {
            return Ok(());
        }
        append(&mut files.trajectories, lines.trajectories.as_bytes())
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

    /// Adds the trajectory to what is to be written and gives the record that points at it.
    fn trajectory(&mut self, finished: Finished, lines: &mut Lines) -> Result<AttemptRecord, StoreError> {
        let Finished { mut record, trajectory, .. } = finished;
        let line = tape::trajectory_line(&trajectory);
        let offset = self.files()?.trajectories.len() + lines.trajectories.len() as u64;
        let sha256 = sha256_hex(line.as_bytes());
        record.trajectory = Some(TrajectoryRef { offset, len: line.len() as u64, sha256 });
        lines.trajectories.push_str(&line);
        lines.trajectories.push('\n');
        Ok(record)
    }

    fn commit(&mut self, records: &[AttemptRecord]) -> Result<(), StoreError> {
        let files = self.files()?;
        sync(&mut files.trajectories)?;
        if files.cassette_dirty {
            sync(&mut files.cassette)?;
            files.cassette_dirty = false;
        }
        let lines: String = records.iter().map(wire::encode).collect();
        append(&mut files.attempts, lines.as_bytes())?;
        sync(&mut files.attempts)?;
        files.valid = files.attempts.len();
        Ok(())
    }
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
