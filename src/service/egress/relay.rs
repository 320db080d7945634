//! A server of this machine's loopback, at the same address inside.

use super::super::http::{self, Slots};
use super::{Asked, Log};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

pub(super) async fn serve(listener: TcpListener, slots: Slots, target: SocketAddr, log: Arc<Log>) {
    http::accept(listener, slots, |mut inside| {
        let log = Arc::clone(&log);
        async move {
            let reached = TcpStream::connect(target).await;
            let refused = reached.as_ref().err().map(|_| "nothing listens there");
            log.add(&Asked {
                method: "TCP",
                host: &target.ip().to_string(),
                port: target.port(),
                path: None,
                status: if refused.is_none() { 200 } else { 502 },
                refused,
            });
            if let Ok(mut outside) = reached {
                // A broken connection is the affair of both ends.
                let _ = copy_bidirectional(&mut inside, &mut outside).await;
            }
        }
    })
    .await;
}
