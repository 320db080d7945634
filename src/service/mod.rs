//! Local servers that tasks talk to. One file (or folder) a kind.
//!
//! A service runs in the harness, on listeners that lie inside the sandbox's network. Invariants:
//! its keys and nonce derive from what it is given, never from a global; no private key leaves the harness.
//! Must not know: scorers.

mod authority;
mod egress;
pub mod http;
mod secrets;

use crate::model::{ErrorClass, Object, RunError};
use crate::suite::ServiceSpec;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

pub use authority::Authority;
pub use egress::Egress;
pub(crate) use llm::schema_words as llm_schema;
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

/// Where a service is reached.
pub struct Doors {
    /// Its usual address, for plain HTTP: the one that it tells.
    pub main: TcpListener,
    /// Another one for plain HTTP, where it has host names.
    pub plain: Option<TcpListener>,
    /// One for TLS, where it has host names.
    pub tls: Option<(TcpListener, Arc<rustls::ServerConfig>)>,
}

impl From<TcpListener> for Doors {
    fn from(main: TcpListener) -> Self {
        Self { main, plain: None, tls: None }
    }
}

/// A running service. Dropping it stops the server.
pub struct Running {
    /// Name of the service in the suite.
    pub name: String,
    /// Its address inside the sandbox, for plain HTTP.
    pub addr: SocketAddr,
    /// Its address for TLS, where it has host names.
    pub tls: Option<SocketAddr>,
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
        tls: Option<SocketAddr>,
        secrets: Secrets,
        log: Arc<Mutex<Vec<Object>>>,
        task: tokio::task::JoinHandle<()>,
    ) -> Self {
        Self { name, addr, tls, secrets, log, task }
    }

    /// All requests so far, in the order in which they were complete.
    pub fn requests(&self) -> Vec<Object> {
        self.log.lock().map(|log| log.clone()).unwrap_or_default()
    }

    /// Base URL for programs inside.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// The same over TLS. Programs that know its host names need neither.
    pub fn tls_url(&self) -> Option<String> {
        self.tls.map(|addr| format!("https://{addr}"))
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
    /// Starts it behind its doors.
    pub start:
        fn(spec: &ServiceSpec, options: &Object, secrets: Secrets, doors: Doors) -> Result<Running, RunError>,
}

/// What could not be done, and why.
fn failed(what: &str, error: &dyn std::fmt::Display) -> RunError {
    RunError::new(ErrorClass::Service, format!("the services can't {what}: {error}"))
}
