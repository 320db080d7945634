//! Pulling from a registry: manifest, configuration and layers, each checked against its digest (OCI distribution
//! specification 1.1).
//!
//! Plain HTTP is spoken with this machine only; everything else is TLS.

use super::document::{Configuration, Document, MANIFESTS};
use super::local::MAX_DOCUMENT;
use super::logins::Logins;
use super::source::Local;
use super::store::Store;
use super::{Problem, local, sha256};
use oci_client::client::{ClientConfig, ClientProtocol};
use oci_client::errors::{OciDistributionError, OciErrorCode};
use oci_client::manifest::OciDescriptor;
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference, RegistryOperation};
use std::fs::File;
use std::io::Write;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::AsyncWrite;

/// Layers that are fetched at once.
const AT_ONCE: usize = 4;
/// Longest silence of a registry.
const SILENCE: Duration = Duration::from_secs(60);
/// Tries of a layer, as long as what goes wrong is the network.
const TRIES: u32 = 3;

/// One image at one registry.
struct Registry {
    client: Client,
    reference: Reference,
    /// Whether a login for this registry was found.
    known: bool,
}

/// Pulls what the store does not have, and says where all of it lies.
pub(super) async fn pull(
    store: &Arc<Store>,
    reference: &Reference,
    logins: &Logins,
) -> Result<Local, Problem> {
    let registry = Arc::new(Registry::open(reference, logins).await?);
    let (manifest, digest) = registry.manifest().await?;
    let (config, layers) = manifest.parts()?;
    let bytes = registry.blob(store, &config.digest, config.size.min(MAX_DOCUMENT)).await?;
    let bytes = std::fs::read(&bytes).map_err(|error| Problem::io("read its configuration", &error))?;
    let configuration = Configuration::read(&bytes)?;
    let gate = Arc::new(tokio::sync::Semaphore::new(AT_ONCE));
    let mut fetching = tokio::task::JoinSet::new();
    for (index, layer) in layers.iter().enumerate() {
        let (registry, store, gate, layer) = (registry.clone(), store.clone(), gate.clone(), layer.clone());
        let number = format!("layer {} of {} ({})", index + 1, layers.len(), super::short(&layer.digest));
        fetching.spawn(async move {
            let _turn = gate.acquire().await;
            let path = registry.blob(&store, &layer.digest, layer.size).await;
            path.map(|path| (index, path)).map_err(|problem| problem.within(&number))
        });
    }
    let mut parts = vec![None; layers.len()];
    while let Some(done) = fetching.join_next().await {
        let (index, path) = done.map_err(|error| Problem::new(format!("a pull was lost: {error}")))??;
        parts[index] = Some((Some(layers[index].digest.clone()), (path, 0, layers[index].size)));
    }
    let image = local::local(digest, configuration, parts.into_iter().flatten().collect())?;
    let blobs = layers.iter().map(|layer| layer.digest.clone()).chain([config.digest.clone()]).collect();
    Ok(Local { blobs, ..image })
}

impl Registry {
    async fn open(reference: &Reference, logins: &Logins) -> Result<Self, Problem> {
        // The library asks for the process's provider; that there is one already is fine.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let host = reference.resolve_registry().to_owned();
        let protocol = if is_here(&host) {
            ClientProtocol::HttpsExcept(vec![host.clone()])
        } else {
            ClientProtocol::Https
        };
        let config = ClientConfig {
            protocol,
            read_timeout: Some(SILENCE),
            connect_timeout: Some(Duration::from_secs(20)),
            user_agent: concat!("rolltape/", env!("CARGO_PKG_VERSION")),
            ..ClientConfig::default()
        };
        let client = Client::try_from(config).map_err(|error| {
            Problem::new(format!("a client can't be made: {}", super::lower(&error.to_string())))
        })?;
        let login = logins.of(reference.registry())?;
        let known = login.is_some();
        let auth =
            login.map_or(RegistryAuth::Anonymous, |(user, password)| RegistryAuth::Basic(user, password));
        let registry = Self { client, reference: reference.clone(), known };
        let opened = registry.client.auth(reference, &auth, RegistryOperation::Pull).await;
        opened.map_err(|error| registry.told(error))?;
        registry.client.store_auth_if_needed(&host, &auth).await;
        Ok(registry)
    }

    /// The manifest for this machine and its digest, or that of the index that led to it.
    async fn manifest(&self) -> Result<(Document, String), Problem> {
        let mut reference = self.reference.clone();
        let mut first = None;
        for _ in 0..3 {
            let auth = RegistryAuth::Anonymous;
            let asked = self.client.pull_manifest_raw(&reference, &auth, &MANIFESTS).await;
            let (bytes, digest) = asked.map_err(|error| self.told(error))?;
            let manifest = Document::read(&bytes, "its manifest")?;
            let first = first.get_or_insert(digest);
            match manifest.choose()? {
                Some(entry) => reference = reference.clone_with_digest(entry.digest.clone()),
                None => return Ok((manifest, first.clone())),
            }
        }
        Err(Problem::new("its indexes lead to no manifest"))
    }

    /// The file of a blob, fetched if the store has it not. Whoever else wants it waits for the first.
    async fn blob(&self, store: &Store, digest: &str, size: u64) -> Result<std::path::PathBuf, Problem> {
        let hex = sha256(digest).ok_or_else(|| Problem::new(format!("'{digest}' is no SHA-256 digest")))?;
        let path = store.blob(hex);
        if path.is_file() {
            return Ok(path);
        }
        let _lock = store.lock_alone(&format!("blob-{hex}")).await?;
        if path.is_file() {
            return Ok(path);
        }
        let mut tries = 1;
        loop {
            match self.fetch(store, digest, size).await {
                Ok(young) => {
                    let (file, name) =
                        young.keep().map_err(|error| Problem::io("keep a layer", &error.error))?;
                    let kept = file.sync_all().and_then(|()| std::fs::rename(&name, &path));
                    kept.map_err(|error| Problem::io("keep a layer", &error))?;
                    return Ok(path);
                }
                Err(error) if tries < TRIES && is_passing(&error) => {
                    tokio::time::sleep(Duration::from_millis(300 << tries)).await;
                    tries += 1;
                }
                Err(error) => return Err(self.told(error)),
            }
        }
    }

    async fn fetch(
        &self,
        store: &Store,
        digest: &str,
        size: u64,
    ) -> Result<tempfile::NamedTempFile, OciDistributionError> {
        let young = store.young()?;
        let out = Capped { file: young.reopen()?, left: size };
        let layer =
            OciDescriptor { digest: digest.to_owned(), size: size as i64, ..OciDescriptor::default() };
        self.client.pull_blob(&self.reference, &layer, out).await?;
        Ok(young)
    }

    /// A registry's answer in our words.
    fn told(&self, error: OciDistributionError) -> Problem {
        let host = self.reference.registry();
        let missing = || {
            Problem::new(format!("the registry {host} does not have it"))
                .hint("see whether name and tag are right")
        };
        let login = || {
            let (what, hint) = if self.known {
                ("does not give it to the login that was found", "log in again")
            } else {
                ("wants a login", "log in")
            };
            // Some registries say so of what does not exist.
            Problem::new(format!("the registry {host} {what}, or does not have it"))
                .hint(format!("{hint} with `podman login {host}` or `docker login {host}`, or see whether name and tag are right"))
        };
        match error {
            OciDistributionError::RegistryError { envelope, .. } => {
                let codes: Vec<&OciErrorCode> = envelope.errors.iter().map(|error| &error.code).collect();
                if codes.iter().any(|code| matches!(code, OciErrorCode::Unauthorized | OciErrorCode::Denied))
                {
                    return login();
                }
                let gone = [OciErrorCode::ManifestUnknown, OciErrorCode::NameUnknown, OciErrorCode::NotFound];
                if codes.iter().any(|code| gone.contains(code)) {
                    return missing();
                }
                let said: Vec<&str> = envelope.errors.iter().map(|error| error.message.as_str()).collect();
                Problem::new(format!("the registry {host} refuses: {}", super::lower(&said.join("; "))))
            }
            OciDistributionError::ServerError { code: 404, .. }
            | OciDistributionError::ImageManifestNotFoundError(_) => missing(),
            OciDistributionError::AuthenticationFailure(_)
            | OciDistributionError::UnauthorizedError { .. }
            | OciDistributionError::ServerError { code: 401 | 403, .. } => login(),
            OciDistributionError::ServerError { code, .. } => {
                Problem::new(format!("the registry {host} answers with status {code}"))
            }
            OciDistributionError::DigestError(oci_client::errors::DigestError::VerificationError {
                expected,
                actual,
            }) => {
                Problem::new(format!("what the registry {host} sent has the digest {actual}, not {expected}"))
            }
            OciDistributionError::IoError(error) => Problem::io("write to the store", &error),
            OciDistributionError::RequestError(error) => {
                Problem::new(format!("the registry {host} can't be reached: {}", innermost(&error)))
            }
            other => Problem::new(format!("the registry {host}: {}", super::lower(&other.to_string()))),
        }
    }
}

/// Whether trying again may help.
fn is_passing(error: &OciDistributionError) -> bool {
    match error {
        OciDistributionError::RequestError(_) => true,
        OciDistributionError::ServerError { code, .. } => *code == 429 || *code >= 500,
        _ => false,
    }
}

/// What was at the bottom of an error: the rest only wraps it.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(inner) = error.source() {
        error = inner;
    }
    let text = error.to_string();
    super::lower(text.split(" (os error").next().unwrap_or(&text))
}

/// Whether a registry is on this machine.
fn is_here(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    name == "localhost"
        || name.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok_and(|at| at.is_loopback())
}

/// A file that takes so many bytes and no more: a registry that sends without end does not fill the disk.
struct Capped {
    file: File,
    left: u64,
}

impl AsyncWrite for Capped {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        if bytes.len() as u64 > self.left {
            let error = std::io::Error::other("the registry sends more than the manifest says");
            return Poll::Ready(Err(error));
        }
        let wrote = self.file.write(bytes)?;
        self.left -= wrote as u64;
        Poll::Ready(Ok(wrote))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
