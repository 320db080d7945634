//! The run-private folder under the system's temp folder, and what dead runs left there.
//!
//! A run holds a lock on `lock` in its folder as long as it or its janitor lives; a folder whose lock is
//! free belongs to nobody, whatever ended its run.

use super::SandboxError;
use super::wire::failed;
use std::ffi::{CStr, CString};
use std::fs::{self, File, Permissions};
use std::os::fd::OwnedFd;
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

/// Removes a folder whatever modes and depths the agent left in it. Links are never followed.
pub(super) fn remove_tree(folder: &Path) {
    if fs::remove_dir_all(folder).is_ok() || !folder.exists() {
        return;
    }
    // Each round ends at least one folder; one that can't be emptied ends the loop.
    while let Ok(true) = flatten(folder) {}
    let _ = fs::remove_dir_all(folder);
}

/// Removes the files of a folder and of the folders in it, and moves the folders in those up into it: so no path
/// grows longer than the kernel takes. Gives all their owner's rights first. Whether anything went.
fn flatten(top: &Path) -> rustix::io::Result<bool> {
    use rustix::fs::{AtFlags, FileType, Mode, OFlags, chmodat, openat, renameat, statat, unlinkat};
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let is_folder = |parent: &OwnedFd, name: &CStr| {
        let stat = statat(parent, name, AtFlags::SYMLINK_NOFOLLOW);
        stat.is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
    };
    // The links among them can't be followed: what `is_folder` saw is nobody's to swap any more.
    let free = |parent: &OwnedFd, name: &CStr| chmodat(parent, name, Mode::RWXU, AtFlags::empty());
    let _ = fs::set_permissions(top, Permissions::from_mode(0o700));
    let root = openat(rustix::fs::CWD, top, flags, Mode::empty())?;
    let (mut gone, mut moved) = (false, 0u64);
    for name in names(&root)? {
        if !is_folder(&root, &name) {
            gone |= unlinkat(&root, &name, AtFlags::empty()).is_ok();
            continue;
        }
        free(&root, &name)?;
        let inner = openat(&root, &*name, flags, Mode::empty())?;
        for name in names(&inner)? {
            if is_folder(&inner, &name) {
                free(&inner, &name)?;
                let free_name = loop {
                    moved += 1;
                    let name = format!("rolltape-{moved}");
                    if statat(&root, &*name, AtFlags::SYMLINK_NOFOLLOW).is_err() {
                        break name;
                    }
                };
                renameat(&inner, &*name, &root, &*free_name)?;
            } else {
                unlinkat(&inner, &name, AtFlags::empty())?;
            }
        }
        gone |= unlinkat(&root, &*name, AtFlags::REMOVEDIR).is_ok();
    }
    Ok(gone)
}

fn names(folder: &OwnedFd) -> rustix::io::Result<Vec<CString>> {
    let mut found = Vec::new();
    for entry in rustix::fs::Dir::read_from(folder)? {
        let name = entry?.file_name().to_owned();
        if !matches!(name.to_bytes(), b"." | b"..") {
            found.push(name);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn no_depth_and_no_mode_keeps_a_tree() {
        let base = tempfile::tempdir().expect("a folder");
        let outside = base.path().join("outside");
        fs::create_dir(&outside).expect("a folder");
        fs::write(outside.join("kept"), "x").expect("a file");
        let tree = base.path().join("tree");
        // Deeper than a path can say, each closed, with a link that leads out.
        fs::create_dir(&tree).expect("a folder");
        let mut at =
            rustix::fs::open(&tree, rustix::fs::OFlags::PATH, rustix::fs::Mode::empty()).expect("open");
        let name = "d".repeat(200);
        let mut all = Vec::new();
        for _ in 0..60 {
            rustix::fs::mkdirat(&at, &*name, rustix::fs::Mode::RWXU).expect("a folder");
            rustix::fs::symlinkat(&outside, &at, "link").expect("a link");
            let next = rustix::fs::openat(&at, &*name, rustix::fs::OFlags::PATH, rustix::fs::Mode::empty())
                .expect("open");
            all.push(std::mem::replace(&mut at, next));
        }
        for folder in &all {
            rustix::fs::chmodat(folder, &*name, rustix::fs::Mode::empty(), rustix::fs::AtFlags::empty())
                .expect("closed");
        }
        drop((all, at));
        while let Ok(true) = flatten(&tree) {}
        fs::remove_dir(&tree).expect("it is empty");
        assert_eq!(fs::read_to_string(outside.join("kept")).expect("not followed"), "x");
    }

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
