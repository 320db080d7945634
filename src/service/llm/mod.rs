//! `llm`: an OpenAI-compatible server with DeepSeek's paths, errors and authorisation.
//!
//! HTTP/1.1 on a listener that is given. An answer is a pure function of the request, the secrets and the options
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

use super::{Running, Secrets, Service};
use crate::model::{ErrorClass, Object, RunError};
use crate::suite::ServiceSpec;
use server::State;
use std::net::TcpListener;
use std::sync::Arc;

pub(super) static ITEM: Service = Service {
    name: "llm",
    about: "OpenAI-compatible chat server with DeepSeek's paths and errors",
    check,
    start,
};

fn check(spec: &ServiceSpec) -> Vec<String> {
    options::read(&spec.options).err().unwrap_or_default()
}

fn start(
    spec: &ServiceSpec,
    options: &Object,
    secrets: Secrets,
    listener: TcpListener,
) -> Result<Running, RunError> {
    let failed = |what: String| {
        RunError::new(ErrorClass::Service, format!("the service '{}' can't start: {what}", spec.name))
    };
    let options = options::read(options).map_err(|errors| failed(errors.join("; ")))?;
    let runtime = tokio::runtime::Handle::try_current().map_err(|error| failed(error.to_string()))?;
    let addr = listener.local_addr().map_err(|error| failed(error.to_string()))?;
    listener.set_nonblocking(true).map_err(|error| failed(error.to_string()))?;
    let listener = tokio::net::TcpListener::from_std(listener).map_err(|error| failed(error.to_string()))?;
    let state = Arc::new(State::new(secrets.clone(), options));
    let log = state.log.lines();
    let task = runtime.spawn(server::accept(listener, state));
    Ok(Running::new(spec.name.clone(), addr, secrets, log, task))
}
