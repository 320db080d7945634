//! The run-private folder under the system's temp folder, and what dead runs left there.
//!
//! A run holds a lock on `lock` in its folder as long as it or its janitor lives; a folder whose lock is
//! free belongs to nobody, whatever ended its run.

use super::SandboxError;
use super::wire::failed;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

const PREFIX: &str = "rolltape-run-";

/// The folder of a run, with its lock held.
#[derive(Debug)]
pub(super) struct Scratch {
    pub(super) folder: PathBuf,
    pub(super) lock: File,
}

impl Scratch {
    /// Makes the folder. `shared` asks for one that an unprivileged user can walk through.
    pub(super) fn new(shared: bool) -> Result<Self, SandboxError> {
        let mut refused = None;
        for base in [std::env::temp_dir(), PathBuf::from("/tmp"), PathBuf::from("/var/tmp")] {
            if shared && !walkable(&base) {
                continue;
            }
            sweep(&base);
            match Self::make(&base) {
                Ok(scratch) => return Ok(scratch),
                Err(error) => {
                    refused.get_or_insert_with(|| {
                        failed(&format!("make a private folder in {}", base.display()), &error)
                    });
                }
            }
        }
        let mut error = refused.unwrap_or_else(|| SandboxError::new("no temp folder can be used"));
        error.hint = Some("set TMPDIR to a folder that can be written".to_owned());
        Err(error)
    }

    fn make(base: &Path) -> std::io::Result<Self> {
        let base = base.canonicalize()?;
        for _ in 0..16 {
            let mut random = [0u8; 6];
            rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())?;
            let name: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
            let folder = base.join(format!("{PREFIX}{name}"));
            match fs::DirBuilder::new().mode(0o711).create(&folder) {
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => continue,
                result => result?,
            }
            // The umask may have taken more away than is wanted.
            fs::set_permissions(&folder, Permissions::from_mode(0o711))?;
            // A sweep sees the lock only when it is held: one that came in between would take the folder away.
            let young = folder.join("lock.new");
            let lock = File::create(&young)?;
            lock.try_lock()?;
            fs::rename(&young, folder.join("lock"))?;
            return Ok(Self { folder, lock });
        }
        Err(std::io::ErrorKind::AlreadyExists.into())
    }

    /// The part of the name that tells this run from others on the machine.
    pub(super) fn tag(&self) -> &str {
        let name = self.folder.file_name().and_then(|name| name.to_str()).unwrap_or("");
        name.strip_prefix(PREFIX).unwrap_or(name)
    }
}

/// Whether everybody may walk through a folder and all above it.
fn walkable(folder: &Path) -> bool {
    let Ok(real) = folder.canonicalize() else { return false };
    real.ancestors().all(|part| fs::metadata(part).is_ok_and(|data| data.mode() & 0o001 != 0))
}

/// Removes what runs left whose lock is free. A folder without a lock file may just be in the making.
fn sweep(base: &Path) {
    let me = rustix::process::geteuid().as_raw();
    let Ok(entries) = fs::read_dir(base) else { return };
    for entry in entries.flatten() {
        let folder = entry.path();
        let ours = entry.file_name().to_string_lossy().starts_with(PREFIX)
            && entry.metadata().is_ok_and(|data| data.is_dir() && data.uid() == me);
        if !ours {
            continue;
        }
        if let Ok(lock) = File::open(folder.join("lock"))
            && lock.try_lock().is_ok()
        {
            if let Ok(groups) = fs::read_to_string(folder.join("groups")) {
                groups.lines().map(Path::new).for_each(super::cgroup::destroy);
            }
            remove_tree(&folder);
        }
    }
}

/// Removes a folder whatever modes the agent left in it. Links are never followed.
pub(super) fn remove_tree(folder: &Path) {
    if fs::remove_dir_all(folder).is_ok() || !folder.exists() {
        return;
    }
    // A folder without its owner's rights can't be emptied by an ordinary user.
    for entry in walkdir::WalkDir::new(folder).follow_links(false).into_iter().filter_entry(|entry| {
        if entry.file_type().is_dir() {
            let _ = fs::set_permissions(entry.path(), Permissions::from_mode(0o700));
        }
        true
    }) {
        drop(entry);
    }
    let _ = fs::remove_dir_all(folder);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn a_sweep_takes_no_folder_in_the_making() {
        let base = tempfile::tempdir().expect("a folder");
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !over.load(Ordering::Relaxed) {
                        sweep(base.path());
                    }
                });
            }
            let made: Vec<_> = (0..300).map(|_| Scratch::make(base.path())).collect();
            over.store(true, Ordering::Relaxed);
            for scratch in made {
                let scratch = scratch.expect("a folder, whatever others sweep");
                assert!(scratch.folder.join("lock").exists(), "{} was swept", scratch.folder.display());
            }
        });
        sweep(base.path());
        assert_eq!(fs::read_dir(base.path()).expect("the folder").count(), 0, "what is free goes");
    }
}
