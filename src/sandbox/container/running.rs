//! One container: its start, the call from inside, its end.

use super::DOOR;
use super::engine::{Engine, LABEL, sentence};
use super::inside::Parts;
use crate::sandbox::channel::{Channel, Refusal};
use crate::sandbox::janitor::Janitor;
use crate::sandbox::wire::{Dec, Spec, failed, kind};
use crate::sandbox::{SandboxError, cgroup, scratch};
use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::UnixListener;

/// Longest wait for a runtime that starts a container: it may have to copy a whole image first.
const START: Duration = Duration::from_secs(120);
/// Longest wait for the call from inside, and for an answer.
const CALL: Duration = Duration::from_secs(20);
/// Capabilities that the init hands on, and those that it needs itself: to give up the others, to put files in place.
const CAPABILITIES: [&str; 10] = [
    "CHOWN",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETPCAP",
    "DAC_OVERRIDE",
];
/// Processes of a user of ours, where the runtime's own number is more than it may give.
const PROCESSES: u64 = 4096;

/// Whether a runtime was seen to give limits that it may not: then it is told which.
static NARROW: AtomicBool = AtomicBool::new(false);

/// What a container shall be.
pub(super) struct Wanted<'a> {
    pub(super) name: String,
    pub(super) label: &'a Path,
    pub(super) image: &'a str,
    pub(super) spec: &'a Spec,
    pub(super) cpus: Option<f64>,
    pub(super) parts: &'a Parts,
}

/// A container that was started, until it is removed.
#[derive(Debug)]
pub(in crate::sandbox) struct Held {
    engine: Arc<Engine>,
    janitor: Arc<Janitor>,
    name: String,
    folder: PathBuf,
    groups: Option<Vec<PathBuf>>,
}

impl Held {
    /// Folders of its control groups, where they can be seen.
    pub(in crate::sandbox) fn groups(&self) -> Option<&[PathBuf]> {
        self.groups.as_deref()
    }

    /// Waits for the end of its first process, which was told of it, and removes everything.
    pub(in crate::sandbox) async fn end(self, channel: &Channel) {
        let _ = tokio::time::timeout(Duration::from_secs(2), channel.ended()).await;
        self.remove().await;
    }

    async fn remove(self) {
        // Its runtime removes it too, as it has ended: that one of the two comes too late is fine.
        let _ = self.engine.ask(&["rm", "-f", "--", &self.name]).await;
        self.janitor.tell('d', &self.engine.line(&self.name));
        let folder = self.folder;
        let _ = tokio::task::spawn_blocking(move || scratch::remove_tree(&folder)).await;
    }
}

/// Starts it; gives the conversation with its first process and what that sees.
pub(super) async fn begin(
    engine: &Arc<Engine>,
    janitor: &Arc<Janitor>,
    wanted: Wanted<'_>,
) -> Result<(Channel, Held, Vec<(String, String)>), SandboxError> {
    let folder = PathBuf::from(&wanted.spec.folder);
    let made = fs::DirBuilder::new().mode(0o711).recursive(true).create(&folder);
    made.map_err(|error| failed(&format!("make {}", folder.display()), &error))?;
    let door = folder.join("door");
    let listener = fs::File::open(&folder).and_then(|opened| {
        // By a short name: that of a socket must be below 108 bytes, and a temp folder's may be long.
        let listener = UnixListener::bind(format!("/proc/self/fd/{}/door", opened.as_raw_fd()))?;
        // Root inside may be somebody else outside.
        fs::set_permissions(&door, fs::Permissions::from_mode(0o666)).map(|()| listener)
    });
    let listener = listener.map_err(|error| failed(&format!("listen on {}", door.display()), &error))?;
    let (engine, janitor) = (Arc::clone(engine), Arc::clone(janitor));
    janitor.tell('c', &engine.line(&wanted.name));
    let mut held = Held { engine, janitor, name: wanted.name.clone(), folder, groups: None };
    match serve(&mut held, &wanted, listener, &door).await {
        Ok((channel, facts)) => Ok((channel, held, facts)),
        Err(error) => {
            held.remove().await;
            Err(error)
        }
    }
}

async fn serve(
    held: &mut Held,
    wanted: &Wanted<'_>,
    listener: UnixListener,
    door: &Path,
) -> Result<(Channel, Vec<(String, String)>), SandboxError> {
    let program = held.engine.program().to_owned();
    run(&held.engine, wanted, door).await?;
    let called = tokio::time::timeout(CALL, listener.accept()).await;
    let (socket, _) = match called {
        Ok(called) => called.map_err(|error| failed("hear from the container", &error))?,
        Err(_) => {
            let mut error = SandboxError::new(format!(
                "a container of {program} started, but no call came from inside within {} seconds",
                CALL.as_secs()
            ));
            error.hint = Some("its daemon must be on this machine and see its files".to_owned());
            return Err(error);
        }
    };
    // Nobody else is ever let in.
    drop(listener);
    let _ = fs::remove_file(door);
    let pid = socket.peer_cred().ok().and_then(|peer| peer.pid()).filter(|pid| *pid > 0);
    held.groups = pid.and_then(cgroup::of_process);
    let socket = socket.into_std().map_err(|error| failed("watch a container", &error))?;
    let channel = Channel::new(socket.into()).map_err(|error| failed("watch a container", &error))?;
    let mut spec = wanted.spec.clone();
    // The container's runtime has put the mounts in place.
    spec.folder.clear();
    let answer = tokio::time::timeout(CALL, channel.ask(kind::SPEC, &spec.encode())).await;
    match answer.unwrap_or_else(|_| Err(Refusal::gone())) {
        Ok((fields, _)) => {
            let facts = Dec(&fields).pairs().map_err(|error| failed("read what a container sees", &error))?;
            Ok((channel, facts))
        }
        Err(refusal) if refusal.gone => Err(SandboxError::new("the container's init died while it started")),
        Err(refusal) => Err(SandboxError::new(format!("a sandbox can't start: {}", refusal.what))),
    }
}

/// Has the runtime start it. One that gives limits of processes or files which it may not is asked again.
async fn run(engine: &Engine, wanted: &Wanted<'_>, door: &Path) -> Result<(), SandboxError> {
    for _ in 0..2 {
        let narrow = NARROW.load(Ordering::Relaxed);
        let arguments = arguments(wanted, door, narrow);
        let output = tokio::time::timeout(START, engine.command(&arguments).output()).await;
        let program = engine.program();
        let said = match output {
            Ok(Ok(output)) if output.status.success() => return Ok(()),
            Ok(Ok(output)) => sentence(&output.stderr),
            Ok(Err(error)) => crate::sandbox::wire::words(&error),
            Err(_) => format!("no answer within {} seconds", START.as_secs()),
        };
        if !narrow && said.contains("rlimit") {
            NARROW.store(true, Ordering::Relaxed);
            let _ = engine.ask(&["rm", "-f", "--", &wanted.name]).await;
            continue;
        }
        return Err(SandboxError::new(format!("{program} can't start a container here: {said}")));
    }
    Ok(())
}

fn arguments(wanted: &Wanted<'_>, door: &Path, narrow: bool) -> Vec<String> {
    let spec = wanted.spec;
    let mut all: Vec<String> =
        ["run", "--detach", "--rm", "--pull=never", "--init=false", "--log-driver=none"]
            .map(str::to_owned)
            .to_vec();
    let network = if spec.host_network { "host" } else { "none" };
    let mut add = |name: &str, value: String| all.push(format!("--{name}={value}"));
    add("name", wanted.name.clone());
    add("label", format!("{LABEL}={}", wanted.label.display()));
    add("network", network.to_owned());
    if !spec.host_network {
        add("hostname", "sandbox".to_owned());
    }
    for (name, value) in [("user", "0:0"), ("workdir", "/"), ("stop-timeout", "0"), ("cap-drop", "ALL")] {
        add(name, value.to_owned());
    }
    for capability in CAPABILITIES {
        add("cap-add", capability.to_owned());
    }
    for option in ["no-new-privileges", "label=disable"] {
        add("security-opt", option.to_owned());
    }
    // Its loader must not take libraries of the image.
    for name in ["LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT"] {
        add("env", format!("{name}="));
    }
    if spec.memory > 0 {
        add("memory", spec.memory.to_string());
        // As much as memory alone: none of it on disk.
        add("memory-swap", spec.memory.to_string());
    }
    if spec.pids > 0 {
        // The init itself is one.
        add("pids-limit", spec.pids.saturating_add(1).to_string());
    }
    if let Some(cpus) = wanted.cpus {
        add("cpus", format!("{cpus}"));
    }
    if narrow {
        let own = |what| rustix::process::getrlimit(what).maximum.unwrap_or(u64::MAX);
        let files = own(rustix::process::Resource::Nofile).min(1 << 20);
        let processes = own(rustix::process::Resource::Nproc).min(PROCESSES);
        add("ulimit", format!("nofile={files}:{files}"));
        add("ulimit", format!("nproc={processes}:{processes}"));
    }
    for (from, to) in &wanted.parts.files {
        add("volume", format!("{from}:{to}:ro"));
    }
    add("volume", format!("{}:{DOOR}", door.display()));
    for (from, to) in &spec.mounts {
        add("volume", format!("{from}:{to}:ro"));
    }
    let (program, rest) =
        wanted.parts.call.split_first().map_or(("", [].as_slice()), |(a, b)| (a.as_str(), b));
    add("entrypoint", program.to_owned());
    all.push("--".to_owned());
    all.push(wanted.image.to_owned());
    all.extend(rest.iter().cloned());
    all
}
