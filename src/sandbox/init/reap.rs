//! Children and orphans: waiting for them, and killing all of them.
#![expect(unsafe_code, reason = "wait, signal masks and prctl have no safe wrapper for every child")]

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

/// Orphans of descendants become our children, as if we were PID 1.
pub(super) fn become_reaper() -> io::Result<()> {
    // SAFETY: plain numbers, no pointers.
    check(unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) }).map(drop)
}

/// Blocks SIGCHLD and returns the descriptor that becomes readable instead.
pub(super) fn child_signals() -> io::Result<OwnedFd> {
    // SAFETY: `set` is a local that sigemptyset initialises; the descriptor is ours alone.
    unsafe {
        let mut set = std::mem::zeroed();
        check(libc::sigemptyset(&raw mut set))?;
        check(libc::sigaddset(&raw mut set, libc::SIGCHLD))?;
        check(libc::sigprocmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()))?;
        let descriptor = check(libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK))?;
        Ok(OwnedFd::from_raw_fd(descriptor))
    }
}

/// Reaps everything that has ended: pid, whether by a signal, code.
pub(super) fn ended() -> Vec<(i32, bool, i32)> {
    let mut all = Vec::new();
    loop {
        let mut status = 0;
        // SAFETY: `status` outlives the call.
        let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) };
        if pid <= 0 {
            return all;
        }
        if libc::WIFEXITED(status) {
            all.push((pid, false, libc::WEXITSTATUS(status)));
        } else if libc::WIFSIGNALED(status) {
            all.push((pid, true, libc::WTERMSIG(status)));
        }
    }
}

/// Reaps what has ended, but for some children that somebody still waits for.
pub(super) fn bury(waited_for: &std::collections::BTreeSet<i32>) {
    loop {
        // SAFETY: `info` is a local; WNOWAIT leaves the child as it is.
        let pid = unsafe {
            let mut info: libc::siginfo_t = std::mem::zeroed();
            let flags = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
            if libc::waitid(libc::P_ALL, 0, &raw mut info, flags) == -1 {
                return;
            }
            info.si_pid()
        };
        if pid <= 0 || waited_for.contains(&pid) {
            return;
        }
        // SAFETY: our own child that has ended; no status is asked for.
        unsafe { libc::waitpid(pid, std::ptr::null_mut(), libc::WNOHANG) };
    }
}

/// Bytes of a page of memory.
pub(super) fn page_size() -> u64 {
    // SAFETY: plain numbers.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    u64::try_from(size).unwrap_or(4096)
}

/// The unit of the times in `/proc/PID/stat`, never 0.
pub(super) fn ticks_per_second() -> u64 {
    // SAFETY: plain numbers.
    let ticks = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    u64::try_from(ticks).unwrap_or(100).max(1)
}

/// Sends a signal; that nobody is there is fine.
pub(super) fn kill(pid: i32, signal: i32) -> io::Result<()> {
    // SAFETY: plain numbers.
    match check(unsafe { libc::kill(pid, signal) }) {
        Err(error) if error.raw_os_error() != Some(libc::ESRCH) => Err(error),
        _ => Ok(()),
    }
}

/// Kills every descendant and waits until the kernel knows of none. Returns how many were alive.
///
/// As the reaper of all orphans, whatever was started below us stays below us. A child that is being
/// made while we look is found in the next round.
///
/// In a namespace of its own, or as a user of its own, one call reaches all at the same instant.
pub(super) fn kill_all(spec: &crate::sandbox::wire::Spec) -> u64 {
    let mut seen = std::collections::BTreeSet::new();
    if childless() {
        return 0;
    }
    for _ in 0..10_000 {
        let alive = descendants();
        if alive.is_empty() {
            break;
        }
        if spec.level >= 2 || spec.uid != 0 {
            let _ = kill(-1, libc::SIGKILL);
        }
        for pid in alive {
            seen.insert(pid);
            let _ = kill(pid, libc::SIGKILL);
        }
        // Not reaped from here: the main loop must see the programs' ends.
        std::thread::sleep(std::time::Duration::from_micros(200));
    }
    seen.len() as u64
}

/// Whether there is no child, dead or alive: then there is no descendant either, as orphans become our children.
/// To read the whole table of processes for that would cost more than all else that an idle sandbox does.
fn childless() -> bool {
    // SAFETY: `info` is a local; WNOWAIT leaves children as they are.
    let found = unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        libc::waitid(libc::P_ALL, 0, &raw mut info, libc::WEXITED | libc::WNOHANG | libc::WNOWAIT)
    };
    found == -1 && io::Error::last_os_error().raw_os_error() == Some(libc::ECHILD)
}

/// All living descendants, by the table of processes.
pub(super) fn descendants() -> Vec<i32> {
    let mut parents: BTreeMap<i32, Vec<(i32, bool)>> = BTreeMap::new();
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    for entry in entries.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        if let Some((state, parent)) = state_and_parent(pid) {
            parents.entry(parent).or_default().push((pid, state != b'Z' && state != b'X'));
        }
    }
    let mut queue = vec![std::process::id() as i32];
    let mut found = Vec::new();
    while let Some(pid) = queue.pop() {
        for (child, alive) in parents.remove(&pid).unwrap_or_default() {
            if alive {
                found.push(child);
            }
            queue.push(child);
        }
    }
    found
}

/// State and parent from `/proc/PID/stat`; the name in it may hold anything, so the last `)` counts.
fn state_and_parent(pid: i32) -> Option<(u8, i32)> {
    let stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(stat.get(end + 2..)?).ok()?;
    let mut fields = rest.split(' ');
    let state = *fields.next()?.as_bytes().first()?;
    Some((state, fields.next()?.parse().ok()?))
}

/// A libc result as an [`io::Result`].
pub(super) fn check(result: i32) -> io::Result<i32> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
