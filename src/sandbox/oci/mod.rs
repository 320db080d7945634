//! Images of containers without a daemon: pulled or read, checked, unpacked once into a store of the user's own, and
//! shown to sandboxes as the lower folder of their copy-on-write root.
//!
//! An image is unpacked into one folder, not one a layer: links and modes then mean what they mean to whoever
//! made the image, and a start costs one mount whatever the number of layers. Invariants: what stands under its
//! name in the store is whole and has its digests; nothing that an image says touches a file outside the store.

mod beneath;
mod document;
mod entry;
mod ids;
mod job;
mod local;
mod logins;
mod registry;
mod source;
mod start;
mod store;
mod unpack;

pub use document::Settings;
pub(super) use ids::Ids;
pub(super) use job::{NAME, main};
pub use store::{Collected, Kept, Policy};
pub(super) use store::{Ready, Store};

use super::SandboxError;
use std::io;
use std::path::{Path, PathBuf};

/// What is wrong with an image: half a sentence, to which the image's name is added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    message: String,
    hint: Option<String>,
}

impl Problem {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What was tried, and the errno in words.
    fn io(what: &str, error: &io::Error) -> Self {
        if error.raw_os_error().is_none() && error.kind() == io::ErrorKind::Other {
            return Self::new(error.to_string());
        }
        let problem = Self::new(format!("{what}: {}", words(error)));
        match error.raw_os_error() {
            Some(libc::ENOSPC | libc::EDQUOT) => problem.hint(NO_SPACE),
            _ => problem,
        }
    }

    /// Adds where it was.
    fn within(self, place: &str) -> Self {
        Self { message: format!("{place}: {}", self.message), hint: self.hint }
    }

    /// The sentence for the user.
    pub(super) fn of(self, image: &str) -> SandboxError {
        let mut error = SandboxError::new(format!("image '{image}': {}", self.message));
        error.hint = self.hint;
        error
    }
}

const NO_SPACE: &str =
    "make room, for example with `rolltape images gc`, or let ROLLTAPE_HOME name a folder on another disk";

fn words(error: &io::Error) -> String {
    super::wire::words(error)
}

/// A sentence of a library, to go on after a colon.
fn lower(text: &str) -> String {
    let mut chars = text.trim().trim_end_matches('.').chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The digits of a SHA-256 digest.
fn sha256(digest: &str) -> Option<&str> {
    let digits = digest.strip_prefix("sha256:")?;
    let fine = digits.len() == 64 && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    fine.then_some(digits)
}

/// A digest as people tell it apart.
fn short(digest: &str) -> &str {
    let digits = digest.strip_prefix("sha256:").unwrap_or(digest);
    digits.get(..12).unwrap_or(digits)
}

/// The store of images for whoever lists, pulls and removes them.
#[derive(Debug)]
pub struct Images(std::sync::Arc<Store>);

impl Images {
    /// Opens the store in `folder`, making it if it is not there. `helper` is the program that is re-executed, the
    /// running one if `None`; `logins` are files of podman or docker.
    pub fn open(folder: &Path, helper: Option<PathBuf>, logins: Vec<PathBuf>) -> Result<Self, SandboxError> {
        Store::open(folder, helper, logins).map(|store| Self(std::sync::Arc::new(store)))
    }

    /// Pulls or reads an image and unpacks it, if need be.
    pub async fn pull(&self, name: &str, policy: Policy) -> Result<Kept, SandboxError> {
        self.0.ready(name, policy).await.map(|ready| ready.kept).map_err(|problem| problem.of(name))
    }

    /// What is in the store, by name.
    pub fn list(&self) -> Result<Vec<Kept>, SandboxError> {
        self.0.list()
    }

    /// Forgets an image and removes what no other has. A path is meant from the folder `from`, there or not.
    pub async fn remove(&self, name: &str, from: &Path) -> Result<Collected, SandboxError> {
        self.0.remove(name, from).await
    }

    /// Removes what no image has: layers, folders, what broken pulls left.
    pub async fn collect(&self) -> Result<Collected, SandboxError> {
        self.0.collect().await
    }
}
