//! The init as first process of a container: its runtime has made the place, we add what every sandbox has, and say what
//! we see of it.

use super::{During, Enc, Failure, image, trust};
use crate::sandbox::wire::Spec;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// Puts our folders and files in place; gives what is seen: namespaces by their short names, and `root`, the kind of its
/// file system.
pub(super) fn enter(spec: &Spec) -> Result<Vec<u8>, Failure> {
    let mut facts = Vec::new();
    for name in ["user", "mnt", "pid", "net", "ipc"] {
        if let Ok(link) = fs::read_link(format!("/proc/self/ns/{name}")) {
            facts.push((name.to_owned(), link.to_string_lossy().into_owned()));
        }
    }
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    if let Some(kind) = mounts.lines().rev().find_map(kind_of_root) {
        facts.push(("root".to_owned(), kind.to_owned()));
    }
    // Some runtimes make it so that its owner may not write, which root inside then may not.
    let root = fs::metadata("/")?.permissions().mode();
    fs::set_permissions("/", Permissions::from_mode(root | 0o700)).during("open the root to its owner")?;
    if let Some(image) = &spec.image {
        image::folders(spec, image)?;
    }
    image::settings(spec)?;
    if !spec.authority.is_empty() {
        trust::inside(spec, Path::new("/"), Path::new("/"))?;
    }
    let mut out = Enc::default();
    out.pairs(facts.iter().map(|(name, value)| (name, value)));
    Ok(out.0)
}

/// The kind of file system of a line of the table of mounts, if it is that of the root.
fn kind_of_root(line: &str) -> Option<&str> {
    let (left, right) = line.split_once(" - ")?;
    (left.split(' ').nth(4)? == "/").then(|| right.split(' ').next())?
}
