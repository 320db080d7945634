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
use std::path::PathBuf;
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
    /// An init that is to become the sandbox, with the folder and the ids of the spec.
    pub(super) spare: Option<Waiting>,
}

/// Files to begin with.
pub(super) enum Given {
    /// A mount.
    Tree(OwnedFd),
    /// A stream, which takes its time.
    Stream(OwnedFd),
}

/// An init that waits for its spec.
#[derive(Debug)]
pub(super) struct Waiting {
    /// What it knows of itself.
    pub(super) spec: Spec,
    pub(super) init: Born,
    /// The harness's end of its control socket.
    socket: OwnedFd,
    nursery: Arc<Nursery>,
    janitor: Arc<Janitor>,
}

impl Waiting {
    /// Makes a sandbox's folder and forks an init that knows `spec`.
    pub(super) fn bear(
        nursery: Arc<Nursery>,
        janitor: Arc<Janitor>,
        spec: Spec,
    ) -> Result<Self, SandboxError> {
        let folder = PathBuf::from(&spec.folder);
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&folder)
            .map_err(|error| failed(&format!("make {}", folder.display()), &error))?;
        let (socket, theirs) = rustix::net::socketpair(
            rustix::net::AddressFamily::UNIX,
            rustix::net::SocketType::STREAM,
            rustix::net::SocketFlags::CLOEXEC,
            None,
        )
        .map_err(|error| failed("open a socket pair", &error.into()))?;
        match nursery.bear(theirs.as_fd(), &spec) {
            Ok(init) => {
                janitor.tell('+', &init.pid.to_string());
                Ok(Self { spec, init, socket, nursery, janitor })
            }
            Err(error) => {
                scratch::remove_tree(&folder);
                Err(error)
            }
        }
    }

    /// Puts it into groups that were made after it.
    fn join(&self, groups: &[String]) -> Result<(), SandboxError> {
        let number = self.init.pid.to_string();
        groups.iter().try_for_each(|group| {
            fs::write(group, &number).map_err(|error| failed(&format!("join {group}"), &error))
        })
    }

    fn rest(self, groups: Vec<PathBuf>) -> (Own, OwnedFd) {
        let Self { spec, init, socket, nursery, janitor } = self;
        (Own { init, folder: PathBuf::from(spec.folder), groups, janitor, nursery }, socket)
    }

    /// Ends it: nobody needs it.
    pub(super) fn give_up(self) {
        let (rest, socket) = self.rest(Vec::new());
        rest.init.kill();
        drop(socket);
        rest.remove();
    }
}

/// Starts an init, or takes one that waits, and waits until it serves.
pub(super) async fn start(start: Start) -> Result<Arc<Remote>, SandboxError> {
    let Start { nursery, janitor, level, layers, spec, groups, output, given, spare } = start;
    let (patience, given) = match given {
        None => (PATIENCE, Vec::new()),
        Some(Given::Tree(tree)) => (PATIENCE, vec![tree]),
        Some(Given::Stream(stream)) => (UNPACKING, vec![stream]),
    };
    for group in &groups {
        janitor.tell('g', &group.display().to_string());
    }
    let born = match spare {
        Some(spare) => match spare.join(&spec.groups) {
            Ok(()) => Ok(spare),
            Err(error) => {
                spare.give_up();
                Err(error)
            }
        },
        None => Waiting::bear(nursery, Arc::clone(&janitor), spec.clone()),
    };
    let (rest, socket) = match born {
        Ok(born) => born.rest(groups),
        Err(error) => {
            for group in &groups {
                cgroup::destroy(group);
                janitor.tell('x', &group.display().to_string());
            }
            return Err(error);
        }
    };
    let begun = match Channel::new(socket) {
        Ok(channel) => channel
            .begin(kind::SPEC, &spec.encode(), given)
            .await
            .map(|answer| (Arc::new(channel), answer))
            .map_err(|refusal| SandboxError::new(format!("a sandbox can't start: {}", refusal.what))),
        Err(error) => Err(failed("watch a sandbox", &error)),
    };
    let (channel, answer) = match begun {
        Ok(begun) => begun,
        Err(error) => {
            rest.init.kill();
            rest.remove();
            return Err(error);
        }
    };
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
