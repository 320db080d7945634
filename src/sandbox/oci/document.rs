//! What is read of manifests, indexes and configurations: OCI image specification 1.1 and Docker's schema 2, which
//! differ in the names of their media types only.

use super::Problem;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Media types of manifests and indexes, as they are asked for.
pub(super) const MANIFESTS: [&str; 4] = [
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
];
/// Media types of layers.
const LAYERS: [&str; 7] = [
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.oci.image.layer.v1.tar+zstd",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
    "application/vnd.docker.image.rootfs.diff.tar.zstd",
];

/// Where something is, by content.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    #[serde(default)]
    pub(super) media_type: String,
    pub(super) digest: String,
    pub(super) size: u64,
    #[serde(default)]
    pub(super) platform: Option<Platform>,
    #[serde(default)]
    pub(super) annotations: BTreeMap<String, String>,
}

/// For which machines an image is.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Platform {
    pub(super) architecture: String,
    pub(super) os: String,
}

/// A manifest or an index of manifests.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document {
    #[serde(default)]
    pub(super) schema_version: u32,
    #[serde(default)]
    pub(super) manifests: Option<Vec<Descriptor>>,
    #[serde(default)]
    pub(super) config: Option<Descriptor>,
    #[serde(default)]
    pub(super) layers: Vec<Descriptor>,
}

/// The configuration of an image.
#[derive(Debug, Deserialize)]
pub(super) struct Configuration {
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    os: String,
    #[serde(default)]
    pub(super) config: Option<Settings>,
    pub(super) rootfs: Layers,
}

/// Digests of unpacked layers, lowest first.
#[derive(Debug, Deserialize)]
pub(super) struct Layers {
    pub(super) diff_ids: Vec<String>,
}

/// What programs of an image start with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Settings {
    /// `NAME=value`.
    #[serde(default, deserialize_with = "or_nothing")]
    pub env: Vec<String>,
    /// `USER`, `UID`, `USER:GROUP`, or empty for root.
    #[serde(default, deserialize_with = "or_nothing")]
    pub user: String,
    /// Absolute, or empty.
    #[serde(default, deserialize_with = "or_nothing")]
    pub working_dir: String,
    /// What is run with [`Settings::cmd`] behind it.
    #[serde(default, deserialize_with = "or_nothing")]
    pub entrypoint: Vec<String>,
    /// Arguments, or a whole command where there is no entry point.
    #[serde(default, deserialize_with = "or_nothing")]
    pub cmd: Vec<String>,
}

/// Go writes `null` for what is empty.
fn or_nothing<'de, D: serde::Deserializer<'de>, T: Deserialize<'de> + Default>(
    from: D,
) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(from)?.unwrap_or_default())
}

/// The name that Go gives to this machine's architecture.
pub(super) fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        "loongarch64" => "loong64",
        "powerpc64" => "ppc64le",
        other => other,
    }
}

impl Document {
    /// Reads one; `what` names it.
    pub(super) fn read(bytes: &[u8], what: &str) -> Result<Self, Problem> {
        let document: Self = serde_json::from_slice(bytes)
            .map_err(|error| Problem::new(format!("{what} can't be read: {error}")))?;
        if document.schema_version != 2 {
            let version = document.schema_version;
            return Err(Problem::new(format!("{what} has the schema version {version}, not 2"))
                .hint("an image of Docker before 1.10 must be pushed again by a newer one"));
        }
        Ok(document)
    }

    /// The manifest for this machine, if this is an index.
    pub(super) fn choose(&self) -> Result<Option<&Descriptor>, Problem> {
        let Some(all) = &self.manifests else { return Ok(None) };
        let fits = |platform: &Platform| platform.os == "linux" && platform.architecture == architecture();
        let mine = all.iter().find(|entry| entry.platform.as_ref().is_some_and(fits));
        if let Some(entry) = mine.or_else(|| all.iter().find(|entry| entry.platform.is_none())) {
            return Ok(Some(entry));
        }
        let known = all.iter().filter_map(|entry| entry.platform.as_ref());
        let known: Vec<String> = known
            .filter(|platform| platform.os != "unknown")
            .map(|platform| format!("{}/{}", platform.os, platform.architecture))
            .collect();
        let known = if known.is_empty() { "nothing".to_owned() } else { known.join(", ") };
        Err(Problem::new(format!("it is for {known}, not for linux/{}", architecture())))
    }

    /// The configuration and the layers of a manifest, each of a known kind.
    pub(super) fn parts(&self) -> Result<(&Descriptor, &[Descriptor]), Problem> {
        let config = self.config.as_ref().ok_or_else(|| Problem::new("its manifest has no configuration"))?;
        for (index, layer) in self.layers.iter().enumerate() {
            if !LAYERS.contains(&layer.media_type.as_str()) {
                let (number, of) = (index + 1, self.layers.len());
                return Err(Problem::new(format!(
                    "layer {number} of {of} has the media type '{}', which is not supported",
                    layer.media_type
                ))
                .hint("layers are tars: plain, with gzip or with zstd"));
            }
        }
        Ok((config, &self.layers))
    }
}

impl Configuration {
    /// Reads one and sees that this machine can run it.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Problem> {
        let read: Self = serde_json::from_slice(bytes)
            .map_err(|error| Problem::new(format!("its configuration can't be read: {error}")))?;
        let fits = |word: &str, mine: &str| word.is_empty() || word == mine;
        if !fits(&read.os, "linux") || !fits(&read.architecture, architecture()) {
            return Err(Problem::new(format!(
                "it is for {}/{}, not for linux/{}",
                read.os,
                read.architecture,
                architecture()
            )));
        }
        if let Some(bad) = read.rootfs.diff_ids.iter().find(|digest| super::sha256(digest).is_none()) {
            return Err(Problem::new(format!(
                "its configuration names the layer '{bad}', which is no SHA-256 digest"
            )));
        }
        Ok(read)
    }
}
