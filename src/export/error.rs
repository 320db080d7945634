//! Why an export came to nothing.

use std::fmt;
use std::io;
use std::path::Path;

/// An export that was not made, or that did not stand the proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExportError {
    /// The user can set it right: folder, options, files.
    Usage(String, Option<String>),
    /// The data say no: a secret, nothing left, a proof that fails.
    No(String, Vec<String>),
    /// The disk did not do its part.
    Disk(String),
}

impl ExportError {
    /// An error of the disk.
    pub fn disk(verb: &str, path: &Path, error: &io::Error) -> Self {
        Self::Disk(format!("can't {verb} '{}': {}", path.display(), crate::store::io_text(error)))
    }
}

impl fmt::Display for ExportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExportError::Usage(text, _) | ExportError::No(text, _) | ExportError::Disk(text) => {
                f.write_str(text)
            }
        }
    }
}

impl std::error::Error for ExportError {}
