//! A connection to the server: name, TCP, TLS.

use super::{Again, Failure};
use crate::backend::OpenError;
use crate::util::url::Base;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// What both plain and TLS connections are.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

pub(super) struct Connector {
    host: String,
    port: u16,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl Connector {
    pub(super) fn new(base: &Base) -> Result<Self, OpenError> {
        let tls = if base.tls { Some((TlsConnector::from(config()?), name(&base.host)?)) } else { None };
        Ok(Self { host: base.host.clone(), port: base.port, tls })
    }

    /// Connects within `limit`, name and handshake included.
    pub(super) async fn connect(&self, limit: Duration) -> Result<Box<dyn Stream>, Failure> {
        match timeout(limit, self.stages(limit)).await {
            Ok(done) => done,
            Err(_) => Err(Failure::backend(
                format!("could not be connected to within {} (timeout connect)", super::wait::shown(limit)),
                Again::Soon,
            )),
        }
    }

    async fn stages(&self, limit: Duration) -> Result<Box<dyn Stream>, Failure> {
        let tcp = self.tcp(limit).await.map_err(|error| unreachable(&error))?;
        // A request is one small write that must not wait.
        let _ = tcp.set_nodelay(true);
        match &self.tls {
            None => Ok(Box::new(tcp)),
            Some((connector, name)) => match connector.connect(name.clone(), tcp).await {
                Ok(stream) => Ok(Box::new(stream)),
                Err(error) => Err(no_tls(&error)),
            },
        }
    }

    /// Tries the addresses one after the other; one that swallows packets must not use up the whole time.
    async fn tcp(&self, limit: Duration) -> io::Result<TcpStream> {
        let addresses: Vec<_> = lookup_host((self.host.as_str(), self.port)).await?.collect();
        let share = limit / u32::try_from(addresses.len().max(1)).unwrap_or(1);
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in addresses {
            match timeout(share, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => last = error,
                Err(_) => last = io::ErrorKind::TimedOut.into(),
            }
        }
        Err(last)
    }
}

fn unreachable(error: &io::Error) -> Failure {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text).to_lowercase();
    Failure::backend(format!("can't be reached: {text}"), Again::Soon)
}

fn no_tls(error: &io::Error) -> Failure {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        // A certificate does not get better with time.
        Some(rustls::Error::InvalidCertificate(why)) => {
            Failure::backend(format!("shows a certificate that is not trusted: {why:?}"), Again::Never)
        }
        Some(why) => Failure::backend(format!("can't agree on TLS: {why}"), Again::Never),
        None => Failure::backend(format!("broke off the TLS handshake: {error}"), Again::Soon),
    }
}

fn name(host: &str) -> Result<ServerName<'static>, OpenError> {
    ServerName::try_from(host.to_owned()).map_err(|_| ("its base_url has no good host".to_owned(), None))
}

/// TLS with the system's certificates. The provider is given, so that no other crate's default counts.
fn config() -> Result<Arc<ClientConfig>, OpenError> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    // Some of the system's files are always odd; that one good root is there is what counts.
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let hint = "install ca-certificates, or name a bundle with SSL_CERT_FILE";
        return Err(("this machine has no root certificates for TLS".to_owned(), Some(hint.to_owned())));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| (format!("TLS can't be set up: {error}"), None))?;
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
