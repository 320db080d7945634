//! File access from inside: whatever the agent made of a path, only files of the sandbox are reached.
//!
//! A regular file is opened here and its descriptor handed out; no other kind ever is, so a FIFO, a
//! device or a socket can't block or harm the harness.

use super::{Answer, Dec, During, Enc, Failure};
use crate::sandbox::wire::{MAX_FRAME, Spec, WRONG_KIND};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

/// Most entries of one listing.
const MAX_ENTRIES: usize = 200_000;
/// Most bytes of one listing: with its head it must fit into a frame.
const MAX_LISTING: usize = MAX_FRAME / 2;

/// Where a path of the harness lies.
pub(super) struct Place {
    /// Real path.
    pub(super) path: PathBuf,
    /// The private folder that links must not leave, and the rest below it.
    beneath: Option<(PathBuf, PathBuf)>,
}

/// Maps a path as the agent sees it to where it lies.
pub(super) fn place(spec: &Spec, path: &str) -> Place {
    let path = if path.is_empty() { "/workspace" } else { path };
    let absolute = Path::new("/workspace").join(path);
    if spec.level >= 2 {
        return Place { path: absolute, beneath: None };
    }
    for (prefix, folder) in crate::sandbox::layout::PRIVATE {
        if let Ok(rest) = absolute.strip_prefix(prefix) {
            let folder = Path::new(&spec.folder).join(folder);
            // With Landlock the kernel keeps us inside; without isolation there is nothing to keep.
            let beneath = (spec.level == 1 && !spec.landlock).then(|| (folder.clone(), rest.to_owned()));
            return Place { path: folder.join(rest), beneath };
        }
    }
    Place { path: absolute, beneath: None }
}

/// Does a work on files as root inside and, where that may not, as the user of an image's programs; a file that is
/// `written` outside of `/tests` is the user's, so the other way round. Root inside may not read or write what others keep for
/// themselves.
pub(super) fn as_either(
    spec: &Spec,
    from: &mut Dec<'_>,
    written: bool,
    work: fn(&Spec, &mut Dec<'_>) -> Answer,
) -> Answer {
    let Some((user, group, _)) = spec.image_user() else { return work(spec, from) };
    let hidden = Dec(from.0).text()?.starts_with("/tests");
    let user_first = written && !hidden;
    let mut answer = Err(Failure::new("no work"));
    for as_user in [user_first, !user_first] {
        if as_user {
            super::confine::files_as(user, group);
        }
        answer = work(spec, &mut Dec(from.0));
        if as_user {
            super::confine::files_as(0, 0);
        }
        if !matches!(&answer, Err(failure) if [libc::EACCES as u32, libc::EPERM as u32].contains(&failure.code))
        {
            break;
        }
    }
    answer
}

fn open_path(place: &Place, flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
    // openat2 takes no other flag beside O_PATH.
    let flags =
        flags | if flags.contains(OFlags::PATH) { OFlags::CLOEXEC } else { OFlags::CLOEXEC | OFlags::NOCTTY };
    match &place.beneath {
        None => Ok(rustix::fs::openat2(CWD, &place.path, flags, mode, ResolveFlags::NO_MAGICLINKS)?),
        Some((folder, rest)) => {
            let folder =
                rustix::fs::open(folder, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
            let rest = if rest.as_os_str().is_empty() { Path::new(".") } else { rest };
            let how = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
            Ok(rustix::fs::openat2(folder, rest, flags, mode, how)?)
        }
    }
}

/// Opens the very file that was looked at, whatever has happened to its path since.
fn reopen(descriptor: &OwnedFd, flags: OFlags) -> io::Result<OwnedFd> {
    let path = format!("/proc/self/fd/{}", descriptor.as_raw_fd());
    Ok(rustix::fs::open(path, flags | OFlags::CLOEXEC | OFlags::NOCTTY, Mode::empty())?)
}

fn wrong(kind: FileType) -> Failure {
    let what = match kind {
        FileType::Directory => "is a directory",
        FileType::Fifo => "is a FIFO",
        FileType::Socket => "is a socket",
        FileType::CharacterDevice | FileType::BlockDevice => "is a device",
        FileType::Symlink => "is a link",
        _ => "is not a regular file",
    };
    Failure { code: WRONG_KIND, what: what.to_owned() }
}

fn regular(descriptor: &OwnedFd) -> Result<u64, Failure> {
    let stat = rustix::fs::fstat(descriptor)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok(stat.st_size as u64),
        kind => Err(wrong(kind)),
    }
}

pub(super) fn read(spec: &Spec, from: &mut Dec<'_>) -> Answer {
    let place = place(spec, &from.text()?);
    let seen = open_path(&place, OFlags::PATH, Mode::empty())?;
    let size = regular(&seen)?;
    let file = reopen(&seen, OFlags::RDONLY)?;
    let mut out = Enc::default();
    out.u64(size);
    Ok((out.0, vec![file]))
}

pub(super) fn write(spec: &Spec, from: &mut Dec<'_>) -> Answer {
    let (path, mode) = (from.text()?, Mode::from_bits_truncate(from.u32()? & 0o7777));
    let place = place(spec, &path);
    make_parents(&place)?;
    let file = match open_path(&place, OFlags::PATH, Mode::empty()) {
        Ok(seen) => {
            regular(&seen)?;
            reopen(&seen, OFlags::WRONLY | OFlags::TRUNC)?
        }
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {
            open_path(&place, OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW, mode)?
        }
        Err(error) => return Err(error.into()),
    };
    rustix::fs::fchmod(&file, mode)?;
    Ok((Vec::new(), vec![file]))
}

/// Makes the folders above a path. A link on the way is followed as the agent would follow it.
fn make_parents(place: &Place) -> Result<(), Failure> {
    let Some((folder, rest)) = &place.beneath else {
        if let Some(parent) = place.path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        return Ok(());
    };
    std::fs::create_dir_all(folder)?;
    let mut done = PathBuf::new();
    let folders: Vec<_> = rest.parent().into_iter().flat_map(Path::components).collect();
    for part in folders {
        let Component::Normal(name) = part else {
            return Err(Failure::io("a path", &io::Error::from_raw_os_error(libc::EINVAL)));
        };
        let parent = Place { path: folder.join(&done), beneath: Some((folder.clone(), done.clone())) };
        let parent = open_path(&parent, OFlags::PATH | OFlags::DIRECTORY, Mode::empty())?;
        match rustix::fs::mkdirat(&parent, name, Mode::from_bits_truncate(0o755)) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => done.push(name),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// The folder of a path, opened, and its last name; the last part itself is not followed.
fn parent_of(place: &Place) -> Result<(OwnedFd, PathBuf), Failure> {
    let (parent, name) = match (place.path.parent(), place.path.file_name()) {
        (Some(parent), Some(name)) => (parent.to_owned(), PathBuf::from(name)),
        _ => (place.path.clone(), PathBuf::from(".")),
    };
    let (parent, name, beneath) = match &place.beneath {
        Some((folder, rest)) if rest.as_os_str().is_empty() => {
            (folder.clone(), PathBuf::from("."), Some((folder.clone(), PathBuf::new())))
        }
        Some((folder, rest)) => {
            let above = rest.parent().unwrap_or(Path::new("")).to_owned();
            (parent, name, Some((folder.clone(), above)))
        }
        None => (parent, name, None),
    };
    let place = Place { path: parent, beneath };
    Ok((open_path(&place, OFlags::PATH | OFlags::DIRECTORY, Mode::empty())?, name))
}

pub(super) fn stat(spec: &Spec, from: &mut Dec<'_>) -> Answer {
    let path = from.text()?;
    let (parent, name) = parent_of(&place(spec, &path))?;
    let stat = rustix::fs::statat(&parent, &name, AtFlags::SYMLINK_NOFOLLOW)?;
    let mut out = Enc::default();
    entry(&mut out, path.as_bytes(), &stat);
    Ok((out.0, Vec::new()))
}

fn entry(out: &mut Enc, name: &[u8], stat: &rustix::fs::Stat) {
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => 0,
        FileType::Directory => 1,
        FileType::Symlink => 2,
        _ => 3,
    };
    out.bytes(name).u8(kind).u64(stat.st_size as u64).u32(stat.st_mode & 0o7777);
}

pub(super) fn remove(spec: &Spec, from: &mut Dec<'_>) -> Answer {
    let (parent, name) = parent_of(&place(spec, &from.text()?))?;
    match rustix::fs::unlinkat(&parent, &name, AtFlags::empty()) {
        Ok(()) => Ok((Vec::new(), Vec::new())),
        Err(rustix::io::Errno::ISDIR) => Err(wrong(FileType::Directory)),
        Err(error) => Err(error.into()),
    }
}

pub(super) fn list(spec: &Spec, from: &mut Dec<'_>) -> Answer {
    let (path, depth) = (from.text()?, from.u32()?);
    let place = place(spec, &path);
    let top = open_path(&place, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())?;
    let (mut out, mut count) = (Enc::default(), 0usize);
    // Folders still to read: descriptor, name before their entries, levels left.
    let mut queue = vec![(top, Vec::new(), depth)];
    while let Some((folder, prefix, left)) = queue.pop() {
        if left == 0 {
            continue;
        }
        for item in rustix::fs::Dir::read_from(&folder).during("read a folder")? {
            let item = item.during("read a folder")?;
            let name = item.file_name();
            if name.to_bytes() == b"." || name.to_bytes() == b".." {
                continue;
            }
            let Ok(stat) = rustix::fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
            count += 1;
            let path = [prefix.as_slice(), name.to_bytes()].concat();
            entry(&mut out, &path, &stat);
            // Whoever named the files must not be able to make an answer that nobody takes.
            if count > MAX_ENTRIES || out.0.len() > MAX_LISTING {
                let names = MAX_LISTING >> 20;
                let what = format!("holds more than {MAX_ENTRIES} entries or {names} MiB of names");
                return Err(Failure { code: WRONG_KIND, what });
            }
            if left > 1 && FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                if let Ok(next) = rustix::fs::openat(folder.as_fd(), name, flags, Mode::empty()) {
                    queue.push((next, [&path, b"/".as_slice()].concat(), left - 1));
                }
            }
        }
    }
    let mut all = Enc::default();
    all.u32(count as u32);
    all.0.extend_from_slice(&out.0);
    Ok((all.0, Vec::new()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_paths_are_mapped_only_without_a_root_of_their_own() {
        let mut spec = Spec { folder: "/s/1".into(), ..Spec::default() };
        assert_eq!(place(&spec, "").path, Path::new("/s/1/work"));
        assert_eq!(place(&spec, "a/b").path, Path::new("/s/1/work/a/b"));
        assert_eq!(place(&spec, "/tests/x").path, Path::new("/s/1/tests/x"));
        assert_eq!(place(&spec, "/workspaces").path, Path::new("/workspaces"));
        spec.level = 3;
        assert_eq!(place(&spec, "a").path, Path::new("/workspace/a"));
    }
}
