//! Why the store could not do what it was asked.

use crate::engine::SinkError;
use std::io;
use std::path::Path;

/// What kind of failure it is; the command line maps it to an exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreErrorKind {
    /// What the user named is not there, is not a run, or is of a newer format.
    Input,
    /// Another process holds the run.
    Locked,
    /// The disk, or the system below it, refused.
    Disk,
    /// The store thread itself failed: a bug.
    Bug,
}

const ROOM_TO_GO_ON: &str = "free some space, then go on with 'rolltape resume' and the run's folder";

/// A failure of the store: one lower-case sentence that names the path, and a hint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct StoreError {
    /// What kind of failure it is.
    pub kind: StoreErrorKind,
    /// The sentence.
    pub message: String,
    /// What the user may do.
    pub hint: Option<String>,
}

impl StoreError {
    pub(super) fn new(kind: StoreErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None }
    }

    pub(super) fn input(message: impl Into<String>) -> Self {
        Self::new(StoreErrorKind::Input, message)
    }

    /// An operation on a path that the system refused. `verb` is what could not be done: `write`.
    pub(crate) fn disk(verb: &str, path: &Path, error: &io::Error) -> Self {
        let mut out =
            Self::new(StoreErrorKind::Disk, format!("can't {verb} '{}': {}", path.display(), io_text(error)));
        out.hint = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Some(ROOM_TO_GO_ON.to_owned()),
            io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
                Some("choose a folder that can be written with '--out DIR'".to_owned())
            }
            io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists if verb == "create" => {
                Some("a file is in the way; name another folder with '--out DIR'".to_owned())
            }
            io::ErrorKind::NotFound if verb == "create" => Some(
                "the current folder may be gone; change to another, or name one with '--out DIR'".to_owned(),
            ),
            _ => None,
        };
        out
    }

    /// The same before the run has begun: there is nothing yet to go on with.
    pub(super) fn unbegun(mut self) -> Self {
        if self.hint.as_deref() == Some(ROOM_TO_GO_ON) {
            self.hint = Some("free some space, then start the run again".to_owned());
        }
        self
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl From<StoreError> for SinkError {
    fn from(error: StoreError) -> Self {
        SinkError { message: error.message, hint: error.hint }
    }
}

/// The system's words for an error, in lower case and without the number.
pub fn io_text(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => "unknown error".to_owned(),
    }
}
