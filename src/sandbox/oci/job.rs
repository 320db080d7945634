//! Work on files that belong to ids which an ordinary user only has inside a user namespace of its own: done by the
//! re-executed program there. Root, and a user with one id, do it themselves.
#![expect(
    unsafe_code,
    reason = "unshare has no safe wrapper that fits: what it splits off is this process's own"
)]

use super::ids::Ids;
use super::source::Layer;
use super::unpack::{self, Limits, Told};
use crate::sandbox::layout;
use serde::{Deserialize, Serialize};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

/// The name under which the program is re-executed.
pub(in crate::sandbox) const NAME: &str = "rolltape: images";

/// What is to be done.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Job {
    /// Unpack layers into a folder.
    Unpack {
        /// It is there, and empty.
        root: PathBuf,
        /// Lowest first.
        layers: Vec<Layer>,
        /// Bounds.
        limits: Limits,
    },
    /// Remove a folder.
    Remove(PathBuf),
}

impl Job {
    /// Does it, with the owners that `ids` allow. The error is half a sentence.
    pub(super) fn run(&self, ids: &Ids, helper: &Path) -> Result<Told, String> {
        match ids {
            Ids::All => self.work(true),
            Ids::One(_) => self.work(false),
            Ids::Range { users, groups, count } => self.elsewhere(helper, *users, *groups, *count),
        }
    }

    fn work(&self, owners: bool) -> Result<Told, String> {
        match self {
            Self::Unpack { root, layers, limits } => unpack::unpack(root, layers, owners, *limits),
            Self::Remove(folder) => {
                crate::sandbox::scratch::remove_tree(folder);
                match folder.symlink_metadata() {
                    Ok(_) => Err(format!("{} can't be removed", folder.display())),
                    Err(_) => Ok(Told::default()),
                }
            }
        }
    }

    fn elsewhere(&self, helper: &Path, users: u32, groups: u32, count: u32) -> Result<Told, String> {
        let failed = |what: &str, error: &io::Error| format!("{what}: {}", super::words(error));
        let mut child = Command::new(helper)
            .arg0(NAME)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| failed("start a helper", &error))?;
        let done = (|| {
            let (Some(mut to), Some(from)) = (child.stdin.take(), child.stdout.take()) else {
                return Err("a helper has no pipes".to_owned());
            };
            let mut from = BufReader::new(from);
            let mut line = String::new();
            from.read_line(&mut line).map_err(|error| failed("hear from a helper", &error))?;
            if line.trim() != "apart" {
                return Err(format!("make a user namespace: {}", line.trim()));
            }
            let pid = child.id().to_string();
            let own = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
            map("newuidmap", &pid, own.0, users, count)?;
            map("newgidmap", &pid, own.1, groups, count)?;
            let text = serde_json::to_string(self).map_err(|error| error.to_string())?;
            to.write_all(format!("{text}\n").as_bytes()).map_err(|error| failed("tell a helper", &error))?;
            let mut answer = String::new();
            from.read_to_string(&mut answer).map_err(|error| failed("hear from a helper", &error))?;
            serde_json::from_str::<Result<Told, String>>(&answer)
                .map_err(|_| "a helper died at its work".to_owned())?
        })();
        let _ = child.kill();
        let _ = child.wait();
        done
    }
}

/// Gives a process root, which is this user, and `count` ids from `first` on.
fn map(program: &str, pid: &str, own: u32, first: u32, count: u32) -> Result<(), String> {
    let numbers = [0, own, 1, 1, first, count].map(|number| number.to_string());
    let output = Command::new(program)
        .arg(pid)
        .args(numbers)
        .env_clear()
        .env("PATH", layout::PATH)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("start {program}: {}", super::words(&error)))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(super::lower(said.lines().next().unwrap_or("newuidmap failed")))
}

/// The helper itself.
pub(in crate::sandbox) fn main() -> ExitCode {
    let mut out = io::stdout();
    // SAFETY: the process has one thread and nothing that other parts of it rely on is given up.
    let apart = unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWUSER) };
    if let Err(error) = apart {
        let _ = writeln!(out, "{}", super::words(&error.into()));
        return ExitCode::from(1);
    }
    let _ = writeln!(out, "apart").and_then(|()| out.flush());
    let mut line = String::new();
    let heard = io::stdin().lock().read_line(&mut line);
    let Ok(job) = heard.map_err(drop).and_then(|_| serde_json::from_str::<Job>(&line).map_err(drop)) else {
        return ExitCode::from(2);
    };
    let answer = match crate::sandbox::init::become_root() {
        Ok(()) => job.work(true),
        Err(error) => Err(format!("become root of a user namespace: {}", super::words(&error))),
    };
    let text = serde_json::to_string(&answer).unwrap_or_default();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::from(1),
    }
}
