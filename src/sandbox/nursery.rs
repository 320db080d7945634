//! One process a run from which every init is forked, so that none pays for an exec of the whole program.
//!
//! Invariant: it has one thread, an empty environment and nothing of the harness in its memory; it never waits for
//! an init before it is told to, so that the number of an init can't come to mean another process meanwhile.
#![expect(unsafe_code, reason = "fork, and a descriptor that must lie at 0")]

use super::pass::{Inbox, send_all};
use super::wire::{Dec, Enc, failed, frame};
use super::{SandboxError, init};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{DumpableBehavior, Pid, PidfdFlags, Signal, WaitOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::{Mutex, PoisonError};

/// The name under which the program is re-executed.
pub(super) const NAME: &str = "rolltape: init";

/// Request: fork an init with that control socket. The answer is its process id, or the negative errno.
const BEAR: u8 = 1;
/// Request without an answer: an init has ended and may be forgotten.
const BURY: u8 = 2;

/// The harness's side.
#[derive(Debug)]
pub(super) struct Nursery {
    helper: PathBuf,
    line: Mutex<Line>,
}

#[derive(Debug)]
struct Line {
    child: Child,
    socket: OwnedFd,
    inbox: Inbox,
}

/// An init, as long as it is not buried.
#[derive(Debug)]
pub(super) struct Born {
    /// Its process id.
    pub(super) pid: i32,
    handle: OwnedFd,
}

impl Born {
    /// Kills it; one that has ended is no error.
    pub(super) fn kill(&self) {
        let _ = rustix::process::pidfd_send_signal(&self.handle, Signal::KILL);
    }

    /// Waits for its end.
    pub(super) fn wait(&self) {
        while let Err(rustix::io::Errno::INTR) = poll(&mut [PollFd::new(&self.handle, PollFlags::IN)], None) {
        }
    }
}

impl Nursery {
    /// Starts it.
    pub(super) fn start(helper: &Path) -> Result<Self, SandboxError> {
        let line =
            Line::open(helper).map_err(|error| failed(&format!("start {}", helper.display()), &error))?;
        Ok(Self { helper: helper.to_owned(), line: Mutex::new(line) })
    }

    /// Forks an init whose control socket is `control`.
    pub(super) fn bear(&self, control: BorrowedFd<'_>) -> io::Result<Born> {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        if let Ok(born) = line.bear(control) {
            return Ok(born);
        }
        // Somebody killed it, or the machine had no room for one more process: another one may do.
        let fresh = Line::open(&self.helper)?;
        std::mem::replace(&mut *line, fresh).close();
        line.bear(control)
    }

    /// Forgets an init that has ended.
    pub(super) fn bury(&self, born: &Born) {
        let mut out = Enc::default();
        out.u32(born.pid as u32);
        let line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = send_all(line.socket.as_fd(), &frame(0, 0, BURY, &out.0), &[]);
    }
}

impl Drop for Nursery {
    fn drop(&mut self) {
        let line = self.line.get_mut().unwrap_or_else(PoisonError::into_inner);
        let _ = rustix::net::shutdown(&line.socket, rustix::net::Shutdown::Both);
        let _ = line.child.wait();
    }
}

impl Line {
    fn open(helper: &Path) -> io::Result<Self> {
        let (socket, theirs) = rustix::net::socketpair(
            rustix::net::AddressFamily::UNIX,
            rustix::net::SocketType::STREAM,
            rustix::net::SocketFlags::CLOEXEC,
            None,
        )?;
        let child = Command::new(helper)
            .arg0(NAME)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self { child, socket, inbox: Inbox::default() })
    }

    fn close(mut self) {
        drop(self.socket);
        let _ = self.child.wait();
    }

    fn bear(&mut self, control: BorrowedFd<'_>) -> io::Result<Born> {
        send_all(self.socket.as_fd(), &frame(1, 0, BEAR, &[]), &[control])?;
        let answer = loop {
            if let Some((answer, _)) = self.inbox.next()? {
                break answer;
            }
            if !self.inbox.fill(self.socket.as_fd())? {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
        };
        let pid = Dec(&answer.fields).u32()? as i32;
        let number = Pid::from_raw(pid.max(0)).ok_or_else(|| io::Error::from_raw_os_error(-pid))?;
        Ok(Born { pid, handle: rustix::process::pidfd_open(number, PidfdFlags::empty())? })
    }
}

/// The nursery itself, and every init after it was forked.
pub(super) fn main() -> ExitCode {
    // Ctrl-C on the harness's terminal is the harness's business.
    let _ = rustix::process::setsid();
    // An agent of the same user must not reach into what all inits are made of.
    let _ = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable);
    match serve() {
        Ok(None) => ExitCode::SUCCESS,
        Ok(Some(control)) => {
            // As it is after an exec: the outer side of a sandbox writes into its own entry of /proc.
            let _ = rustix::process::set_dumpable_behavior(DumpableBehavior::Dumpable);
            // SAFETY: descriptor 0 is no value's; the init takes its socket from there.
            unsafe { libc::dup2(control.as_raw_fd(), 0) };
            drop(control);
            init::main()
        }
        Err(_) => ExitCode::FAILURE,
    }
}

/// Answers requests until the harness hangs up. In a new init: its control socket.
fn serve() -> io::Result<Option<OwnedFd>> {
    let line = rustix::stdio::stdin();
    let mut inbox = Inbox::default();
    loop {
        while let Some((request, descriptors)) = inbox.next()? {
            match (request.kind, descriptors.into_iter().next()) {
                (BEAR, Some(control)) => {
                    // SAFETY: the process has one thread.
                    let pid = unsafe { libc::fork() };
                    if pid == 0 {
                        return Ok(Some(control));
                    }
                    let errno = io::Error::last_os_error().raw_os_error().unwrap_or(libc::EAGAIN);
                    let mut out = Enc::default();
                    out.u32(if pid < 0 { -errno } else { pid } as u32);
                    send_all(line, &frame(0, 0, BEAR, &out.0), &[])?;
                }
                (BURY, _) => {
                    let pid = Dec(&request.fields).u32()? as i32;
                    let _ = rustix::process::waitpid(Pid::from_raw(pid), WaitOptions::empty());
                }
                _ => {}
            }
        }
        if !inbox.fill(line)? {
            return Ok(None);
        }
    }
}
