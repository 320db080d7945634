//! One process a run that outlives the harness for a moment and removes what it left.
//!
//! It is told of inits, containers and control groups over its standard input, the lifeline; when that closes,
//! however the harness ended, it kills and removes them and the run's folder. Its standard output is the
//! run's lock, held until everything is gone.

use super::SandboxError;
use super::scratch::{Scratch, remove_tree};
use super::wire::failed;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The name under which the program is re-executed.
pub(super) const NAME: &str = "rolltape: janitor";

/// The harness's side.
#[derive(Debug)]
pub(super) struct Janitor {
    lifeline: Mutex<Option<std::process::ChildStdin>>,
    child: Mutex<Child>,
}

impl Janitor {
    /// Starts it for a run's folder.
    pub(super) fn start(helper: &Path, scratch: &Scratch) -> Result<Self, SandboxError> {
        let lock = scratch.lock.try_clone().map_err(|error| failed("copy the lock", &error))?;
        let mut child = Command::new(helper)
            .arg0(NAME)
            .arg(&scratch.folder)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::from(lock))
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| failed(&format!("start the janitor {}", helper.display()), &error))?;
        Ok(Self { lifeline: Mutex::new(child.stdin.take()), child: Mutex::new(child) })
    }

    /// Tells it something; that it is gone is no reason to stop.
    pub(super) fn tell(&self, word: char, what: &str) {
        let mut lifeline = self.lifeline.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pipe) = lifeline.as_mut() {
            let _ = pipe.write_all(format!("{word}{what}\n").as_bytes());
        }
    }

    /// Lets go of the lifeline and waits for the janitor's end.
    pub(super) fn finish(&self, grace: Duration) {
        drop(self.lifeline.lock().unwrap_or_else(PoisonError::into_inner).take());
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        let end = Instant::now() + grace;
        while let Ok(None) = child.try_wait() {
            if Instant::now() >= end {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// The janitor process itself.
pub(super) fn main() -> ExitCode {
    // Not of the terminal's group: Ctrl-C must reach the harness alone.
    let _ = rustix::process::setsid();
    // An agent of the same user must not reach into this process.
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
    let Some(folder) = std::env::args_os().nth(1).map(PathBuf::from) else { return ExitCode::from(2) };
    let mut inits: BTreeMap<i32, Option<OwnedFd>> = BTreeMap::new();
    let mut groups: Vec<PathBuf> = Vec::new();
    let mut containers = std::collections::BTreeSet::new();
    for line in std::io::stdin().lock().lines() {
        let Ok(line) = line else { break };
        let (word, rest) = line.split_at_checked(1).unwrap_or(("", ""));
        match (word, rest.parse::<i32>()) {
            ("+", Ok(pid)) => {
                // Held open, so the number can't come to mean another process.
                let handle = Pid::from_raw(pid).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
                inits.insert(pid, handle);
            }
            ("-", Ok(pid)) => drop(inits.remove(&pid)),
            ("g", _) => {
                groups.push(PathBuf::from(rest));
                // For the sweep of a later run, should the machine go down with us.
                let list: String = groups.iter().map(|group| format!("{}\n", group.display())).collect();
                let _ = fs::write(folder.join("groups"), list);
            }
            ("c", _) => drop(containers.insert(rest.to_owned())),
            ("d", _) => drop(containers.remove(rest)),
            ("x", _) => groups.retain(|group| group != Path::new(rest)),
            _ => {}
        }
    }
    // An init that lost the harness kills its own at once; the rest is for those that can't.
    let end = Instant::now() + Duration::from_millis(800);
    for handle in inits.values().flatten() {
        let left = end.saturating_duration_since(Instant::now());
        let left = Timespec { tv_sec: 0, tv_nsec: i64::from(left.subsec_nanos()) };
        let _ = poll(&mut [PollFd::new(handle, PollFlags::IN)], Some(&left));
        let _ = pidfd_send_signal(handle, Signal::KILL);
    }
    for line in &containers {
        super::container::remove_told(line);
    }
    for group in &groups {
        super::cgroup::destroy(group);
    }
    remove_tree(&folder);
    ExitCode::SUCCESS
}
