//! The TLS door of a service: what a client does wrong there ends its own connection only.

use crate::service::object;
use rolltape::service::{self, Authority, Doors, Running, derive_secrets};
use rolltape::suite::ServiceSpec;
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::json;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

struct Server {
    running: Running,
    authority: Authority,
    // Dropped last: the server's tasks live in it.
    _runtime: tokio::runtime::Runtime,
}

fn start(options: serde_json::Value) -> Server {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let hosts = vec!["api.example".to_owned()];
    let spec = ServiceSpec {
        name: "api".to_owned(),
        kind: "llm".to_owned(),
        hosts: hosts.clone(),
        port: None,
        key_env: None,
        options: object(options),
    };
    let authority = Authority::new(jiff::Timestamp::now()).unwrap();
    let listener = || TcpListener::bind("127.0.0.1:0").unwrap();
    let config = authority.server(&hosts, Ipv4Addr::LOCALHOST).unwrap();
    let doors = Doors { main: listener(), plain: Some(listener()), tls: Some((listener(), config)) };
    let running = {
        let _inside = runtime.enter();
        let kind = service::find("llm").unwrap();
        (kind.start)(&spec, &spec.options, derive_secrets(0, "s/t/u/1", "api"), doors).unwrap()
    };
    Server { running, authority, _runtime: runtime }
}

impl Server {
    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.running.tls.unwrap()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    /// A client that trusts the authority alone and asks for this name.
    fn client(&self, name: &str) -> StreamOwned<ClientConnection, TcpStream> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.authority.pem().as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), self.connect())
    }

    fn models(&self, name: &str) -> std::io::Result<String> {
        let mut client = self.client(name);
        let key = &self.running.secrets.key;
        let head = format!("GET /models HTTP/1.1\r\nHost: {name}\r\nAuthorization: Bearer {key}\r\n");
        write!(client, "{head}Connection: close\r\n\r\n")?;
        let mut text = String::new();
        client.read_to_string(&mut text).map(|_| text)
    }
}

#[test]
fn names_of_the_service_are_proven_and_others_are_not() {
    let server = start(json!({}));
    for name in ["api.example", "localhost", "127.0.0.1"] {
        let text = server.models(name).unwrap();
        assert!(text.starts_with("HTTP/1.1 200") && text.contains(&server.running.secrets.nonce), "{text}");
    }
    for name in ["other.example", "x.api.example", "127.0.0.2"] {
        let error = server.models(name).unwrap_err().to_string();
        assert!(error.contains("NotValidForName") || error.contains("not valid for name"), "{name}: {error}");
    }
    assert_eq!(server.running.requests().len(), 3);
    // Another run has another authority.
    let other = start(json!({}));
    assert_ne!(server.authority.pem(), other.authority.pem());
}

#[test]
fn hostile_bytes_and_silent_clients_keep_nobody_out() {
    let server = start(json!({}));
    let silent: Vec<TcpStream> = (0..20).map(|_| server.connect()).collect();
    for bytes in
        [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\x16\x03\x01\xff\xff", b"\x16\x03\x01\x00\x05hello", b"", b"\0"]
    {
        let mut stream = server.connect();
        // The server may close before it has everything.
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut told = Vec::new();
        let _ = stream.read_to_end(&mut told);
        assert!(!told.starts_with(b"HTTP"), "{told:?}");
    }
    assert!(server.models("api.example").unwrap().contains("200 OK"));
    drop(silent);
}

#[test]
fn faults_of_the_network_reach_through_tls() {
    let server = start(json!({"fault": ["reset-once@models", "cut-once@models"]}));
    assert_eq!(server.models("api.example").unwrap_err().kind(), ErrorKind::ConnectionReset);
    // Cut without the farewell of TLS: a careful client sees that it is not the end.
    let cut = server.models("api.example");
    assert_eq!(cut.unwrap_err().kind(), ErrorKind::UnexpectedEof);
    assert!(server.models("api.example").unwrap().contains("200 OK"));
}
