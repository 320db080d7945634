//! Opens a stored run, live or finished, whole or torn.

use super::error::StoreError;
use super::journal::{self, Journal};
use super::version::{SCHEMA, Version};
use super::writer::{ARTEFACTS, ATTEMPTS, TRAJECTORIES, is_digest};
use super::{Remembered, RunView, manifest, tape};
use crate::model::{AttemptRecord, RunManifest, Trajectory};
use crate::util::digest::sha256_hex;
use std::borrow::Cow;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

/// Opens the run in `dir`.
///
/// # Errors
/// The folder is not there, holds no run, can't be read, or is of a newer major version. Damage to
/// records is no error but a warning of the view.
pub fn open(dir: &Path) -> Result<RunView, StoreError> {
    let (manifest, version) = read_manifest(dir)?;
    let journal = read_journal(dir)?;
    let (records, mut warnings) = journal::last_tries(ATTEMPTS, journal);
    if !version.writable() {
        warnings.insert(
            0,
            format!(
                "the run has schema version {version}, newer than {SCHEMA}: what is new in it is not shown"
            ),
        );
    }
    let bytes = fs::metadata(dir.join(TRAJECTORIES)).map_or(0, |meta| meta.len());
    for record in &records {
        if !trajectory_fits(record, bytes) {
            warnings.push(format!("{TRAJECTORIES}: the trajectory of '{}' is missing", record.id));
        }
    }
    Ok(RunView { dir: dir.to_owned(), manifest, records, warnings, remembered: Remembered::default() })
}

/// Whether `dir` looks like a run folder.
pub fn is_run(dir: &Path) -> bool {
    dir.join(manifest::FILE).is_file()
}

/// The run folders directly under `parent`, sorted by name, which is by time.
pub fn runs(parent: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(parent) else { return Vec::new() };
    let mut runs: Vec<PathBuf> =
        entries.flatten().map(|entry| entry.path()).filter(|path| is_run(path)).collect();
    runs.sort();
    runs
}

pub(super) fn read_manifest(dir: &Path) -> Result<(RunManifest, Version), StoreError> {
    let path = dir.join(manifest::FILE);
    let bytes = fs::read(&path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound if !dir.exists() => {
            StoreError::input(format!("there is no run folder '{}'", dir.display()))
                .hint("'rolltape list runs' names the runs under ./reports")
        }
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => StoreError::input(format!(
            "'{}' is no run folder: it has no {}",
            dir.display(),
            manifest::FILE
        ))
        .hint("name a folder that 'rolltape run' made; 'rolltape list runs' shows those under ./reports"),
        _ => StoreError::input(format!("can't read '{}': {}", path.display(), super::error::io_text(&error))),
    })?;
    manifest::decode(&bytes, &path)
}

pub(super) fn read_journal(dir: &Path) -> Result<Journal, StoreError> {
    let path = dir.join(ATTEMPTS);
    let unreadable = |error: io::Error| {
        StoreError::input(format!("can't read '{}': {}", path.display(), super::error::io_text(&error)))
    };
    match File::open(&path) {
        Ok(file) => journal::read(ATTEMPTS, file).map_err(unreadable),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let warnings = vec![format!("{ATTEMPTS} is missing: no attempt is known")];
            Ok(Journal { warnings, ..Journal::default() })
        }
        Err(error) => Err(unreadable(error)),
    }
}

/// Whether the line that a record points at lies inside a file of `bytes`.
pub(super) fn trajectory_fits(record: &AttemptRecord, bytes: u64) -> bool {
    record.trajectory.as_ref().is_some_and(|at| {
        at.offset.checked_add(at.len).and_then(|end| end.checked_add(1)).is_some_and(|end| end <= bytes)
    })
}

/// The trajectories of a run: those that are remembered, and the open file and its length, or why it can't be opened.
pub struct Trajectories<'v> {
    remembered: &'v Remembered,
    file: io::Result<(File, u64)>,
}

impl Trajectories<'_> {
    /// The trajectory of a record.
    ///
    /// # Errors
    /// The line is missing, was changed since, or is no trajectory.
    pub fn read(&self, record: &AttemptRecord) -> Result<Cow<'_, Trajectory>, StoreError> {
        let bad = |what: &str| {
            // The name alone: reports hold the sentence, and they are the same wherever the run lies.
            StoreError::input(format!("the trajectory of '{}' in {TRAJECTORIES} {what}", record.id))
        };
        let unreadable = |error: &io::Error| StoreError::disk("read", Path::new(TRAJECTORIES), error);
        let Some(at) = &record.trajectory else { return Err(bad("was never written")) };
        if let Some(trajectory) = self.remembered.at(at.offset) {
            return Ok(Cow::Borrowed(trajectory));
        }
        let (file, bytes) = self.file.as_ref().map_err(unreadable)?;
        if !trajectory_fits(record, *bytes) {
            return Err(bad("is missing"));
        }
        let mut line = vec![0; at.len as usize];
        file.read_exact_at(&mut line, at.offset).map_err(|error| unreadable(&error))?;
        if sha256_hex(&line) != at.sha256 {
            return Err(bad("was changed after it was recorded"));
        }
        tape::read_trajectory(&line, TRAJECTORIES)
            .map(Cow::Owned)
            .map_err(|what| bad(&format!("can't be read: {what}")))
    }
}

impl RunView {
    /// The file of trajectories, opened once for many.
    pub fn trajectories(&self) -> Trajectories<'_> {
        let file = File::open(self.dir.join(TRAJECTORIES)).map(|file| {
            let bytes = file.metadata().map_or(0, |meta| meta.len());
            (file, bytes)
        });
        Trajectories { remembered: &self.remembered, file }
    }

    /// The trajectory of a record, read now unless it is remembered.
    ///
    /// # Errors
    /// The line is missing, was changed since, or is no trajectory.
    pub fn trajectory(&self, record: &AttemptRecord) -> Result<Trajectory, StoreError> {
        self.trajectories().read(record).map(Cow::into_owned)
    }

    /// A kept piece of evidence, by its digest.
    ///
    /// # Errors
    /// It is not there, or was changed since.
    pub fn artefact(&self, sha256: &str) -> Result<Vec<u8>, StoreError> {
        if !is_digest(sha256) {
            return Err(StoreError::input(format!("'{sha256}' is no digest of evidence")));
        }
        let path = self.dir.join(ARTEFACTS).join(sha256);
        let name = Path::new(ARTEFACTS).join(sha256);
        let bytes = fs::read(&path).map_err(|error| StoreError::disk("read", &name, &error))?;
        if sha256_hex(&bytes) == sha256 {
            Ok(bytes)
        } else {
            Err(StoreError::input(format!("'{}' was changed after it was recorded", name.display())))
        }
    }
}
