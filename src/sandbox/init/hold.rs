//! The keeper of a snapshot: files of a sandbox that has ended, or of a kept state, on a file system of their own. It runs
//! none of the agent's programs and answers one request: a clone of the mount, to start a sandbox on.
//!
//! A process of its own, as a mount can be cloned only where it is attached, and with powers that no sandbox keeps.

use super::pack::Section;
use super::unpack::{Missing, unpack};
use super::world::{make, put, scratch};
use super::{Answer, During, Enc, Failure, confine, ledger};
use crate::sandbox::wire::{Spec, hold};
use rustix::fs::CWD;
use rustix::mount::{MountPropagationFlags, OpenTreeFlags, UnmountFlags};
use std::os::fd::OwnedFd;
use std::path::Path;

/// The folders of sections.
pub(super) struct Held(Vec<(String, String)>);

/// Takes the files over and moves onto them. What could not be unpacked comes back too.
pub(super) fn build(spec: &Spec, given: Vec<OwnedFd>) -> Result<(Held, Missing), Failure> {
    let given = given.into_iter().next().ok_or_else(|| Failure::new("a keeper got nothing to keep"))?;
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    rustix::mount::mount_change("/", private).during("make mounts private")?;
    let top = Path::new("/tmp");
    let (mut layers, mut missing) = (spec.base.clone(), Missing::default());
    if spec.hold == hold::TREE {
        put(&given, top)?;
    } else {
        scratch(spec, top)?;
        missing = unpack(given, true, |name| {
            let path = format!("layer-{}", layers.len());
            let folder = top.join(&path);
            make(&folder, 0o755)?;
            layers.push((name.to_owned(), path));
            ledger::open_real(&folder).map(Some)
        })?;
    }
    rustix::process::chdir(top).during("enter the snapshot")?;
    rustix::process::pivot_root(".", ".").during("pivot_root")?;
    rustix::mount::unmount(".", UnmountFlags::DETACH).during("leave the host's root")?;
    rustix::process::chdir("/").during("enter the snapshot")?;
    confine::keeper()?;
    Ok((Held(layers), missing))
}

impl Held {
    /// A clone of the mount, and the folders of its sections.
    pub(super) fn share(&self) -> Answer {
        let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
        let tree = rustix::mount::open_tree(CWD, "/", flags).during("clone a snapshot")?;
        let mut out = Enc::default();
        out.pairs(self.0.iter().map(|(name, path)| (name, path)));
        Ok((out.0, vec![tree]))
    }
}

/// The own file system of a sandbox, so that it can outlive the sandbox. Taken before anything is hung into it.
pub(super) fn tree(top: &Path) -> Result<OwnedFd, Failure> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    rustix::mount::open_tree(CWD, top, flags).during("clone the sandbox's file system")
}

/// The folder behind a part of a sandbox's root.
pub(super) fn section(top: &Path, name: &str, path: &str) -> Result<Section, Failure> {
    let opened = ledger::open_real(&top.join(path))?;
    Ok(Section { name: name.to_owned(), path: path.to_owned(), top: opened })
}
