//! The files of a sandbox as one stream, written from inside after everything in it is dead.
//!
//! Invariants: no link is followed, no other file system entered, nothing but regular files opened; a file is in the
//! stream whole or not at all, and what is not is counted. Parts of the stream: see [`part`].

use super::{During, Enc, Failure};
use crate::sandbox::wire::part;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, SeekFrom, Stat};
use rustix::io::Errno;
use std::collections::HashMap;
use std::ffi::{CStr, OsStr};
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Entries that are kept, in all.
const MAX_ENTRIES: u64 = 1_000_000;
/// Bytes of one piece of a file.
const PIECE: usize = 64 << 10;
/// Bytes of all extended attributes of one file.
const MAX_ATTRIBUTES: usize = 64 << 10;
/// What lies at the root and is never the agent's: device files, views of the kernel.
const KERNELS: [&[u8]; 3] = [b"dev", b"proc", b"sys"];

/// A part of the sandbox's files that has a root of its own.
pub(super) struct Section {
    /// Where programs see it, without the first slash; empty for the root. Below level `user`, the private folder.
    pub(super) name: String,
    /// Where it lies on the sandbox's own file system.
    pub(super) path: String,
    pub(super) top: OwnedFd,
}

/// What was packed and what was not.
#[derive(Debug, Default)]
pub(super) struct Totals {
    entries: u64,
    bytes: u64,
    left_out: u64,
    cut: bool,
}

impl Totals {
    pub(super) fn encode(&self, out: &mut Enc) {
        out.u64(self.entries).u64(self.bytes).u64(self.left_out).u8(self.cut.into());
    }
}

/// Writes all sections, with at most `max` bytes of content.
pub(super) fn pack(sections: &[Section], to: OwnedFd, max: u64) -> Result<Totals, Failure> {
    let mut pack = Pack {
        out: io::BufWriter::with_capacity(PIECE, std::fs::File::from(to)),
        totals: Totals::default(),
        left: max,
        links: HashMap::new(),
    };
    for section in sections {
        pack.section(section)?;
    }
    let mut end = Enc::default();
    end.u8(part::END);
    pack.totals.encode(&mut end);
    pack.out.write_all(&end.0).and_then(|()| pack.out.flush()).during("write a kept state")?;
    Ok(pack.totals)
}

struct Pack {
    out: io::BufWriter<std::fs::File>,
    totals: Totals,
    /// Bytes of content that may still come.
    left: u64,
    /// Files with several names: device and number, and the first of them.
    links: HashMap<(u64, u64), (String, PathBuf)>,
}

/// Folders whose modes were widened to be read, with what they were.
type Widened = Vec<(OwnedFd, Mode)>;

impl Pack {
    fn section(&mut self, section: &Section) -> Result<(), Failure> {
        let mut head = Enc::default();
        head.u8(part::SECTION).text(&section.name);
        self.out.write_all(&head.0)?;
        let mut widened = Vec::new();
        let stat = rustix::fs::fstat(&section.top)?;
        let done = self.walk(section, &stat, &mut widened);
        // From the deepest up: a folder is reached by its descriptor, but let nobody depend on it.
        for (folder, mode) in widened.into_iter().rev() {
            let _ = rustix::fs::chmod(itself(&folder), mode);
        }
        done
    }

    fn walk(&mut self, section: &Section, top: &Stat, widened: &mut Widened) -> Result<(), Failure> {
        // Paths, not descriptors: a tree can have more folders than a process may open.
        let mut queue = vec![(PathBuf::new(), *top)];
        while let Some((path, stat)) = queue.pop() {
            let Ok(folder) = open_folder(&section.top, &path, &stat, widened) else {
                self.totals.left_out += 1;
                continue;
            };
            self.entry(&path, &stat, Some(&folder), |_| {})?;
            let mut names = Vec::new();
            for entry in Dir::read_from(&folder)? {
                let Ok(entry) = entry else {
                    self.totals.left_out += 1;
                    break;
                };
                if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
                    names.push(entry.file_name().to_owned());
                }
            }
            names.sort();
            let mut folders = Vec::new();
            for name in names {
                let root = section.name.is_empty() && path.as_os_str().is_empty();
                if root && KERNELS.contains(&name.to_bytes()) {
                    continue;
                }
                let Ok(stat) = rustix::fs::statat(&folder, &name, AtFlags::SYMLINK_NOFOLLOW) else {
                    self.totals.left_out += 1;
                    continue;
                };
                // The root of something that is mounted there.
                if stat.st_dev != top.st_dev {
                    continue;
                }
                if self.totals.entries >= MAX_ENTRIES {
                    (self.totals.cut, self.totals.left_out) = (true, self.totals.left_out + 1);
                    continue;
                }
                let path = path.join(OsStr::from_bytes(name.to_bytes()));
                if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
                    folders.push((path, stat));
                } else if !self.other(section, &folder, &name, &path, &stat)? {
                    self.totals.left_out += 1;
                }
            }
            queue.extend(folders.into_iter().rev());
        }
        Ok(())
    }

    /// Everything but a folder. `false` if it is left out.
    fn other(
        &mut self,
        section: &Section,
        folder: &OwnedFd,
        name: &CStr,
        path: &Path,
        stat: &Stat,
    ) -> Result<bool, Failure> {
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Symlink => {
                let Ok(target) = rustix::fs::readlinkat(folder, name, Vec::new()) else { return Ok(false) };
                self.entry(path, stat, None, |out| {
                    out.bytes(target.as_bytes());
                })?;
            }
            FileType::Fifo | FileType::Socket => self.entry(path, stat, None, |_| {})?,
            // The mark of something that was removed from a copy-on-write view.
            FileType::CharacterDevice if stat.st_rdev == 0 => self.entry(path, stat, None, |_| {})?,
            FileType::RegularFile => {
                let key = (stat.st_dev, stat.st_ino);
                if let Some((of, first)) = self.links.get(&key).filter(|_| stat.st_nlink > 1)
                    && *of == section.name
                {
                    let mut out = Enc::default();
                    out.u8(part::LINK).bytes(path.as_os_str().as_bytes()).bytes(first.as_os_str().as_bytes());
                    self.totals.entries += 1;
                    self.out.write_all(&out.0)?;
                    return Ok(true);
                }
                if stat.st_blocks as u64 * 512 > self.left {
                    self.totals.cut = true;
                    return Ok(false);
                }
                let Ok(file) = open_file(folder, name, stat) else { return Ok(false) };
                self.entry(path, stat, Some(&file), |out| {
                    out.u64(stat.st_size as u64);
                })?;
                if !self.content(&file.into(), stat.st_size as u64)? {
                    return Ok(false);
                }
                if stat.st_nlink > 1 {
                    self.links.insert(key, (section.name.clone(), path.to_owned()));
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// What all entries have, then what `more` adds.
    fn entry(
        &mut self,
        path: &Path,
        stat: &Stat,
        opened: Option<&OwnedFd>,
        more: impl FnOnce(&mut Enc),
    ) -> Result<(), Failure> {
        let mut out = Enc::default();
        out.u8(part::ENTRY).bytes(path.as_os_str().as_bytes()).u32(stat.st_mode);
        out.u32(stat.st_uid).u32(stat.st_gid).u64(stat.st_mtime as u64).u32(stat.st_mtime_nsec as u32);
        let attributes = opened.map(attributes).unwrap_or_default();
        out.u32(attributes.len() as u32);
        for (name, value) in &attributes {
            out.bytes(name).bytes(value);
        }
        more(&mut out);
        self.totals.entries += 1;
        Ok(self.out.write_all(&out.0)?)
    }

    /// The pieces of a file that hold data. `false` if it could not be read to its end: whoever unpacks it is told.
    fn content(&mut self, file: &std::fs::File, size: u64) -> Result<bool, Failure> {
        let (mut at, mut whole) = (0, true);
        let mut piece = vec![0; PIECE];
        while at < size {
            let start = match rustix::fs::seek(file, SeekFrom::Data(at)) {
                Err(Errno::NXIO) => break,
                Err(_) => at,
                Ok(start) => start,
            };
            let end = rustix::fs::seek(file, SeekFrom::Hole(start)).unwrap_or(size).min(size);
            at = start;
            while at < end {
                let most = usize::try_from(end - at).unwrap_or(PIECE).min(PIECE);
                let count = file.read_at(&mut piece[..most], at).unwrap_or(0);
                whole = count > 0 && count as u64 <= self.left;
                if !whole {
                    break;
                }
                let mut head = Enc::default();
                head.u32(count as u32).u64(at);
                self.out.write_all(&head.0)?;
                self.out.write_all(&piece[..count])?;
                at += count as u64;
                self.left -= count as u64;
                self.totals.bytes += count as u64;
            }
            if !whole || at <= start {
                break;
            }
        }
        let mut end = Enc::default();
        end.u32(0).u8(whole.into());
        self.out.write_all(&end.0)?;
        self.totals.cut |= !whole;
        Ok(whole)
    }
}

/// Opens a folder below `top`; one that is closed to us is opened wider as long as the walk goes on.
fn open_folder(top: &OwnedFd, path: &Path, stat: &Stat, widened: &mut Widened) -> io::Result<OwnedFd> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    let how = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    let open = |flags: OFlags| {
        rustix::fs::openat2(top, path, flags | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty(), how)
    };
    let mode = Mode::from_raw_mode(stat.st_mode);
    // It may be read and still not be walked through.
    let closed = mode.bits() & 0o500 != 0o500 || stat.st_uid != rustix::process::geteuid().as_raw();
    if closed && mode.bits() & 0o555 != 0o555 {
        let folder = open(OFlags::PATH)?;
        rustix::fs::chmod(itself(&folder), mode | Mode::from_bits_truncate(0o555))?;
        widened.push((folder, mode));
    }
    Ok(open(OFlags::RDONLY)?)
}

/// Opens what was seen to be a regular file; one that is closed to us is opened wider for a moment.
fn open_file(folder: &OwnedFd, name: &CStr, stat: &Stat) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let open = || rustix::fs::openat(folder, name, flags, Mode::empty());
    let file = match open() {
        Err(Errno::ACCESS | Errno::PERM) => {
            let mode = Mode::from_raw_mode(stat.st_mode);
            rustix::fs::chmodat(folder, name, mode | Mode::from_bits_truncate(0o444), AtFlags::empty())?;
            let file = open();
            let _ = rustix::fs::chmodat(folder, name, mode, AtFlags::empty());
            file?
        }
        file => file?,
    };
    match FileType::from_raw_mode(rustix::fs::fstat(&file)?.st_mode) {
        FileType::RegularFile => Ok(file),
        _ => Err(Errno::INVAL.into()),
    }
}

fn itself(descriptor: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", descriptor.as_raw_fd())
}

/// Extended attributes that an owner sets: among them the marks of copy-on-write views, and capabilities of files.
fn attributes(of: &OwnedFd) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut names = vec![0u8; MAX_ATTRIBUTES];
    let Ok(count) = rustix::fs::flistxattr(of.as_fd(), names.as_mut_slice()) else { return Vec::new() };
    let (mut found, mut room) = (Vec::new(), MAX_ATTRIBUTES);
    for name in names[..count].split(|byte| *byte == 0) {
        if !name.starts_with(b"user.") && name != b"security.capability" {
            continue;
        }
        let mut value = vec![0u8; room];
        if let Ok(count) = rustix::fs::fgetxattr(of.as_fd(), name, value.as_mut_slice()) {
            value.truncate(count);
            room -= count;
            found.push((name.to_vec(), value));
        }
    }
    found
}
