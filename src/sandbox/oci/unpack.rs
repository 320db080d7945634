//! Layers into a folder: content, owners, modes, links, attributes, whiteouts. Each layer is hashed as it is
//! read, packed and unpacked, and its digests must be those that were announced.
//!
//! Invariant: whatever the tar says, nothing outside the folder is touched, and what it can write is bounded.

use super::beneath::{self, Beneath};
use super::entry::{Ahead, Item, What};
use super::source::Layer;
use rustix::fs::{AtFlags, Mode, OFlags, Timespec, Timestamps, XattrFlags};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::cell::Cell;
use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// How much one image may bring.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Limits {
    /// Bytes of all layers, unpacked.
    pub(super) bytes: u64,
    /// Entries of all layers.
    pub(super) entries: u64,
    /// How many times larger than its packed form a layer may become, once it is larger than `small`.
    pub(super) ratio: u64,
    /// Bytes below which nobody asks.
    pub(super) small: u64,
}

/// The largest public images have some 30 GB and a million files; text packs at 10 to 1.
pub(super) const LIMITS: Limits = Limits { bytes: 64 << 30, entries: 4_000_000, ratio: 200, small: 1 << 30 };

/// Ids of a sandbox.
const IDS: u64 = 65536;
/// Whose files those of other ids become.
const NOBODY: u64 = 65534;

/// What was left out or changed on the way.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Told {
    /// Bytes of all files.
    pub(super) bytes: u64,
    /// Files whose owner is outside of the sandbox's ids and became nobody.
    pub(super) strangers: u64,
    /// Extended attributes that could not be kept.
    pub(super) attributes: u64,
}

/// Unpacks all layers into `root`, which is there and empty. `owners`: whether this process may give files away.
/// The error is a sentence that names layer and entry.
pub(super) fn unpack(root: &Path, layers: &[Layer], owners: bool, limits: Limits) -> Result<Told, String> {
    let top =
        Beneath::open(root).map_err(|error| format!("open {}: {}", root.display(), super::words(&error)))?;
    let mut unpacker = Unpacker {
        top,
        owners,
        limits,
        entries: 0,
        told: Told::default(),
        new: HashSet::new(),
        links: HashSet::new(),
    };
    for (index, layer) in layers.iter().enumerate() {
        let name = layer.digest.as_ref().unwrap_or(&layer.diff_id);
        let number = format!("layer {} of {} ({})", index + 1, layers.len(), super::short(name));
        unpacker.layer(layer).map_err(|what| format!("{number}, {what}"))?;
    }
    // A name that stands in the store is whole, also after a power cut.
    let done = File::open(root).and_then(|folder| Ok(rustix::fs::syncfs(&folder)?));
    done.map_err(|error| format!("write to the disk: {}", super::words(&error)))?;
    Ok(unpacker.told)
}

struct Unpacker {
    top: Beneath,
    owners: bool,
    limits: Limits,
    entries: u64,
    told: Told,
    /// Paths of the layer at hand: its whiteouts don't touch them.
    new: HashSet<PathBuf>,
    /// Those of them that are links, or were.
    links: HashSet<PathBuf>,
}

impl Unpacker {
    fn layer(&mut self, layer: &Layer) -> Result<(), String> {
        self.new.clear();
        self.links.clear();
        let spent = Cell::new(0);
        let file =
            layer.open().map_err(|error| format!("which can't be opened: {}", super::words(&error)))?;
        let packed = Hashing { inner: file, hash: Sha256::new(), count: &spent };
        let mut packed = BufReader::with_capacity(1 << 16, packed);
        let grown = Cell::new(0);
        let unpacked = self.unpacked(&mut packed, &spent, &grown);
        // A layer of another digest is that first of all, whatever is wrong in it.
        io::copy(&mut packed, &mut io::sink())
            .map_err(|error| format!("at its end: {}", super::words(&error)))?;
        let digest = format!("sha256:{}", super::hex(&packed.into_inner().hash.finalize()));
        if let Some(told) = layer.digest.as_ref().filter(|told| **told != digest) {
            return Err(format!("whose content has the digest {digest}, not {told}"));
        }
        let diff_id = unpacked?;
        if diff_id != layer.diff_id {
            return Err(format!("whose unpacked content has the digest {diff_id}, not {}", layer.diff_id));
        }
        Ok(())
    }

    /// Unpacks a layer; the digest of its unpacked bytes comes back.
    fn unpacked(
        &mut self,
        packed: &mut BufReader<impl Read>,
        spent: &Cell<u64>,
        grown: &Cell<u64>,
    ) -> Result<String, String> {
        let meter = Meter { spent, grown, limits: self.limits, before: self.told.bytes };
        let open = open_packed(packed).map_err(|error| format!("which {}", unread(&error)))?;
        let mut plain = Hashing { inner: Metered { inner: open, meter }, hash: Sha256::new(), count: grown };
        self.entries(&mut plain)?;
        // What stands behind the end is hashed too.
        io::copy(&mut plain, &mut io::sink())
            .map_err(|error| format!("which at its end {}", unread(&error)))?;
        Ok(format!("sha256:{}", super::hex(&plain.hash.finalize())))
    }

    fn entries(&mut self, plain: &mut impl Read) -> Result<(), String> {
        let mut archive = tar::Archive::new(plain);
        let mut folders = Vec::new();
        let mut ahead = Ahead::default();
        let broken = |error: io::Error| format!("which {}", unread(&error));
        let mut shown = String::new();
        for entry in archive.entries().map_err(broken)?.raw(true) {
            let mut entry = entry.map_err(|error| match shown.as_str() {
                "" => broken(error),
                after => format!("which after entry '{after}' {}", unread(&error)),
            })?;
            let header = entry.header().clone();
            shown = ahead.shown(&header);
            let refused = |what: String| format!("entry '{shown}': {what}");
            self.entries += 1;
            if self.entries > self.limits.entries {
                return Err(refused(format!("the image has more than {} entries", self.limits.entries)));
            }
            if ahead.take(&header, &mut entry).map_err(refused)? {
                continue;
            }
            let item = std::mem::take(&mut ahead).entry(&header).map_err(refused)?;
            self.item(&item, &mut entry).map_err(refused)?;
            if item.what == What::Folder {
                folders.push((item.path, item.time));
            }
        }
        // Only now: what was put into a folder has changed its time.
        for (path, time) in folders {
            if let Ok(folder) = self.top.open_at(&path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW)
            {
                let _ = rustix::fs::futimens(&folder, &times(time));
            }
        }
        Ok(())
    }

    fn item(&mut self, item: &Item, body: &mut impl Read) -> Result<(), String> {
        let words = |error: io::Error| super::words(&error);
        if item.what == What::Nothing {
            return Ok(());
        }
        // The folders above, as this layer wrote them: no tar of a folder has anything below a link.
        if let Some(link) = item.path.ancestors().skip(1).find(|above| self.links.contains(*above)) {
            return Err(format!("it goes through the link '{}' of the same layer", link.display()));
        }
        if item.what == What::Opaque {
            return self.hide(&item.path).map_err(words);
        }
        let Some(name) = item.path.file_name() else {
            let root = self.top.open_at(Path::new(""), OFlags::RDONLY | OFlags::DIRECTORY).map_err(words)?;
            return self.adorn(&root, item).map_err(words);
        };
        let above = item.path.parent().unwrap_or(Path::new(""));
        let folder = self.top.folder(above).map_err(|error| match error.raw_os_error() {
            Some(libc::ENOTDIR | libc::EEXIST | libc::ELOOP) => format!("'{}' is no folder", above.display()),
            _ => words(error),
        })?;
        let there = beneath::look(&folder, name).map_err(words)?;
        if item.what == What::Gone {
            if there.is_some() && !self.new.contains(&item.path) {
                self.top.forget();
                beneath::remove(&folder, name).map_err(words)?;
            }
            return Ok(());
        }
        let same = match &item.what {
            What::Same(target) => Some(self.same(target, &item.path)?),
            _ => None,
        };
        let keeps = item.what == What::Folder && there.as_ref().is_some_and(beneath::is_folder);
        if there.is_some() && !keeps {
            self.top.forget();
            beneath::remove(&folder, name).map_err(words)?;
        }
        self.new.insert(item.path.clone());
        if matches!(item.what, What::Link(_)) {
            self.links.insert(item.path.clone());
        }
        let made = match (&item.what, same) {
            (What::File, _) => self.file(item, &folder, name, body),
            (What::Folder, _) => self.subfolder(item, &folder, name, keeps),
            (What::Link(text), _) => self.link(item, &folder, name, text),
            (_, Some((from, old))) => {
                rustix::fs::linkat(&*from, &*old, &folder, name, AtFlags::empty()).map_err(io::Error::from)
            }
            _ => Ok(()),
        };
        made.map_err(words)
    }

    fn subfolder(&mut self, item: &Item, folder: &impl AsFd, name: &OsStr, keeps: bool) -> io::Result<()> {
        if !keeps {
            rustix::fs::mkdirat(folder, name, Mode::from_bits_truncate(0o700))?;
        }
        self.adorn(&beneath::open_folder(folder, name)?, item)
    }

    /// The folder and name that a hard link means; they must be there.
    fn same(&mut self, target: &Path, own: &Path) -> Result<(Rc<OwnedFd>, PathBuf), String> {
        let none = || format!("it is a hard link to '{}', which is no file of the image", target.display());
        if let Some(link) = target.ancestors().skip(1).find(|above| self.links.contains(*above)) {
            return Err(format!("it is a hard link through the link '{}' of the same layer", link.display()));
        }
        let name = target.file_name().filter(|_| target != own).ok_or_else(none)?;
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        let above = target.parent().unwrap_or(Path::new(""));
        let folder = self.top.open_at(above, flags).map_err(|_| none())?;
        match beneath::look(&folder, name) {
            Ok(Some(stat)) if !beneath::is_folder(&stat) => Ok((Rc::new(folder), name.into())),
            _ => Err(none()),
        }
    }

    fn file(
        &mut self,
        item: &Item,
        folder: &impl AsFd,
        name: &OsStr,
        body: &mut impl Read,
    ) -> io::Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = File::from(rustix::fs::openat(folder, name, flags, Mode::from_bits_truncate(0o600))?);
        let mut buffer = [0u8; 1 << 14];
        loop {
            let got = body
                .read(&mut buffer)
                .map_err(|error| io::Error::other(format!("the layer {}", unread(&error))))?;
            if got == 0 {
                break;
            }
            file.write_all(&buffer[..got])?;
            self.told.bytes += got as u64;
        }
        self.adorn(&file, item)?;
        Ok(rustix::fs::futimens(&file, &times(item.time))?)
    }

    fn link(&mut self, item: &Item, folder: &impl AsFd, name: &OsStr, text: &[u8]) -> io::Result<()> {
        rustix::fs::symlinkat(OsStr::from_bytes(text), folder, name)?;
        if let Some((user, group)) = self.owner(item) {
            rustix::fs::chownat(folder, name, Some(user), Some(group), AtFlags::SYMLINK_NOFOLLOW)?;
        }
        Ok(rustix::fs::utimensat(folder, name, &times(item.time), AtFlags::SYMLINK_NOFOLLOW)?)
    }

    /// Owner, attributes and mode, in this order: a change of the owner takes marks of the mode away.
    fn adorn(&mut self, file: &impl AsFd, item: &Item) -> io::Result<()> {
        if let Some((user, group)) = self.owner(item) {
            rustix::fs::fchown(file, Some(user), Some(group))?;
        }
        for (name, value) in &item.attributes {
            if !kept(name)
                || rustix::fs::fsetxattr(file, name.as_slice(), value, XattrFlags::empty()).is_err()
            {
                self.told.attributes += 1;
            }
        }
        // Without owners there is nobody else, and who unpacks must get into a folder again.
        let open = if !self.owners && item.what == What::Folder { 0o700 } else { 0 };
        Ok(rustix::fs::fchmod(file, Mode::from_bits_truncate(item.mode | open))?)
    }

    fn owner(&mut self, item: &Item) -> Option<(rustix::fs::Uid, rustix::fs::Gid)> {
        if !self.owners {
            return None;
        }
        let (user, group) = item.owner;
        self.told.strangers += u64::from(user >= IDS || group >= IDS);
        let within = |id: u64| if id < IDS { id as u32 } else { NOBODY as u32 };
        Some((rustix::fs::Uid::from_raw(within(user)), rustix::fs::Gid::from_raw(within(group))))
    }

    /// Removes what the layers below have in a folder.
    fn hide(&mut self, path: &Path) -> io::Result<()> {
        self.top.forget();
        let folder = self.top.folder(path)?;
        self.hide_below(&folder, path)?;
        self.top.forget();
        Ok(())
    }

    fn hide_below(&self, folder: &impl AsFd, path: &Path) -> io::Result<()> {
        for name in beneath::names(folder, OsStr::new("."))? {
            let own = path.join(&name);
            if !self.new.contains(&own) {
                beneath::remove(folder, &name)?;
            } else if beneath::look(folder, &name)?.as_ref().is_some_and(beneath::is_folder) {
                self.hide_below(&beneath::open_folder(folder, &name)?, &own)?;
            }
        }
        Ok(())
    }
}

/// Attributes that mean something inside. Those of overlays and of the host's security modules would mean
/// something to the host.
fn kept(name: &[u8]) -> bool {
    name == b"security.capability" || (name.starts_with(b"user.") && !name.starts_with(b"user.overlay."))
}

fn times(seconds: i64) -> Timestamps {
    let time = Timespec { tv_sec: seconds, tv_nsec: 0 };
    Timestamps { last_access: time, last_modification: time }
}

/// Why a layer can't be read on. What the library says of a tar may hold what it read.
fn unread(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::QuotaExceeded => error.to_string(),
        _ if error.raw_os_error().is_some() => format!("can't be read: {}", super::words(error)),
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => {
            "is packed in a way that can't be unpacked".to_owned()
        }
        _ => "is cut, or is no tar".to_owned(),
    }
}

/// A layer as a tar, by its first bytes: gzip, zstd or plain.
fn open_packed<'a>(packed: &'a mut BufReader<impl Read + 'a>) -> io::Result<Box<dyn Read + 'a>> {
    use std::io::BufRead;
    let head = packed.fill_buf()?;
    if head.starts_with(&[0x1f, 0x8b]) {
        Ok(Box::new(flate2::bufread::MultiGzDecoder::new(packed)))
    } else if head.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        Ok(Box::new(zstd::stream::read::Decoder::with_buffer(packed)?))
    } else {
        Ok(Box::new(packed))
    }
}

/// Counts and hashes what goes through.
struct Hashing<'a, R> {
    inner: R,
    hash: Sha256,
    count: &'a Cell<u64>,
}

impl<R: Read> Read for Hashing<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.inner.read(buffer)?;
        self.hash.update(&buffer[..got]);
        self.count.set(self.count.get() + got as u64);
        Ok(got)
    }
}

/// Ends a layer that grows beyond all bounds.
struct Meter<'a> {
    spent: &'a Cell<u64>,
    grown: &'a Cell<u64>,
    limits: Limits,
    before: u64,
}

struct Metered<'a, R> {
    inner: R,
    meter: Meter<'a>,
}

impl<R: Read> Read for Metered<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Meter { spent, grown, limits, before } = &self.meter;
        if before + grown.get() > limits.bytes {
            let told = format!("makes the image unpack to more than {} bytes", limits.bytes);
            return Err(io::Error::new(io::ErrorKind::QuotaExceeded, told));
        }
        if grown.get() > limits.small && grown.get() / limits.ratio > spent.get() {
            let (grown, spent) = (grown.get(), spent.get());
            let told = format!(
                "is a bomb: {spent} packed bytes became {grown}, more than {} times as many",
                limits.ratio
            );
            return Err(io::Error::new(io::ErrorKind::QuotaExceeded, told));
        }
        self.inner.read(buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::write::GzEncoder;

    fn layer(folder: &Path, plain: &[u8]) -> Layer {
        let mut packed = GzEncoder::new(Vec::new(), flate2::Compression::best());
        packed.write_all(plain).unwrap();
        let packed = packed.finish().unwrap();
        let digest = |bytes: &[u8]| format!("sha256:{}", super::super::hex(&Sha256::digest(bytes)));
        let file = folder.join(&digest(&packed)[7..]);
        std::fs::write(&file, &packed).unwrap();
        let size = packed.len() as u64;
        Layer { digest: Some(digest(&packed)), diff_id: digest(plain), file, offset: 0, size }
    }

    fn tar(files: u32, size: usize) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        let bytes = vec![0; size];
        for file in 0..files {
            let mut header = tar::Header::new_gnu();
            header.set_size(size as u64);
            header.set_mode(0o644);
            tar.append_data(&mut header, file.to_string(), bytes.as_slice()).unwrap();
        }
        tar.into_inner().unwrap()
    }

    #[test]
    fn bombs_end_at_the_limits() {
        let folder = tempfile::tempdir().unwrap();
        let limits = Limits { bytes: 3 << 20, entries: 50, ratio: 200, small: 1 << 20 };
        let unpacked = |plain: &[u8], limits: Limits| {
            let root = tempfile::tempdir_in(folder.path()).unwrap();
            unpack(root.path(), &[layer(folder.path(), plain)], false, limits).map(|told| told.bytes)
        };
        // Zeros pack a thousand to one.
        let zeros = tar(4, 500_000);
        assert_eq!(unpacked(&zeros, LIMITS), Ok(2_000_000));
        let bomb = unpacked(&zeros, limits).unwrap_err();
        assert!(bomb.contains("is a bomb: ") && bomb.contains("more than 200 times as many"), "{bomb}");
        let large = unpacked(&tar(8, 500_000), Limits { ratio: 1 << 20, ..limits }).unwrap_err();
        assert!(large.contains("makes the image unpack to more than 3145728 bytes"), "{large}");
        let many = unpacked(&tar(51, 1), limits).unwrap_err();
        assert!(many.contains("entry '50': the image has more than 50 entries"), "{many}");
        // What stands behind the end of the tar is unpacked only to be hashed, and counts all the same.
        let mut tail = tar(1, 1);
        tail.resize(2 << 20, 0);
        let tail = unpacked(&tail, limits).unwrap_err();
        assert!(tail.contains("which at its end is a bomb"), "{tail}");
    }
}
