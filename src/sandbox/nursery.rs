//! One process a run from which every init is forked, so that none pays for an exec of the whole program.
//!
//! Invariant: it has one thread, an empty environment and nothing of the harness in its memory; it never waits for
//! an init before it is told to, so that the number of an init can't come to mean another process meanwhile.

use super::pass::{Inbox, send_all};
use super::wire::{Dec, Enc, Spec, failed, frame};
use super::{SandboxError, init};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{DumpableBehavior, Pid, PidfdFlags, Signal, WaitOptions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::{Mutex, PoisonError};

/// The name under which the program is re-executed.
pub(super) const NAME: &str = "rolltape: init";

/// Request: fork an init with that control socket, for that spec. The answer is its process id, or 0 and why not.
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

    /// Whether it has not ended.
    pub(super) fn is_alive(&self) -> bool {
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        matches!(poll(&mut [PollFd::new(&self.handle, PollFlags::IN)], Some(&now)), Ok(0))
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

    /// Forks an init whose control socket is `control`. It is told its whole spec over that; here the secrets of one
    /// attempt stay out of what the inits of others are copies of.
    pub(super) fn bear(&self, control: BorrowedFd<'_>, spec: &Spec) -> Result<Born, SandboxError> {
        let spec = Spec { env: Vec::new(), authority: String::new(), ..spec.clone() }.encode();
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        match line.bear(control, &spec) {
            Ok(Ok(born)) => return Ok(born),
            Ok(Err(refused)) => return Err(SandboxError::new(format!("a sandbox can't start: {refused}"))),
            Err(_) => {}
        }
        // Somebody killed it: another one may do.
        let fresh = Line::open(&self.helper).map_err(|error| failed("fork an init", &error))?;
        std::mem::replace(&mut *line, fresh).close();
        match line.bear(control, &spec) {
            Ok(born) => {
                born.map_err(|refused| SandboxError::new(format!("a sandbox can't start: {refused}")))
            }
            Err(error) => Err(failed("fork an init", &error)),
        }
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

    /// An init, or why it is refused; an error where nobody answers.
    fn bear(&mut self, control: BorrowedFd<'_>, spec: &[u8]) -> io::Result<Result<Born, String>> {
        send_all(self.socket.as_fd(), &frame(1, 0, BEAR, spec), &[control])?;
        let answer = loop {
            if let Some((answer, _)) = self.inbox.next()? {
                break answer;
            }
            if !self.inbox.fill(self.socket.as_fd())? {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
        };
        let mut fields = Dec(&answer.fields);
        let Some(number) = Pid::from_raw(fields.u32()? as i32) else { return Ok(Err(fields.text()?)) };
        let handle = rustix::process::pidfd_open(number, PidfdFlags::empty())?;
        Ok(Ok(Born { pid: number.as_raw_nonzero().get(), handle }))
    }
}

/// The nursery itself, and every init after it was forked.
pub(super) fn main() -> ExitCode {
    // Ctrl-C on the harness's terminal is the harness's business.
    let _ = rustix::process::setsid();
    // An agent of the same user must not reach into what all inits are made of.
    let _ = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable);
    init::remember();
    match serve() {
        Ok(None) => ExitCode::SUCCESS,
        Ok(Some((control, begun))) => {
            // As it is after an exec.
            let _ = rustix::process::set_dumpable_behavior(DumpableBehavior::Dumpable);
            init::main(control, begun)
        }
        Err(_) => ExitCode::FAILURE,
    }
}

/// Answers requests until the harness hangs up. In a new init: its control socket and what it begins with.
fn serve() -> io::Result<Option<(OwnedFd, init::Begun)>> {
    let line = rustix::stdio::stdin();
    let (mut inbox, mut next) = (Inbox::default(), init::Next::default());
    loop {
        while let Some((request, descriptors)) = inbox.next()? {
            match (request.kind, descriptors.into_iter().next()) {
                (BEAR, Some(control)) => {
                    let mut out = Enc::default();
                    match init::bear(&request.fields, &mut next) {
                        Ok(init::Birth::Child(begun)) => return Ok(Some((control, begun))),
                        Ok(init::Birth::Parent(pid)) => out.u32(pid as u32),
                        Err(refused) => out.u32(0).text(&refused),
                    };
                    send_all(line, &frame(0, 0, BEAR, &out.0), &[])?;
                }
                (BURY, _) => {
                    let pid = Dec(&request.fields).u32()? as i32;
                    let _ = rustix::process::waitpid(Pid::from_raw(pid), WaitOptions::empty());
                }
                _ => {}
            }
        }
        // While nobody waits. A failure is told when it is needed.
        next.refresh();
        if !inbox.fill(line)? {
            return Ok(None);
        }
    }
}
