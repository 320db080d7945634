//! Snapshots: the files of a sandbox that has ended, on which others start.
//!
//! Invariant: a snapshot never changes. Where sandboxes have a root of their own, its files lie in memory and are shown
//! copy-on-write; in the other levels every sandbox gets a copy.

use super::attempt::{self, Given};
use super::image::Image;
use super::janitor::Janitor;
use super::nursery::Nursery;
use super::remote::Remote;
use super::state::State;
use super::wire::{Dec, Spec, failed, hold, kind};
use super::{Level, Sandbox, SandboxError};
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// Files that sandboxes can start on, as long as this lives.
#[derive(Debug, Clone)]
pub struct Snapshot(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    level: Level,
    image: Option<Image>,
    /// First host id of its files; sandboxes on it have the same.
    uid: u32,
    files: Files,
}

#[derive(Debug)]
enum Files {
    /// Kept by a process.
    Held(Arc<Remote>),
    /// To be unpacked into each sandbox.
    Packed(State),
}

/// What a sandbox on a snapshot is started with.
pub(super) struct Start {
    pub(super) given: Given,
    pub(super) base: Vec<(String, String)>,
    pub(super) uid: Option<u32>,
}

impl PartialEq for Snapshot {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// Where a keeper is started: who forks it, who clears up after it, and its folder.
pub(super) struct Place {
    pub(super) nursery: Arc<Nursery>,
    pub(super) janitor: Arc<Janitor>,
    pub(super) folder: String,
    pub(super) level: Level,
    pub(super) uid: u32,
    pub(super) image: Option<Image>,
}

impl Snapshot {
    /// Takes over the file system of a sandbox; `layers` are the places of its parts.
    pub(super) async fn of_tree(
        place: Place,
        tree: OwnedFd,
        layers: Vec<(String, String)>,
    ) -> Result<Self, SandboxError> {
        Self::held(place, Given::Tree(tree), layers).await
    }

    /// Unpacks a state once, for all sandboxes that start on it.
    pub(super) async fn of_state(place: Place, state: State) -> Result<Self, SandboxError> {
        Self::held(place, Given::Stream(state.stream()?), Vec::new()).await
    }

    /// A state that each sandbox unpacks for itself.
    pub(super) fn packed(state: State) -> Self {
        let level = state.head.level;
        Self(Arc::new(Inner { level, image: None, uid: 0, files: Files::Packed(state) }))
    }

    async fn held(place: Place, given: Given, base: Vec<(String, String)>) -> Result<Self, SandboxError> {
        let Place { nursery, janitor, folder, level, uid, image } = place;
        let hold = match &given {
            Given::Tree(_) => hold::TREE,
            Given::Stream(_) => hold::STREAM,
        };
        let spec = Spec {
            level: level as u8,
            folder,
            hold,
            base,
            uid,
            image: image.clone(),
            // It runs nothing; a network of its own would only be made for it.
            host_network: true,
            ..Spec::default()
        };
        let (layers, groups) = (Vec::new(), Vec::new());
        let start = attempt::Start {
            nursery,
            janitor,
            level,
            layers,
            spec,
            groups,
            output: None,
            given: Some(given),
            spare: None,
        };
        let keeper = attempt::start(start).await?;
        Ok(Self(Arc::new(Inner { level, image, uid, files: Files::Held(keeper) })))
    }

    /// The level of the sandboxes that can start on it.
    pub fn level(&self) -> Level {
        self.0.level
    }

    /// What of a kept state could not be unpacked: how many files, and why the first of them. Where each sandbox
    /// unpacks for itself, that is told by [`Sandbox::missing`].
    pub fn missing(&self) -> Option<(u64, String)> {
        match &self.0.files {
            Files::Held(keeper) => keeper.missing(),
            Files::Packed(_) => None,
        }
    }

    /// What a sandbox on it needs; `image` is what it would show.
    pub(super) async fn start(&self, level: Level, image: Option<&Image>) -> Result<Start, SandboxError> {
        if level != self.0.level {
            return Err(SandboxError::new(format!(
                "a snapshot of the sandbox level '{}' can't be opened in the level '{}'",
                self.0.level.as_str(),
                level.as_str()
            )));
        }
        match &self.0.files {
            Files::Packed(state) => {
                let again =
                    state.again().ok_or_else(|| SandboxError::new("the kept state can't be read again"))?;
                Ok(Start { given: Given::Stream(again.stream()?), base: Vec::new(), uid: None })
            }
            Files::Held(keeper) => {
                if image.map(|image| &image.root) != self.0.image.as_ref().map(|image| &image.root) {
                    return Err(SandboxError::new(
                        "a snapshot can't be opened on another image than its own",
                    ));
                }
                let (fields, mut given) = keeper.files.0.ask(kind::SHARE, &[]).await?;
                let base = Dec(&fields).pairs().map_err(|error| failed("read a snapshot", &error))?;
                let tree = given.pop().ok_or_else(|| SandboxError::new("no snapshot came back"))?;
                Ok(Start { given: Given::Tree(tree), base, uid: Some(self.0.uid) })
            }
        }
    }

    /// Lets go of the files when nobody else has this snapshot. Sandboxes on it live on.
    pub async fn close(self) {
        if let Files::Held(keeper) = &self.0.files
            && Arc::strong_count(&self.0) == 1
        {
            keeper.close().await;
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let Files::Held(keeper) = &self.files else { return };
        let keeper = Arc::clone(keeper);
        // Whoever did not close it in order; without a runtime the janitor clears up.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { keeper.close().await });
        }
    }
}
