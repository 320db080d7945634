//! The root of a sandbox that starts on a snapshot: the snapshot's files, copy-on-write, the system's folders under
//! what the snapshot changed in them, and what is always ours.
//!
//! Whatever can be a link of the agent is touched only after its root was entered: there it leads nowhere else.

use super::world::{self, View, make, mount, put, read_only};
use super::{During, Failure, host, shadow, trust};
use crate::sandbox::wire::Spec;
use rustix::fs::CWD;
use rustix::mount::{MountFlags, MountPropagationFlags, OpenTreeFlags, UnmountFlags};
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Builds the root on `base` and enters it. `trees` are clones of the system's folders with ids mapped, for level
/// `overlay`.
pub(super) fn build(spec: &Spec, base: OwnedFd, trees: Vec<(String, OwnedFd)>) -> Result<(), Failure> {
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    rustix::mount::mount_change("/", private).during("make mounts private")?;
    // Sources are opened before /tmp disappears under the new file system.
    let mut hung: Vec<(OwnedFd, String)> = Vec::new();
    let top = Path::new("/tmp");
    let (store, made) = (top.join("store"), top.join("made"));
    let own = spec.level == 2;
    let shared = if own { shared(spec)? } else { Vec::new() };
    let mounts = if own { world::open_mounts(spec)? } else { Vec::new() };
    world::scratch(spec, top)?;
    let lower = store.join("base");
    make(&lower, 0o700)?;
    put(&base, &lower)?;
    let layer = |name: &str| {
        let path = spec.base.iter().find(|(known, _)| known == name).map(|(_, path)| path);
        path.map(|path| lower.join(path)).filter(|path| path.is_dir())
    };
    let root = layer("").ok_or_else(|| Failure::new("a snapshot without a root"))?;
    let view = View { at: top.join("root"), store: store.join("root"), flags: MountFlags::NOSUID };
    view.mount(&[&root])?;
    world::devices(&made)?;
    world::proc(spec, &made)?;
    for name in ["dev", "proc"] {
        hung.push((whole(&made.join(name))?, name.to_owned()));
    }
    for (index, (name, tree)) in trees.into_iter().enumerate() {
        if let Some(at) = name.strip_prefix('!') {
            hung.push((tree, format!("!{at}")));
            continue;
        }
        let (store, at) = (store.join(index.to_string()), made.join(index.to_string()));
        let host = store.join("l");
        make(&host, 0o755)?;
        put(&tree, &host)?;
        let changed = layer(&name);
        let lowers: Vec<&Path> = changed.iter().map(PathBuf::as_path).chain([host.as_path()]).collect();
        View { at: at.clone(), store, flags: MountFlags::empty() }.mount(&lowers)?;
        hung.push((whole(&at)?, name));
    }
    hung.extend(shared);
    hung.extend(mounts.into_iter().map(|(tree, at)| (tree, format!("!{at}"))));
    rustix::process::chdir(top.join("root")).during("enter the new root")?;
    rustix::process::pivot_root(".", ".").during("pivot_root")?;
    rustix::mount::unmount(".", UnmountFlags::DETACH).during("leave the host's root")?;
    rustix::process::chdir("/").during("enter the new root")?;
    furnish(spec, hung)
}

fn whole(at: &Path) -> Result<OwnedFd, Failure> {
    let flags =
        OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE;
    rustix::mount::open_tree(CWD, at, flags).during(&format!("open {}", at.display()))
}

/// The system's folders for an ordinary user: read-only, with room for the mounts that lie in them.
fn shared(spec: &Spec) -> Result<Vec<(OwnedFd, String)>, Failure> {
    let mut trees = Vec::new();
    for name in host::shared() {
        let real = Path::new("/").join(name);
        let points = shadow::missing(&spec.mounts, name);
        if !points.is_empty() {
            let what = format!("a snapshot has no room for the mount {}", real.join(&points[0]).display());
            return Err(Failure::new(what));
        }
        trees.push((whole(&real)?, format!("={name}")));
    }
    Ok(trees)
}

/// What is ours in the snapshot's root. From here on all paths are the agent's.
fn furnish(spec: &Spec, hung: Vec<(OwnedFd, String)>) -> Result<(), Failure> {
    // The harness's folders are hidden before anything is hung into them.
    let first = hung.iter().position(|(_, name)| name.starts_with('!')).unwrap_or(hung.len());
    for (index, (tree, name)) in hung.into_iter().enumerate() {
        if index == first {
            hide(spec)?;
        }
        let closed = name.starts_with(['!', '=']);
        let at = Path::new("/").join(name.trim_start_matches(['!', '=']).trim_start_matches('/'));
        room(&at)?;
        put(&tree, &at)?;
        if closed {
            read_only(&at)?;
        }
    }
    if spec.mounts.is_empty() {
        hide(spec)?;
    }
    room(Path::new("/tests"))?;
    for path in ["/workspace", "/tmp"].map(Path::new) {
        // A link of the agent's is part of what it left.
        if !path.is_dir() {
            room(path)?;
        }
    }
    fs::set_permissions("/tests", fs::Permissions::from_mode(0o700)).during("hide /tests")?;
    for (path, text) in world::names(spec) {
        let path = Path::new(path);
        room(path.parent().unwrap_or(Path::new("/")))?;
        // A link would lead to another file of the agent's.
        let _ = fs::remove_file(path).or_else(|_| fs::remove_dir_all(path));
        fs::write(path, text).during(&format!("write {}", path.display()))?;
    }
    if spec.authority.is_empty() {
        return Ok(());
    }
    world::with_spare(|spare| trust::inside(spec, Path::new("/"), spare))
}

/// Sees that there is a folder, whatever the agent made of its name or of one above it.
fn room(at: &Path) -> Result<(), Failure> {
    if fs::symlink_metadata(at).is_ok_and(|data| data.is_dir()) {
        return Ok(());
    }
    for part in at.ancestors() {
        // One above may be a link to a folder; what something is hung on may not.
        let known = if part == at { false } else { part.is_dir() };
        if !known && fs::symlink_metadata(part).is_ok_and(|data| !data.is_dir()) {
            fs::remove_file(part).during(&format!("clear {}", part.display()))?;
        }
    }
    make(at, 0o755)
}

/// Lays empty folders over those of the harness.
fn hide(spec: &Spec) -> Result<(), Failure> {
    for folder in &spec.hide {
        let at = Path::new(folder);
        if at.is_dir() {
            let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::RDONLY;
            mount("tmpfs", at, flags, "mode=755,size=4k")?;
        }
    }
    Ok(())
}
