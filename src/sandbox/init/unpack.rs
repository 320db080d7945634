//! From the stream of [`super::pack`] back to files.
//!
//! Invariants: every path is resolved below the section's folder, through no link; an owner, a mode or a mark is set on
//! what was made here. An entry that can't be made is counted, and the rest goes on.

use super::{Enc, Failure};
use crate::sandbox::wire::{self, part};
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, ResolveFlags, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Component, Path, PathBuf};

/// Longest name, target or value in the stream.
const LONGEST: u32 = 128 << 10;

/// What could not be made, and why the first of it could not.
#[derive(Debug, Default)]
pub(super) struct Missing {
    count: u64,
    first: String,
}

impl Missing {
    pub(super) fn encode(&self, out: &mut Enc) {
        out.u64(self.count).text(&self.first);
    }

    fn add(&mut self, path: &Path, error: &io::Error) {
        if self.count == 0 {
            self.first = format!("{}: {}", path.display(), wire::words(error));
        }
        self.count += 1;
    }
}

/// Makes all files. `place` gives the folder of a section; none where it has no place here. `owners` says whether files
/// can belong to others than us.
pub(super) fn unpack(
    from: OwnedFd,
    owners: bool,
    mut place: impl FnMut(&str) -> Result<Option<OwnedFd>, Failure>,
) -> Result<Missing, Failure> {
    let mut from = io::BufReader::with_capacity(64 << 10, std::fs::File::from(from));
    let mut work =
        Unpack { top: None, owners, folders: Vec::new(), parent: None, missing: Missing::default() };
    loop {
        match number(&mut from)? {
            part::SECTION => {
                work.close();
                let name = bytes(&mut from)?;
                work.top = place(&String::from_utf8_lossy(&name))?;
            }
            part::ENTRY => work.entry(&mut from)?,
            part::LINK => {
                let (path, first) = (path(&mut from)?, path(&mut from)?);
                if let Err(error) = work.link(&path, &first) {
                    work.missing.add(&path, &error);
                }
            }
            part::END => {
                work.close();
                return Ok(work.missing);
            }
            _ => return Err(torn().into()),
        }
    }
}

struct Unpack {
    top: Option<OwnedFd>,
    owners: bool,
    /// Folders that get their modes when nothing more is to be put into them.
    folders: Vec<(PathBuf, About)>,
    parent: Option<(PathBuf, OwnedFd)>,
    missing: Missing,
}

/// What is known of an entry beside its content.
struct About {
    mode: u32,
    user: u32,
    group: u32,
    time: Timespec,
    attributes: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Unpack {
    fn entry(&mut self, from: &mut impl Read) -> Result<(), Failure> {
        let path = path(from)?;
        let about = About::read(from)?;
        let done = match FileType::from_raw_mode(about.mode) {
            FileType::Directory => self.folder(&path).map(|()| self.folders.push((path.clone(), about))),
            FileType::RegularFile => {
                let size = u64::from_le_bytes(array(from)?);
                return self.file(&path, &about, size, from);
            }
            FileType::Symlink => {
                let target = bytes(from)?;
                self.special(&path, &about, |folder, name| {
                    rustix::fs::symlinkat(OsStr::from_bytes(&target), folder, name)
                })
            }
            kind @ (FileType::Fifo | FileType::Socket | FileType::CharacterDevice) => {
                // The only device that is ever made is number 0: it is the mark of what was removed.
                let mode = Mode::from_raw_mode(about.mode);
                self.special(&path, &about, |folder, name| rustix::fs::mknodat(folder, name, kind, mode, 0))
            }
            _ => return Err(torn().into()),
        };
        if let Err(error) = done {
            self.missing.add(&path, &error);
        }
        Ok(())
    }

    /// The folder that a path lies in, and its last name.
    fn parent<'a>(&mut self, path: &'a Path) -> io::Result<(&OwnedFd, &'a OsStr)> {
        let (above, name) = (path.parent().unwrap_or(Path::new("")), path.file_name().ok_or(Errno::INVAL)?);
        if self.parent.as_ref().is_none_or(|(known, _)| known != above) {
            let folder = self.open(above, OFlags::PATH | OFlags::DIRECTORY)?;
            self.parent = Some((above.to_owned(), folder));
        }
        match &self.parent {
            Some((_, folder)) => Ok((folder, name)),
            None => Err(Errno::NOENT.into()),
        }
    }

    fn open(&self, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
        let top = self.top.as_ref().ok_or(Errno::NODEV)?;
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let how = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
        Ok(rustix::fs::openat2(top, path, flags | OFlags::CLOEXEC, Mode::empty(), how)?)
    }

    fn folder(&mut self, path: &Path) -> io::Result<()> {
        if path.as_os_str().is_empty() {
            return self.top.as_ref().map(drop).ok_or_else(|| Errno::NODEV.into());
        }
        let (folder, name) = self.parent(path)?;
        match rustix::fs::mkdirat(folder, name, Mode::RWXU) {
            Err(Errno::EXIST) => Ok(()),
            done => Ok(done?),
        }
    }

    fn special(
        &mut self,
        path: &Path,
        about: &About,
        make: impl Fn(&OwnedFd, &OsStr) -> rustix::io::Result<()>,
    ) -> io::Result<()> {
        let owners = self.owners;
        let (folder, name) = self.parent(path)?;
        fresh(folder, name, || make(folder, name))?;
        if owners {
            let (user, group) = about.owner();
            rustix::fs::chownat(folder, name, user, group, AtFlags::SYMLINK_NOFOLLOW)?;
        }
        if matches!(FileType::from_raw_mode(about.mode), FileType::Fifo | FileType::Socket) {
            rustix::fs::chmodat(folder, name, Mode::from_raw_mode(about.mode), AtFlags::empty())?;
        }
        Ok(rustix::fs::utimensat(folder, name, &about.times(), AtFlags::SYMLINK_NOFOLLOW)?)
    }

    /// A regular file. Its content is read off the stream whatever becomes of it.
    fn file(&mut self, path: &Path, about: &About, size: u64, from: &mut impl Read) -> Result<(), Failure> {
        let owners = self.owners;
        let mut made = self.parent(path).and_then(|(folder, name)| {
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let mode = Mode::RUSR | Mode::WUSR;
            let file = fresh(folder, name, || rustix::fs::openat(folder, name, flags, mode))?;
            rustix::fs::ftruncate(&file, size)?;
            Ok(std::fs::File::from(file))
        });
        let mut piece = Vec::new();
        loop {
            let count = u32::from_le_bytes(array(from)?);
            if count == 0 {
                break;
            }
            if count > LONGEST {
                return Err(torn().into());
            }
            let at = u64::from_le_bytes(array(from)?);
            piece.resize(count as usize, 0);
            from.read_exact(&mut piece).map_err(|_| torn())?;
            if let Ok(file) = &made
                && let Err(error) = file.write_all_at(&piece, at)
            {
                made = Err(error);
            }
        }
        if number(from)? == 0 {
            made = Err(io::Error::other("it is not whole in the kept state"));
        }
        let done = made.and_then(|file| about.give(&OwnedFd::from(file), owners));
        if let Err(error) = done {
            if let Ok((folder, name)) = self.parent(path) {
                let _ = rustix::fs::unlinkat(folder, name, AtFlags::empty());
            }
            self.missing.add(path, &error);
        }
        Ok(())
    }

    fn link(&mut self, path: &Path, first: &Path) -> io::Result<()> {
        let (above, of) = (first.parent().unwrap_or(Path::new("")), first.file_name().ok_or(Errno::INVAL)?);
        let source = self.open(above, OFlags::PATH | OFlags::DIRECTORY)?;
        let (folder, name) = self.parent(path)?;
        fresh(folder, name, || rustix::fs::linkat(&source, of, folder, name, AtFlags::empty()))?;
        Ok(())
    }

    /// The end of a section: its folders get their modes, the deepest first.
    fn close(&mut self) {
        self.parent = None;
        for (path, about) in std::mem::take(&mut self.folders).into_iter().rev() {
            let done = self
                .open(&path, OFlags::RDONLY | OFlags::DIRECTORY)
                .and_then(|folder| about.give(&folder, self.owners));
            if let Err(error) = done {
                self.missing.add(&path, &error);
            }
        }
    }
}

impl About {
    fn read(from: &mut impl Read) -> io::Result<Self> {
        let mut word = || -> io::Result<u32> { Ok(u32::from_le_bytes(array(from)?)) };
        let (mode, user, group) = (word()?, word()?, word()?);
        let seconds = u64::from_le_bytes(array(from)?) as i64;
        let nanoseconds = u32::from_le_bytes(array(from)?).min(999_999_999);
        let count = u32::from_le_bytes(array(from)?);
        if count > 4096 {
            return Err(torn());
        }
        let attributes = (0..count).map(|_| Ok((bytes(from)?, bytes(from)?))).collect::<io::Result<_>>()?;
        let time = Timespec { tv_sec: seconds, tv_nsec: nanoseconds.into() };
        Ok(Self { mode, user, group, time, attributes })
    }

    fn owner(&self) -> (Option<Uid>, Option<Gid>) {
        (Some(Uid::from_raw(self.user)), Some(Gid::from_raw(self.group)))
    }

    fn times(&self) -> Timestamps {
        Timestamps { last_access: self.time, last_modification: self.time }
    }

    /// Owner first, as a change of it takes rights away, then all else; the time last.
    fn give(&self, to: &OwnedFd, owners: bool) -> io::Result<()> {
        if owners {
            let (user, group) = self.owner();
            rustix::fs::fchown(to, user, group)?;
        }
        for (name, value) in &self.attributes {
            rustix::fs::fsetxattr(to, name.as_slice(), value, XattrFlags::empty())?;
        }
        rustix::fs::fchmod(to, Mode::from_raw_mode(self.mode & 0o7777))?;
        Ok(rustix::fs::futimens(to, &self.times())?)
    }
}

/// Makes something under a name; a file that is there gives way.
fn fresh<T>(folder: &OwnedFd, name: &OsStr, make: impl Fn() -> rustix::io::Result<T>) -> io::Result<T> {
    match make() {
        Err(Errno::EXIST) => {
            rustix::fs::unlinkat(folder, name, AtFlags::empty())?;
            Ok(make()?)
        }
        made => Ok(made?),
    }
}

fn torn() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, wire::DAMAGED)
}

fn array<const N: usize>(from: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    from.read_exact(&mut bytes).map_err(|_| torn())?;
    Ok(bytes)
}

fn number(from: &mut impl Read) -> io::Result<u8> {
    Ok(array::<1>(from)?[0])
}

fn bytes(from: &mut impl Read) -> io::Result<Vec<u8>> {
    let count = u32::from_le_bytes(array(from)?);
    if count > LONGEST {
        return Err(torn());
    }
    let mut bytes = vec![0; count as usize];
    from.read_exact(&mut bytes).map_err(|_| torn())?;
    Ok(bytes)
}

/// A path below a section: of plain names only.
fn path(from: &mut impl Read) -> io::Result<PathBuf> {
    let path = PathBuf::from(OsStr::from_bytes(&bytes(from)?));
    let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
    if plain { Ok(path) } else { Err(torn()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::init::ledger::open_real;
    use std::fs;

    /// An entry without attributes.
    fn entry(out: &mut Enc, path: &[u8], mode: u32) {
        out.u8(part::ENTRY).bytes(path).u32(mode).u32(0).u32(0).u64(0).u32(0).u32(0);
    }

    fn file(out: &mut Enc, path: &[u8]) {
        entry(out, path, 0o100_644);
        out.u64(3).u32(3).u64(0);
        out.0.extend_from_slice(b"new");
        out.u32(0).u8(1);
    }

    fn ended(out: &mut Enc) {
        out.u8(part::END).u64(0).u64(0).u64(0).u8(0);
    }

    /// Unpacks a stream into `into/root`, beside which a file lies.
    fn unpacked(base: &Path, stream: &Enc) -> Result<Missing, Failure> {
        let top = base.join("root");
        fs::create_dir_all(&top).unwrap();
        fs::write(base.join("outside"), "old").unwrap();
        let bytes = tempfile::NamedTempFile::new_in(base).unwrap();
        fs::write(bytes.path(), &stream.0).unwrap();
        let from = OwnedFd::from(fs::File::open(bytes.path()).unwrap());
        unpack(from, false, |_| open_real(&top).map(Some))
    }

    #[test]
    fn no_path_leads_out() {
        for path in [&b"../outside"[..], b"/outside", b"a/../../outside", b"..", b"./x", b"a//../../outside"]
        {
            let base = tempfile::tempdir().unwrap();
            let mut out = Enc::default();
            out.u8(part::SECTION).text("");
            file(&mut out, path);
            ended(&mut out);
            let shown = String::from_utf8_lossy(path);
            let done = unpacked(base.path(), &out);
            assert!(done.is_err() || path == b"./x", "{shown} is taken: {done:?}");
            assert_eq!(fs::read_to_string(base.path().join("outside")).unwrap(), "old", "{shown}");
        }
    }

    #[test]
    fn no_link_of_the_stream_is_followed() {
        let base = tempfile::tempdir().unwrap();
        let mut out = Enc::default();
        out.u8(part::SECTION).text("");
        for (name, target) in [("up", ".."), ("here", "."), ("file", "../outside")] {
            entry(&mut out, name.as_bytes(), 0o120_777);
            out.text(target);
        }
        file(&mut out, b"up/outside");
        file(&mut out, b"here/x");
        entry(&mut out, b"up/made", 0o040_755);
        // A file takes the place of a link, and does not go through it.
        file(&mut out, b"file");
        out.u8(part::LINK).text("same").text("up/outside");
        out.u8(part::LINK).text("up/same").text("file");
        ended(&mut out);
        let missing = unpacked(base.path(), &out).unwrap();
        assert_eq!(missing.count, 5, "{missing:?}");
        assert_eq!(missing.first, "up/outside: too many levels of symbolic links");
        assert_eq!(fs::read_to_string(base.path().join("outside")).unwrap(), "old");
        assert_eq!(fs::read_to_string(base.path().join("root/file")).unwrap(), "new");
        assert!(!base.path().join("made").exists() && !base.path().join("root/x").exists());
        assert!(!base.path().join("same").exists());
    }

    #[test]
    fn what_is_no_stream_is_told() {
        let base = tempfile::tempdir().unwrap();
        let mut long = Enc::default();
        long.u8(part::SECTION).u32(u32::MAX);
        let mut device = Enc::default();
        device.u8(part::SECTION).text("");
        entry(&mut device, b"sda", 0o060_666);
        ended(&mut device);
        for stream in [Enc::default(), Enc(vec![77]), Enc(vec![0; 64]), long, device] {
            let told = unpacked(base.path(), &stream).expect_err("no stream");
            assert_eq!(told.what, "the kept state is damaged");
        }
    }
}
