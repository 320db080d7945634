//! The levels with a root of their own: namespaces, mounts, loopback.
//!
//! Two processes: the outer, which is the nursery, stays in the host's namespaces, maps ids and clones the system's
//! folders with ids mapped (which only it may); the inner, PID 1, builds its root and serves.
#![expect(unsafe_code, reason = "clone, mount and ioctl calls that no safe wrapper covers")]

use super::network::{self, Next};
use super::pack::Section;
use super::reap::check;
use super::unpack::Missing;
use super::{During, Failure, confine, hold, host, ledger, shadow, trust};
use crate::sandbox::pass::{Inbox, send_all};
use crate::sandbox::wire::{self, Spec, frame};
use rustix::mount::{MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags};
use std::ffi::CString;
use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// Files of the kernel that tell of the host or of other sandboxes, or command it. Most are closed by their mode too.
const KERNEL: &[&str] = &["kallsyms", "kcore", "keys", "key-users", "sysrq-trigger", "timer_list"];
/// The user inside where it is not root.
pub(super) const AGENT: u32 = 1000;
/// Ids of a sandbox with root inside.
const IDS: u32 = 65536;

/// A control group's namespace is made later, inside of the group.
const FLAGS: i32 = libc::CLONE_NEWUSER
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS
    | libc::SIGCHLD;

/// The namespaces of a sandbox.
fn flags(spec: &Spec) -> i32 {
    if makes_network(spec) || spec.host_network { FLAGS & !libc::CLONE_NEWNET } else { FLAGS }
}

/// What of a built root is kept in hand.
#[derive(Default)]
pub(super) struct Built {
    /// Views whose changes will be asked for.
    pub(super) views: Vec<ledger::View>,
    /// Parts of the root that may be kept.
    pub(super) sections: Vec<Section>,
    /// The file system that they lie in.
    pub(super) tree: Option<OwnedFd>,
    /// The files of a snapshot, in its keeper.
    pub(super) held: Option<hold::Held>,
    /// What of a kept state is not there.
    pub(super) missing: Missing,
}

/// Whether its network is made by who clones it.
fn makes_network(spec: &Spec) -> bool {
    spec.level == 3 && !spec.host_network
}

/// Where the inner side hears from the outer.
pub(super) type Outer = OwnedFd;

/// Forks PID 1 into namespaces of its own and does for it what only the host's side may: its groups, its ids, clones of
/// the system's folders. Gives its process id; in PID 1 itself, where it hears of them.
pub(super) fn split(spec: &Spec, next: &mut Next) -> Result<Result<i32, Outer>, Failure> {
    let (ours, theirs) = rustix::net::socketpair(
        rustix::net::AddressFamily::UNIX,
        rustix::net::SocketType::STREAM,
        rustix::net::SocketFlags::CLOEXEC,
        None,
    )
    .during("open a socket pair")?;
    // An ordinary user may write the id maps of what can be looked into, and nothing else. It is made as we are.
    confine::dumpable(true)?;
    // SAFETY: without CLONE_VM this is a fork; the process has one thread.
    let clone = || check(unsafe { libc::syscall(libc::SYS_clone, flags(spec), 0, 0, 0, 0) } as i32);
    let clone = || clone().during("make namespaces (clone)");
    let pid = if makes_network(spec) { next.within(clone) } else { clone() };
    if let Ok(0) = pid {
        return Ok(Err(theirs));
    }
    confine::dumpable(false)?;
    let pid = pid?;
    drop(theirs);
    let told =
        join(spec, pid).and_then(|()| maps(spec, pid)).and_then(|()| trees(spec, pid)).and_then(|trees| {
            let borrowed: Vec<_> = trees.iter().map(|(_, tree)| tree.as_fd()).collect();
            let names: Vec<String> = trees.iter().map(|(name, _)| name.clone()).collect();
            let mut out = super::Enc::default();
            out.texts(names.iter());
            send_all(ours.as_fd(), &frame(borrowed.len(), 0, 0, &out.0), &borrowed).during("tell PID 1")
        });
    if let Err(failure) = told {
        let _ = super::reap::kill(pid, libc::SIGKILL);
        wait(pid);
        return Err(failure);
    }
    Ok(Ok(pid))
}

fn wait(pid: i32) {
    loop {
        // SAFETY: our own child; no status is asked for.
        let result = check(unsafe { libc::waitpid(pid, std::ptr::null_mut(), 0) });
        if !result.is_err_and(|error| error.kind() == io::ErrorKind::Interrupted) {
            return;
        }
    }
}

/// Puts a process into the groups of its sandbox.
pub(super) fn join(spec: &Spec, pid: i32) -> Result<(), Failure> {
    spec.groups
        .iter()
        .try_for_each(|group| fs::write(group, pid.to_string()).during(&format!("join {group}")))
}

fn maps(spec: &Spec, pid: i32) -> Result<(), Failure> {
    let (user, group) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let write = |name: &str, text: String| {
        fs::write(format!("/proc/{pid}/{name}"), text).during(&format!("map ids ({name})"))
    };
    if spec.level == 3 {
        write("uid_map", format!("0 {} {IDS}\n", spec.uid))?;
        write("gid_map", format!("0 {} {IDS}\n", spec.uid))
    } else if let Some(image) = &spec.image {
        super::image::maps(image, pid, user, group)
    } else if spec.uid != 0 {
        // Started by root: somebody without rights outside.
        write("uid_map", format!("{AGENT} {} 1\n", spec.uid))?;
        write("gid_map", format!("{AGENT} {} 1\n", spec.uid))
    } else {
        write("setgroups", "deny".to_owned())?;
        write("uid_map", format!("{AGENT} {user} 1\n"))?;
        write("gid_map", format!("{AGENT} {group} 1\n"))
    }
}

/// Clones of the system's folders with ids mapped, by their path inside. Only for root inside.
fn trees(spec: &Spec, pid: i32) -> Result<Vec<(String, OwnedFd)>, Failure> {
    let mut trees = Vec::new();
    if spec.level != 3 || spec.hold != wire::hold::NOTHING {
        return Ok(trees);
    }
    let namespace = fs::File::open(format!("/proc/{pid}/ns/user")).during("open the user namespace")?;
    let shared: Vec<(String, String)> = match &spec.image {
        Some(image) => vec![(image.root.clone(), String::new())],
        None => host::shared().iter().map(|name| (format!("/{name}"), (*name).to_owned())).collect(),
    };
    let mounts = spec.mounts.iter().map(|(from, at)| (from.clone(), format!("!{at}")));
    for (from, name) in shared.into_iter().chain(mounts) {
        let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
        let tree = rustix::mount::open_tree(rustix::fs::CWD, &from, flags).during(&format!("open {from}"))?;
        set_mount(&tree, libc::MOUNT_ATTR_IDMAP, Some(namespace.as_raw_fd()), false)
            .during(&format!("map the ids of {from}"))?;
        trees.push((name, tree));
    }
    Ok(trees)
}

/// Sets attributes of the mount behind a descriptor.
fn set_mount(tree: &OwnedFd, attributes: u64, userns: Option<i32>, recursive: bool) -> io::Result<()> {
    let attr = libc::mount_attr {
        attr_set: attributes,
        attr_clr: 0,
        propagation: 0,
        userns_fd: userns.unwrap_or(0) as u64,
    };
    let flags = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the path is an empty C string, `attr` is a local of the size that is told.
    let done = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const attr,
            size_of::<libc::mount_attr>(),
        )
    };
    check(done as i32).map(drop)
}

/// A root that is built and not entered.
pub(super) struct Ahead {
    built: Built,
    root: PathBuf,
    store: PathBuf,
}

/// Builds the root of a plain sandbox, as far as that can be done before it is known for whom.
pub(super) fn ahead(known: &Spec, outer: &Outer) -> Result<Ahead, Failure> {
    let trees = received(outer)?;
    confine::become_user(0).during("become root inside")?;
    lay_out(known, trees)
}

/// Makes what was laid out for `known` the sandbox of `spec`.
pub(super) fn take(known: &Spec, spec: &Spec, ahead: Ahead, given: Vec<OwnedFd>) -> Result<Built, Failure> {
    let same =
        spec.is_plain() && spec.folder == known.folder && spec.uid == known.uid && spec.hide == known.hide;
    if !same || spec.changes != known.changes || !given.is_empty() {
        return Err(Failure::new("it was laid out for another one"));
    }
    own_groups()?;
    if (spec.disk, spec.inodes) != (known.disk, known.inodes) {
        let options = CString::new(room(spec)).map_err(|_| Failure::new("a NUL byte in a mount option"))?;
        let flags = MountFlags::NOSUID | MountFlags::NODEV;
        rustix::mount::mount_remount(TOP, flags, &*options).during("limit the file system")?;
    }
    let built = move_in(spec, ahead)?;
    host_name()?;
    Ok(built)
}

/// A namespace of the groups that it is in now.
fn own_groups() -> Result<(), Failure> {
    // SAFETY: plain numbers. Nothing of this process is shared with another thread: it has one.
    check(unsafe { libc::unshare(libc::CLONE_NEWCGROUP) }).during("make a namespace of groups").map(drop)
}

fn host_name() -> Result<(), Failure> {
    let name = c"sandbox";
    // SAFETY: the name lives for the program's length.
    check(unsafe { libc::sethostname(name.as_ptr(), name.count_bytes()) }).during("name the host").map(drop)
}

/// The clones of the system's folders, from the outer side.
fn received(outer: &Outer) -> Result<Vec<(String, OwnedFd)>, Failure> {
    let mut inbox = Inbox::default();
    let (frame, descriptors) = loop {
        if let Some(frame) = inbox.next()? {
            break frame;
        }
        if !inbox.fill(outer.as_fd())? {
            return Err(Failure::new("the outer side has ended"));
        }
    };
    Ok(super::Dec(&frame.fields).texts()?.into_iter().zip(descriptors).collect())
}

/// Builds the root of PID 1 and moves into it. `given` are the files that it begins with.
pub(super) fn enter(spec: &Spec, outer: &Outer, given: Vec<OwnedFd>) -> Result<Built, Failure> {
    let trees = received(outer)?;
    if spec.has_users() {
        confine::become_user(0).during("become root inside")?;
    } else if spec.uid != 0 {
        confine::become_user(AGENT).during("become an unprivileged user")?;
    }
    own_groups()?;
    if spec.hold != wire::hold::NOTHING {
        let (held, missing) = hold::build(spec, given)?;
        return Ok(Built { held: Some(held), missing, ..Built::default() });
    }
    let base = given.into_iter().next();
    let built = match (&spec.image, base) {
        (Some(image), base) => super::image::build(spec, image, trees, base)?,
        (None, Some(base)) => {
            super::layered::build(spec, base, trees)?;
            Built::default()
        }
        (None, None) => move_in(spec, lay_out(spec, trees)?)?,
    };
    if spec.level == 2 && !spec.host_network {
        network::loopback().during("bring up the loopback")?;
    }
    host_name()?;
    Ok(built)
}

pub(super) fn make(path: &Path, mode: u32) -> Result<(), Failure> {
    let made = match fs::DirBuilder::new().mode(mode).create(path) {
        // What the umask may have taken away is all that is left to do.
        Ok(()) if mode & 0o022 == 0 => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => fs::create_dir_all(path),
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    };
    made.during(&format!("make {}", path.display()))?;
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(mode))?)
}

pub(super) fn bind(from: &Path, to: &Path) -> Result<(), Failure> {
    rustix::mount::mount_bind_recursive(from, to).during(&format!("bind {}", from.display()))
}

pub(super) fn mount(kind: &str, at: &Path, flags: MountFlags, options: &str) -> Result<(), Failure> {
    let options = CString::new(options).map_err(|_| Failure::new("a NUL byte in a mount option"))?;
    rustix::mount::mount(kind, at, kind, flags, &*options)
        .during(&format!("mount {kind} on {}", at.display()))
}

pub(super) fn read_only(at: &Path) -> Result<(), Failure> {
    use rustix::fs::{Mode, OFlags};
    let tree = rustix::fs::open(at, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).during("open a mount")?;
    let attributes = libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID;
    set_mount(&tree, attributes, None, true).during(&format!("make {} read-only", at.display()))
}

/// Where a new root is built.
const TOP: &str = "/tmp";

/// Builds a new root: all of it that is the same for every attempt.
fn lay_out(spec: &Spec, trees: Vec<(String, OwnedFd)>) -> Result<Ahead, Failure> {
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    rustix::mount::mount_change("/", private).during("make mounts private")?;
    let top = Path::new(TOP);
    let (root, store) = (top.join("root"), top.join("store"));
    // Sources are opened before /tmp disappears under the new file system.
    let mounts: Vec<(OwnedFd, &String)> = if spec.level == 2 { open_mounts(spec)? } else { Vec::new() };
    scratch(spec, top)?;
    let mut built = Built::default();
    make(&root, 0o755)?;
    if spec.keep {
        built.tree = Some(hold::tree(top)?);
        // Looked at past all that is mounted on it later.
        built.sections.push(hold::section(top, "", "root")?);
    }
    bind(&root, &root)?;
    host::links()
        .iter()
        .try_for_each(|(name, target)| symlink(target, root.join(name)).during("make a link"))?;
    if spec.level == 3 {
        let shared = trees.iter().position(|(name, _)| name.starts_with('!')).unwrap_or(trees.len());
        for (index, (name, tree)) in trees.into_iter().enumerate() {
            if index == shared {
                hide(spec, &root, &store)?;
            }
            let store = store.join(index.to_string());
            overlay(&root, &store, &name, &tree)?;
            if name.starts_with('!') {
                continue;
            }
            if spec.keep {
                built.sections.push(hold::section(top, &name, &format!("store/{index}/u"))?);
            }
            if spec.changes {
                let (lower, upper) = (ledger::open(&store.join("l"))?, ledger::open(&store.join("u"))?);
                built.views.push(ledger::View { name, lower, upper });
            }
        }
        if spec.mounts.is_empty() {
            hide(spec, &root, &store)?;
        }
    } else {
        let mut shown = Vec::new();
        for name in host::shared() {
            let (host, at) = (Path::new("/").join(name), root.join(name));
            let points = shadow::missing(&spec.mounts, name);
            if points.is_empty() {
                make(&at, 0o755)?;
                bind(&host, &at)?;
                read_only(&at)?;
            } else {
                shadow::show(&host, &at, &points)?;
                shown.push(at);
            }
        }
        hide(spec, &root, &store)?;
        for (tree, at) in mounts {
            attach(&root, at, &tree)?;
        }
        for at in shown {
            read_only(&at)?;
        }
    }
    folders(spec, &root)?;
    etc(spec, &root)?;
    devices(&root)?;
    proc(spec, &root)?;
    Ok(Ahead { built, root, store })
}

/// Adds what is an attempt's own, and moves into the root.
fn move_in(spec: &Spec, ahead: Ahead) -> Result<Built, Failure> {
    let Ahead { built, root, store } = ahead;
    for (path, text) in names(spec) {
        fs::write(root.join(path.trim_start_matches('/')), text)?;
    }
    if !spec.authority.is_empty() {
        trust::inside(spec, &root, &store)?;
    }
    rustix::process::chdir(&root).during("enter the new root")?;
    rustix::process::pivot_root(".", ".").during("pivot_root")?;
    rustix::mount::unmount(".", UnmountFlags::DETACH).during("leave the host's root")?;
    rustix::process::chdir("/").during("enter the new root")?;
    Ok(built)
}

/// The file system that all of the sandbox's own files lie in, with a folder that nobody inside will see.
pub(super) fn scratch(spec: &Spec, top: &Path) -> Result<(), Failure> {
    let options = format!("mode=755{}", room(spec));
    mount("tmpfs", top, MountFlags::NOSUID | MountFlags::NODEV, &options)?;
    make(&top.join("store"), 0o700)
}

/// The limits of a file system, as mount options that follow others.
fn room(spec: &Spec) -> String {
    let limits =
        [("size", spec.disk), ("nr_inodes", spec.inodes)].into_iter().filter(|(_, limit)| *limit > 0);
    limits.map(|(name, limit)| format!(",{name}={limit}")).collect()
}

/// Gives a work a folder that nobody sees afterwards, in a root that was entered.
pub(super) fn with_spare(work: impl FnOnce(&Path) -> Result<(), Failure>) -> Result<(), Failure> {
    let store = Path::new("/run/.rolltape");
    make(store, 0o700)?;
    mount("tmpfs", store, MountFlags::NOSUID | MountFlags::NODEV, "mode=700")?;
    work(store)?;
    rustix::mount::unmount(store, UnmountFlags::DETACH).during("leave a folder of bundles")?;
    fs::remove_dir(store).during("remove a folder of bundles")
}

/// `/proc` below a folder.
pub(super) fn proc(spec: &Spec, root: &Path) -> Result<(), Failure> {
    let proc = root.join("proc");
    make(&proc, 0o555)?;
    mount("proc", &proc, MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC, "")?;
    if spec.level == 2 && !spec.host_network {
        // Where this can't be set, listening on a port of the web says so.
        let _ = network::low_ports(&proc);
    }
    for name in KERNEL {
        match rustix::mount::mount_bind(root.join("dev/null"), proc.join(name)) {
            Ok(()) | Err(rustix::io::Errno::NOENT) => {}
            Err(error) => return Err(error).during(&format!("hide /proc/{name}")),
        }
    }
    bind(&proc.join("sys"), &proc.join("sys"))?;
    read_only(&proc.join("sys"))
}

pub(super) fn open_mounts(spec: &Spec) -> Result<Vec<(OwnedFd, &String)>, Failure> {
    let flags =
        OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE;
    let open = |(from, at)| {
        let tree: Result<OwnedFd, _> = rustix::mount::open_tree(rustix::fs::CWD, from, flags);
        Ok((tree.during(&format!("open {from}"))?, at))
    };
    spec.mounts.iter().map(|(from, at): &(String, String)| open((from, at))).collect()
}

/// Hangs a cloned folder of the host in, read-only.
fn attach(root: &Path, at: &str, tree: &OwnedFd) -> Result<(), Failure> {
    let at = root.join(at.trim_start_matches('/'));
    let file = rustix::fs::FileType::from_raw_mode(rustix::fs::fstat(tree)?.st_mode).is_file();
    if file && !at.exists() {
        if let Some(parent) = at.parent() {
            make(parent, 0o755)?;
        }
        fs::write(&at, b"").during(&format!("make {}", at.display()))?;
    }
    // What is there may be the host's: its mode is not ours to set.
    if !file && !at.is_dir() {
        make(&at, 0o755)?;
    }
    put(tree, &at)?;
    read_only(&at)
}

pub(super) fn put(tree: &OwnedFd, at: &Path) -> Result<(), Failure> {
    rustix::mount::move_mount(tree, "", rustix::fs::CWD, at, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
        .during(&format!("attach {}", at.display()))
}

/// A copy-on-write view of one of the host's folders; a name with `!` is mounted read-only instead.
pub(super) fn overlay(root: &Path, store: &Path, name: &str, tree: &OwnedFd) -> Result<(), Failure> {
    if let Some(at) = name.strip_prefix('!') {
        return attach(root, at, tree);
    }
    let lower = store.join("l");
    make(&lower, 0o755)?;
    put(tree, &lower)?;
    let view = View { at: root.join(name), store: store.to_owned(), flags: MountFlags::empty() };
    view.mount(&[&lower])
}

/// A copy-on-write view in the making.
pub(super) struct View {
    pub(super) at: PathBuf,
    /// Holds the folder of changes, `u`, and one that the kernel needs.
    pub(super) store: PathBuf,
    /// Beside NODEV.
    pub(super) flags: MountFlags,
}

impl View {
    /// Shows folders through each other, the uppermost first.
    pub(super) fn mount(&self, lower: &[&Path]) -> Result<(), Failure> {
        let (upper, work) = (self.store.join("u"), self.store.join("w"));
        for folder in [&self.at, &upper, &work] {
            make(folder, 0o755)?;
        }
        let lower: Vec<String> = lower.iter().map(|path| path.display().to_string()).collect();
        let (lower, upper, work) = (lower.join(":"), upper.display(), work.display());
        let options = format!("lowerdir={lower},upperdir={upper},workdir={work},userxattr");
        mount("overlay", &self.at, MountFlags::NODEV | self.flags, &options)
    }
}

/// Lays empty folders over those of the harness, before anything is hung into them.
fn hide(spec: &Spec, root: &Path, store: &Path) -> Result<(), Failure> {
    for (index, folder) in spec.hide.iter().enumerate() {
        let at = root.join(folder.trim_start_matches('/'));
        // One that lies in a hidden one, or in a part of /etc that is not shared, is not there.
        if at.is_dir() {
            let empty = store.join(format!("hidden-{index}"));
            make(&empty, 0o755)?;
            bind(&empty, &at)?;
        }
    }
    Ok(())
}

fn folders(spec: &Spec, root: &Path) -> Result<(), Failure> {
    let all = [
        ("workspace", 0o755),
        // The unprivileged user, as whom the agent's program runs beside them, must not read hidden tests.
        ("tests", 0o700),
        ("root", 0o700),
        ("home", 0o755),
        ("tmp", 0o1777),
        ("run", 0o755),
        ("run/lock", 0o1777),
        ("var", 0o755),
        ("var/tmp", 0o1777),
        ("var/log", 0o755),
        ("var/cache", 0o755),
        ("var/lib", 0o755),
        ("sys", 0o555),
        ("mnt", 0o755),
        ("srv", 0o755),
    ];
    for (name, mode) in all {
        make(&root.join(name), mode)?;
    }
    if spec.level == 2 {
        make(&root.join("home/agent"), 0o755)?;
    }
    symlink("/run", root.join("var/run"))?;
    Ok(symlink("/run/lock", root.join("var/lock"))?)
}

fn etc(spec: &Spec, root: &Path) -> Result<(), Failure> {
    make(&root.join("etc"), 0o755)?;
    make(&root.join("etc/ssl"), 0o755)?;
    host::copy(root)?;
    if spec.level == 2 {
        let passwd = format!(
            "root:x:0:0:root:/root:/bin/sh\nagent:x:{AGENT}:{AGENT}::/home/agent:/bin/bash\nnobody:x:65534:65534::/:/bin/false\n"
        );
        fs::write(root.join("etc/passwd"), passwd)?;
        fs::write(root.join("etc/group"), format!("root:x:0:\nagent:x:{AGENT}:\nnogroup:x:65534:\n"))?;
    }
    if spec.level == 3 { apt(root) } else { Ok(()) }
}

/// The files that say what names mean.
pub(super) fn names(spec: &Spec) -> [(&'static str, String); 3] {
    let mut hosts = "127.0.0.1 localhost sandbox\n::1 localhost\n".to_owned();
    if spec.host_network {
        hosts.push_str(&fs::read_to_string("/etc/hosts").unwrap_or_default());
    }
    for (host, address) in &spec.hosts {
        hosts.push_str(&format!("{address} {host}\n"));
    }
    let resolver = if spec.host_network {
        fs::read_to_string("/etc/resolv.conf").unwrap_or_default()
    } else {
        "# no network but the loopback\n".to_owned()
    };
    [("/etc/hosts", hosts), ("/etc/hostname", "sandbox\n".to_owned()), ("/etc/resolv.conf", resolver)]
}

/// Folders that apt wants. Root inside may not write to what it has given to a user of apt's own, so there is none.
/// The host's sources stay out: they may hold passwords.
fn apt(root: &Path) -> Result<(), Failure> {
    for name in ["apt.conf.d", "preferences.d", "sources.list.d", "trusted.gpg.d"] {
        make(&root.join("etc/apt").join(name), 0o755)?;
    }
    for name in ["var/lib/apt/lists/partial", "var/cache/apt/archives/partial", "var/log/apt"] {
        make(&root.join(name), 0o755)?;
    }
    let file = root.join("etc/apt/apt.conf.d/00sandbox");
    fs::write(file, "APT::Sandbox::User \"root\";\n").during("tell apt its user")
}

pub(super) fn devices(root: &Path) -> Result<(), Failure> {
    let dev = root.join("dev");
    make(&dev, 0o755)?;
    for name in ["null", "zero", "full", "random", "urandom", "tty"] {
        let at = dev.join(name);
        fs::write(&at, b"")?;
        rustix::mount::mount_bind(Path::new("/dev").join(name), &at).during(&format!("bind /dev/{name}"))?;
    }
    make(&dev.join("pts"), 0o755)?;
    let flags = MountFlags::NOSUID | MountFlags::NOEXEC;
    mount("devpts", &dev.join("pts"), flags, "newinstance,ptmxmode=0666,mode=0620")?;
    make(&dev.join("shm"), 0o1777)?;
    let links: [(&str, &str); 5] = [
        ("pts/ptmx", "ptmx"),
        ("/proc/self/fd", "fd"),
        ("/proc/self/fd/0", "stdin"),
        ("/proc/self/fd/1", "stdout"),
        ("/proc/self/fd/2", "stderr"),
    ];
    for (target, name) in links {
        symlink(PathBuf::from(target), dev.join(name))?;
    }
    Ok(())
}
