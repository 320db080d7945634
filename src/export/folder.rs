//! The output folder: made under another name beside it, and renamed when it is whole.

use super::error::ExportError;
use rustix::fs::FlockOperation;
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// What is known of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFacts {
    /// Path as the user gave it.
    pub path: String,
    /// Format that read it.
    pub format: String,
    /// Bytes on disk.
    pub bytes: u64,
    /// Digest of those bytes.
    pub sha256: String,
}

impl SourceFacts {
    pub(super) fn json(&self) -> Value {
        json!({"path": self.path, "format": self.format, "bytes": self.bytes, "sha256": self.sha256})
    }
}

/// What is known of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunFacts {
    /// Its id.
    pub id: String,
    /// Suites: name and digest.
    pub suites: Vec<(String, String)>,
    /// Tasks: `suite/task` and digest.
    pub tasks: Vec<(String, String)>,
    /// Subjects, each as an object with model and parameters.
    pub subjects: Vec<Value>,
    /// Policy of each suite.
    pub policy: String,
    /// Versions as the run recorded them.
    pub versions: Value,
    /// Seed of the run.
    pub seed: u64,
}

impl RunFacts {
    pub(super) fn json(&self) -> Value {
        let named = |list: &[(String, String)]| -> Value {
            list.iter().map(|(name, digest)| json!({"name": name, "digest": digest})).collect()
        };
        json!({
            "id": self.id, "seed": self.seed, "policy": self.policy, "suites": named(&self.suites),
            "tasks": named(&self.tasks), "subjects": self.subjects, "versions": self.versions,
        })
    }
}

/// All that the card tells beside what the export itself counts.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Facts {
    /// Sources in order.
    pub sources: Vec<SourceFacts>,
    /// Runs in order.
    pub runs: Vec<RunFacts>,
    /// Licence that the user named.
    pub license: Option<String>,
    /// Options as used, for who makes the same again.
    pub options: Value,
}

/// A folder that is being filled.
#[derive(Debug)]
pub struct Stage {
    dir: TempDir,
    out: PathBuf,
    /// Held while the folder is being filled.
    _lock: File,
}

impl Stage {
    /// Makes the folder beside `out`, which must not exist or be empty.
    ///
    /// # Errors
    /// `out` holds something, or can't be made.
    pub fn new(out: &Path) -> Result<Self, ExportError> {
        free(out)?;
        let parent = match out.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        fs::create_dir_all(parent).map_err(|error| ExportError::disk("make", parent, &error))?;
        let name = out.file_name().map_or_else(|| "export".into(), |name| name.to_string_lossy());
        let prefix = format!(".{name}.unfinished-");
        sweep(parent, &prefix);
        let made = tempfile::Builder::new().prefix(&prefix).tempdir_in(parent).and_then(|dir| {
            let lock = File::open(dir.path())?;
            rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
            Ok((dir, lock))
        });
        let (dir, lock) = made.map_err(|error| ExportError::disk("write into", parent, &error))?;
        Ok(Self { dir, out: out.to_owned(), _lock: lock })
    }

    /// Where files are written until the folder gets its name.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Writes a small file whole.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> Result<(), ExportError> {
        let path = self.dir.path().join(name);
        let written = File::create(&path).and_then(|mut file| {
            io::Write::write_all(&mut file, bytes)?;
            file.sync_all()
        });
        written.map_err(|error| ExportError::disk("write", &self.out.join(name), &error))
    }

    /// Gives the folder its name: from here on it is there, and whole.
    ///
    /// # Errors
    /// Something took the name meanwhile, or the disk fails.
    pub fn finish(self) -> Result<(), ExportError> {
        free(&self.out)?;
        // An unfinished folder is for nobody else to see; a finished one is as any other.
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        let made = fs::set_permissions(self.dir.path(), mode)
            .and_then(|()| File::open(self.dir.path())?.sync_all())
            .and_then(|()| fs::rename(self.dir.path(), &self.out));
        made.map_err(|error| ExportError::disk("make", &self.out, &error))?;
        // It has moved: there is nothing left to remove.
        let _ = self.dir.keep();
        Ok(())
    }
}

/// Removes what exports left that were killed: nobody holds its lock.
fn sweep(parent: &Path, prefix: &str) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        if !entry.file_name().to_string_lossy().starts_with(prefix) {
            continue;
        }
        // A folder that was made this very moment is not locked yet, but it is empty. It is not even tried: its maker
        // would find the lock taken.
        let filled = fs::read_dir(entry.path()).is_ok_and(|mut inner| inner.next().is_some());
        let lock = || -> io::Result<File> {
            let dir = File::open(entry.path())?;
            rustix::fs::flock(&dir, FlockOperation::NonBlockingLockExclusive)?;
            Ok(dir)
        };
        // Held until the folder is gone.
        if filled && let Ok(_lock) = lock() {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Refuses a folder that holds something.
fn free(out: &Path) -> Result<(), ExportError> {
    match fs::read_dir(out).map(|mut entries| entries.next().is_none()) {
        Ok(true) => Ok(()),
        Ok(false) => Err(ExportError::Usage(
            format!("the output folder '{}' is not empty", out.display()),
            Some("name a new folder with '-o DIR'; an export never writes over another one".to_owned()),
        )),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Err(ExportError::Usage(
            format!("'{}' is not a folder", out.display()),
            Some("name a new folder with '-o DIR'".to_owned()),
        )),
        Err(error) => Err(ExportError::disk("read", out, &error)),
    }
}
