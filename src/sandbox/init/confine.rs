//! Giving up rights: user, capabilities, limits, Landlock, and the filter last.
#![expect(unsafe_code, reason = "prctl, capset and setresuid have no safe wrapper that fits")]

use super::reap::check;
use super::{During, Failure, seccomp};
use crate::sandbox::wire::Spec;
use std::io;
use std::path::{Path, PathBuf};

/// What root inside keeps: CHOWN, FOWNER, FSETID, KILL, SETGID, SETUID, NET_BIND_SERVICE, SETFCAP.
const ROOT_INSIDE: &[u32] = &[0, 3, 4, 5, 6, 7, 10, 31];

/// The capability over mounts.
const SYS_ADMIN: u32 = 21;

/// Becomes an unprivileged user of the host for good.
pub(super) fn become_user(id: u32) -> io::Result<()> {
    // SAFETY: plain numbers; the process has one thread.
    unsafe {
        check(libc::setgroups(0, std::ptr::null()))?;
        check(libc::setresgid(id, id, id))?;
        check(libc::setresuid(id, id, id)).map(drop)
    }
}

/// Has the file system see this process as a user and group of the sandbox: 0 as root inside again.
pub(super) fn files_as(user: u32, group: u32) {
    // SAFETY: plain numbers; the process has one thread. The group first, as root is needed for it.
    unsafe {
        if user == 0 {
            libc::setfsuid(user);
            libc::setfsgid(group);
        } else {
            libc::setfsgid(group);
            libc::setfsuid(user);
        }
    }
}

/// Lets the parent write this process's id maps after it changed its user.
pub(super) fn dumpable(on: bool) -> io::Result<()> {
    // SAFETY: plain numbers.
    check(unsafe { libc::prctl(libc::PR_SET_DUMPABLE, i32::from(on), 0, 0, 0) }).map(drop)
}

/// Everything after the world is built: nothing below can be undone, and all programs inherit it.
pub(super) fn lock_down(spec: &Spec) -> Result<(), Failure> {
    let keep: &[u32] = if spec.has_root() { ROOT_INSIDE } else { &[] };
    drop_capabilities(keep).during("drop capabilities")?;
    // SAFETY: plain numbers.
    check(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }).during("set no_new_privs")?;
    limit(libc::RLIMIT_CORE, 0).during("limit core files")?;
    if spec.watch_memory && spec.memory > 0 {
        // The init watches the sum; this is for what grows faster than it looks.
        limit(libc::RLIMIT_DATA, spec.memory.saturating_mul(2)).during("limit memory")?;
    }
    if spec.watch_pids && spec.pids > 0 {
        // The init kills at the limit; this is for what grows faster than it looks. The count is by user, so it is ours
        // alone only where the user is: else what the user runs already comes on top, and room for what else starts.
        let own = spec.level >= 2 || spec.uid != 0;
        let others = if own { 16 } else { tasks_of_user().saturating_add(ROOM) };
        limit(libc::RLIMIT_NPROC, spec.pids.saturating_add(spec.pids / 4).saturating_add(others))
            .during("limit processes")?;
    }
    if matches!(spec.level, 1 | super::CONTAINER) && spec.disk > 0 {
        // No file system holds the limit here: the init watches the sum, and no single file runs away from it.
        limit(libc::RLIMIT_FSIZE, spec.disk).during("limit the size of files")?;
    }
    if spec.landlock {
        landlock(spec).during("Landlock")?;
    }
    dumpable(false).during("hide the init's memory")?;
    if spec.seccomp {
        seccomp::apply(spec.level >= 2).during("the seccomp filter")?;
    }
    Ok(())
}

/// Tasks that the user may start beside a sandbox after it began: other sandboxes, and all else.
const ROOM: u64 = 1024;

/// Threads and processes of this user at this moment, as the kernel counts them for its limit.
fn tasks_of_user() -> u64 {
    use std::os::unix::fs::MetadataExt;
    let user = rustix::process::getuid().as_raw();
    let all = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbered = all.filter(|entry| entry.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit));
    // A folder has a link of each folder in it, beside its own two. One that is hidden from others is root's by its
    // owner, the init among them, so it counts too little: there is room.
    let tasks = numbered.filter_map(|entry| std::fs::metadata(entry.path().join("task")).ok());
    tasks.filter(|data| data.uid() == user).map(|data| data.nlink().saturating_sub(2)).sum()
}

/// The keeper of a snapshot clones mounts, and does nothing else.
pub(super) fn keeper() -> Result<(), Failure> {
    drop_capabilities(&[SYS_ADMIN]).during("drop capabilities")?;
    // SAFETY: plain numbers.
    check(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }).during("set no_new_privs")?;
    dumpable(false).during("hide the keeper's memory")
}

/// Lowers a limit; one that is lower already stays.
pub(super) fn limit(what: libc::__rlimit_resource_t, value: u64) -> io::Result<()> {
    // SAFETY: `now` is a local that getrlimit fills in.
    unsafe {
        let mut now: libc::rlimit = std::mem::zeroed();
        check(libc::getrlimit(what, &raw mut now))?;
        let value = value.min(now.rlim_max);
        let new = libc::rlimit { rlim_cur: value, rlim_max: value };
        check(libc::setrlimit(what, &raw const new)).map(drop)
    }
}

/// Takes all capabilities but some out of the bounding set. A user without rights can't; `no_new_privs` keeps it from
/// meaning anything.
pub(super) fn bound(keep: &[u32]) {
    for capability in (0..64).filter(|capability| !keep.contains(capability)) {
        // SAFETY: plain numbers. Ends at the first number that the kernel does not know.
        let result = check(unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) });
        if let Err(Some(libc::EINVAL | libc::EPERM)) = result.map_err(|error| error.raw_os_error()) {
            break;
        }
    }
}

fn drop_capabilities(keep: &[u32]) -> io::Result<()> {
    bound(keep);
    let bits = keep.iter().fold(0u64, |bits, capability| bits | 1 << capability);
    let header: [u32; 2] = [0x2008_0522, 0];
    let (low, high) = (bits as u32, (bits >> 32) as u32);
    let data: [u32; 6] = [low, low, 0, high, high, 0];
    // SAFETY: version 3 of the call takes a header of two words and data of six.
    let done = unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), data.as_ptr()) };
    check(done as i32).map(drop)
}

/// A domain of the program's own below the init's: in level `process` nothing else keeps it from killing
/// the init, which would make a harness error of the attempt. Older kernels can't, and `doctor` says so.
pub(super) fn own_signals() -> io::Result<()> {
    use landlock::{CompatLevel, Compatible, Ruleset, RulesetAttr, Scope};
    let build = || {
        Ruleset::default()
            .set_compatibility(CompatLevel::BestEffort)
            .scope(Scope::Signal)?
            .create()?
            .restrict_self()
    };
    build().map(drop).map_err(|error: landlock::RulesetError| io::Error::other(error.to_string()))
}

/// Devices that programs use where the host's are all there.
const DEVICES: [&str; 8] = [
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/random",
    "/dev/urandom",
    "/dev/tty",
    "/dev/ptmx",
    "/dev/pts",
];

/// For a program that hidden tests of the same user run: it reads and writes what is named, and reaches nobody who is
/// not under the same rules. An error where the kernel can't hold that.
pub(super) fn untrusted(reads: &[&Path], writes: &[PathBuf]) -> io::Result<()> {
    use landlock::{
        ABI, Access, AccessFs, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetCreatedAttr,
        RulesetStatus, Scope, path_beneath_rules,
    };
    let abi = ABI::V6;
    let build = || {
        Ruleset::default()
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(AccessFs::from_all(abi))?
            .scope(Scope::from_all(abi))?
            .create()?
            .add_rules(path_beneath_rules(reads, AccessFs::from_read(abi)))?
            .add_rules(path_beneath_rules(DEVICES.map(Path::new), AccessFs::from_all(abi)))?
            .add_rules(path_beneath_rules(writes, AccessFs::from_all(abi)))?
            .restrict_self()
    };
    let status = build().map_err(|error: landlock::RulesetError| io::Error::other(error.to_string()))?;
    if status.ruleset == RulesetStatus::NotEnforced {
        return Err(io::Error::from_raw_os_error(libc::EOPNOTSUPP));
    }
    Ok(())
}

/// Has the hidden tests' own processes, and all that they start, leave the tests as they are. A kernel without Landlock
/// leaves them open, and a run says so.
pub(super) fn seal_tests(spec: &Spec) -> io::Result<()> {
    use landlock::{
        ABI, AccessFs, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetCreatedAttr, path_beneath_rules,
    };
    let writes = AccessFs::from_write(ABI::V6);
    let open: Vec<PathBuf> = if spec.level == 1 {
        let folders = ["work", "home", "tmp"].map(|name| Path::new(&spec.folder).join(name));
        folders.into_iter().chain(DEVICES.map(PathBuf::from)).collect()
    } else {
        let all = std::fs::read_dir("/")?.flatten().map(|entry| entry.path());
        all.filter(|path| path != Path::new("/tests")).collect()
    };
    let build = || {
        Ruleset::default()
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(writes)?
            .create()?
            .add_rules(path_beneath_rules(open, writes))?
            .restrict_self()
    };
    build().map(drop).map_err(|error: landlock::RulesetError| io::Error::other(error.to_string()))
}

/// The folder, or all that lies in it beside hidden ones: a rule holds for everything below.
fn beside(folder: &Path, hidden: &[&Path], shown: &mut Vec<PathBuf>) {
    // `/bin` is often a link, and the hidden ones are told by their real names.
    let real = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    if hidden.iter().any(|hidden| real.starts_with(hidden)) {
        return;
    }
    if !hidden.iter().any(|hidden| hidden.starts_with(&real)) {
        shown.push(folder.to_owned());
        return;
    }
    let inner = std::fs::read_dir(&real).into_iter().flatten().flatten();
    inner.for_each(|entry| beside(&entry.path(), hidden, shown));
}

/// Files: the system to read, the attempt's folder to write. Signals and abstract sockets stay inside
/// where the kernel can.
fn landlock(spec: &Spec) -> io::Result<()> {
    use landlock::{
        ABI, Access, AccessFs, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetCreatedAttr,
        RulesetStatus, Scope, path_beneath_rules,
    };
    let abi = ABI::V6;
    let read = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc", "/opt", "/proc"];
    let folders = ["work", "home", "tmp", "tests"].map(|name| Path::new(&spec.folder).join(name));
    let mounts = spec.mounts.iter().map(|(from, _)| Path::new(from));
    let hide: Vec<&Path> = spec.hide.iter().map(Path::new).collect();
    let mut shown = Vec::new();
    for folder in read {
        beside(Path::new(folder), &hide, &mut shown);
    }
    let build = || {
        Ruleset::default()
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(AccessFs::from_all(abi))?
            .scope(Scope::from_all(abi))?
            .create()?
            .add_rules(path_beneath_rules(&shown, AccessFs::from_read(abi)))?
            .add_rules(path_beneath_rules(mounts, AccessFs::from_read(abi)))?
            .add_rules(path_beneath_rules(DEVICES.map(Path::new), AccessFs::from_all(abi)))?
            .add_rules(path_beneath_rules(folders, AccessFs::from_all(abi)))?
            .restrict_self()
    };
    let status = build().map_err(|error: landlock::RulesetError| io::Error::other(error.to_string()))?;
    if status.ruleset == RulesetStatus::NotEnforced {
        return Err(io::Error::from_raw_os_error(libc::EOPNOTSUPP));
    }
    Ok(())
}
