//! Connections and requests. Invariants: every request that was read to its end is in the log once; what a
//! client does wrong ends its own connection only.

use super::answer::{self, Answer, Asked, Media, Way};
use super::auth::{self, Auth};
use super::fault::Route;
use super::limits::{Gathering, Times, UnderWay};
use super::log::{Entry, Log};
use super::options::Options;
use super::outgoing::Outgoing;
use crate::service::Secrets;
use crate::service::http::{self, Slots};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Request, Response, StatusCode};
use serde_json::Value;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// Bytes of a request body that are read.
const MAX_BODY: usize = 1 << 20;
/// How long an answer that never comes is not coming.
const FOREVER: Duration = Duration::from_secs(3600);

/// What all connections of a service share.
pub(super) struct State {
    pub(super) secrets: Secrets,
    pub(super) log: Log,
    /// The options, of which faults are used up, and the times. One lock: an answer is decided in one go.
    decides: Mutex<(Options, Times)>,
    under_way: Arc<AtomicUsize>,
    gathering: Gathering,
    /// Connections of all listeners.
    slots: Slots,
}

impl State {
    pub(super) fn new(secrets: Secrets, options: Options) -> Self {
        Self {
            secrets,
            log: Log::default(),
            decides: Mutex::new((options, Times::default())),
            under_way: Arc::default(),
            gathering: Gathering::default(),
            slots: Slots::default(),
        }
    }
}

/// Accepts until it is dropped; the connections are dropped with it.
pub(super) async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, state: Arc<State>) {
    let slots = state.slots.clone();
    http::accept(listener, slots, move |stream| converse(stream, tls.clone(), Arc::clone(&state))).await;
}

/// Answers the requests of one connection.
async fn converse(stream: TcpStream, tls: Option<TlsAcceptor>, state: Arc<State>) {
    let handle = move |request| serve(request, Arc::clone(&state));
    match tls {
        None => {
            if let Some(stream) = http::converse(stream, handle).await {
                reset(&stream);
            }
        }
        Some(tls) => {
            // A client that does not trust us, or does not speak TLS, is gone.
            let shaken = tokio::time::timeout(http::PATIENCE, tls.accept(stream)).await;
            if let Ok(Ok(stream)) = shaken
                && let Some(stream) = http::converse(stream, handle).await
            {
                reset(stream.get_ref().0);
            }
        }
    }
}

/// Drops a connection so that the client hears of a reset, not of an end.
fn reset(stream: &TcpStream) {
    // If this fails, the connection ends in the ordinary way.
    let _ = stream.set_zero_linger();
}

async fn serve(request: Request<Incoming>, state: Arc<State>) -> io::Result<Response<Outgoing>> {
    let (head, body) = request.into_parts();
    let header = head.headers.get(AUTHORIZATION);
    // A value that is not text is no bearer token; it is bad, not missing.
    let value = header.map(|value| value.to_str().unwrap_or("?"));
    let auth = Auth::of(value, &state.secrets.key);
    let shown = value.map(|value| auth::token(value).unwrap_or(value).to_owned());
    let mut entry =
        Entry { method: head.method.as_str(), path: head.uri.path(), auth, json: None, size: 0, shown };
    let decided = match http::body(body, MAX_BODY).await {
        Ok(bytes) => {
            entry.size = bytes.len();
            let json = serde_json::from_slice::<Value>(&bytes);
            let decided = decide(&state, &entry, &json);
            entry.json = json.ok();
            decided
        }
        Err(status) => Decided::of(Answer::usual(status, 0)),
    };
    let Decided { answer, under_way, delay, gather } = decided;
    let place = state.log.note(entry, &answer, &state.secrets.key);
    if let (Some(size), Some(place)) = (gather, place) {
        let told = |places: &mut [usize]| state.log.gathered(places, places.len());
        state.gathering.wait(size, place, told).await;
    }
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    match answer.way {
        Way::Reset => return Err(io::Error::new(io::ErrorKind::ConnectionReset, "reset as planned")),
        Way::Hang => tokio::time::sleep(FOREVER).await,
        Way::Sound | Way::Cut => {}
    }
    Ok(response(answer, delay, under_way))
}

/// An answer, and what goes before it and with it.
struct Decided {
    answer: Answer,
    under_way: Option<UnderWay>,
    delay: Duration,
    gather: Option<usize>,
}

impl Decided {
    fn of(answer: Answer) -> Self {
        Self { answer, under_way: None, delay: Duration::ZERO, gather: None }
    }
}

fn decide(state: &State, entry: &Entry<'_>, json: &Result<Value, serde_json::Error>) -> Decided {
    let why = json.as_ref().err().map(ToString::to_string).unwrap_or_default();
    let completion = matches!(answer::route(entry.path), Some((Route::Chat | Route::Fim, _)));
    let mut decides = state.decides.lock().unwrap_or_else(PoisonError::into_inner);
    let (options, times) = &mut *decides;
    let now = Instant::now();
    let mut busy = times.early(options, now);
    if completion && busy.is_none() {
        busy = times.busy(options, state.under_way.load(Ordering::SeqCst), now);
    }
    let asked = Asked {
        method: entry.method,
        path: entry.path,
        auth: entry.auth,
        body: json.as_ref().map_err(|_| why.as_str()),
        busy,
    };
    let answer = answer::answer(&asked, options, &state.secrets);
    if let (Some(seconds), None) = (answer.retry_after, busy) {
        times.refused(seconds, now);
    }
    let good = completion && answer.status == 200;
    if good {
        times.completed(options, now);
    }
    Decided {
        under_way: good.then(|| UnderWay::new(&state.under_way)),
        delay: if answer.status == 200 { options.delay } else { Duration::ZERO },
        gather: options.gather.filter(|_| good),
        answer,
    }
}

fn response(answer: Answer, pause: Duration, under_way: Option<UnderWay>) -> Response<Outgoing> {
    let kind = match answer.media {
        Media::Json => "application/json",
        Media::Events => "text/event-stream; charset=utf-8",
        Media::Html => "text/html; charset=utf-8",
    };
    let (status, retry_after) = (answer.status, answer.retry_after);
    let mut response = Response::new(Outgoing::new(answer, pause, under_way));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}
