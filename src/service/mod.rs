//! Local servers that tasks talk to. One file (or folder) a kind.
//!
//! A service runs in the harness, on a listener that lies inside the sandbox's network. Invariant:
//! its keys and nonce derive from what it is given, never from a global. Must not know: scorers.

pub mod http;
mod secrets;

use crate::model::{Object, RunError};
use crate::suite::ServiceSpec;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

pub use secrets::{derive_secrets, random_secrets};

registry! {
    /// All kinds of services.
    Service: llm
}

/// The kind of that name.
pub fn find(kind: &str) -> Option<&'static Service> {
    ALL.iter().copied().find(|service| service.name == kind)
}

/// What a service is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secrets {
    /// The key that is accepted.
    pub key: String,
    /// The nonce that each reply carries.
    pub nonce: String,
}

/// A running service. Dropping it stops the server.
pub struct Running {
    /// Name of the service in the suite.
    pub name: String,
    /// Its address inside the sandbox.
    pub addr: SocketAddr,
    /// Its key and nonce.
    pub secrets: Secrets,
    log: Arc<Mutex<Vec<Object>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Running {
    /// A handle of a server task that appends to `log`.
    pub fn new(
        name: String,
        addr: SocketAddr,
        secrets: Secrets,
        log: Arc<Mutex<Vec<Object>>>,
        task: tokio::task::JoinHandle<()>,
    ) -> Self {
        Self { name, addr, secrets, log, task }
    }

    /// All requests so far, in the order in which they were complete.
    pub fn requests(&self) -> Vec<Object> {
        self.log.lock().map(|log| log.clone()).unwrap_or_default()
    }

    /// Base URL for programs inside.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A kind of service.
pub struct Service {
    /// Kind, as in `kind = "llm"`.
    pub name: &'static str,
    /// One line for `list services`.
    pub about: &'static str,
    /// Checks the options of a suite file: one sentence an error.
    pub check: fn(spec: &ServiceSpec) -> Vec<String>,
    /// Starts it on a listener.
    pub start: fn(
        spec: &ServiceSpec,
        options: &Object,
        secrets: Secrets,
        listener: TcpListener,
    ) -> Result<Running, RunError>,
}
