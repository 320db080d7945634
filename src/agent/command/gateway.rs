//! The server inside the sandbox that a program takes for its model: OpenAI's paths, one key.
//!
//! Invariant: it asks nothing of a model itself; every good request goes to the agent's loop, which answers one after
//! the other. Must not know: back ends, trajectories.

use crate::agent::Door;
use crate::backend::server::{self, Wanted};
use crate::service::http;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// Bytes of a request; conversations grow.
const MAX_BODY: usize = 32 << 20;

/// A request that waits for its answer.
pub(super) struct Asked {
    pub(super) wanted: Wanted,
    pub(super) answer: oneshot::Sender<Answer>,
}

/// What a program is answered.
pub(super) struct Answer {
    pub(super) status: u16,
    /// JSON, or a stream of events.
    pub(super) body: String,
    pub(super) stream: bool,
}

impl Answer {
    pub(super) fn json(body: &Value) -> Self {
        Self { status: 200, body: body.to_string(), stream: false }
    }

    /// An error as the protocol has it.
    pub(super) fn error(status: u16, kind: &str, message: &str) -> Self {
        let body = json!({"error": {"message": message, "type": kind, "param": null, "code": kind}});
        Self { status, body: body.to_string(), stream: false }
    }
}

/// A gateway that runs. Dropping it stops it.
pub(super) struct Gateway {
    pub(super) addr: SocketAddr,
    pub(super) key: String,
    inbox: mpsc::UnboundedReceiver<Asked>,
    task: JoinHandle<()>,
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Gateway {
    /// Opens it in the door; `model` is what it lists.
    pub(super) fn open(door: Door, model: &str) -> std::io::Result<Self> {
        door.listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(door.listener)?;
        let (requests, inbox) = mpsc::unbounded_channel();
        let desk = Arc::new(Desk { key: door.key.clone(), model: model.to_owned(), requests });
        let task = tokio::spawn(http::accept(listener, http::Slots::default(), move |stream| {
            let desk = Arc::clone(&desk);
            async move {
                // It never asks for a reset.
                let _ = http::converse(stream, |request| async { Ok(response(desk.answer(request).await)) })
                    .await;
            }
        }));
        Ok(Self { addr: door.addr, key: door.key, inbox, task })
    }

    /// Base URL for the clients of a program.
    pub(super) fn url(&self) -> String {
        format!("http://{}/v1", self.addr)
    }

    /// The next request; never ends before the gateway. Cancel-safe.
    pub(super) async fn next(&mut self) -> Option<Asked> {
        self.inbox.recv().await
    }
}

struct Desk {
    key: String,
    model: String,
    requests: mpsc::UnboundedSender<Asked>,
}

impl Desk {
    async fn answer(&self, request: Request<Incoming>) -> Answer {
        let (head, body) = request.into_parts();
        let shown = head.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = shown
            .and_then(|value| value.trim().split_once(' '))
            .filter(|(scheme, token)| scheme.eq_ignore_ascii_case("bearer") && token.trim() == self.key);
        if token.is_none() {
            let message = "the key is not the one in OPENAI_API_KEY";
            return Answer::error(401, "invalid_api_key", message);
        }
        let path = head.uri.path();
        let path = path.strip_prefix("/v1").unwrap_or(path);
        let known = path == "/models" || path.starts_with("/models/");
        match (&head.method, path) {
            (&Method::GET, "/models") => Answer::json(&json!({"object": "list", "data": [self.model()]})),
            (&Method::GET, _) if known => Answer::json(&self.model()),
            (&Method::POST, "/chat/completions") => match http::body(body, MAX_BODY).await {
                Ok(bytes) => self.complete(&bytes).await,
                Err(status) => Answer::error(status, "invalid_request_error", "the body can't be read"),
            },
            (_, "/chat/completions") => wrong_method(),
            _ if known => wrong_method(),
            _ => {
                let message = format!("{path} is not served, only /chat/completions and /models");
                Answer::error(404, "not_found", &message)
            }
        }
    }

    fn model(&self) -> Value {
        json!({"id": self.model, "object": "model", "created": 0, "owned_by": "rolltape"})
    }

    async fn complete(&self, bytes: &[u8]) -> Answer {
        let bad = |message: &str| Answer::error(400, "invalid_request_error", message);
        let wanted = match serde_json::from_slice::<Value>(bytes) {
            Ok(body) => server::read(&body),
            Err(error) => Err(format!("the body is no JSON: {error}")),
        };
        let wanted = match wanted {
            Ok(wanted) => wanted,
            Err(message) => return bad(&message),
        };
        let (answer, told) = oneshot::channel();
        let gone = || Answer::error(503, "server_error", "the attempt is over");
        if self.requests.send(Asked { wanted, answer }).is_err() {
            return gone();
        }
        told.await.unwrap_or_else(|_| gone())
    }
}

fn wrong_method() -> Answer {
    Answer::error(405, "invalid_request_error", "the method is not served here")
}

fn response(answer: Answer) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(answer.body)));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let kind = if answer.stream { "text/event-stream; charset=utf-8" } else { "application/json" };
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
