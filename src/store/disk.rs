//! Every change that the store makes on disk goes through here, so that a test can make the N-th
//! one fail, tear or be the last.
//!
//! Invariant: with a plan in force, calls are counted from 1 in the order in which they are made;
//! after `Stop`, `Tear` or `PowerCut` no later call changes anything, as after SIGKILL. Must not
//! know: what the bytes mean.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What happens at the planned call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It and all later ones fail with this `errno`; of a write, half of the bytes arrive.
    Fail(i32),
    /// It fails with this `errno`, later ones work again; of a write, half of the bytes arrive.
    FailOnce(i32),
    /// Neither it nor any later one has an effect: SIGKILL just before it.
    Stop,
    /// Half of its bytes arrive, later ones have no effect: SIGKILL in the middle of a write.
    Tear,
    /// As [`Fault::Stop`], and what was not fsynced is gone: the power was cut.
    PowerCut,
}

#[derive(Debug)]
struct Plan {
    at: u64,
    fault: Fault,
    calls: u64,
    /// Length of each file that was synced, of those with writes since then.
    unsynced: BTreeMap<PathBuf, u64>,
}

/// The way to the disk: real, or with one planned fault. Cheap to clone; clones share the plan.
#[derive(Debug, Clone, Default)]
pub struct Disk {
    plan: Option<Arc<Mutex<Plan>>>,
}

/// What a call may do.
enum Verdict {
    Go,
    /// Fail without an effect.
    Refuse(io::Error),
    /// Write half, then fail.
    Half(io::Error),
}

impl Disk {
    /// The machine's disk.
    pub fn real() -> Self {
        Self::default()
    }

    /// The machine's disk, with `fault` at the `at`-th changing call, counted from 1.
    pub fn with_fault(at: u64, fault: Fault) -> Self {
        let plan = Plan { at, fault, calls: 0, unsynced: BTreeMap::new() };
        Self { plan: Some(Arc::new(Mutex::new(plan))) }
    }

    /// Number of changing calls so far; 0 without a plan.
    pub fn calls(&self) -> u64 {
        self.plan().map_or(0, |plan| plan.calls)
    }

    /// Whether a fault is planned.
    pub fn is_planned(&self) -> bool {
        self.plan.is_some()
    }

    /// Whether the planned fault has happened.
    pub fn tripped(&self) -> bool {
        self.plan().is_some_and(|plan| plan.calls >= plan.at)
    }

    fn plan(&self) -> Option<MutexGuard<'_, Plan>> {
        self.plan.as_ref().map(|plan| plan.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn ask(&self) -> Verdict {
        let Some(mut plan) = self.plan() else { return Verdict::Go };
        plan.calls += 1;
        if plan.calls < plan.at {
            return Verdict::Go;
        }
        let first = plan.calls == plan.at;
        let stopped = || io::Error::other("stopped by the test's plan");
        match plan.fault {
            Fault::FailOnce(_) if !first => Verdict::Go,
            Fault::Fail(errno) | Fault::FailOnce(errno) => Verdict::Half(io::Error::from_raw_os_error(errno)),
            Fault::Tear if first => Verdict::Half(stopped()),
            Fault::PowerCut if first => {
                for (path, len) in std::mem::take(&mut plan.unsynced) {
                    // A file that is already gone has nothing to lose.
                    let _ = OpenOptions::new().write(true).open(path).and_then(|file| file.set_len(len));
                }
                Verdict::Refuse(stopped())
            }
            Fault::Stop | Fault::Tear | Fault::PowerCut => Verdict::Refuse(stopped()),
        }
    }

    /// Does `call` unless the plan says otherwise.
    fn call<T>(&self, call: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        match self.ask() {
            Verdict::Go => call(),
            Verdict::Refuse(error) | Verdict::Half(error) => Err(error),
        }
    }

    /// Makes a folder and its parents.
    pub fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.call(|| fs::create_dir_all(path))
    }

    /// Fsyncs a folder, so that names in it survive a power cut.
    pub fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.call(|| File::open(path)?.sync_all())
    }

    /// Removes a file; one that is not there is fine.
    pub fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.call(|| match fs::remove_file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        })
    }

    /// Removes an empty folder.
    pub fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.call(|| fs::remove_dir(path))
    }

    /// Renames inside one file system, over what was there.
    pub fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.call(|| fs::rename(from, to))?;
        if let Some(mut plan) = self.plan()
            && let Some(len) = plan.unsynced.remove(from)
        {
            plan.unsynced.insert(to.to_owned(), len);
        }
        Ok(())
    }

    /// Opens a file for appending, made if it is not there.
    pub fn append(&self, path: &Path) -> io::Result<DiskFile> {
        let file = self.call(|| OpenOptions::new().append(true).create(true).open(path))?;
        let len = file.metadata()?.len();
        Ok(DiskFile { file, path: path.to_owned(), len, disk: self.clone() })
    }

    fn create_new(&self, path: &Path) -> io::Result<DiskFile> {
        let file = self.call(|| OpenOptions::new().write(true).create(true).truncate(true).open(path))?;
        Ok(DiskFile { file, path: path.to_owned(), len: 0, disk: self.clone() })
    }

    /// Puts `bytes` at `path` so that a reader sees the old file or the new one, never a half:
    /// written aside, fsynced, renamed, folder fsynced. A link is followed; what is no regular
    /// file (a pipe, a device) is written to in place.
    pub fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        match self.renew(path, bytes)? {
            Some(folder) => self.sync_dir(&folder),
            None => Ok(()),
        }
    }

    /// [`Disk::replace`] for what can be made again: the folder is not fsynced, so that after a loss of power the old
    /// file may be back, but never a half. Names that folder, if there is one.
    pub fn renew(&self, path: &Path, bytes: &[u8]) -> io::Result<Option<PathBuf>> {
        let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let old = fs::metadata(&target).ok();
        if old.as_ref().is_some_and(|meta| !meta.is_file()) {
            self.call(|| OpenOptions::new().write(true).open(&target)?.write_all(bytes))?;
            return Ok(None);
        }
        let folder = match target.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        let mut name = std::ffi::OsString::from(".");
        name.push(target.file_name().unwrap_or_default());
        name.push(format!(".{}.tmp", std::process::id()));
        let aside = folder.join(name);
        let written = self.create_new(&aside).and_then(|mut file| {
            file.write(bytes)?;
            if let Some(meta) = &old {
                file.file.set_permissions(meta.permissions())?;
            }
            file.sync()
        });
        written.and_then(|()| self.rename(&aside, &target)).inspect_err(|_| {
            // The first error is the one to tell.
            let _ = self.remove_file(&aside);
        })?;
        Ok(Some(folder))
    }
}

/// A file that is appended to.
#[derive(Debug)]
pub struct DiskFile {
    file: File,
    path: PathBuf,
    len: u64,
    disk: Disk,
}

impl DiskFile {
    /// Bytes in the file as far as this handle knows.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends all of `bytes`.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let verdict = self.disk.ask();
        if let Some(mut plan) = self.disk.plan() {
            plan.unsynced.entry(self.path.clone()).or_insert(self.len);
        }
        match verdict {
            Verdict::Go => self.file.write_all(bytes)?,
            Verdict::Refuse(error) => return Err(error),
            Verdict::Half(error) => {
                self.file.write_all(&bytes[..bytes.len() / 2])?;
                return Err(error);
            }
        }
        self.len += bytes.len() as u64;
        Ok(())
    }

    /// Fsyncs the data.
    pub fn sync(&mut self) -> io::Result<()> {
        self.disk.call(|| self.file.sync_data())?;
        if let Some(mut plan) = self.disk.plan() {
            plan.unsynced.remove(&self.path);
        }
        Ok(())
    }

    /// Cuts the file to `len` bytes.
    pub fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.disk.call(|| self.file.set_len(len))?;
        self.len = len;
        Ok(())
    }
}
