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
    // Held for its lock.
    file: File,
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
            return Ok(Self { path, disk: disk.clone(), file });
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
        // Closing alone would not free it while a program that another thread starts just now has a copy of the
        // descriptor: between its fork and its exec.
        let _ = flock(&self.file, FlockOperation::Unlock);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::disk::Fault;

    #[test]
    fn a_copy_of_the_descriptor_holds_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        // The file stays behind, as after a kill.
        let disk = Disk::with_fault(1, Fault::Stop);
        let lock = RunLock::take(folder.path(), &disk).expect("free");
        assert!(is_held(folder.path()));
        let _copy = lock.file.try_clone().expect("as a fork makes it");
        drop(lock);
        assert!(folder.path().join(FILE).exists() && !is_held(folder.path()));
        RunLock::take(folder.path(), &Disk::real()).expect("free again");
    }
}
