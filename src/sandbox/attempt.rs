//! Starting one sandbox, and what must go when it ends.

use super::channel::Channel;
use super::janitor::Janitor;
use super::meter::Meter;
use super::remote::{Remote, RemoteFiles};
use super::wire::{Spec, failed, kind};
use super::{Level, SandboxError, cgroup, scratch};
use crate::model::{LayerState, LimitKind};
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The name under which the program is re-executed.
pub(super) const NAME: &str = "rolltape: init";

/// Longest wait for an init that was told to start or to end.
const PATIENCE: Duration = Duration::from_secs(10);

/// What of a sandbox lies on the host.
#[derive(Debug)]
pub(super) struct Rest {
    child: Child,
    folder: PathBuf,
    groups: Vec<PathBuf>,
    janitor: Arc<Janitor>,
}

impl Rest {
    /// Limits that the groups say were hit.
    pub(super) fn limits(&self) -> Vec<LimitKind> {
        cgroup::hit(&self.groups)
    }

    /// Waits for the end of the init and removes everything.
    pub(super) async fn end(mut self, channel: &Channel) {
        if tokio::time::timeout(Duration::from_secs(2), channel.ended()).await.is_err() {
            let _ = self.child.kill();
        }
        let _ = tokio::task::spawn_blocking(move || self.remove()).await;
    }

    fn remove(&mut self) {
        let _ = self.child.wait();
        self.janitor.tell('-', &self.child.id().to_string());
        for group in &self.groups {
            cgroup::destroy(group);
            self.janitor.tell('x', &group.display().to_string());
        }
        scratch::remove_tree(&self.folder);
    }
}

/// Starts an init and waits until it serves.
pub(super) async fn start(
    helper: &Path,
    janitor: Arc<Janitor>,
    level: Level,
    layers: Vec<LayerState>,
    spec: Spec,
    groups: Vec<PathBuf>,
    output: Option<u64>,
) -> Result<Arc<Remote>, SandboxError> {
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
    let child =
        execute(helper, theirs).map_err(|error| failed(&format!("start {}", helper.display()), &error))?;
    janitor.tell('+', &child.id().to_string());
    let mut rest = Rest { child, folder, groups, janitor };
    let channel = match Channel::new(ours) {
        Ok(channel) => Arc::new(channel),
        Err(error) => {
            let _ = rest.child.kill();
            let _ = tokio::task::spawn_blocking(move || rest.remove()).await;
            return Err(failed("watch a sandbox", &error));
        }
    };
    let ready = tokio::time::timeout(PATIENCE, channel.ask(kind::SPEC, &spec.encode())).await;
    let problem = match ready {
        Ok(Ok(_)) => None,
        Ok(Err(refusal)) if refusal.gone => {
            Some(SandboxError::new("the sandbox's init died while it started"))
        }
        Ok(Err(refusal)) => Some(SandboxError::new(format!("a sandbox can't start: {}", refusal.what))),
        Err(_) => Some(SandboxError::new("a sandbox did not start within 10 seconds")),
    };
    if let Some(problem) = problem {
        channel.hang_up();
        rest.end(&channel).await;
        return Err(problem);
    }
    let workspace = match level {
        Level::None | Level::Process => format!("{}/work", spec.folder),
        Level::User | Level::Overlay => "/workspace".to_owned(),
    };
    Ok(Arc::new(Remote {
        level,
        layers,
        workspace,
        meter: output.map(|limit| Meter::new(limit, channel.breach())),
        own_network: level >= Level::User && !spec.host_network,
        folder: spec.folder,
        files: RemoteFiles(channel),
        env: Mutex::default(),
        found: Mutex::default(),
        rest: Mutex::new(Some(rest)),
    }))
}

/// Re-executes the program. Without a closure before exec, the library spawns it as `posix_spawn` does:
/// nothing of this threaded process runs in the child.
fn execute(helper: &Path, socket: OwnedFd) -> std::io::Result<Child> {
    Command::new(helper)
        .arg0(NAME)
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::from(socket))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}
