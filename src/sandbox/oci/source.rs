//! What `oci:IMAGE` names: an image of a registry, a folder in OCI layout, or a tar of `docker save`.

use super::Problem;
use super::document::Settings;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// A layer that lies in a file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Layer {
    /// Digest of the packed bytes, where it is known.
    pub(super) digest: Option<String>,
    /// Digest of the unpacked bytes.
    pub(super) diff_id: String,
    /// The file, and the part of it.
    pub(super) file: PathBuf,
    pub(super) offset: u64,
    pub(super) size: u64,
}

impl Layer {
    /// The packed bytes.
    pub(super) fn open(&self) -> io::Result<io::Take<File>> {
        let mut file = File::open(&self.file)?;
        file.seek(SeekFrom::Start(self.offset))?;
        Ok(file.take(self.size))
    }
}

/// An image of which everything is on this machine.
#[derive(Debug)]
pub(super) struct Local {
    /// Digest of the manifest, or of the configuration where there is no manifest.
    pub(super) digest: String,
    pub(super) settings: Settings,
    pub(super) layers: Vec<Layer>,
    /// Digests of what of it lies in the store.
    pub(super) blobs: Vec<String>,
}

/// Where an image comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    Registry(Box<oci_client::Reference>),
    Layout { folder: PathBuf, tag: Option<String> },
    Archive { file: PathBuf, tag: Option<String> },
}

impl Source {
    /// What `name` means. What begins with `/`, `./` or `../`, or is there, is a path, with `:TAG` behind it where it
    /// holds several images; everything else is of a registry.
    pub(super) fn find(name: &str) -> Result<Self, Problem> {
        // A tag may hold a colon itself, as in what `docker save` writes.
        let tagged = || {
            let mut splits = name.rmatch_indices(':').map(|(at, _)| (&name[..at], &name[at + 1..]));
            splits.find(|(path, _)| !path.is_empty() && Path::new(path).exists())
        };
        let whole = Path::new(name);
        let local = if whole.exists() {
            Some((whole, None))
        } else {
            tagged().map(|(path, tag)| (Path::new(path), Some(tag.to_owned())))
        };
        if let Some((path, tag)) = local {
            let path = path.canonicalize().map_err(|error| Problem::io("open it", &error))?;
            return Ok(if path.is_dir() {
                Self::Layout { folder: path, tag }
            } else {
                Self::Archive { file: path, tag }
            });
        }
        if is_path(name) {
            return Err(Problem::new("there is no such file or folder")
                .hint("a path is a tar of `docker save` or a folder in OCI layout"));
        }
        let reference = name.parse::<oci_client::Reference>().map_err(|error| {
            Problem::new(format!("the name can't be read: {}", super::lower(&error.to_string())))
                .hint("an image is [HOST[:PORT]/]NAME[:TAG][@DIGEST], or the path of a tar or a folder")
        })?;
        Ok(Self::Registry(Box::new(reference)))
    }

    /// The name under which the store knows it.
    pub(super) fn canonical(&self) -> String {
        let local = |path: &Path, tag: &Option<String>| match tag {
            Some(tag) => format!("{}:{tag}", path.display()),
            None => path.display().to_string(),
        };
        match self {
            Self::Registry(reference) => reference.whole(),
            Self::Layout { folder, tag } => local(folder, tag),
            Self::Archive { file, tag } => local(file, tag),
        }
    }
}

/// Whether a name can only be a path.
pub(super) fn is_path(name: &str) -> bool {
    ["/", "./", "../"].iter().any(|start| name.starts_with(start))
}
