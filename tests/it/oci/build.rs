//! Images made by the test: layers as tars, packed in any way, as an OCI layout, a tar of `docker save`, or pushed.

use flate2::write::GzEncoder;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::io::Write;
use std::path::Path;
use tar::{Builder, EntryType, Header};

/// How a layer is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pack {
    Plain,
    Gzip,
    Zstd,
}

impl Pack {
    pub(super) fn media_type(self) -> &'static str {
        match self {
            Pack::Plain => "application/vnd.oci.image.layer.v1.tar",
            Pack::Gzip => "application/vnd.oci.image.layer.v1.tar+gzip",
            Pack::Zstd => "application/vnd.oci.image.layer.v1.tar+zstd",
        }
    }

    pub(super) fn pack(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Pack::Plain => bytes.to_vec(),
            Pack::Gzip => {
                let mut out = GzEncoder::new(Vec::new(), flate2::Compression::fast());
                out.write_all(bytes).expect("packed");
                out.finish().expect("packed")
            }
            Pack::Zstd => zstd::encode_all(bytes, 1).expect("packed"),
        }
    }
}

/// A layer in the making.
pub(super) struct Tree(Builder<Vec<u8>>);

impl Tree {
    pub(super) fn new() -> Self {
        Self(Builder::new(Vec::new()))
    }

    /// Any entry, its name as it is given: no library would write some of them.
    pub(super) fn any(
        mut self,
        name: &str,
        kind: EntryType,
        mode: u32,
        owner: (u64, u64),
        bytes: &[u8],
        link: &str,
    ) -> Self {
        let mut header = Header::new_gnu();
        assert!(name.len() < 100 && link.len() < 100, "long names have entries of their own");
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(owner.0);
        header.set_gid(owner.1);
        header.set_mtime(1_000_000_000);
        header.set_size(bytes.len() as u64);
        header.set_cksum();
        self.0.append(&header, bytes).expect("an entry");
        self
    }

    pub(super) fn file(self, name: &str, mode: u32, bytes: &[u8]) -> Self {
        self.any(name, EntryType::Regular, mode, (0, 0), bytes, "")
    }

    pub(super) fn folder(self, name: &str, mode: u32) -> Self {
        self.any(name, EntryType::Directory, mode, (0, 0), b"", "")
    }

    pub(super) fn link(self, name: &str, target: &str) -> Self {
        self.any(name, EntryType::Symlink, 0o777, (0, 0), b"", target)
    }

    pub(super) fn same(self, name: &str, target: &str) -> Self {
        self.any(name, EntryType::Link, 0o644, (0, 0), b"", target)
    }

    /// Extended headers for the next entry.
    pub(super) fn pax(mut self, pairs: &[(&str, &[u8])]) -> Self {
        self.0.append_pax_extensions(pairs.iter().copied()).expect("headers");
        self
    }

    pub(super) fn done(self) -> Vec<u8> {
        self.0.into_inner().expect("a tar")
    }
}

pub(super) fn digest(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// Everything of an image.
pub(super) struct Made {
    /// Packed layers with their media types.
    pub(super) layers: Vec<(Vec<u8>, &'static str)>,
    plain: Vec<Vec<u8>>,
    pub(super) config: Vec<u8>,
    pub(super) manifest: Vec<u8>,
}

/// An image of layers, and what its programs start with.
pub(super) fn image(layers: &[(Vec<u8>, Pack)], settings: Value) -> Made {
    let diff_ids: Vec<String> = layers.iter().map(|(bytes, _)| digest(bytes)).collect();
    let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let config = json!({
        "architecture": architecture,
        "os": "linux",
        "config": settings,
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
        "history": [],
    });
    let config = config.to_string().into_bytes();
    let mut made = Made {
        layers: layers.iter().map(|(bytes, pack)| (pack.pack(bytes), pack.media_type())).collect(),
        plain: layers.iter().map(|(bytes, _)| bytes.clone()).collect(),
        config,
        manifest: Vec::new(),
    };
    made.describe();
    made
}

impl Made {
    /// The same layers with another configuration.
    pub(super) fn of(other: &Self, config: Vec<u8>) -> Self {
        Self { layers: other.layers.clone(), plain: other.plain.clone(), config, manifest: Vec::new() }
    }

    /// Writes the manifest.
    pub(super) fn describe(&mut self) {
        let described = |bytes: &[u8], kind: &str| json!({ "mediaType": kind, "digest": digest(bytes), "size": bytes.len() });
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": described(&self.config, "application/vnd.oci.image.config.v1+json"),
            "layers": self.layers.iter().map(|(bytes, kind)| described(bytes, kind)).collect::<Vec<_>>(),
        });
        self.manifest = manifest.to_string().into_bytes();
    }

    /// The files of an OCI layout, by name.
    fn files(&self, tag: &str) -> Vec<(String, Vec<u8>)> {
        let blob = |bytes: &[u8]| (format!("blobs/sha256/{}", &digest(bytes)[7..]), bytes.to_vec());
        let index = json!({
            "schemaVersion": 2,
            "manifests": [{
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "digest": digest(&self.manifest),
                "size": self.manifest.len(),
                "annotations": { "org.opencontainers.image.ref.name": tag },
            }],
        });
        let mut files = vec![
            ("oci-layout".to_owned(), br#"{"imageLayoutVersion": "1.0.0"}"#.to_vec()),
            ("index.json".to_owned(), index.to_string().into_bytes()),
            blob(&self.config),
            blob(&self.manifest),
        ];
        files.extend(self.layers.iter().map(|(bytes, _)| blob(bytes)));
        files
    }

    /// A folder in OCI layout.
    pub(super) fn layout(&self, folder: &Path) {
        for (name, bytes) in self.files("one") {
            let path = folder.join(name);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            std::fs::write(path, bytes).expect("a file");
        }
    }

    /// What `docker save` writes since version 25: the layout in a tar.
    pub(super) fn saved(&self, file: &Path) {
        let tree = self
            .files("one")
            .into_iter()
            .fold(Tree::new(), |tree, (name, bytes)| tree.file(&name, 0o644, &bytes));
        std::fs::write(file, tree.done()).expect("a tar");
    }

    /// What it wrote before: plain layers in folders, and a list.
    pub(super) fn saved_of_old(&self, file: &Path) {
        let config = format!("{}.json", &digest(&self.config)[7..]);
        let mut tree = Tree::new().file(&config, 0o644, &self.config);
        let mut names = Vec::new();
        for (index, bytes) in self.plain.iter().enumerate() {
            let name = format!("{index}/layer.tar");
            tree = tree.file(&name, 0o644, bytes);
            names.push(name);
        }
        let list = json!([{ "Config": config, "RepoTags": ["test:one"], "Layers": names }]);
        tree = tree.file("manifest.json", 0o644, list.to_string().as_bytes());
        std::fs::write(file, tree.done()).expect("a tar");
    }
}

/// A layer with a static shell and its friends, users, and an empty folder for the temporary.
pub(super) fn busybox() -> Vec<u8> {
    let program = std::fs::read(crate::support::needs::find("busybox").expect("busybox")).expect("a program");
    let mut tree = Tree::new()
        .folder("bin/", 0o755)
        .file("bin/busybox", 0o755, &program)
        .folder("etc/", 0o755)
        .file("etc/passwd", 0o644, b"root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001::/home/app:/bin/sh\n")
        .file("etc/group", 0o644, b"root:x:0:\napp:x:1001:\nmore:x:1002:app\n")
        .folder("tmp/", 0o1777);
    for name in [
        "sh", "cat", "ls", "id", "stat", "touch", "rm", "mkdir", "chown", "readlink", "find", "ln", "wc",
        "true",
    ] {
        tree = tree.link(&format!("bin/{name}"), "busybox");
    }
    tree.done()
}

/// A layer with the machine's bash and the libraries that it asks for.
pub(super) fn bash() -> Vec<u8> {
    let bash = crate::support::needs::find("bash").expect("bash");
    let output = std::process::Command::new("ldd").arg(&bash).output().expect("ldd runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let libraries = text.split_whitespace().filter(|word| word.starts_with('/'));
    let mut tree = Tree::new().file("bin/bash", 0o755, &std::fs::read(&bash).expect("bash"));
    for library in libraries {
        let bytes = std::fs::read(library).expect("a library");
        tree = tree.file(library.trim_start_matches('/'), 0o755, &bytes);
    }
    tree.done()
}
