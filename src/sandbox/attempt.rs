//! Starting one sandbox, and what must go when it ends.

use super::channel::{Channel, Refusal};
use super::container::Held;
use super::janitor::Janitor;
use super::meter::Meter;
use super::nursery::{Born, Nursery};
use super::remote::{Remote, RemoteFiles};
use super::wire::{Dec, Spec, failed, kind};
use super::{Level, SandboxError, cgroup, scratch};
use crate::model::{LayerState, LimitKind};
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Longest wait for an init that was told to start or to end.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest wait for one that has files to unpack first.
const UNPACKING: Duration = Duration::from_secs(600);

/// What of a sandbox lies on the host.
#[derive(Debug)]
pub(super) enum Rest {
    /// An init of ours.
    Own(Own),
    /// A container.
    Container(Held),
}

impl Rest {
    /// Those who would start another one, beside this; a container has none.
    pub(super) fn helpers(&self) -> Option<(Arc<Nursery>, Arc<Janitor>)> {
        match self {
            Rest::Own(own) => Some((Arc::clone(&own.nursery), Arc::clone(&own.janitor))),
            Rest::Container(_) => None,
        }
    }

    /// Limits that the groups say were hit.
    pub(super) fn limits(&self) -> Vec<LimitKind> {
        match self {
            Rest::Own(own) => cgroup::hit(&own.groups),
            Rest::Container(held) => held.groups().map(cgroup::hit).unwrap_or_default(),
        }
    }

    /// Waits for the end of the init and removes everything.
    pub(super) async fn end(self, channel: &Channel) {
        match self {
            Rest::Own(own) => own.end(channel).await,
            Rest::Container(held) => held.end(channel).await,
        }
    }
}

/// What is left of an init of ours.
#[derive(Debug)]
pub(super) struct Own {
    init: Born,
    folder: PathBuf,
    groups: Vec<PathBuf>,
    janitor: Arc<Janitor>,
    nursery: Arc<Nursery>,
}

impl Own {
    async fn end(self, channel: &Channel) {
        if tokio::time::timeout(Duration::from_secs(2), channel.ended()).await.is_err() {
            self.init.kill();
        }
        let _ = tokio::task::spawn_blocking(move || self.remove()).await;
    }

    fn remove(&self) {
        self.init.wait();
        // Told before it is buried: until then its number is its own.
        self.janitor.tell('-', &self.init.pid.to_string());
        self.nursery.bury(&self.init);
        for group in &self.groups {
            cgroup::destroy(group);
            self.janitor.tell('x', &group.display().to_string());
        }
        scratch::remove_tree(&self.folder);
    }
}

/// A sandbox that is to be started.
pub(super) struct Start {
    pub(super) nursery: Arc<Nursery>,
    pub(super) janitor: Arc<Janitor>,
    pub(super) level: Level,
    pub(super) layers: Vec<LayerState>,
    pub(super) spec: Spec,
    pub(super) groups: Vec<PathBuf>,
    pub(super) output: Option<u64>,
    /// What goes to the init with its spec: the files that the sandbox begins with.
    pub(super) given: Option<Given>,
}

/// Files to begin with.
pub(super) enum Given {
    /// A mount.
    Tree(OwnedFd),
    /// A stream, which takes its time.
    Stream(OwnedFd),
}

/// Removes what was made for a sandbox that has no init; gives the error back.
fn undone(groups: &[PathBuf], janitor: &Janitor, folder: &Path, error: SandboxError) -> SandboxError {
    for group in groups {
        cgroup::destroy(group);
        janitor.tell('x', &group.display().to_string());
    }
    scratch::remove_tree(folder);
    error
}

/// Starts an init and waits until it serves.
pub(super) async fn start(start: Start) -> Result<Arc<Remote>, SandboxError> {
    let Start { nursery, janitor, level, layers, spec, groups, output, given } = start;
    let (patience, given) = match given {
        None => (PATIENCE, Vec::new()),
        Some(Given::Tree(tree)) => (PATIENCE, vec![tree]),
        Some(Given::Stream(stream)) => (UNPACKING, vec![stream]),
    };
    let folder = PathBuf::from(&spec.folder);
    fs::DirBuilder::new()
        .mode(0o700)
        .create(&folder)
        .map_err(|error| failed(&format!("make {}", folder.display()), &error))?;
    let (ours, theirs) = rustix::net::socketpair(
        rustix::net::AddressFamily::UNIX,
        rustix::net::SocketType::STREAM,
        rustix::net::SocketFlags::CLOEXEC,
        None,
    )
    .map_err(|error| failed("open a socket pair", &error.into()))?;
    for group in &groups {
        janitor.tell('g', &group.display().to_string());
    }
    let begun = match Channel::new(ours) {
        // The spec lies ready when the init looks for it.
        Ok(channel) => {
            channel.begin(kind::SPEC, &spec.encode(), given).await.map(|answer| (Arc::new(channel), answer))
        }
        Err(error) => return Err(undone(&groups, &janitor, &folder, failed("watch a sandbox", &error))),
    };
    let born = nursery.bear(theirs.as_fd(), &spec);
    drop(theirs);
    let (init, channel, answer) = match (born, begun) {
        (Ok(init), Ok((channel, answer))) => (init, channel, answer),
        (Err(error), _) => return Err(undone(&groups, &janitor, &folder, error)),
        (Ok(init), Err(refusal)) => {
            init.kill();
            Own { init, folder, groups, janitor, nursery }.remove();
            return Err(SandboxError::new(format!("a sandbox can't start: {}", refusal.what)));
        }
    };
    janitor.tell('+', &init.pid.to_string());
    let rest = Own { init, folder, groups, janitor, nursery };
    let ready = tokio::time::timeout(patience, answer).await;
    let ready = ready.map(|answer| answer.unwrap_or_else(|_| Err(Refusal::gone())));
    let mut missing = (0, String::new());
    let problem = match ready {
        Ok(Ok((fields, _))) => {
            let mut from = Dec(&fields);
            if let (Ok(count), Ok(first)) = (from.u64(), from.text()) {
                missing = (count, first);
            }
            None
        }
        Ok(Err(refusal)) if refusal.gone => {
            Some(SandboxError::new("the sandbox's init died while it started"))
        }
        Ok(Err(refusal)) => Some(SandboxError::new(format!("a sandbox can't start: {}", refusal.what))),
        Err(_) => {
            Some(SandboxError::new(format!("a sandbox did not start within {} seconds", patience.as_secs())))
        }
    };
    if let Some(problem) = problem {
        channel.hang_up();
        rest.end(&channel).await;
        return Err(problem);
    }
    Ok(serving(level, layers, spec, output, channel, Rest::Own(rest), missing))
}

/// A sandbox whose init serves.
pub(super) fn serving(
    level: Level,
    layers: Vec<LayerState>,
    spec: Spec,
    output: Option<u64>,
    channel: Arc<Channel>,
    rest: Rest,
    missing: (u64, String),
) -> Arc<Remote> {
    let workspace = match level {
        Level::None | Level::Process => format!("{}/work", spec.folder),
        Level::User | Level::Overlay | Level::Container => "/workspace".to_owned(),
    };
    Arc::new(Remote {
        level,
        layers,
        workspace,
        meter: output.map(|limit| Meter::new(limit, channel.breach())),
        missing,
        keep: spec.keep,
        kept: AtomicU32::new(1),
        uid: spec.uid,
        base: spec.base,
        image: spec.image,
        own_network: level >= Level::User && !spec.host_network,
        folder: spec.folder,
        files: RemoteFiles(channel),
        env: Mutex::default(),
        found: Mutex::default(),
        rest: Mutex::new(Some(rest)),
    })
}
