//! One request and its reply, with a limit on each wait.

use super::refusal::{self, Asked, quote};
use super::{Again, Failure, Post, Server, wait};
use crate::backend::sse::{self, Parser};
use crate::model::{ErrorClass, SseChunk};
use crate::util::clock::{Clock as _, SystemClock};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper::header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderMap, USER_AGENT};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use std::sync::PoisonError;
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// Bytes that a reply may have.
const MAX_REPLY: usize = 64 << 20;
/// Bytes that are read of an error.
const MAX_ERROR: usize = 64 << 10;
/// How long the end of a stream is waited for after its last event, to use the connection again.
const AFTER_END: Duration = Duration::from_secs(1);
/// Connections that are kept for the next request.
const MAX_IDLE: usize = 256;

type Connection = SendRequest<Full<Bytes>>;

/// A reply that ended as its protocol says.
#[derive(Debug)]
pub(in crate::backend) struct Received {
    /// Status, 2xx.
    pub(in crate::backend) status: u16,
    /// What came.
    pub(in crate::backend) body: Body,
}

/// What a reply is made of.
#[derive(Debug)]
pub(in crate::backend) enum Body {
    /// One text.
    Whole(Vec<u8>),
    /// Events.
    Events(Vec<SseChunk>),
}

impl Received {
    /// The body as JSON.
    pub(in crate::backend) fn json(bytes: &[u8], status: u16) -> Result<serde_json::Value, Failure> {
        serde_json::from_slice(bytes).map_err(|error| {
            let text = error.to_string();
            let why = text.split(" at line ").next().unwrap_or(&text);
            let begins = quote(bytes);
            Failure::protocol(
                format!("answered with what is no JSON ({why}; status {status}); it begins with {begins}"),
                Again::Never,
            )
        })
    }
}

impl Server {
    /// One try.
    pub(super) async fn once(&self, post: &Post<'_>) -> Result<Received, Failure> {
        let limit = self.limits.total;
        match timeout(limit, self.exchange(post)).await {
            Ok(done) => done,
            Err(_) => {
                let text = format!("did not finish its reply within {} (timeout total)", wait::shown(limit));
                Err(Failure::backend(text, Again::Never))
            }
        }
    }

    async fn exchange(&self, post: &Post<'_>) -> Result<Received, Failure> {
        let began = Instant::now();
        let (connection, response) = self.send(post).await?;
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let mut reading = Reading {
            body: response.into_body(),
            limit: self.limits.first_byte.saturating_sub(began.elapsed()).max(Duration::from_millis(1)),
            timeout: "first_byte",
            told: self.limits.first_byte,
            idle: self.limits.idle,
        };
        if !(200..300).contains(&status) {
            let body = reading.error().await;
            let key = self.key.as_ref().map(|key| key.variable.as_str());
            let asked = Asked { model: &self.model, key, path: post.path };
            let now = SystemClock::default().now();
            return Err(refusal::from_status(status, &headers, &body, asked, now));
        }
        if let Some(coding) = word(&headers, CONTENT_ENCODING.as_str()).filter(|coding| coding != "identity")
        {
            let text = format!("packed its reply with '{coding}', which was not asked for");
            return Err(Failure::protocol(text, Again::Never));
        }
        let streamed =
            word(&headers, CONTENT_TYPE.as_str()).is_some_and(|kind| kind.starts_with("text/event-stream"));
        let body = if streamed {
            Body::Events(reading.events(post, began).await?)
        } else {
            unlabelled(reading.whole().await?, began)?
        };
        self.keep(connection);
        Ok(Received { status, body })
    }

    /// Sends the request, over a kept connection if there is one. That it was closed in the meantime is no failure.
    async fn send(&self, post: &Post<'_>) -> Result<(Connection, Response<Incoming>), Failure> {
        if let Some(mut kept) = self.kept() {
            match self.sent(&mut kept, post).await {
                Ok(response) => return Ok((kept, response)),
                Err(failure)
                    if failure.again == Again::Soon && failure.class == ErrorClass::BackendProtocol => {}
                Err(failure) => return Err(failure),
            }
        }
        let stream = self.connector.connect(self.limits.connect).await?;
        let shaken = Builder::new().handshake(TokioIo::new(stream)).await;
        let (mut fresh, driver) = shaken.map_err(|error| cut(&error, "before it answered"))?;
        tokio::spawn(async move {
            // Its error comes out of the request, too.
            let _ = driver.await;
        });
        let response = self.sent(&mut fresh, post).await?;
        Ok((fresh, response))
    }

    async fn sent(
        &self,
        connection: &mut Connection,
        post: &Post<'_>,
    ) -> Result<Response<Incoming>, Failure> {
        let mut request = Request::new(Full::new(Bytes::from(post.body.clone())));
        *request.method_mut() = Method::POST;
        let target = format!("{}{}", self.base.path, post.path);
        let bad = |_| Failure::backend("can't be asked: its address has no good path", Again::Never);
        *request.uri_mut() = target.parse().map_err(bad)?;
        let headers = request.headers_mut();
        *headers = self.headers.clone();
        let text = |text: String| {
            text.parse().map_err(|_| Failure::backend("can't be asked: its host is odd", Again::Never))
        };
        headers.insert(HOST, text(self.base.authority())?);
        headers.insert(CONTENT_TYPE, text("application/json".to_owned())?);
        let accept = if self.stream { "text/event-stream, application/json" } else { "application/json" };
        headers.insert(ACCEPT, text(accept.to_owned())?);
        if !headers.contains_key(USER_AGENT) {
            headers.insert(USER_AGENT, text(format!("rolltape/{}", env!("CARGO_PKG_VERSION")))?);
        }
        let limit = self.limits.first_byte;
        match timeout(limit, connection.send_request(request)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(cut(&error, "before it answered")),
            Err(_) => Err(late("first_byte", limit)),
        }
    }

    fn kept(&self) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(connection) = idle.pop() {
            if connection.is_ready() {
                return Some(connection);
            }
        }
        None
    }

    fn keep(&self, connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if !connection.is_closed() && idle.len() < MAX_IDLE {
            idle.push(connection);
        }
    }
}

/// A body that is being read.
struct Reading {
    body: Incoming,
    /// Limit of the next wait, its name, and how it was set.
    limit: Duration,
    timeout: &'static str,
    told: Duration,
    idle: Duration,
}

impl Reading {
    /// The next piece; `None` at the end.
    async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        loop {
            let frame = match timeout(self.limit, self.body.frame()).await {
                Err(_) => return Err(late(self.timeout, self.told)),
                Ok(None) => return Ok(None),
                Ok(Some(Err(error))) => return Err(cut(&error, "in the middle of its reply")),
                Ok(Some(Ok(frame))) => frame,
            };
            (self.limit, self.timeout, self.told) = (self.idle, "idle", self.idle);
            if let Ok(data) = frame.into_data() {
                return Ok(Some(data));
            }
        }
    }

    async fn whole(&mut self) -> Result<Vec<u8>, Failure> {
        let mut all = Vec::new();
        while let Some(piece) = self.next().await? {
            all.extend_from_slice(&piece);
            too_long(all.len())?;
        }
        Ok(all)
    }

    async fn events(&mut self, post: &Post<'_>, began: Instant) -> Result<Vec<SseChunk>, Failure> {
        let broken = |error: sse::SseError| Failure::protocol(error.why(), Again::Never);
        let (mut parser, mut events, mut chunks) = (Parser::default(), Vec::new(), Vec::new());
        let mut length = 0;
        let mut ended = false;
        loop {
            let piece = match self.next().await {
                Ok(piece) => piece,
                // After the last event nothing counts any more.
                Err(_) if ended => return Ok(chunks),
                Err(failure) => return Err(failure),
            };
            let over = piece.is_none();
            match piece {
                Some(piece) => {
                    length += piece.len();
                    too_long(length)?;
                    parser.feed(&piece, &mut events).map_err(broken)?;
                }
                None => std::mem::take(&mut parser).finish(&mut events).map_err(broken)?,
            }
            let t_ms = began.elapsed().as_millis() as u64;
            for data in events.drain(..) {
                if !ended {
                    ended = (post.is_end)(&data);
                    chunks.push(SseChunk { t_ms, data });
                }
            }
            if over {
                return Ok(chunks);
            }
            if ended {
                self.limit = AFTER_END;
            }
        }
    }

    /// As much of an error's body as comes; that it breaks off does not make it another error.
    async fn error(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        while let Ok(Some(piece)) = self.next().await {
            all.extend_from_slice(&piece);
            if all.len() > MAX_ERROR {
                break;
            }
        }
        all
    }
}

/// A body whose type says nothing of events may hold them all the same.
fn unlabelled(bytes: Vec<u8>, began: Instant) -> Result<Body, Failure> {
    let start = bytes.trim_ascii_start();
    if !(start.starts_with(b"data:") || start.starts_with(b"event:") || start.starts_with(b":")) {
        return Ok(Body::Whole(bytes));
    }
    let events = sse::events(&bytes).map_err(|error| Failure::protocol(error.why(), Again::Never))?;
    let t_ms = began.elapsed().as_millis() as u64;
    Ok(Body::Events(events.into_iter().map(|data| SseChunk { t_ms, data }).collect()))
}

fn too_long(length: usize) -> Result<(), Failure> {
    if length <= MAX_REPLY {
        return Ok(());
    }
    Err(Failure::protocol(format!("sent more than {} MiB in one reply", MAX_REPLY >> 20), Again::Never))
}

fn late(timeout: &str, limit: Duration) -> Failure {
    let limit = wait::shown(limit);
    let text = match timeout {
        "idle" => format!("was silent for {limit} in the middle of its reply (timeout idle)"),
        _ => format!("sent no byte of its reply within {limit} (timeout {timeout})"),
    };
    Failure::backend(text, Again::Soon)
}

fn cut(error: &hyper::Error, when: &str) -> Failure {
    if error.is_parse() || error.is_parse_too_large() {
        return Failure::protocol(format!("does not speak HTTP: {error}"), Again::Never);
    }
    Failure::protocol(format!("broke off {when}"), Again::Soon)
}

fn word(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(|text| text.trim().to_ascii_lowercase())
}
