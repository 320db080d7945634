//! Objects of a repository: loose ones and those of packs, within bounds.

use super::{Files, Id, pack};
use flate2::read::ZlibDecoder;
use std::collections::BTreeMap;
use std::io::Read as _;

/// Bytes that one object may have.
const MAX_OBJECT: u64 = 16 << 20;
/// Bytes that all objects of a repository may have together.
const MAX_ALL: u64 = 128 << 20;

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Commit,
    Tree,
    Blob,
    Tag,
}

impl Kind {
    fn parse(word: &[u8]) -> Option<Self> {
        match word {
            b"commit" => Some(Kind::Commit),
            b"tree" => Some(Kind::Tree),
            b"blob" => Some(Kind::Blob),
            b"tag" => Some(Kind::Tag),
            _ => None,
        }
    }
}

/// An object.
#[derive(Debug, Clone)]
pub(super) struct Object {
    pub(super) kind: Kind,
    pub(super) bytes: Vec<u8>,
}

/// All objects that could be read.
#[derive(Default)]
pub(super) struct Objects {
    pub(super) all: BTreeMap<Id, Object>,
}

/// How much may still be unpacked: a small file may hold a very large one.
pub(super) struct Budget(u64);

impl Budget {
    /// Unpacks the stream at the start of `packed`, of `size` bytes where that is known.
    pub(super) fn inflate(&mut self, packed: &[u8], size: Option<u64>) -> Result<Vec<u8>, String> {
        let limit = MAX_OBJECT.min(self.0);
        if size.is_some_and(|size| size > limit) {
            return Err("an object is too large".to_owned());
        }
        let mut bytes = Vec::new();
        let read = ZlibDecoder::new(packed).take(limit + 1).read_to_end(&mut bytes);
        read.map_err(|_| "an object is broken".to_owned())?;
        self.spend(bytes.len() as u64)?;
        if size.is_some_and(|size| size != bytes.len() as u64) {
            return Err("an object is broken".to_owned());
        }
        Ok(bytes)
    }

    /// Counts bytes that were made.
    pub(super) fn spend(&mut self, bytes: u64) -> Result<(), String> {
        if bytes > MAX_OBJECT {
            return Err("an object is too large".to_owned());
        }
        self.0 = self.0.checked_sub(bytes).ok_or_else(|| {
            self.0 = 0;
            format!("its objects have more than {} MiB", MAX_ALL >> 20)
        })?;
        Ok(())
    }
}

/// Reads all objects; each kind of trouble is told once.
pub(super) fn read(files: &Files<'_>, troubles: &mut Vec<String>) -> Objects {
    let mut objects = Objects::default();
    let mut budget = Budget(MAX_ALL);
    let mut tell = |trouble: String| {
        if !troubles.contains(&trouble) {
            troubles.push(trouble);
        }
    };
    for (path, bytes) in files.range("objects/"..).take_while(|(path, _)| path.starts_with("objects/")) {
        if let Some(name) = path.strip_prefix("objects/pack/") {
            if let Some(stem) = name.strip_suffix(".pack") {
                match files.get(format!("objects/pack/{stem}.idx").as_str()) {
                    Some(index) => pack::read(bytes, index, &mut budget, &mut objects, &mut tell),
                    None => tell(format!("the pack '{name}' has no index")),
                }
            }
        } else if let Some(id) = path.strip_prefix("objects/").and_then(loose_id) {
            match loose(bytes, &mut budget) {
                Ok(object) => drop(objects.all.insert(id, object)),
                Err(trouble) => tell(trouble),
            }
        }
    }
    objects
}

/// `ab/cdef…`.
fn loose_id(path: &str) -> Option<Id> {
    let (first, rest) = path.split_once('/')?;
    if first.len() == 2 { id(&format!("{first}{rest}")) } else { None }
}

/// 40 hexadecimal digits.
pub(super) fn id(text: &str) -> Option<Id> {
    if text.len() != 40 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut id = [0; 20];
    for (at, byte) in id.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[at * 2..at * 2 + 2], 16).ok()?;
    }
    Some(id)
}

fn loose(packed: &[u8], budget: &mut Budget) -> Result<Object, String> {
    let broken = || "an object is broken".to_owned();
    let mut bytes = budget.inflate(packed, None)?;
    let end = bytes.iter().take(64).position(|byte| *byte == 0).ok_or_else(broken)?;
    let word = bytes[..end].split(|byte| *byte == b' ').next().unwrap_or_default();
    let kind = Kind::parse(word).ok_or_else(broken)?;
    bytes.drain(..=end);
    Ok(Object { kind, bytes })
}
