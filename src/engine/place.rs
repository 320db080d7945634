//! The place where an attempt or a probe of it happens: sandbox, files, services.

use crate::model::{ErrorClass, Object, RunError};
use crate::sandbox::{Config, FileError, Sandbox, SandboxError};
use crate::service::{self, Running, Secrets};
use crate::suite::{FileSpec, ServiceSpec, Task};
use std::collections::BTreeMap;

/// Port of a task's first service in a sandbox with a loopback of its own; the others follow.
const FIRST_PORT: u16 = 8080;
/// Stands for the attempt's private folder in what is written: its name differs from run to run.
pub(super) const FOLDER: &str = "<SANDBOX>";

/// The attempt's private folder, where programs inside see the host's own paths (levels without a root of their own).
pub(super) fn folder_of(sandbox: &dyn Sandbox) -> Option<String> {
    let folder = sandbox.workspace().rsplit_once('/')?.0;
    (!folder.is_empty()).then(|| folder.to_owned())
}

/// The sandbox of a task, for the agent and for its probes alike.
pub(super) fn sandbox_config(label: String, task: &Task, mounts: &[(String, String)]) -> Config {
    Config {
        label,
        hosts: task.services.iter().flat_map(|service| service.hosts.clone()).collect(),
        env: BTreeMap::new(),
        mounts: mounts.to_vec(),
        memory: task.sandbox.memory,
        cpus: task.sandbox.cpus,
        pids: task.sandbox.pids,
        disk: task.sandbox.disk,
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

/// Starts one service inside a sandbox and tells programs where it is. `options` are laid over the task's own.
pub(super) async fn serve(
    index: usize,
    spec: &ServiceSpec,
    options: &Object,
    secrets: Secrets,
    sandbox: &dyn Sandbox,
) -> Result<Running, RunError> {
    let failed = |message: String| RunError::new(ErrorClass::Service, message);
    let Some(kind) = service::ALL.iter().find(|kind| kind.name == spec.kind) else {
        return Err(failed(format!("service '{}' is of the unknown kind '{}'", spec.name, spec.kind)));
    };
    let port = spec.port.unwrap_or(FIRST_PORT + index as u16);
    let (listener, _) = sandbox.listen(port).await.map_err(|error| {
        failed(format!("service '{}' can't listen in its sandbox: {}", spec.name, error.message))
    })?;
    let mut merged = spec.options.clone();
    merged.extend(options.clone());
    let running = (kind.start)(spec, &merged, secrets, listener)?;
    sandbox.set_env(&url_variable(&spec.name), &running.url());
    if let Some(name) = &spec.key_env {
        sandbox.set_env(name, &running.secrets.key);
    }
    Ok(running)
}

/// `ROLLTAPE_SERVICE_<NAME>_URL`, the name in capitals with underscores.
fn url_variable(name: &str) -> String {
    let name: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect();
    format!("ROLLTAPE_SERVICE_{name}_URL")
}
