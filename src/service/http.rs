//! The HTTP/1.1 server loop that services and the agents' gateway share.
//!
//! Invariant: what a client does wrong ends its own connection only, and no client can take all descriptors of the
//! harness. Must not know: what is asked or answered.

use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Connections that are open at once; more wait in the listener's queue, so that the harness keeps its descriptors.
const MAX_CONNECTIONS: usize = 128;
/// How long a request's head, and then its body, may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Accepts until it is dropped; the connections are dropped with it.
pub async fn accept<H, F, B>(listener: TcpListener, handle: H)
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            // The client is gone already, or the harness is out of descriptors for a moment.
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        // An answer is one small write; without this it could wait for the client's acknowledgement.
        let _ = stream.set_nodelay(true);
        let handle = handle.clone();
        connections.spawn(async move {
            let _slot = slot;
            let service = hyper::service::service_fn(move |request| {
                let answer = handle(request);
                async move { Ok::<_, Infallible>(answer.await) }
            });
            // A broken connection is the client's affair.
            let _ = hyper::server::conn::http1::Builder::new()
                .half_close(true)
                .timer(TokioTimer::new())
                .header_read_timeout(PATIENCE)
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
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
