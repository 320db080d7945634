//! What programs made of the files of a sandbox, as its init tells it.

use super::wire::Dec;
use std::io;

/// What became of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// It was not there before.
    Added,
    /// Content, kind, mode or owner differ.
    Changed,
    /// It is no longer there.
    Removed,
}

impl Change {
    /// The word that is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Change::Added => "added",
            Change::Changed => "changed",
            Change::Removed => "removed",
        }
    }
}

/// A path that is not what it was.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Changed {
    /// As programs see it; lossy UTF-8.
    pub path: String,
    /// What became of it.
    pub change: Change,
    /// Bytes of a regular file, else 0.
    pub size: u64,
}

/// All that changed, sorted by path.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// The first of them.
    pub list: Vec<Changed>,
    /// How many more there are, that are not in the list.
    pub more: u64,
    /// Folders that could not be looked into.
    pub unread: u64,
}

impl Changes {
    pub(super) fn decode(fields: &[u8]) -> io::Result<Self> {
        let mut from = Dec(fields);
        let mut changes = Self { list: Vec::new(), more: from.u64()?, unread: from.u64()? };
        for _ in 0..from.u32()? {
            let change = match from.u8()? {
                0 => Change::Added,
                1 => Change::Changed,
                _ => Change::Removed,
            };
            changes.list.push(Changed { change, size: from.u64()?, path: from.text()? });
        }
        changes.list.sort();
        Ok(changes)
    }
}
