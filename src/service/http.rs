//! The HTTP/1.1 server loop that services and the agents' gateway share.
//!
//! Invariant: what a client does wrong ends its own connection only, and no client can take all descriptors of the
//! harness. Must not know: what is asked or answered.

use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Connections that are open at once; more wait in the listener's queue, so that the harness keeps its descriptors.
const MAX_CONNECTIONS: usize = 128;
/// How long a request's head, and then its body, may take; so for a handshake before it.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The places for connections of one server, however many listeners it has. Clones share them.
#[derive(Clone)]
pub struct Slots(Arc<Semaphore>);

impl Default for Slots {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MAX_CONNECTIONS)))
    }
}

/// Accepts until it is dropped; the connections are dropped with it.
pub async fn accept<C, F>(listener: TcpListener, slots: Slots, connected: C)
where
    C: Fn(TcpStream) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok(slot) = Arc::clone(&slots.0).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            // The client is gone already, or the harness is out of descriptors for a moment.
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        // An answer is one small write; without this it could wait for the client's acknowledgement.
        let _ = stream.set_nodelay(true);
        let connection = connected(stream);
        connections.spawn(async move {
            connection.await;
            drop(slot);
        });
    }
}

/// Answers the requests of one connection. A `handle` that fails with [`io::ErrorKind::ConnectionReset`] wants the
/// connection to be reset: then it comes back.
pub async fn converse<S, H, F, B>(stream: S, handle: H) -> Option<S>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: Fn(Request<Incoming>) -> F,
    F: Future<Output = io::Result<Response<B>>>,
    B: Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut connection = hyper::server::conn::http1::Builder::new()
        .half_close(true)
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .serve_connection(TokioIo::new(stream), hyper::service::service_fn(handle));
    match (&mut connection).await {
        Err(error) if planned_reset(&error) => Some(connection.into_parts().io.into_inner()),
        // A broken connection is the client's affair.
        _ => None,
    }
}

/// Whether the server itself, not the client, wants the connection to be reset.
fn planned_reset(error: &hyper::Error) -> bool {
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<io::Error>());
    error.is_user() && cause.is_some_and(|cause| cause.kind() == io::ErrorKind::ConnectionReset)
}

/// The whole body of a request.
///
/// # Errors
/// The status to answer with: 413 for more than `max` bytes, 408 for one that takes too long, 400 for a broken one.
pub async fn body(body: Incoming, max: usize) -> Result<Bytes, u16> {
    match tokio::time::timeout(PATIENCE, Limited::new(body, max).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(413),
        Ok(Err(_)) => Err(400),
        Err(_) => Err(408),
    }
}
