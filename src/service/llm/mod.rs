//! `llm`: an OpenAI-compatible server with DeepSeek's paths, errors and authorisation.
//!
//! HTTP/1.1, plain and over TLS, behind doors that are given. An answer is a pure function of the request, the secrets and the options
//! (`answer` and what it calls); clocks, connections and planned breakage are `limits`, `outgoing` and `server`.
//! Neither the key nor any authorisation value is ever in the log.

mod answer;
mod auth;
mod body;
mod chat;
mod fault;
mod fim;
mod limits;
mod lists;
mod log;
mod messages;
mod options;
mod outgoing;
mod schema;
mod server;
mod stream;
mod tools;
mod usage;
mod words;

use super::{Doors, Running, Secrets, Service};
use crate::model::{ErrorClass, Object, RunError};
use crate::suite::ServiceSpec;
use server::{State, accept};
use std::net::TcpListener;
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;

pub(super) static ITEM: Service = Service {
    name: "llm",
    about: "OpenAI-compatible chat server with DeepSeek's paths and errors",
    check,
    start,
};

/// What a schema of the options is made of.
pub(crate) mod schema_words {
    pub(crate) use super::fault::pattern as fault_pattern;
    pub(crate) use super::options::{CURRENCIES, MAX_COUNT, MAX_DELAY_MS, MAX_RETRY_AFTER};
}

fn check(spec: &ServiceSpec) -> Vec<String> {
    options::read(&spec.options).err().unwrap_or_default()
}

fn start(spec: &ServiceSpec, options: &Object, secrets: Secrets, doors: Doors) -> Result<Running, RunError> {
    let failed = |what: String| {
        RunError::new(ErrorClass::Service, format!("the service '{}' can't start: {what}", spec.name))
    };
    let options = options::read(options).map_err(|errors| failed(errors.join("; ")))?;
    let runtime = tokio::runtime::Handle::try_current().map_err(|error| failed(error.to_string()))?;
    let addr = doors.main.local_addr().map_err(|error| failed(error.to_string()))?;
    let open = |listener: TcpListener| {
        listener.set_nonblocking(true)?;
        tokio::net::TcpListener::from_std(listener)
    };
    let mut open_doors = Vec::new();
    for listener in std::iter::once(doors.main).chain(doors.plain) {
        open_doors.push((open(listener).map_err(|error| failed(error.to_string()))?, None));
    }
    let mut tls = None;
    if let Some((listener, config)) = doors.tls {
        tls = Some(listener.local_addr().map_err(|error| failed(error.to_string()))?);
        let listener = open(listener).map_err(|error| failed(error.to_string()))?;
        open_doors.push((listener, Some(TlsAcceptor::from(config))));
    }
    let state = Arc::new(State::new(secrets.clone(), options));
    let log = state.log.lines();
    let task = runtime.spawn(async move {
        // Dropping the set, as the task is dropped, ends all of them.
        let mut accepting = tokio::task::JoinSet::new();
        for (listener, tls) in open_doors {
            accepting.spawn(accept(listener, tls, Arc::clone(&state)));
        }
        accepting.join_all().await;
    });
    Ok(Running::new(spec.name.clone(), addr, tls, secrets, log, task))
}
