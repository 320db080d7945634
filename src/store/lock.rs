//! One process writes a run: `flock` on a small file in its folder.
//!
//! Invariant: the kernel frees the lock when its owner dies, however it dies; the file's text only
//! serves the message.

use super::disk::Disk;
use super::error::{StoreError, StoreErrorKind};
use rustix::fs::{FlockOperation, flock, fstat};
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

/// Name of the lock file in the run folder.
pub(super) const FILE: &str = ".lock";

/// The lock of a run folder; freed and removed when dropped.
#[derive(Debug)]
pub(super) struct RunLock {
    path: PathBuf,
    disk: Disk,
    // Held for its lock: closing the file frees it.
    _file: File,
}

impl RunLock {
    /// Takes the lock of `dir`, or says at once who holds it.
    pub(super) fn take(dir: &Path, disk: &Disk) -> Result<Self, StoreError> {
        let path = dir.join(FILE);
        let mut patience = 5;
        loop {
            let mut file = OpenOptions::new()
                .read(true)
                .append(true)
                .create(true)
                .open(&path)
                .map_err(|error| StoreError::disk("lock", &path, &error))?;
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                // It may be a look by `is_held`, which is over at once.
                Err(rustix::io::Errno::WOULDBLOCK) if patience > 0 => {
                    patience -= 1;
                    std::thread::sleep(std::time::Duration::from_millis(2));
                    continue;
                }
                Err(rustix::io::Errno::WOULDBLOCK) => return Err(held(dir, &mut file)),
                Err(errno) => return Err(StoreError::disk("lock", &path, &io::Error::from(errno))),
            }
            // The owner before us may have removed the file between our open and our lock.
            if fstat(&file).is_ok_and(|stat| stat.st_nlink == 0) {
                continue;
            }
            let host = rustix::system::uname();
            let text = format!("process {} on {}\n", std::process::id(), host.nodename().to_string_lossy());
            // The text is a courtesy: without it the lock still holds.
            let _ = file.set_len(0).and_then(|()| file.write_all(text.as_bytes()));
            return Ok(Self { path, disk: disk.clone(), _file: file });
        }
    }
}

/// Whether a process that lives holds the lock of `dir`.
pub(super) fn is_held(dir: &Path) -> bool {
    File::open(dir.join(FILE)).is_ok_and(|file| {
        flock(&file, FlockOperation::NonBlockingLockShared) == Err(rustix::io::Errno::WOULDBLOCK)
    })
}

impl Drop for RunLock {
    fn drop(&mut self) {
        // A file that stays behind is free all the same.
        let _ = self.disk.remove_file(&self.path);
    }
}

fn held(dir: &Path, file: &mut File) -> StoreError {
    let mut owner = String::new();
    let _ = file.take(200).read_to_string(&mut owner);
    let owner = crate::util::text::printable(owner.trim());
    let owner = if owner.is_empty() { "another process".to_owned() } else { owner };
    StoreError::new(
        StoreErrorKind::Locked,
        format!("the run '{}' is being written by {owner}", dir.display()),
    )
    .hint("wait until it ends, or end it; a lock of a dead process is free by itself")
}
