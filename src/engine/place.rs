//! The place where an attempt or a probe of it happens: sandbox, files, services.

use crate::model::{ErrorClass, Object, RunError};
use crate::sandbox::{Config, FileError, Sandbox, SandboxError};
use crate::service::{self, Authority, Doors, Egress, Running, Secrets};
use crate::suite::{FileSpec, Network, Task};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};

/// Port of a task's first service in a sandbox with a loopback of its own; the others follow.
const FIRST_PORT: u16 = 8080;
/// Ports at which a service with host names is reached by them.
const HTTP: u16 = 80;
const HTTPS: u16 = 443;
/// Stands for the attempt's private folder in what is written: its name differs from run to run.
pub(super) const FOLDER: &str = "<SANDBOX>";

/// The attempt's private folder, where programs inside see the host's own paths (levels without a root of their own).
pub(super) fn folder_of(sandbox: &dyn Sandbox) -> Option<String> {
    let folder = sandbox.workspace().rsplit_once('/')?.0;
    (!folder.is_empty()).then(|| folder.to_owned())
}

/// The sandbox of a task, for the agent and for its probes alike.
pub(super) fn sandbox_config(
    label: String,
    task: &Task,
    mounts: &[(String, String)],
    authority: Option<&Authority>,
) -> Config {
    let mut hosts = Vec::new();
    for (index, service) in task.services.iter().enumerate() {
        hosts.extend(service.hosts.iter().map(|host| (host.clone(), address(task, index))));
    }
    Config {
        label,
        hosts,
        authority: authority.map(|authority| authority.pem().to_owned()),
        env: BTreeMap::new(),
        mounts: mounts.to_vec(),
        memory: task.sandbox.memory,
        cpus: task.sandbox.cpus,
        pids: task.sandbox.pids,
        disk: task.sandbox.disk,
        root: task.sandbox.root.clone(),
        inodes: task.sandbox.inodes,
        open_files: task.sandbox.open_files,
        output: task.sandbox.output,
        cpu_time: task.limits.cpu,
        host_network: task.sandbox.network == Network::Full,
        changes: false,
        keep: false,
        from: None,
    }
}

pub(super) fn sandbox_error(error: &SandboxError) -> RunError {
    RunError::new(ErrorClass::Sandbox, error.message.clone())
}

/// Puts files into a sandbox, below `folder` (the workspace if empty).
pub(super) async fn put(
    sandbox: &dyn Sandbox,
    files: &BTreeMap<String, FileSpec>,
    folder: &str,
) -> Result<(), RunError> {
    for (path, file) in files {
        let path = if folder.is_empty() { path.clone() } else { format!("{folder}/{path}") };
        let mode = if file.executable { 0o755 } else { 0o644 };
        sandbox.files().write(&path, &file.bytes, mode).await.map_err(|error: FileError| {
            RunError::new(ErrorClass::Sandbox, format!("a file of the task can't be put in place: {error}"))
        })?;
    }
    Ok(())
}

/// What the names of a service resolve to: services with names have an address each, as all want the same ports.
fn address(task: &Task, index: usize) -> Ipv4Addr {
    let earlier = task.services[..index].iter().filter(|service| !service.hosts.is_empty()).count();
    Ipv4Addr::from_bits(Ipv4Addr::LOCALHOST.to_bits() + earlier as u32)
}

/// Starts one service of a task inside a sandbox and tells programs where it is. `options` are laid over the task's own.
pub(super) async fn serve(
    task: &Task,
    index: usize,
    options: &Object,
    secrets: Secrets,
    sandbox: &dyn Sandbox,
    authority: Option<&Authority>,
) -> Result<Running, RunError> {
    let spec = &task.services[index];
    let failed = |message: String| RunError::new(ErrorClass::Service, message);
    let Some(kind) = service::ALL.iter().find(|kind| kind.name == spec.kind) else {
        return Err(failed(format!("service '{}' is of the unknown kind '{}'", spec.name, spec.kind)));
    };
    let listen = async |address: Ipv4Addr, port: u16| {
        let listening = sandbox.listen_at(SocketAddrV4::new(address, port)).await;
        listening.map(|(listener, _)| listener).map_err(|error| {
            failed(format!("service '{}' can't listen in its sandbox: {}", spec.name, error.message))
        })
    };
    let mut doors =
        Doors::from(listen(Ipv4Addr::LOCALHOST, spec.port.unwrap_or(FIRST_PORT + index as u16)).await?);
    if let Some(authority) = authority.filter(|_| !spec.hosts.is_empty()) {
        let address = address(task, index);
        // Where the network is the host's, names lead elsewhere, and another port would help nobody.
        let own_net = sandbox.own_network();
        if own_net && (spec.port != Some(HTTP) || address != Ipv4Addr::LOCALHOST) {
            doors.plain = Some(listen(address, HTTP).await?);
        }
        doors.tls = Some((listen(address, HTTPS).await?, authority.server(&spec.hosts, address)?));
    }
    let mut merged = spec.options.clone();
    merged.extend(options.clone());
    let running = (kind.start)(spec, &merged, secrets, doors)?;
    sandbox.set_env(&variable(&spec.name, "URL"), &running.url());
    if let Some(url) = running.tls_url() {
        sandbox.set_env(&variable(&spec.name, "TLS_URL"), &url);
    }
    if let Some(name) = &spec.key_env {
        sandbox.set_env(name, &running.secrets.key);
    }
    Ok(running)
}

/// Opens the way out of a task whose network is a list of hosts.
pub(super) async fn open_network(task: &Task, sandbox: &dyn Sandbox) -> Result<Option<Egress>, RunError> {
    let Network::Allow(allowed) = &task.sandbox.network else { return Ok(None) };
    let own: Vec<String> = task.services.iter().flat_map(|service| service.hosts.clone()).collect();
    Egress::open(sandbox, allowed, &own).await.map(Some)
}

/// `ROLLTAPE_SERVICE_<NAME>_<WHAT>`, the name in capitals with underscores.
fn variable(name: &str, what: &str) -> String {
    let name: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect();
    format!("ROLLTAPE_SERVICE_{name}_{what}")
}
