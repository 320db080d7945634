//! Schema versions of what the store writes.

use std::fmt;

/// The version that this build writes: in `run.json` and in every record.
pub const SCHEMA: Version = Version { major: 1, minor: 0 };

/// `major.minor`. A higher minor only adds fields; a higher major changes their meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// Changes of meaning.
    pub major: u32,
    /// Additions.
    pub minor: u32,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl Version {
    /// Reads what [`fmt::Display`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        let (major, minor) = text.split_once('.')?;
        Some(Self { major: major.parse().ok()?, minor: minor.parse().ok()? })
    }

    /// Whether this build can read it: an older one, or a newer minor whose additions are ignored.
    pub fn readable(self) -> bool {
        self.major <= SCHEMA.major
    }

    /// Whether this build may append to it.
    pub fn writable(self) -> bool {
        self <= SCHEMA
    }
}
