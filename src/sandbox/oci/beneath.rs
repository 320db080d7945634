//! Work on files below one folder, whatever links an image laid there: every path is resolved by the kernel as
//! if that folder were the root (`openat2`, RESOLVE_IN_ROOT), and the last part of a path is never followed.

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

/// Folders that the last path went through are asked for again by the next one.
#[derive(Debug)]
pub(super) struct Beneath {
    top: OwnedFd,
    last: Option<(PathBuf, std::rc::Rc<OwnedFd>)>,
}

impl Beneath {
    /// Opens the folder that all paths are below.
    pub(super) fn open(top: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self { top: rustix::fs::open(top, flags, Mode::empty())?, last: None })
    }

    /// Opens `path`; links on the way stay below the top, also absolute ones and those with `..`.
    pub(super) fn open_at(&self, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let how = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        // The kernel gives up where anything on the machine was renamed or mounted meanwhile.
        for _ in 0..1000 {
            match rustix::fs::openat2(&self.top, path, flags | OFlags::CLOEXEC, Mode::empty(), how) {
                Err(Errno::AGAIN) => std::thread::yield_now(),
                result => return Ok(result?),
            }
        }
        Err(Errno::AGAIN.into())
    }

    /// Opens a folder, and makes it and those above it where they are not there.
    pub(super) fn folder(&mut self, path: &Path) -> io::Result<std::rc::Rc<OwnedFd>> {
        if let Some((known, folder)) = &self.last
            && known == path
        {
            return Ok(std::rc::Rc::clone(folder));
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        let folder = match self.open_at(path, flags) {
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {
                let (mut done, mut folder) = (PathBuf::new(), self.open_at(Path::new(""), flags)?);
                for part in path.components() {
                    let Component::Normal(name) = part else { return Err(Errno::INVAL.into()) };
                    done.push(name);
                    folder = match self.open_at(&done, flags) {
                        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {
                            rustix::fs::mkdirat(&folder, name, Mode::from_bits_truncate(0o755))?;
                            self.open_at(&done, flags)?
                        }
                        other => other?,
                    };
                }
                folder
            }
            other => other?,
        };
        let folder = std::rc::Rc::new(folder);
        self.last = Some((path.to_owned(), std::rc::Rc::clone(&folder)));
        Ok(folder)
    }

    /// Forgets what [`Beneath::folder`] remembers: for when folders are removed or replaced.
    pub(super) fn forget(&mut self) {
        self.last = None;
    }

    /// Reads a regular file of at most `max` bytes; `None` if there is no such file.
    pub(super) fn read(&self, path: &str, max: u64) -> io::Result<Option<Vec<u8>>> {
        use std::io::Read;
        let path = Path::new(path.trim_start_matches('/'));
        // Not to wait for whoever would write into a FIFO.
        let file = match self.open_at(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY) {
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENOTDIR)) => {
                return Ok(None);
            }
            result => std::fs::File::from(result?),
        };
        if !file.metadata()?.is_file() {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        file.take(max).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }
}

/// What lies at a name, the name itself not followed; `None` if nothing does.
pub(super) fn look(folder: impl AsFd, name: &OsStr) -> io::Result<Option<Stat>> {
    match rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Whether what was looked at is a folder.
pub(super) fn is_folder(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Directory
}

/// Removes what lies at a name, with all below it. Nothing there is fine.
pub(super) fn remove(folder: impl AsFd, name: &OsStr) -> io::Result<()> {
    let folder = folder.as_fd();
    match look(folder, name)? {
        None => Ok(()),
        Some(stat) if is_folder(&stat) => {
            for child in names(folder, name)? {
                let inner = open_folder(folder, name)?;
                remove(&inner, &child)?;
            }
            Ok(rustix::fs::unlinkat(folder, name, AtFlags::REMOVEDIR)?)
        }
        Some(_) => Ok(rustix::fs::unlinkat(folder, name, AtFlags::empty())?),
    }
}

/// Opens a folder to be read; a link is none.
pub(super) fn open_folder(folder: impl AsFd, name: &OsStr) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(folder, name, flags, Mode::empty())?)
}

/// Names in a folder, but for `.` and `..`.
pub(super) fn names(folder: impl AsFd, name: &OsStr) -> io::Result<Vec<std::ffi::OsString>> {
    let open = open_folder(folder, name)?;
    let mut names = Vec::new();
    for entry in rustix::fs::Dir::read_from(&open)? {
        let entry = entry?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if name != "." && name != ".." {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}
