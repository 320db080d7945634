//! What programs made of the files: looked at before and after, from inside.
//!
//! Invariant: no link is followed and no other file system entered. The sandbox's own file system is compared with
//! how it was; of the copy-on-write views of the host's folders, the upper side tells all.

use super::{Answer, During, Enc, Failure};
use crate::sandbox::wire::Spec;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, Stat};
use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

/// Entries that are looked at, in all.
const MAX_ENTRIES: usize = 1_000_000;
/// Bytes of paths that are told.
const MAX_TOLD: usize = 4 << 20;

/// The two sides of a copy-on-write view.
pub(super) struct View {
    /// Where programs see it, without the first slash.
    pub(super) name: String,
    pub(super) lower: OwnedFd,
    pub(super) upper: OwnedFd,
}

/// What a file was: device and number, kind and mode, owner, size, times.
type Mark = ((u64, u64), u32, (u32, u32), i64, (i64, i64), (i64, i64));

/// The state of the files at one moment.
#[derive(Default)]
pub(super) struct Ledger {
    views: Vec<View>,
    before: Option<BTreeMap<PathBuf, Mark>>,
}

impl Ledger {
    pub(super) fn new(views: Vec<View>) -> Self {
        Self { views, before: None }
    }

    pub(super) fn mark(&mut self, spec: &Spec) -> Answer {
        self.before = Some(own(spec, &mut Walk::default())?);
        Ok((Vec::new(), Vec::new()))
    }

    pub(super) fn changes(&self, spec: &Spec) -> Answer {
        let before = self.before.as_ref().ok_or_else(|| Failure::new("no state of the files was noted"))?;
        let mut walk = Walk::default();
        let now = own(spec, &mut walk)?;
        let mut told = Told::default();
        for (path, mark) in &now {
            match before.get(path) {
                None => told.add(0, mark, path),
                Some(old) if differs(old, mark) => told.add(1, mark, path),
                Some(_) => {}
            }
        }
        for (path, mark) in before.iter().filter(|(path, _)| !now.contains_key(*path)) {
            told.add(2, mark, path);
        }
        for view in &self.views {
            view.changes(&mut walk, &mut told)?;
        }
        let mut out = Enc::default();
        out.u64(told.more + walk.left_out).u64(walk.unread).u32(told.count);
        out.0.extend_from_slice(&told.out.0);
        Ok((out.0, Vec::new()))
    }
}

/// A folder changes with each entry that comes or goes, which is told of the entry.
fn differs(old: &Mark, new: &Mark) -> bool {
    let folder = |mark: &Mark| FileType::from_raw_mode(mark.1) == FileType::Directory;
    if folder(old) && folder(new) { (old.1, old.2) != (new.1, new.2) } else { old != new }
}

/// The answer in the making.
#[derive(Default)]
struct Told {
    out: Enc,
    count: u32,
    more: u64,
}

impl Told {
    fn add(&mut self, change: u8, mark: &Mark, path: &Path) {
        use std::os::unix::ffi::OsStrExt;
        if self.out.0.len() > MAX_TOLD {
            self.more += 1;
            return;
        }
        let regular = change != 2 && FileType::from_raw_mode(mark.1) == FileType::RegularFile;
        self.out.u8(change).u64(if regular { mark.3 as u64 } else { 0 }).bytes(path.as_os_str().as_bytes());
        self.count += 1;
    }
}

/// The files that programs can write, but for the views.
fn own(spec: &Spec, walk: &mut Walk) -> Result<BTreeMap<PathBuf, Mark>, Failure> {
    let mut found = BTreeMap::new();
    if spec.level >= 2 {
        walk.all(&open(Path::new("/"))?, Path::new("/"), &mut found)?;
        return Ok(found);
    }
    for (name, shown) in [("work", Some("/workspace")), ("home", None), ("tmp", None)] {
        let real = Path::new(&spec.folder).join(name);
        walk.all(&open(&real)?, shown.map_or(real.as_path(), Path::new), &mut found)?;
    }
    Ok(found)
}

pub(super) fn open(path: &Path) -> Result<OwnedFd, Failure> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty()).during(&format!("open {}", path.display()))
}

/// Opens what is a folder itself, and no link to one.
pub(super) fn open_real(path: &Path) -> Result<OwnedFd, Failure> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty()).during(&format!("open {}", path.display()))
}

/// What a walk has seen and what it could not see.
#[derive(Default)]
struct Walk {
    seen: usize,
    left_out: u64,
    unread: u64,
}

impl Walk {
    fn all(
        &mut self,
        top: &OwnedFd,
        shown: &Path,
        into: &mut BTreeMap<PathBuf, Mark>,
    ) -> Result<(), Failure> {
        self.each(top, |path, stat| {
            into.insert(shown.join(path), mark(stat));
        })
    }

    /// Calls `visit` for everything below `top` that lies on its file system, with its path from there.
    fn each(&mut self, top: &OwnedFd, mut visit: impl FnMut(&Path, &Stat)) -> Result<(), Failure> {
        let device = rustix::fs::fstat(top)?.st_dev;
        // Paths, not descriptors: a tree can have more folders than a process may open.
        let mut queue = vec![PathBuf::from(".")];
        while let Some(folder) = queue.pop() {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let how = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
            let opened = rustix::fs::openat2(top, &folder, flags, Mode::empty(), how);
            let Some((opened, entries)) =
                opened.and_then(|opened| Dir::read_from(&opened).map(|entries| (opened, entries))).ok()
            else {
                self.unread += 1;
                continue;
            };
            for entry in entries {
                let Ok(entry) = entry else {
                    self.unread += 1;
                    break;
                };
                let name = entry.file_name();
                if name.to_bytes() == b"." || name.to_bytes() == b".." {
                    continue;
                }
                let Ok(stat) = rustix::fs::statat(&opened, name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
                if stat.st_dev != device {
                    continue;
                }
                self.seen += 1;
                if self.seen > MAX_ENTRIES {
                    self.left_out += 1;
                    continue;
                }
                use std::os::unix::ffi::OsStrExt;
                let path = folder.join(std::ffi::OsStr::from_bytes(name.to_bytes()));
                let path = path.strip_prefix(".").map(Path::to_owned).unwrap_or(path);
                visit(&path, &stat);
                if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
                    queue.push(path);
                }
            }
        }
        Ok(())
    }
}

fn mark(stat: &Stat) -> Mark {
    (
        (stat.st_dev, stat.st_ino),
        stat.st_mode,
        (stat.st_uid, stat.st_gid),
        stat.st_size,
        (stat.st_mtime, stat.st_mtime_nsec as i64),
        (stat.st_ctime, stat.st_ctime_nsec as i64),
    )
}

impl View {
    /// What lies on the upper side was added or changed, but for the marks of what was removed. Folders are there
    /// also as the way to what lies in them.
    fn changes(&self, walk: &mut Walk, told: &mut Told) -> Result<(), Failure> {
        let top = Path::new("/").join(&self.name);
        walk.each(&self.upper, |path, stat| {
            let below = rustix::fs::statat(self.lower.as_fd(), path, AtFlags::SYMLINK_NOFOLLOW);
            let kind = FileType::from_raw_mode(stat.st_mode);
            let gone = kind == FileType::CharacterDevice && stat.st_rdev == 0;
            let change = match (gone, below) {
                (true, _) => 2,
                (false, Err(_)) => 0,
                (false, Ok(_)) if kind == FileType::Directory => return,
                (false, Ok(_)) => 1,
            };
            told.add(change, &mark(stat), &top.join(path));
        })
    }
}
