//! The proxy: CONNECT for what is encrypted, whole URLs for what is not (RFC 9112 section 3.2, RFC 9110 section 9.3.6).

use super::super::http::{self, PATIENCE, Slots};
use super::{Asked, Log};
use crate::suite::{Allowed, Way, may_connect, way};
use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::header::{HOST, HeaderName, HeaderValue};
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Connections to the outside that are open at once.
const MAX_OUTSIDE: usize = 128;

/// What is of one connection only (RFC 9110 section 7.6.1), and what is meant for the proxy.
const NOT_PASSED_ON: [&str; 8] = [
    "connection",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

type Answer = Response<Either<Full<Bytes>, Incoming>>;

/// Who decides.
pub(super) struct Gate {
    allowed: Vec<Allowed>,
    log: Arc<Log>,
    over: CancellationToken,
    outside: Arc<Semaphore>,
}

/// Why there is no connection: the status and the reason.
struct Refused(u16, String);

/// An open connection to the outside, with its place.
type Reached = (TcpStream, OwnedSemaphorePermit);

impl Gate {
    pub(super) fn new(allowed: Vec<Allowed>, log: Arc<Log>, over: CancellationToken) -> Self {
        Self { allowed, log, over, outside: Arc::new(Semaphore::new(MAX_OUTSIDE)) }
    }

    /// Connects, if that is allowed. The name is resolved once, here.
    async fn connect(&self, host: &str, port: u16) -> Result<Reached, Refused> {
        let targets = match way(&self.allowed, host, port) {
            Way::Refused => return Err(Refused(403, "it is not in the list".to_owned())),
            Way::To(at) => vec![at],
            Way::Resolve => self.resolve(host, port).await?,
        };
        let Ok(place) = Arc::clone(&self.outside).try_acquire_owned() else {
            return Err(Refused(503, format!("{MAX_OUTSIDE} connections are open already")));
        };
        let mut last = String::new();
        for at in targets {
            match timeout(PATIENCE, TcpStream::connect(at)).await {
                Ok(Ok(stream)) => {
                    let _ = stream.set_nodelay(true);
                    return Ok((stream, place));
                }
                Ok(Err(error)) => last = error.kind().to_string(),
                Err(_) => "timed out".clone_into(&mut last),
            }
        }
        Err(Refused(502, format!("it can't be reached: {last}")))
    }

    async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, Refused> {
        let found = timeout(PATIENCE, tokio::net::lookup_host((host, port))).await;
        let Ok(Ok(found)) = found else {
            return Err(Refused(502, "its name can't be resolved".to_owned()));
        };
        let found: Vec<SocketAddr> = found.collect();
        let good: Vec<SocketAddr> =
            found.iter().filter(|at| may_connect(&self.allowed, **at)).copied().collect();
        match (good.is_empty(), found.first()) {
            (false, _) => Ok(good),
            (true, Some(at)) => {
                Err(Refused(403, format!("its address {at} is not public and not in the list itself")))
            }
            (true, None) => Err(Refused(502, "its name has no address".to_owned())),
        }
    }

    fn refuse(&self, asked: &Asked<'_>) -> Answer {
        let allowed: Vec<String> = self.allowed.iter().map(Allowed::to_string).collect();
        let text = format!(
            "rolltape: {}:{} is not reached from this sandbox: {}\nallowed: {}\n",
            asked.host,
            asked.port,
            asked.refused.unwrap_or_default(),
            allowed.join(", ")
        );
        self.log.add(asked);
        plain(asked.status, text)
    }
}

fn plain(status: u16, text: String) -> Answer {
    let mut answer = Response::new(Either::Left(Full::new(Bytes::from(text))));
    *answer.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    answer.headers_mut().insert("content-type", HeaderValue::from_static("text/plain; charset=utf-8"));
    answer
}

/// Serves until it is dropped.
pub(super) async fn serve(listener: TcpListener, gate: Arc<Gate>) {
    http::accept(listener, Slots::default(), |stream| {
        let gate = Arc::clone(&gate);
        async move {
            let handle = hyper::service::service_fn(move |request| {
                let gate = Arc::clone(&gate);
                async move { Ok::<_, Infallible>(answer(gate, request).await) }
            });
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(PATIENCE)
                .serve_connection(TokioIo::new(stream), handle)
                .with_upgrades();
            // A broken connection is the client's affair.
            let _ = connection.await;
        }
    })
    .await;
}

async fn answer(gate: Arc<Gate>, request: Request<Incoming>) -> Answer {
    let method = request.method().to_string();
    let Some(authority) = request.uri().authority().cloned() else {
        let text = "rolltape: this is a proxy; it takes CONNECT and whole URLs\n";
        return plain(400, text.to_owned());
    };
    let tunnel = request.method() == Method::CONNECT;
    let (host, port) = (authority.host(), authority.port_u16().unwrap_or(if tunnel { 443 } else { 80 }));
    let path = request.uri().path().to_owned();
    let mut asked = Asked {
        method: &method,
        host,
        port,
        path: (!tunnel).then_some(path.as_str()),
        status: 200,
        refused: None,
    };
    if !tunnel && request.uri().scheme_str() != Some("http") {
        (asked.status, asked.refused) = (400, Some("only http is passed on without CONNECT"));
        return gate.refuse(&asked);
    }
    let (stream, place) = match gate.connect(host, port).await {
        Ok(reached) => reached,
        Err(Refused(status, reason)) => {
            (asked.status, asked.refused) = (status, Some(reason.as_str()));
            return gate.refuse(&asked);
        }
    };
    if tunnel {
        gate.log.add(&asked);
        let over = gate.over.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = pass(request, stream) => {}
                () = over.cancelled() => {}
            }
            drop(place);
        });
        return Response::new(Either::Left(Full::default()));
    }
    match forward(&gate, request, authority.as_str(), stream, place).await {
        Ok(answer) => {
            asked.status = answer.status().as_u16();
            gate.log.add(&asked);
            answer
        }
        Err(error) => {
            let reason = format!("its answer is none: {error}");
            (asked.status, asked.refused) = (502, Some(reason.as_str()));
            gate.refuse(&asked)
        }
    }
}

/// Passes bytes both ways until one end closes.
async fn pass(request: Request<Incoming>, mut outside: TcpStream) {
    if let Ok(inside) = hyper::upgrade::on(request).await {
        let _ = tokio::io::copy_bidirectional(&mut TokioIo::new(inside), &mut outside).await;
    }
}

/// Sends a request on as its server expects it, and its answer back.
async fn forward(
    gate: &Gate,
    request: Request<Incoming>,
    authority: &str,
    stream: TcpStream,
    place: OwnedSemaphorePermit,
) -> Result<Answer, hyper::Error> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let over = gate.over.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = connection => {}
            () = over.cancelled() => {}
        }
        drop(place);
    });
    let (mut head, body) = request.into_parts();
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    head.uri = path.parse().unwrap_or_default();
    strip(&mut head.headers);
    // The name that was judged, whatever the client wrote. Who signs in does so in a header.
    let name = authority.rsplit_once('@').map_or(authority, |(_, name)| name);
    if let Ok(name) = HeaderValue::from_str(name) {
        head.headers.insert(HOST, name);
    }
    let (mut head, body) = sender.send_request(Request::from_parts(head, body)).await?.into_parts();
    strip(&mut head.headers);
    Ok(Response::from_parts(head, Either::Right(body)))
}

/// Takes away what is not passed on, also what the sender names in `Connection`.
fn strip(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all("connection")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in &named {
        headers.remove(name);
    }
    for name in NOT_PASSED_ON {
        headers.remove(name);
    }
}
