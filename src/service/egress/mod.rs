//! The way out of a sandbox whose network policy is a list of hosts.
//!
//! A proxy of the harness listens inside the sandbox; it resolves names, connects and tells of every request. Servers
//! on this machine's loopback that the list names with their ports are passed through at the same address.
//! Invariant: nothing is connected to that [`crate::suite::way`] and [`crate::suite::may_connect`] do not allow, and
//! the address that was judged is the one that is connected to. Must not know: tasks, scorers.

mod proxy;
mod relay;

use super::failed;
use super::http::Slots;
use crate::model::{Object, RunError};
use crate::sandbox::Sandbox;
use crate::suite::Allowed;
use serde_json::json;
use std::net::{SocketAddr, SocketAddrV4};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Port of the proxy in a sandbox with a loopback of its own: the usual one.
const PORT: u16 = 3128;
/// Requests that are told one by one; the rest is counted.
const MAX_TOLD: usize = 10_000;

/// An open way out. Dropping it closes every connection.
pub struct Egress {
    log: Arc<Log>,
    over: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Egress {
    fn drop(&mut self) {
        self.over.cancel();
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Egress {
    /// Opens it and tells programs by the usual variables, in both spellings. `direct` are names that are reached
    /// without it: those of the task's services.
    ///
    /// # Errors
    /// When a port inside is taken.
    pub async fn open(
        sandbox: &dyn Sandbox,
        allowed: &[Allowed],
        direct: &[String],
    ) -> Result<Self, RunError> {
        let log = Arc::new(Log::default());
        let over = CancellationToken::new();
        let mut egress = Self { log: Arc::clone(&log), over: over.clone(), tasks: Vec::new() };
        let mut bound = sandbox.listen(PORT).await;
        if bound.is_err() {
            bound = sandbox.listen(0).await;
        }
        let (listener, address) = bound.map_err(|error| failed("serve the network", &error))?;
        let listener = tokio::net::TcpListener::from_std(listener)
            .map_err(|error| failed("serve the network", &error))?;
        let gate = Arc::new(proxy::Gate::new(allowed.to_vec(), log, over));
        egress.tasks.push(tokio::spawn(proxy::serve(listener, gate)));
        if sandbox.own_network() {
            for target in allowed.iter().filter_map(Allowed::loopback) {
                egress.pass_through(sandbox, target).await?;
            }
        }
        let url = format!("http://{address}");
        for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
            sandbox.set_env(name, &url);
            sandbox.set_env(&name.to_ascii_lowercase(), &url);
        }
        let mut beside = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
        beside.extend_from_slice(direct);
        for name in ["NO_PROXY", "no_proxy"] {
            sandbox.set_env(name, &beside.join(","));
        }
        Ok(egress)
    }

    /// Makes a server on this machine's loopback reachable inside, at its own address.
    async fn pass_through(&mut self, sandbox: &dyn Sandbox, target: SocketAddr) -> Result<(), RunError> {
        let SocketAddr::V4(at) = target else { return Ok(()) };
        let at = SocketAddrV4::new(*at.ip(), at.port());
        let (listener, _) =
            sandbox.listen_at(at).await.map_err(|error| failed(&format!("pass {target} through"), &error))?;
        let listener = tokio::net::TcpListener::from_std(listener)
            .map_err(|error| failed(&format!("pass {target} through"), &error))?;
        let log = Arc::clone(&self.log);
        self.tasks.push(tokio::spawn(relay::serve(listener, Slots::default(), target, log)));
        Ok(())
    }

    /// Every request so far, in the order in which they were decided; what was left out is the last entry.
    pub fn requests(&self) -> Vec<Object> {
        let told = self.log.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut list = told.0.clone();
        if told.1 > 0 {
            let more = json!({"more": told.1});
            list.extend(more.as_object().cloned());
        }
        list
    }
}

/// What was asked for, and what became of it.
#[derive(Debug, Default)]
struct Log(Mutex<(Vec<Object>, u64)>);

/// One entry of the log.
struct Asked<'a> {
    method: &'a str,
    host: &'a str,
    port: u16,
    path: Option<&'a str>,
    /// Status that the proxy answered with, or that came back.
    status: u16,
    /// Why it went nowhere.
    refused: Option<&'a str>,
}

impl Log {
    fn add(&self, asked: &Asked<'_>) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if told.0.len() >= MAX_TOLD {
            told.1 += 1;
            return;
        }
        let mut entry = Object::new();
        entry.insert("method".to_owned(), asked.method.into());
        entry.insert("host".to_owned(), asked.host.into());
        entry.insert("port".to_owned(), asked.port.into());
        if let Some(path) = asked.path {
            entry.insert("path".to_owned(), path.into());
        }
        entry.insert("status".to_owned(), asked.status.into());
        if let Some(reason) = asked.refused {
            entry.insert("refused".to_owned(), reason.into());
        }
        told.0.push(entry);
    }
}
