//! Images on this machine: folders in OCI layout (image specification 1.1, `image-layout.md`), and tars of
//! `docker save` in both forms: the layout inside a tar, and `manifest.json` with plain layers.

use super::document::{Configuration, Descriptor, Document};
use super::source::{Layer, Local};
use super::{Problem, sha256};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Largest manifest, index or configuration.
pub(super) const MAX_DOCUMENT: u64 = 16 << 20;
/// Most files of an archive.
const MAX_FILES: usize = 100_000;

/// Where a tar of `docker save` of old says what is in it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

/// Files by name: of a folder, or of a tar that is not unpacked.
enum Files {
    Folder(PathBuf),
    Tar { file: PathBuf, parts: BTreeMap<String, (u64, u64)> },
}

impl Files {
    /// File, offset and size of what has this name.
    fn part(&self, name: &str) -> Result<(PathBuf, u64, u64), Problem> {
        let missing = || Problem::new(format!("it has no '{name}'"));
        match self {
            Self::Folder(folder) => {
                let path = folder.join(name);
                let data = std::fs::metadata(&path).ok().filter(std::fs::Metadata::is_file);
                let size = data.ok_or_else(missing)?.len();
                Ok((path, 0, size))
            }
            Self::Tar { file, parts } => {
                let (offset, size) = parts.get(name).ok_or_else(missing)?;
                Ok((file.clone(), *offset, *size))
            }
        }
    }

    fn read(&self, name: &str) -> Result<Vec<u8>, Problem> {
        let (path, offset, size) = self.part(name)?;
        if size > MAX_DOCUMENT {
            return Err(Problem::new(format!("its '{name}' has {size} bytes, more than {MAX_DOCUMENT}")));
        }
        let failed = |error: std::io::Error| Problem::io(&format!("read its '{name}'"), &error);
        let mut file = File::open(&path).map_err(failed)?;
        file.seek(SeekFrom::Start(offset)).map_err(failed)?;
        let mut bytes = Vec::new();
        file.take(size).read_to_end(&mut bytes).map_err(failed)?;
        Ok(bytes)
    }

    /// The name of a blob, by its digest.
    fn blob(digest: &str) -> Result<String, Problem> {
        let hex = sha256(digest).ok_or_else(|| Problem::new(format!("'{digest}' is no SHA-256 digest")))?;
        Ok(format!("blobs/sha256/{hex}"))
    }

    /// A document by digest, which must be right.
    fn document(&self, descriptor: &Descriptor) -> Result<Vec<u8>, Problem> {
        let bytes = self.read(&Self::blob(&descriptor.digest)?)?;
        check(&bytes, &descriptor.digest)?;
        Ok(bytes)
    }
}

/// That bytes have the digest that was announced.
pub(super) fn check(bytes: &[u8], digest: &str) -> Result<(), Problem> {
    let found = format!("sha256:{}", super::hex(&Sha256::digest(bytes)));
    if found == digest {
        return Ok(());
    }
    Err(Problem::new(format!("what is named {digest} has the digest {found}")))
}

/// An image of a folder in OCI layout.
pub(super) fn layout(folder: &Path, tag: Option<&str>) -> Result<Local, Problem> {
    let files = Files::Folder(folder.to_owned());
    if !folder.join("index.json").is_file() {
        return Err(Problem::new("the folder has no 'index.json', so it is no OCI layout"));
    }
    from_layout(&files, tag)
}

/// An image of a tar.
pub(super) fn archive(file: &Path, tag: Option<&str>) -> Result<Local, Problem> {
    let parts = scan(file)?;
    let files = Files::Tar { file: file.to_owned(), parts };
    if files.part("index.json").is_ok() && files.part("oci-layout").is_ok() {
        return from_layout(&files, tag);
    }
    if files.part("manifest.json").is_err() {
        return Err(Problem::new("the tar has neither 'index.json' nor 'manifest.json'")
            .hint("make it with `docker save`, `podman save` or `skopeo copy`"));
    }
    let saved: Vec<Saved> = serde_json::from_slice(&files.read("manifest.json")?)
        .map_err(|error| Problem::new(format!("its 'manifest.json' can't be read: {error}")))?;
    let names: Vec<Vec<String>> =
        saved.iter().map(|image| image.repo_tags.clone().unwrap_or_default()).collect();
    let image = &saved[one(&names, tag)?];
    let bytes = files.read(&image.config)?;
    let named = Path::new(&image.config).file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let digest = format!("sha256:{}", super::hex(&Sha256::digest(&bytes)));
    if sha256(&format!("sha256:{named}")).is_some() && digest != format!("sha256:{named}") {
        return Err(Problem::new(format!("its configuration '{}' has the digest {digest}", image.config)));
    }
    let configuration = Configuration::read(&bytes)?;
    let parts: Vec<_> =
        image.layers.iter().map(|name| Ok((None, files.part(name)?))).collect::<Result<_, Problem>>()?;
    local(digest, configuration, parts)
}

fn from_layout(files: &Files, tag: Option<&str>) -> Result<Local, Problem> {
    const NAMES: [&str; 2] = ["org.opencontainers.image.ref.name", "io.containerd.image.name"];
    let index = Document::read(&files.read("index.json")?, "its 'index.json'")?;
    let entries = index.manifests.clone().unwrap_or_default();
    let names: Vec<Vec<String>> = entries
        .iter()
        .map(|entry| NAMES.iter().filter_map(|name| entry.annotations.get(*name).cloned()).collect())
        .collect();
    // An index of one image for several machines may also stand here.
    let several = tag.is_none() && entries.len() > 1 && entries.iter().all(|entry| entry.platform.is_some());
    let mut entry = match index.choose()? {
        Some(entry) if several => entry.clone(),
        _ => entries[one(&names, tag)?].clone(),
    };
    for _ in 0..3 {
        let manifest = Document::read(&files.document(&entry)?, "its manifest")?;
        if let Some(inner) = manifest.choose()? {
            entry = inner.clone();
            continue;
        }
        let (config, layers) = manifest.parts()?;
        let configuration = Configuration::read(&files.document(config)?)?;
        let parts = layers.iter().map(|layer| {
            let (path, offset, size) = files.part(&Files::blob(&layer.digest)?)?;
            if size != layer.size {
                let told = layer.size;
                return Err(Problem::new(format!(
                    "layer {} has {size} bytes, not {told}",
                    super::short(&layer.digest)
                )));
            }
            Ok((Some(layer.digest.clone()), (path, offset, size)))
        });
        return local(entry.digest.clone(), configuration, parts.collect::<Result<_, Problem>>()?);
    }
    Err(Problem::new("its indexes lead to no manifest"))
}

/// Puts parts and digests together.
pub(super) fn local(
    digest: String,
    configuration: Configuration,
    parts: Vec<(Option<String>, (PathBuf, u64, u64))>,
) -> Result<Local, Problem> {
    let diff_ids = configuration.rootfs.diff_ids;
    if diff_ids.len() != parts.len() {
        return Err(Problem::new(format!(
            "it has {} layers, its configuration names {}",
            parts.len(),
            diff_ids.len()
        )));
    }
    let layers = parts.into_iter().zip(diff_ids).map(|((digest, (file, offset, size)), diff_id)| Layer {
        digest,
        diff_id,
        file,
        offset,
        size,
    });
    let layers = layers.collect();
    Ok(Local { digest, settings: configuration.config.unwrap_or_default(), layers, blobs: Vec::new() })
}

/// Which of several images is meant.
fn one(names: &[Vec<String>], tag: Option<&str>) -> Result<usize, Problem> {
    let known = || {
        let all: Vec<&str> = names.iter().flatten().map(String::as_str).collect();
        if all.is_empty() {
            "none of its images has a name".to_owned()
        } else {
            format!("its images are named {}", all.join(", "))
        }
    };
    match tag {
        Some(tag) => names
            .iter()
            .position(|names| names.iter().any(|name| name == tag || name.ends_with(&format!(":{tag}"))))
            .ok_or_else(|| Problem::new(format!("it holds no image '{tag}'")).hint(known())),
        None if names.len() == 1 => Ok(0),
        None => Err(Problem::new(format!("it holds {} images", names.len()))
            .hint(format!("name one with :TAG behind the path; {}", known()))),
    }
}

/// Names, offsets and sizes of the files in a tar. Only headers are read.
fn scan(file: &Path) -> Result<BTreeMap<String, (u64, u64)>, Problem> {
    let failed = |error: std::io::Error| match error.raw_os_error() {
        Some(_) => Problem::io("read the tar", &error),
        // What the library says may hold what it read.
        None => Problem::new("it is no tar, or cut"),
    };
    // Not to wait for whoever would write into a FIFO.
    let open = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(file).map_err(failed)?;
    if !open.metadata().map_err(failed)?.is_file() {
        return Err(Problem::new("it is no regular file"));
    }
    let mut head = [0u8; 4];
    let got = (&open).read(&mut head).map_err(failed)?;
    if head[..got].starts_with(&[0x1f, 0x8b]) || head[..got].starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        return Err(Problem::new("the tar is packed").hint("unpack it first, with gunzip or unzstd"));
    }
    (&open).seek(SeekFrom::Start(0)).map_err(failed)?;
    let mut parts = BTreeMap::new();
    let mut links = Vec::new();
    let mut archive = tar::Archive::new(open);
    let entries = archive.entries_with_seek().map_err(failed)?;
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let text = |path: &Path| path.to_string_lossy().trim_start_matches("./").to_owned();
        let name = text(&entry.path().map_err(failed)?);
        if parts.len() + links.len() >= MAX_FILES {
            return Err(Problem::new(format!("the tar holds more than {MAX_FILES} files")));
        }
        match entry.header().entry_type() {
            tar::EntryType::Regular => {
                parts.insert(name, (entry.raw_file_position(), entry.size()));
            }
            // Docker of old wrote a layer that two images share once, and a link beside.
            tar::EntryType::Symlink | tar::EntryType::Link => {
                if let Some(target) = entry.link_name().map_err(failed)? {
                    let beside = entry.header().entry_type() == tar::EntryType::Symlink;
                    links.push((name, text(&target), beside));
                }
            }
            _ => {}
        }
    }
    for (name, target, beside) in links {
        let mut path = if beside {
            Path::new(&name).parent().map(Path::to_owned).unwrap_or_default()
        } else {
            PathBuf::new()
        };
        for part in Path::new(&target).components() {
            match part {
                std::path::Component::Normal(part) => path.push(part),
                std::path::Component::ParentDir => drop(path.pop()),
                _ => {}
            }
        }
        if let Some(part) = path.to_str().and_then(|path| parts.get(path)).copied() {
            parts.insert(name, part);
        }
    }
    Ok(parts)
}
