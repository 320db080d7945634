//! Entries of a layer, read from a tar of which nothing is believed: long names and extended headers are read up
//! to a cap, names are taken apart, and what can't be meant is refused.
//!
//! Formats: POSIX ustar and pax (IEEE 1003.1), GNU long names; whiteouts of the OCI image specification 1.1,
//! `layer.md`.

use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use tar::{EntryType, Header};

/// Longest name, in bytes, as the kernel takes it.
const MAX_PATH: usize = 4096;
/// Longest part of a name.
const MAX_NAME: usize = 255;
/// Most folders above each other.
const MAX_DEPTH: usize = 200;
/// Most bytes of an extended header: names and extended attributes.
const MAX_EXTENDED: u64 = 1 << 20;
/// How an entry says that something of the layers below is not there any more.
const WHITEOUT: &str = ".wh.";
/// Names of a union file system's own files, and of the mark for "nothing of below".
const META: &str = ".wh..wh.";

/// What an entry asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum What {
    File,
    Folder,
    /// A symbolic link with its text.
    Link(Vec<u8>),
    /// Another name of a path.
    Same(PathBuf),
    /// The name beside it is gone.
    Gone,
    /// All that the layers below have in this folder is gone.
    Opaque,
    /// Nothing: devices below `dev`, which a sandbox has of its own, and a union file system's own files.
    Nothing,
}

/// An entry that can be unpacked.
#[derive(Debug)]
pub(super) struct Item {
    /// Where, without a leading slash; empty for the root itself.
    pub(super) path: PathBuf,
    pub(super) what: What,
    pub(super) mode: u32,
    pub(super) owner: (u64, u64),
    /// Seconds since 1970.
    pub(super) time: i64,
    /// Extended attributes.
    pub(super) attributes: Vec<(Vec<u8>, Vec<u8>)>,
}

/// Headers that came before the entry that they belong to.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    owner: (Option<u64>, Option<u64>),
    size: Option<u64>,
    time: Option<i64>,
    attributes: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Ahead {
    /// Takes a header that says more about the next entry; `false` if this is an entry of its own.
    pub(super) fn take(&mut self, header: &Header, body: &mut impl Read) -> Result<bool, String> {
        match header.entry_type() {
            EntryType::GNULongName => self.name = Some(long(header, body)?),
            EntryType::GNULongLink => self.link = Some(long(header, body)?),
            EntryType::XHeader => self.extend(&read(header, body, MAX_EXTENDED)?)?,
            EntryType::XGlobalHeader => {}
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn extend(&mut self, bytes: &[u8]) -> Result<(), String> {
        for extension in tar::PaxExtensions::new(bytes) {
            let extension = extension.map_err(|_| "its extended header can't be read".to_owned())?;
            let (key, value) = (extension.key_bytes(), extension.value_bytes().to_vec());
            let number = || std::str::from_utf8(extension.value_bytes()).ok().and_then(|n| n.parse().ok());
            match key {
                b"path" => self.name = Some(value),
                b"linkpath" => self.link = Some(value),
                b"uid" => self.owner.0 = number(),
                b"gid" => self.owner.1 = number(),
                b"size" => self.size = number(),
                b"mtime" => {
                    let text = String::from_utf8_lossy(&value);
                    self.time = text.split('.').next().and_then(|seconds| seconds.parse().ok());
                }
                key if key.starts_with(b"GNU.sparse.") => {
                    return Err("it is a sparse file, which is not supported".to_owned());
                }
                key => {
                    if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
                        self.attributes.push((name.to_vec(), value));
                    }
                }
            }
        }
        Ok(())
    }

    /// The name of the entry as it stands in the tar, for messages.
    pub(super) fn shown(&self, header: &Header) -> String {
        let name = self.name.clone().unwrap_or_else(|| header.path_bytes().into_owned());
        let text = String::from_utf8_lossy(&name);
        let cut: String = text.chars().take(200).flat_map(char::escape_debug).collect();
        if cut.len() < text.len() && text.chars().count() > 200 { format!("{cut}…") } else { cut }
    }

    /// The entry itself.
    pub(super) fn entry(self, header: &Header) -> Result<Item, String> {
        let name = self.name.unwrap_or_else(|| header.path_bytes().into_owned());
        let size = header.entry_size().map_err(|_| "its size can't be read".to_owned())?;
        if self.size.is_some_and(|told| told != size) {
            return Err("it is larger than 8 GiB, which is not supported".to_owned());
        }
        let path = parts(&name)?;
        let link = || -> Result<Vec<u8>, String> {
            let text =
                self.link.clone().or_else(|| header.link_name_bytes().map(std::borrow::Cow::into_owned));
            text.filter(|text| !text.is_empty() && text.len() <= MAX_PATH && !text.contains(&0))
                .ok_or_else(|| "it is a link that leads to nothing, or further than a path can".to_owned())
        };
        let own = path.file_name().map(OsStr::as_bytes).unwrap_or_default();
        let (path, what) = if own.starts_with(WHITEOUT.as_bytes()) {
            whiteout(&path, own)?
        } else {
            let what = match header.entry_type() {
                EntryType::Regular if name.ends_with(b"/") => What::Folder,
                EntryType::Regular | EntryType::Continuous => What::File,
                EntryType::Directory => What::Folder,
                EntryType::Symlink => What::Link(link()?),
                EntryType::Link => What::Same(
                    parts(&link()?).map_err(|why| format!("it is a hard link to a path of which {why}"))?,
                ),
                EntryType::Char | EntryType::Block | EntryType::Fifo if path.starts_with("dev") => {
                    What::Nothing
                }
                EntryType::Char | EntryType::Block => return Err("it is a device node".to_owned()),
                EntryType::Fifo => return Err("it is a FIFO".to_owned()),
                EntryType::GNUSparse => return Err("it is a sparse file, which is not supported".to_owned()),
                other => return Err(format!("its type '{}' is unknown", other.as_byte().escape_ascii())),
            };
            (path, what)
        };
        if path.as_os_str().is_empty() && !matches!(what, What::Folder | What::Opaque) {
            return Err("it takes the place of the root".to_owned());
        }
        let number = |told: Option<u64>, field: std::io::Result<u64>| told.or(field.ok()).unwrap_or(0);
        Ok(Item {
            path,
            what,
            mode: header.mode().unwrap_or(0o644) & 0o7777,
            owner: (number(self.owner.0, header.uid()), number(self.owner.1, header.gid())),
            time: self.time.or_else(|| header.mtime().ok().map(|time| time as i64)).unwrap_or(0),
            attributes: self.attributes,
        })
    }
}

fn long(header: &Header, body: &mut impl Read) -> Result<Vec<u8>, String> {
    let mut name = read(header, body, MAX_PATH as u64 + 1)?;
    while name.last() == Some(&0) {
        name.pop();
    }
    Ok(name)
}

fn read(header: &Header, body: &mut impl Read, max: u64) -> Result<Vec<u8>, String> {
    let size = header.entry_size().map_err(|_| "the size of its header can't be read".to_owned())?;
    if size > max {
        return Err(format!("a header of {size} bytes is more than the limit of {max}"));
    }
    let mut bytes = Vec::new();
    body.take(max).read_to_end(&mut bytes).map_err(|error| super::words(&error))?;
    Ok(bytes)
}

/// A name as a path from the root; what would lead out of it is refused, never bent.
fn parts(name: &[u8]) -> Result<PathBuf, String> {
    if name.len() > MAX_PATH {
        return Err(format!("the name of {} bytes is longer than a path can be", name.len()));
    }
    if name.contains(&0) {
        return Err("the name holds a NUL byte".to_owned());
    }
    let mut path = PathBuf::new();
    let mut depth = 0;
    let mut before: &[u8] = b"";
    for part in name.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".") {
        if part == b".." {
            return Err("the name leads out of the image".to_owned());
        }
        if part.len() > MAX_NAME {
            return Err(format!("a part of the name has {} bytes, more than {MAX_NAME}", part.len()));
        }
        if before.starts_with(WHITEOUT.as_bytes()) {
            return Err("the name goes through a whiteout".to_owned());
        }
        depth += 1;
        before = part;
        path.push(OsStr::from_bytes(part));
    }
    if depth > MAX_DEPTH {
        return Err(format!("the name has {depth} parts, more than {MAX_DEPTH}"));
    }
    Ok(path)
}

/// What a name that begins with `.wh.` means.
fn whiteout(path: &Path, name: &[u8]) -> Result<(PathBuf, What), String> {
    let folder = path.parent().unwrap_or(Path::new(""));
    if name == b".wh..wh..opq" {
        return Ok((folder.to_owned(), What::Opaque));
    }
    if name.starts_with(META.as_bytes()) {
        return Ok((path.to_owned(), What::Nothing));
    }
    let gone = &name[WHITEOUT.len()..];
    if gone.is_empty() || gone == b"." || gone == b".." {
        return Err("it is a whiteout of no name".to_owned());
    }
    Ok((folder.join(OsStr::from_bytes(gone)), What::Gone))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_below_the_root() {
        assert_eq!(parts(b"./a//b/").unwrap(), Path::new("a/b"));
        assert_eq!(parts(b"/etc/passwd").unwrap(), Path::new("etc/passwd"));
        for bad in
            [&b"../x"[..], b"a/../../x", b"a/..", b"a\0b", b".wh.a/b", &[b'x'; 300], &b"a/".repeat(250)]
        {
            assert!(parts(bad).is_err(), "{}", bad.escape_ascii());
        }
    }

    #[test]
    fn whiteouts_name_one_thing() {
        let told = |path: &str| {
            let path = Path::new(path);
            whiteout(path, path.file_name().unwrap().as_bytes())
        };
        assert_eq!(told("a/.wh.b").unwrap(), (PathBuf::from("a/b"), What::Gone));
        assert_eq!(told("a/.wh..wh..opq").unwrap(), (PathBuf::from("a"), What::Opaque));
        assert_eq!(told("a/.wh..wh.plnk").unwrap().1, What::Nothing);
        assert!(told("a/.wh.").is_err() && told("a/.wh..").is_err() && told("a/.wh...").is_err());
    }
}
