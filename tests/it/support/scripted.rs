//! A server on loopback that does what a script says, byte by byte: the next script for each request.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// One thing that the server does after it has read a request.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// Sends these bytes.
    Send(Vec<u8>),
    /// Waits.
    Pause(Duration),
    /// Sends the bytes one by one with a pause after each.
    Drip(Vec<u8>, Duration),
    /// Keeps the connection and says nothing more.
    Hang,
    /// Ends the connection in order.
    Close,
    /// Ends the connection with a reset.
    Reset,
}

/// The running server.
pub(crate) struct Scripted {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
}

struct Shared {
    scripts: Vec<Vec<Act>>,
    requests: Arc<Mutex<Vec<String>>>,
    stop: Arc<AtomicBool>,
}

impl Scripted {
    /// Starts it. Requests beyond the scripts get the last one again.
    pub(crate) fn start(scripts: Vec<Vec<Act>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port of loopback");
        let address = listener.local_addr().expect("its address");
        let (requests, stop) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let connections = Arc::new(AtomicUsize::new(0));
        let shared = Arc::new(Shared { scripts, requests: Arc::clone(&requests), stop: Arc::clone(&stop) });
        let counted = Arc::clone(&connections);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if shared.stop.load(Ordering::SeqCst) {
                    break;
                }
                counted.fetch_add(1, Ordering::SeqCst);
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || serve(stream, &shared));
            }
        });
        Self { address, requests, connections, stop }
    }

    /// `http://ADDRESS`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// `HOST:PORT`.
    pub(crate) fn authority(&self) -> String {
        self.address.to_string()
    }

    /// All requests so far, head and body.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("nobody panics with it").clone()
    }

    /// Connections so far.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // Wakes the thread that waits for a connection.
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(mut stream: TcpStream, shared: &Shared) {
    let _ = stream.set_nodelay(true);
    while let Some(request) = read(&mut stream) {
        let script = {
            let mut requests = shared.requests.lock().expect("nobody panics with it");
            let script = shared.scripts.get(requests.len()).or(shared.scripts.last()).cloned();
            requests.push(request);
            script.unwrap_or_default()
        };
        for act in script {
            let sent = match act {
                Act::Send(bytes) => stream.write_all(&bytes),
                Act::Pause(time) => {
                    std::thread::sleep(time);
                    Ok(())
                }
                Act::Drip(bytes, pause) => bytes.iter().try_for_each(|byte| {
                    std::thread::sleep(pause);
                    stream.write_all(&[*byte])
                }),
                Act::Hang => {
                    hang(&stream, shared);
                    return;
                }
                Act::Close => return,
                Act::Reset => {
                    reset(&stream);
                    return;
                }
            };
            if sent.is_err() {
                return;
            }
        }
    }
}

/// One request, or nothing when the client is gone.
fn read(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    let mut piece = vec![0; 65536];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
            });
            if body.len() >= length.unwrap_or(0) {
                return Some(text);
            }
        }
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => return None,
            Ok(n) => bytes.extend_from_slice(&piece[..n]),
        }
    }
}

/// Until the client or the test goes away.
fn hang(stream: &TcpStream, shared: &Shared) {
    let end = Instant::now() + Duration::from_secs(60);
    let _ = stream.set_read_timeout(Some(Duration::from_millis(20)));
    let mut stream = stream;
    while Instant::now() < end && !shared.stop.load(Ordering::SeqCst) {
        if matches!(stream.read(&mut [0; 1]), Ok(0)) {
            return;
        }
    }
}

/// A reset instead of an orderly end.
fn reset(stream: &TcpStream) {
    let _ = rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO));
    let _ = stream.shutdown(Shutdown::Read);
}

/// A whole response with a length.
pub(crate) fn response(status: u16, kind: &str, body: &str) -> Vec<Act> {
    with_headers(status, &[("content-type", kind)], body)
}

/// A whole response with these headers.
pub(crate) fn with_headers(status: u16, headers: &[(&str, &str)], body: &str) -> Vec<Act> {
    let mut text = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    vec![Act::Send(format!("{text}\r\n{body}").into_bytes())]
}

/// A whole JSON response.
pub(crate) fn json(status: u16, body: &serde_json::Value) -> Vec<Act> {
    response(status, "application/json", &body.to_string())
}

/// The head of a streamed response that ends with the connection.
pub(crate) fn stream_head() -> Act {
    Act::Send(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n".to_vec())
}

/// The head of a streamed response in chunks.
pub(crate) fn chunked_head() -> Act {
    Act::Send(
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n".to_vec(),
    )
}

/// One chunk of a chunked response; an empty one ends it.
pub(crate) fn chunk(text: &str) -> Act {
    Act::Send(format!("{:x}\r\n{text}\r\n", text.len()).into_bytes())
}

/// A whole chat completion in a stream that keeps its connection.
pub(crate) fn streamed(events: &[&str]) -> Vec<Act> {
    let mut acts = vec![chunked_head()];
    acts.extend(events.iter().map(|event| chunk(&format!("data: {event}\n\n"))));
    acts.push(chunk(""));
    acts
}
