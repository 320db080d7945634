//! What is reached by which policy, with servers on this machine's loopback.

use super::{levels, reported, sandbox};
use rolltape::sandbox::Level;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A web server that answers each request with its first line and its headers; it runs until the tests end.
pub(crate) struct Server {
    pub(crate) at: SocketAddr,
    visits: Arc<AtomicU64>,
}

impl Server {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let at = listener.local_addr().expect("an address");
        let visits = Arc::new(AtomicU64::new(0));
        let seen = Arc::clone(&visits);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let seen = Arc::clone(&seen);
                std::thread::spawn(move || {
                    let mut stream = stream;
                    seen.fetch_add(1, Ordering::SeqCst);
                    let mut head = Vec::new();
                    let mut byte = [0];
                    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|count| count == 1)
                    {
                        head.push(byte[0]);
                    }
                    let length = head.len();
                    let answer = format!(
                        "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\nKeep-Alive: x\r\n\r\n"
                    );
                    let _ = stream.write_all(answer.as_bytes()).and_then(|()| stream.write_all(&head));
                });
            }
        });
        Self { at, visits }
    }
}

/// Asks through the proxy of the environment, by bash alone: the first line of the request, then all that comes back.
pub(crate) fn ask(line: &str, then: &str) -> String {
    format!(
        "p=${{http_proxy#http://}}; exec 3<>/dev/tcp/${{p%:*}}/${{p#*:}}; \
         printf '{line} HTTP/1.1\\r\\nHost: wrong.example\\r\\nProxy-Connection: close\\r\\nConnection: close, X-One\\r\\nX-One: 1\\r\\n\\r\\n' >&3; \
         {then} cat <&3; "
    )
}

#[test]
fn allowed_hosts_are_reached_and_others_refused_and_all_is_told() {
    let server = Server::start();
    for level in levels() {
        let policy = format!("allow:mirror.example={},localhost", server.at);
        let port = server.at.port();
        let script = [
            ask("GET http://mirror.example/a?b=c", ""),
            ask("GET http://other.example/", ""),
            ask("GET http://localhost/", ""),
            ask(&format!("GET http://127.0.0.1:{port}/"), ""),
            ask("GET http://[::1]:80/", ""),
            ask("GET /plain", ""),
            ask("CONNECT other.example:443", ""),
            ask(
                "CONNECT mirror.example:443",
                "head -c 19 <&3; printf 'GET /deep HTTP/1.1\\r\\nHost: in.tunnel\\r\\n\\r\\n' >&3;",
            ),
        ]
        .map(|one| format!("{one} echo; echo ----; "))
        .concat();
        let (output, report) = reported(level, &["--network", &policy, "bash", "-c", &script]);
        let parts: Vec<&str> = output.stdout.split("----\n").collect();
        let what = format!("{level:?}: {} {}", output.stdout, output.stderr);
        assert!(
            parts[0].starts_with("HTTP/1.1 200") && parts[0].contains("GET /a?b=c HTTP/1.1\r\n"),
            "{what}"
        );
        let passed = parts[0].to_ascii_lowercase();
        assert!(passed.contains("host: mirror.example\r\n"), "{what}");
        for gone in ["wrong.example", "proxy-connection", "x-one", "keep-alive"] {
            assert!(!passed.contains(gone), "{gone}: {what}");
        }
        assert!(parts[1].starts_with("HTTP/1.1 403") && parts[1].contains("it is not in the list"), "{what}");
        assert!(parts[1].contains("\nallowed: mirror.example="), "{what}");
        assert!(parts[2].starts_with("HTTP/1.1 403") && parts[2].contains("is not public"), "{what}");
        assert!(parts[3].starts_with("HTTP/1.1 403"), "{what}");
        assert!(parts[4].starts_with("HTTP/1.1 403"), "{what}");
        assert!(parts[5].starts_with("HTTP/1.1 400"), "{what}");
        assert!(parts[6].starts_with("HTTP/1.1 403"), "{what}");
        assert!(parts[7].starts_with("HTTP/1.1 200 OK\r\n") && parts[7].contains("GET /deep"), "{what}");
        let requests: Vec<String> = report["network"]["requests"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|asked| {
                format!("{} {}:{} {}", asked["method"], asked["host"], asked["port"], asked["status"])
            })
            .collect();
        assert_eq!(
            requests,
            [
                "\"GET\" \"mirror.example\":80 200".to_owned(),
                "\"GET\" \"other.example\":80 403".to_owned(),
                "\"GET\" \"localhost\":80 403".to_owned(),
                format!("\"GET\" \"127.0.0.1\":{port} 403"),
                "\"GET\" \"[::1]\":80 403".to_owned(),
                "\"CONNECT\" \"other.example\":443 403".to_owned(),
                "\"CONNECT\" \"mirror.example\":443 200".to_owned(),
            ],
            "{what}"
        );
        assert_eq!(report["network"]["requests"][0]["path"], "/a");
    }
}

/// What tries to reach this machine's loopback, its addresses, and its abstract sockets.
fn reach(port: u16, name: &str) -> String {
    format!(
        "import socket\n\
         def t(f, a):\n\
         \x20   s = socket.socket(f, socket.SOCK_STREAM); s.settimeout(3)\n\
         \x20   try: s.connect(a); print('reached', a)\n\
         \x20   except OSError as e: print('held', e.errno)\n\
         t(socket.AF_INET, ('127.0.0.1', {port}))\n\
         t(socket.AF_INET, ('169.254.169.254', 80))\n\
         t(socket.AF_UNIX, '\\0{name}')\n"
    )
}

#[test]
fn nothing_of_the_host_is_reached_but_what_is_named() {
    need!("python3");
    use std::os::linux::net::SocketAddrExt;
    let server = Server::start();
    let name = format!("rolltape-test-{}", std::process::id());
    let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).expect("a name");
    let _abstract = std::os::unix::net::UnixListener::bind_addr(&address).expect("a listener");
    let script = reach(server.at.port(), &name);
    let allowed = format!("allow:127.0.0.1:{}", server.at.port());
    for level in levels().into_iter().filter(|level| *level != Level::Process) {
        for policy in ["none", "allow:example.com"] {
            let before = server.visits.load(Ordering::SeqCst);
            let output =
                sandbox(level, &["--network", policy, "python3", "-c", &script]).run().expect_code(0);
            assert!(!output.stdout.contains("reached"), "{level:?}, {policy}: {}", output.stdout);
            assert_eq!(output.stdout.matches("held").count(), 3, "{level:?}, {policy}: {}", output.stdout);
            assert_eq!(server.visits.load(Ordering::SeqCst), before, "{level:?}, {policy}");
        }
        // A server that is named with its port is reached where it is, and nothing beside it.
        let (output, report) = reported(level, &["--network", &allowed, "python3", "-c", &script]);
        assert!(output.stdout.starts_with("reached"), "{level:?}: {}", output.stdout);
        assert_eq!(output.stdout.matches("held").count(), 2, "{level:?}: {}", output.stdout);
        assert_eq!(report["network"]["requests"][0]["method"], "TCP", "{report}");
        // Who asks for the whole network gets it, and the record says so.
        let (output, report) = reported(level, &["--network", "full", "python3", "-c", &script]);
        assert!(output.stdout.starts_with("reached"), "{level:?}: {}", output.stdout);
        let layers = report["layers"].as_array().expect("a list");
        let netns = layers.iter().find(|layer| layer["name"] == "netns").expect("the layer");
        assert_eq!(netns["on"], false, "{level:?}: {netns}");
    }
}
