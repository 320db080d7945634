//! The root of a sandbox that shows an image: its folder, copy-on-write, with our `/dev`, `/proc` and `/etc/hosts`.
//!
//! Whatever can be a link of the image is touched only after its root was entered: there it leads nowhere else.

use super::world::{self, Built, View, make, put, read_only};
use super::{During, Failure, trust};
use crate::sandbox::image::Image;
use crate::sandbox::layout;
use crate::sandbox::wire::Spec;
use rustix::fs::CWD;
use rustix::mount::{MountFlags, MountPropagationFlags, OpenTreeFlags, UnmountFlags};
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

/// Folders that programs expect, and their modes where the image has them not.
const FOLDERS: &[(&str, u32)] = &[
    ("/etc", 0o755),
    ("/home", 0o755),
    ("/root", 0o700),
    ("/run", 0o755),
    ("/tmp", 0o1777),
    ("/var/tmp", 0o1777),
    ("/workspace", 0o755),
    // The unprivileged user, as whom the agent's program runs beside them, must not read hidden tests.
    ("/tests", 0o700),
];

/// Gives a new user namespace of an ordinary user its ids: root, which is the user, and what is lent.
pub(super) fn maps(image: &Image, pid: i32, user: u32, group: u32) -> Result<(), Failure> {
    let (users, groups, count) = image.lent;
    if count == 0 {
        let write = |name: &str, text: String| {
            fs::write(format!("/proc/{pid}/{name}"), text).during(&format!("map ids ({name})"))
        };
        write("setgroups", "deny".to_owned())?;
        write("uid_map", format!("0 {user} 1\n"))?;
        return write("gid_map", format!("0 {group} 1\n"));
    }
    for (program, own, first) in [("newuidmap", user, users), ("newgidmap", group, groups)] {
        let output = Command::new(program)
            .arg(pid.to_string())
            .args([0, own, 1, 1, first, count].map(|number| number.to_string()))
            .env("PATH", layout::PATH)
            .stdin(Stdio::null())
            .output()
            .during(&format!("start {program}"))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(Failure::new(format!("map ids ({program}): {}", said.trim())));
        }
    }
    Ok(())
}

/// Builds the root and enters it. `trees` are clones with ids mapped, first that of the image; an ordinary user
/// clones them here, where it may. `base` is the snapshot that lies over the image, if one does.
pub(super) fn build(
    spec: &Spec,
    image: &Image,
    trees: Vec<(String, OwnedFd)>,
    base: Option<OwnedFd>,
) -> Result<Built, Failure> {
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    rustix::mount::mount_change("/", private).during("make mounts private")?;
    let mut trees = trees.into_iter();
    let own = spec.level == 2;
    // Sources are opened before /tmp disappears under the new file system.
    let lower = match trees.next() {
        Some((_, tree)) => tree,
        None => clone(Path::new(&image.root), OpenTreeFlags::empty())?,
    };
    let mut mounts = Vec::new();
    if own {
        for (from, at) in &spec.mounts {
            mounts.push((clone(Path::new(from), OpenTreeFlags::AT_RECURSIVE)?, at.clone()));
        }
    }
    mounts.extend(trees.map(|(name, tree)| (tree, name.trim_start_matches('!').to_owned())));
    let top = Path::new("/tmp");
    world::scratch(spec, top)?;
    let (root, made) = (top.join("root"), top.join("made"));
    make(&root, 0o755)?;
    let store = top.join("store");
    let mut built = Built::default();
    if let Some(base) = base {
        let (host, below) = (store.join("l"), store.join("base"));
        make(&host, 0o755)?;
        make(&below, 0o700)?;
        put(&lower, &host)?;
        put(&base, &below)?;
        let path = spec.base.iter().find(|(name, _)| name.is_empty()).map(|(_, path)| below.join(path));
        let changed = path.ok_or_else(|| Failure::new("a snapshot without a root"))?;
        View { at: root.clone(), store, flags: MountFlags::empty() }.mount(&[&changed, &host])?;
    } else {
        if spec.keep {
            built.tree = Some(super::hold::tree(top)?);
        }
        world::overlay(top, &store, "root", &lower)?;
        if spec.keep {
            built.sections.push(super::hold::section(top, "", "store/u")?);
        }
    }
    world::devices(&made)?;
    world::proc(spec, &made)?;
    make(&made.join("sys"), 0o555)?;
    let mut ours = Vec::new();
    for name in ["dev", "proc", "sys"] {
        ours.push((clone(&made.join(name), OpenTreeFlags::AT_RECURSIVE)?, format!("/{name}")));
    }
    rustix::process::chdir(&root).during("enter the new root")?;
    rustix::process::pivot_root(".", ".").during("pivot_root")?;
    rustix::mount::unmount(".", UnmountFlags::DETACH).during("leave the host's root")?;
    rustix::process::chdir("/").during("enter the new root")?;
    furnish(spec, image, ours, mounts)?;
    // The root is the sandbox's own file system: changes are found by comparing it as a whole, without views.
    Ok(built)
}

fn clone(from: &Path, more: OpenTreeFlags) -> Result<OwnedFd, Failure> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | more;
    rustix::mount::open_tree(CWD, from, flags).during(&format!("open {}", from.display()))
}

/// What is ours in the image's root. From here on all paths are the image's.
fn furnish(
    spec: &Spec,
    image: &Image,
    ours: Vec<(OwnedFd, String)>,
    mounts: Vec<(OwnedFd, String)>,
) -> Result<(), Failure> {
    for (tree, at) in ours {
        let at = Path::new(&at);
        if !fs::symlink_metadata(at).is_ok_and(|data| data.is_dir()) {
            let _ = fs::remove_file(at);
            make(at, 0o755)?;
        }
        put(&tree, at)?;
    }
    folders(spec, image)?;
    for (tree, at) in mounts {
        let at = Path::new(&at);
        if !at.is_dir() {
            make(at, 0o755)?;
        }
        put(&tree, at)?;
        read_only(at)?;
    }
    settings(spec)?;
    if spec.authority.is_empty() {
        return Ok(());
    }
    // Bundles of mounts are laid over by files of a folder.
    world::with_spare(|spare| trust::inside(spec, Path::new("/"), spare))
}

/// Folders that are there whatever the image has.
pub(super) fn folders(spec: &Spec, image: &Image) -> Result<(), Failure> {
    workspace(spec, image)?;
    for (path, mode) in FOLDERS {
        let path = Path::new(path);
        if !path.is_dir() {
            let _ = fs::remove_file(path);
            make(path, *mode)?;
        }
    }
    fs::set_permissions("/tests", fs::Permissions::from_mode(0o700)).during("hide /tests")
}

/// Files of settings that are ours.
pub(super) fn settings(spec: &Spec) -> Result<(), Failure> {
    for (path, text) in world::names(spec) {
        // A link would be one into the image, and its target somebody's file. What a container's runtime has mounted
        // stays, and is written to.
        let _ = fs::remove_file(path);
        fs::write(path, text).during(&format!("write {path}"))?;
    }
    // Root inside may not write to what apt gives to a user of its own.
    if Path::new("/etc/apt/apt.conf.d").is_dir() {
        let file = "/etc/apt/apt.conf.d/00sandbox";
        fs::write(file, "APT::Sandbox::User \"root\";\n").during("tell apt its user")?;
    }
    Ok(())
}

/// `/workspace` stands for the image's working folder, where there is one and the image has no `/workspace`.
fn workspace(spec: &Spec, image: &Image) -> Result<(), Failure> {
    let own = |path: &Path| {
        let Some((user, group, _)) = spec.image_user() else { return Ok(()) };
        chown(path, Some(user), Some(group)).during(&format!("give away {}", path.display()))
    };
    let space = Path::new("/workspace");
    let workdir = Path::new(&image.workdir);
    if image.workdir.is_empty() || workdir == space {
        if !space.is_dir() {
            let _ = fs::remove_file(space);
            make(space, 0o755)?;
            own(space)?;
        }
        return Ok(());
    }
    if !workdir.is_dir() {
        make(workdir, 0o755)?;
        own(workdir)?;
    }
    if fs::symlink_metadata(space).is_err() {
        symlink(workdir, space).during("make /workspace")?;
    }
    Ok(())
}
