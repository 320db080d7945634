//! Zip archives in memory, for logs that are one. Nothing is ever written to disk, and no name is a path.
//!
//! Shape: PKWARE's APPNOTE 6.3.10 (local headers, data descriptors, central directory, Zip64). Methods: stored,
//! deflate and Zstandard. An archive without a central directory, as a killed writer leaves it, is read by its local
//! headers.
//!
//! Invariants: sizes that headers claim never decide how much is allocated; what a member really holds is bounded
//! by itself and together with the others; a member whose size or checksum differs from what is claimed is refused.

mod directory;

use crate::util::plural::plural;
use directory::Entry;
use flate2::read::DeflateDecoder;
use std::collections::{HashMap, HashSet};
use std::io::Read;

/// Most bytes of one member.
const MEMBER_LIMIT: u64 = 128 << 20;
/// Most bytes of all members together.
const TOTAL_LIMIT: u64 = 2 << 30;

/// A member that could be read.
pub(super) struct Member {
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
}

/// What an archive holds.
#[derive(Default)]
pub(super) struct Archive {
    /// Members in the order of the directory.
    pub(super) members: Vec<Member>,
    /// What could not be read: offset in the archive, and a clause.
    pub(super) errors: Vec<(usize, String)>,
    /// What is odd, but was read.
    pub(super) warnings: Vec<(usize, String)>,
}

/// Whether bytes begin like a zip archive.
pub(super) fn is_zip(bytes: &[u8]) -> bool {
    bytes.starts_with(directory::LOCAL)
}

/// Names of the members, read or not.
pub(super) fn names(bytes: &[u8]) -> Vec<String> {
    let (found, _) = directory::entries(bytes);
    found.entries.into_iter().map(|entry| entry.name).collect()
}

/// Reads the members whose names are `wanted`; other names are checked and passed by.
pub(super) fn read(bytes: &[u8], wanted: impl Fn(&str) -> bool) -> Archive {
    let (found, listed) = directory::entries(bytes);
    let mut archive = Archive { errors: found.errors, warnings: found.warnings, ..Archive::default() };
    if !listed {
        let what = format!(
            "the archive has no directory at its end, so its writer was cut off: {} found by their own headers",
            plural(found.entries.len(), "member")
        );
        archive.errors.push((bytes.len(), what));
    }
    // Of members with one name the last one counts, as for every other reader of such logs.
    let mut last: HashMap<&str, usize> = HashMap::new();
    for (n, entry) in found.entries.iter().enumerate() {
        last.insert(&entry.name, n);
    }
    let mut told = HashSet::new();
    let mut left = TOTAL_LIMIT;
    for (n, entry) in found.entries.iter().enumerate() {
        if odd_name(&entry.name) {
            let what = format!("a member is named '{}': it is passed by", entry.name.escape_debug());
            archive.warnings.push((entry.header, what));
            continue;
        }
        if last[&*entry.name] != n {
            if told.insert(&entry.name) {
                let what =
                    format!("the archive holds '{}' more than once, and the last one counts", entry.name);
                archive.warnings.push((entry.header, what));
            }
            continue;
        }
        if !wanted(&entry.name) {
            continue;
        }
        match member(bytes, entry, MEMBER_LIMIT.min(left)) {
            Ok(content) => {
                left -= content.len() as u64;
                archive.members.push(Member { name: entry.name.clone(), bytes: content });
            }
            Err(what) => archive.errors.push((entry.header, format!("member '{}' {what}", entry.name))),
        }
    }
    archive
}

/// Whether a name leads out of a folder or is none.
fn odd_name(name: &str) -> bool {
    name.is_empty()
        || name.starts_with('/')
        || name.contains(['\\', '\0', ':'])
        || name.split('/').any(|part| part == "..")
}

/// The bytes of a member, or a clause about what is wrong with it.
fn member(bytes: &[u8], entry: &Entry, limit: u64) -> Result<Vec<u8>, String> {
    if entry.is_link() {
        return Err("is a symbolic link".to_owned());
    }
    if entry.flags & 1 != 0 {
        return Err("is encrypted".to_owned());
    }
    let data = bytes.get(entry.data..).unwrap_or_default();
    let data = match entry.packed {
        Some(packed) => {
            usize::try_from(packed).ok().and_then(|packed| data.get(..packed)).ok_or("is cut off")?
        }
        None => data,
    };
    let mut content = Vec::new();
    unpack(data, entry.method, limit, &mut content)?;
    if entry.size.is_some_and(|size| size != content.len() as u64) {
        return Err(format!(
            "holds {} bytes, but its header claims {}",
            content.len(),
            entry.size.unwrap_or_default()
        ));
    }
    let mut sum = flate2::Crc::new();
    sum.update(&content);
    if entry.crc.is_some_and(|crc| crc != sum.sum()) {
        return Err("is damaged: its checksum is wrong".to_owned());
    }
    Ok(content)
}

/// Unpacks data up to the end of its stream into `out`: how much was used.
fn unpack(data: &[u8], method: u16, limit: u64, out: &mut Vec<u8>) -> Result<usize, String> {
    match method {
        0 => {
            if data.len() as u64 > limit {
                return Err(too_large(limit));
            }
            out.extend_from_slice(data);
            Ok(data.len())
        }
        8 => {
            let mut decoder = DeflateDecoder::new(data);
            drain(&mut decoder, limit, out)?;
            Ok(decoder.total_in() as usize)
        }
        93 => {
            let mut rest = data;
            let decoder = zstd::stream::read::Decoder::with_buffer(&mut rest);
            let mut decoder = decoder.map_err(|error| format!("has bad zstd data: {error}"))?.single_frame();
            drain(&mut decoder, limit, out)?;
            drop(decoder);
            Ok(data.len() - rest.len())
        }
        other => Err(format!("is packed with method {other}, which is not known")),
    }
}

fn drain(decoder: impl Read, limit: u64, out: &mut Vec<u8>) -> Result<(), String> {
    match decoder.take(limit + 1).read_to_end(out) {
        Ok(_) if out.len() as u64 > limit => Err(too_large(limit)),
        Ok(_) => Ok(()),
        Err(error) => Err(format!("is damaged after {} bytes: {error}", out.len())),
    }
}

fn too_large(limit: u64) -> String {
    format!("grows over the limit of {} MiB", limit >> 20)
}
