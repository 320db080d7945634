//! `llm`: an OpenAI-compatible server with DeepSeek's paths, errors and authorisation.
//!
//! HTTP/1.1 on a listener that is given. Invariants: every request that was read to its end is in the log once, in
//! the order of the answers; neither the key nor any authorisation value is ever in the log; what a client does
//! wrong ends its own connection only.

mod answer;
mod options;

use super::{Running, Secrets, Service, http};
use crate::model::{ErrorClass, Object, RunError};
use crate::suite::ServiceSpec;
use answer::{Answer, Asked, Auth};
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Request, Response, StatusCode};
use options::Options;
use serde_json::{Value, json};
use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

pub(super) static ITEM: Service = Service {
    name: "llm",
    about: "OpenAI-compatible chat server with DeepSeek's paths and errors",
    check,
    start,
};

/// Bytes of a request body that are read.
const MAX_BODY: usize = 1 << 20;
/// Bytes of bodies that the log keeps in all; later bodies are `null` there.
const MAX_LOGGED: usize = 32 << 20;
/// Requests that the log keeps.
const MAX_ENTRIES: usize = 20_000;
/// How much too early a retry may come.
const LENIENCE: Duration = Duration::from_millis(50);

struct State {
    secrets: Secrets,
    options: Mutex<Options>,
    log: Arc<Mutex<Vec<Object>>>,
    logged: Mutex<usize>,
    /// When the last planned 429 is over.
    busy_until: Mutex<Option<Instant>>,
}

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
    let log = Arc::new(Mutex::new(Vec::new()));
    let state = Arc::new(State {
        secrets: secrets.clone(),
        options: Mutex::new(options),
        log: Arc::clone(&log),
        logged: Mutex::new(0),
        busy_until: Mutex::new(None),
    });
    let task = runtime.spawn(http::accept(listener, move |request| serve(request, Arc::clone(&state))));
    Ok(Running::new(spec.name.clone(), addr, secrets, log, task))
}

async fn serve(request: Request<Incoming>, state: Arc<State>) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let header = head.headers.get(AUTHORIZATION);
    // A value that is not text is no bearer token; it is bad, not missing.
    let value = header.map(|value| value.to_str().unwrap_or("?"));
    let auth = Auth::of(value, &state.secrets.key);
    let shown = value.map(|value| answer::token(value).unwrap_or(value).to_owned());
    let (answer, json, size) = match http::body(body, MAX_BODY).await {
        Ok(bytes) => {
            let json = serde_json::from_slice::<Value>(&bytes);
            let why = json.as_ref().err().map(ToString::to_string).unwrap_or_default();
            let mut options = state.options.lock().unwrap_or_else(PoisonError::into_inner);
            let mut busy_until = state.busy_until.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            let early = options.strict_retry && busy_until.is_some_and(|until| now < until);
            let asked = Asked {
                method: head.method.as_str(),
                path: head.uri.path(),
                auth,
                body: json.as_ref().map_err(|_| why.as_str()),
                early,
            };
            let answer = answer::answer(&asked, &mut options, &state.secrets);
            if let (Some(seconds), false) = (answer.retry_after, early) {
                // A client's clock may be a little faster than this one.
                *busy_until = now.checked_add(Duration::from_secs(seconds).saturating_sub(LENIENCE));
            }
            (answer, json.ok(), bytes.len())
        }
        Err(status) => (Answer::usual(status, 0), None, 0),
    };
    let entry = Entry { method: head.method.as_str(), path: head.uri.path(), auth, json, size };
    state.note(entry, &answer, shown.as_deref());
    response(answer)
}

struct Entry<'a> {
    method: &'a str,
    path: &'a str,
    auth: Auth,
    json: Option<Value>,
    size: usize,
}

impl State {
    fn note(&self, entry: Entry<'_>, answer: &Answer, shown: Option<&str>) {
        let hide = |text: &str| {
            let text = text.replace(&self.secrets.key, "<key>");
            match shown {
                // A wrong key may be the user's real one; a word of a few letters would tear up the text.
                Some(shown) if shown.len() >= 8 => text.replace(shown, "<key>"),
                _ => text,
            }
        };
        let model = entry.json.as_ref().and_then(|json| json.get("model")).and_then(Value::as_str).map(&hide);
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        *logged = logged.saturating_add(entry.size);
        let body =
            entry.json.filter(|_| *logged <= MAX_LOGGED).map_or(Value::Null, |json| hide_in(json, &hide));
        let line = json!({
            "method": entry.method,
            "path": hide(entry.path),
            "status": answer.status,
            "auth": entry.auth.as_str(),
            "model": model,
            "body": body,
            "nonce": answer.nonce,
        });
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Value::Object(line), true) = (line, log.len() < MAX_ENTRIES) {
            log.push(line);
        }
    }
}

/// The value with all its strings, keys included, passed through `hide`.
fn hide_in(value: Value, hide: &impl Fn(&str) -> String) -> Value {
    match value {
        Value::String(text) => Value::String(hide(&text)),
        Value::Array(items) => Value::Array(items.into_iter().map(|item| hide_in(item, hide)).collect()),
        Value::Object(object) => {
            Value::Object(object.into_iter().map(|(key, item)| (hide(&key), hide_in(item, hide))).collect())
        }
        other => other,
    }
}

fn response(answer: Answer) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(answer.body)));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let kind = if answer.stream { "text/event-stream; charset=utf-8" } else { "application/json" };
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    if let Some(seconds) = answer.retry_after {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}
