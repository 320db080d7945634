//! Where the agent's programs run. One seam, several back ends, one inside agent (the init).
//!
//! Invariants: nothing of the agent outlives [`Sandbox::close`]; a path made by the agent is never
//! followed on the host; a missing layer is told, never papered over. Must not know: tasks' meaning,
//! agents, scores. `unsafe` lives only below this module, each use with a SAFETY note.

mod advice;
mod apart;
mod attempt;
mod cgroup;
mod changes;
mod channel;
mod container;
mod fake;
mod image;
mod init;
mod janitor;
mod launcher;
mod layout;
mod memory;
mod meter;
mod nowhere;
mod nursery;
#[cfg(feature = "oci")]
mod oci;
mod pass;
mod probe;
mod remote;
mod scratch;
mod shelf;
mod snapshot;
mod spare;
mod start;
mod state;
mod stream;
mod wire;

pub use apart::Apart;
pub use changes::{Change, Changed, Changes};
pub use container::{Answer, engines};
pub use image::{WITH_IMAGES, image_from, no_images};
pub use launcher::Launcher;
pub use memory::Memory;
pub use nowhere::nowhere;
#[cfg(feature = "oci")]
pub use oci::{Collected, Images, Kept, Policy, Settings};
pub use probe::BACKENDS;
pub use snapshot::Snapshot;
pub use state::{About, KeptState, State, StateHead, sweep_states};

pub use wire::DAMAGED;

use crate::model::{LayerState, LimitKind};
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::pin::Pin;
use std::process::ExitCode;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};

/// Runs the helper (nursery, janitor) that this process was re-executed as; `None` for the real program.
///
/// Told apart by a first argument (`argv[0]`) that only the harness sets. Single-threaded.
pub fn run_if_helper() -> Option<ExitCode> {
    let mut words = std::env::args_os();
    let name = words.next()?;
    if words.next().is_some_and(|word| word == apart::MARK) {
        return Some(init::untrusted::main());
    }
    if name == nursery::NAME {
        Some(nursery::main())
    } else if name == janitor::NAME {
        Some(janitor::main())
    } else if name == container::NAME {
        Some(container::main())
    } else {
        #[cfg(feature = "oci")]
        if name == oci::NAME {
            return Some(oci::main());
        }
        None
    }
}

/// What isolation a sandbox has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// No isolation at all: trusted code only (`none`, `fake`).
    None,
    /// Landlock, seccomp, rlimits.
    Process,
    /// User namespace of an ordinary user.
    User,
    /// Root inside, copy-on-write overlay of the host.
    Overlay,
    /// A container: what isolates it is the business of its runtime.
    Container,
}

impl Level {
    /// The word of the command line and of records.
    pub fn as_str(self) -> &'static str {
        match self {
            Level::None => "none",
            Level::Process => "process",
            Level::User => "user",
            Level::Overlay => "overlay",
            Level::Container => "container",
        }
    }
}

/// How one sandbox shall be.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Config {
    /// Label for diagnostics, for example the attempt id.
    pub label: String,
    /// Host names, and what they resolve to inside: an address of the loopback.
    pub hosts: Vec<(String, Ipv4Addr)>,
    /// Certificate (PEM) of an authority that programs inside trust, beside those of the host.
    pub authority: Option<String>,
    /// Environment of everything inside, beyond the clean default.
    pub env: BTreeMap<String, String>,
    /// Read-only mounts: host folder, path inside.
    pub mounts: Vec<(String, String)>,
    /// Memory in bytes.
    pub memory: Option<u64>,
    /// CPUs.
    pub cpus: Option<f64>,
    /// Processes.
    pub pids: Option<u64>,
    /// Disk in bytes. Where files lie in memory, at most seven eighths of `memory`, as they count against that too.
    pub disk: Option<u64>,
    /// What stands under `/`, if the launcher has nothing for all sandboxes: `oci:IMAGE`, `container:IMAGE`; anything
    /// else are the host's system folders.
    pub root: String,
    /// Files, folders and links that programs can make.
    pub inodes: Option<u64>,
    /// Open files of one process.
    pub open_files: Option<u64>,
    /// Bytes that all programs together may print to the harness.
    pub output: Option<u64>,
    /// CPU time of all programs together.
    pub cpu_time: Option<Duration>,
    /// Whether programs share the host's network, in place of a loopback of their own.
    pub host_network: bool,
    /// Whether [`Sandbox::changes`] will be asked.
    pub changes: bool,
    /// Whether [`Sandbox::keep`] or [`Sandbox::snapshot`] may be asked.
    pub keep: bool,
    /// The files that it starts with, of a sandbox of the same level and image.
    pub from: Option<Snapshot>,
}

/// A program to start inside.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Command {
    /// Program and arguments; the program is looked up in the sandbox's PATH.
    pub argv: Vec<String>,
    /// Environment on top of the sandbox's.
    pub env: BTreeMap<String, String>,
    /// Working folder as seen inside; `/workspace` if empty. It is mapped like the paths of [`Files`].
    pub cwd: String,
    /// Whether it runs on a PTY of its own, as session leader (columns, rows).
    pub pty: Option<(u16, u16)>,
    /// Whether the PTY is for a person: it echoes and translates newlines, as terminals do.
    pub person: bool,
    /// Whether it gets an extra pipe, open for writing as this descriptor number; the read end is
    /// [`Process::status`].
    pub status_fd: Option<i32>,
    /// Whether it runs as the unprivileged second user of the sandbox where the level has one.
    pub unprivileged: bool,
    /// Whether it runs as root inside, though the sandbox's image names another user.
    pub root: bool,
}

/// A readable stream of a process.
pub type Reader = Pin<Box<dyn AsyncRead + Send>>;
/// A writable stream of a process.
pub type Writer = Pin<Box<dyn AsyncWrite + Send>>;

/// A running program. Dropping it does not kill it; closing the sandbox does.
pub struct Process {
    /// Standard input, or the PTY's writing side.
    pub stdin: Option<Writer>,
    /// Standard output, or all output of the PTY.
    pub stdout: Option<Reader>,
    /// Standard error; `None` on a PTY.
    pub stderr: Option<Reader>,
    /// The extra status pipe, when asked for.
    pub status: Option<Reader>,
    /// Signals and end.
    pub control: Box<dyn ProcessControl>,
}

/// A signal that can be sent to a process inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGINT.
    Int,
    /// SIGQUIT.
    Quit,
    /// SIGTERM.
    Term,
    /// SIGKILL.
    Kill,
    /// SIGCONT.
    Cont,
    /// SIGTSTP.
    Stop,
    /// SIGHUP.
    Hup,
    /// SIGUSR1.
    User1,
    /// SIGUSR2.
    User2,
}

/// To whom a signal goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignalTarget {
    /// The process alone.
    Process,
    /// Its process group.
    Group,
    /// The foreground process group of its PTY.
    Foreground,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// With this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

impl Exit {
    /// The code as a shell says it: 128 + signal.
    pub fn shell_code(self) -> i32 {
        match self {
            Exit::Code(code) => code,
            Exit::Signal(signal) => 128 + signal,
        }
    }
}

/// Control of one process.
#[async_trait]
pub trait ProcessControl: Send + Sync {
    /// Sends a signal; an ended process is no error.
    async fn signal(&self, signal: Signal, target: SignalTarget) -> Result<(), SandboxError>;
    /// Waits for the end. Cancel-safe and repeatable.
    async fn wait(&mut self) -> Result<Exit, SandboxError>;
    /// Whether the foreground group of the PTY is not the process itself, i.e. a program runs in the shell.
    async fn foreground_busy(&self) -> Result<bool, SandboxError>;
    /// Puts the modes of the PTY back to what they were at the start (no echo, no ONLCR), whatever a program
    /// made of them. Nothing to do without a PTY.
    fn reset_terminal(&self) -> Result<(), SandboxError> {
        Ok(())
    }
    /// Sets the size of the PTY (columns, rows); the program is told by SIGWINCH. Nothing to do without a PTY.
    fn resize(&self, _: (u16, u16)) -> Result<(), SandboxError> {
        Ok(())
    }
}

/// What kind of thing a path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// Regular file.
    File,
    /// Folder.
    Folder,
    /// Symbolic link.
    Symlink,
    /// Anything else.
    Other,
}

/// Metadata of a path; links are not followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileStat {
    /// Name relative to the listed folder, or the path asked for. Lossy UTF-8.
    pub path: String,
    /// What it is.
    pub kind: FileKind,
    /// Bytes.
    pub size: u64,
    /// Permission bits.
    pub mode: u32,
}

/// File access, served from inside the sandbox.
///
/// Paths are absolute as the agent sees them, or relative to `/workspace`. In level `process`,
/// `/workspace/…` means the attempt's private folder.
#[async_trait]
pub trait Files: Send + Sync {
    /// Reads a regular file of at most `max` bytes. Links are followed inside only.
    async fn read(&self, path: &str, max: u64) -> Result<Vec<u8>, FileError>;
    /// Writes a whole file, its folders made as needed.
    async fn write(&self, path: &str, bytes: &[u8], mode: u32) -> Result<(), FileError>;
    /// Metadata.
    async fn stat(&self, path: &str) -> Result<FileStat, FileError>;
    /// Everything below a folder down to `depth` levels, sorted by path.
    async fn list(&self, path: &str, depth: u32) -> Result<Vec<FileStat>, FileError>;
    /// Removes a file.
    async fn remove(&self, path: &str) -> Result<(), FileError>;
}

/// Why a file operation failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// No such path.
    #[error("{0}: no such file or directory")]
    NotFound(String),
    /// Not what was expected: a folder, a device, a FIFO.
    #[error("{path}: {what}")]
    WrongKind {
        /// The path.
        path: String,
        /// For example `is a directory`.
        what: String,
    },
    /// Over the size cap.
    #[error("{path}: {size} bytes are more than the limit of {max}")]
    TooLarge {
        /// The path.
        path: String,
        /// Its size.
        size: u64,
        /// The cap.
        max: u64,
    },
    /// The system said no.
    #[error("{path}: {reason}")]
    Denied {
        /// The path.
        path: String,
        /// The errno in words.
        reason: String,
    },
    /// The sandbox is gone.
    #[error("{0}")]
    Gone(String),
}

/// Why a sandbox could not do something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SandboxError {
    /// One lower-case sentence with the layer and the errno in words.
    pub message: String,
    /// What the user may do.
    pub hint: Option<String>,
    /// The system's error number, where it was the system that said no.
    pub errno: Option<i32>,
}

impl SandboxError {
    /// An error without a hint.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, errno: None }
    }
}

/// What was found when a sandbox was closed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExitReport {
    /// Limits that were hit.
    pub limits: Vec<LimitKind>,
    /// Processes that were still alive and were killed.
    pub leftovers: u64,
}

/// A running sandbox.
#[async_trait]
pub trait Sandbox: Send + Sync {
    /// Its level.
    fn level(&self) -> Level;
    /// Its layers, in the order of DESIGN 9.
    fn layers(&self) -> &[LayerState];
    /// The real path of `/workspace` for programs inside (`/workspace` itself except in `process` and `none`).
    fn workspace(&self) -> &str;
    /// Where a path of [`Files`] lies for programs inside: itself, but in `process` and `none`, where
    /// `/workspace/…` and `/tests/…` (hidden files of a probe) lie in private folders of the attempt.
    fn resolve(&self, path: &str) -> String;
    /// Starts a program.
    async fn spawn(&self, command: Command) -> Result<Process, SandboxError>;
    /// File access from inside.
    fn files(&self) -> &dyn Files;
    /// A listener on the sandbox's loopback (`127.0.0.1:port`, 0 for any). Where the sandbox shares
    /// the host's network, the port is always a random one. The address that was bound comes back.
    async fn listen(&self, port: u16) -> Result<(std::net::TcpListener, SocketAddr), SandboxError> {
        self.listen_at(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)).await
    }
    /// The same at another address of the sandbox's loopback; where it shares the host's network, 127.0.0.1.
    async fn listen_at(&self, at: SocketAddrV4) -> Result<(std::net::TcpListener, SocketAddr), SandboxError>;
    /// Kills everything inside but the init; files can still be read.
    async fn freeze(&self) -> Result<ExitReport, SandboxError>;
    /// Kills everything and removes every trace. A second call does nothing.
    async fn close(&self) -> ExitReport;
    /// Adds a variable to the environment of programs that are started from now on (services get their
    /// address only after the sandbox is up).
    fn set_env(&self, name: &str, value: &str);
    /// Whether programs have a network of their own: then each address of the loopback is free for services, and
    /// what does not lead to one leads nowhere.
    fn own_network(&self) -> bool {
        self.level() >= Level::User
    }
    /// Waits for a limit that ends all work: CPU time or output. Everything inside is dead or mute then. Pending
    /// for ever where there is no such limit. Cancel-safe.
    async fn breached(&self) -> LimitKind {
        std::future::pending().await
    }
    /// CPU time that all programs of the sandbox have used so far, as far as they are alive or were waited for.
    async fn cpu_time(&self) -> Result<Duration, SandboxError> {
        Err(SandboxError::new("this sandbox does not tell CPU time"))
    }
    /// Notes how the files are now, for [`Sandbox::changes`]; only where the configuration asked for it.
    async fn mark(&self) -> Result<(), SandboxError> {
        Err(SandboxError::new("this sandbox does not note changes of files"))
    }
    /// What has become of the files since [`Sandbox::mark`].
    async fn changes(&self) -> Result<Changes, SandboxError> {
        Err(SandboxError::new("this sandbox does not note changes of files"))
    }
    /// Kills everything inside and writes the files into a file of the host, with at most `max` bytes of content; only
    /// where the configuration asked for it. The file is there when it is whole.
    async fn keep(&self, _: &std::path::Path, _: &About, _: u64) -> Result<KeptState, SandboxError> {
        Err(SandboxError::new("this sandbox has no files to keep"))
    }
    /// Kills everything inside and makes a snapshot of the files; only where the configuration asked for it. Nothing
    /// changes in this sandbox afterwards where its level shows snapshots copy-on-write.
    async fn snapshot(&self) -> Result<Snapshot, SandboxError> {
        Err(SandboxError::new("this sandbox has no files to keep"))
    }
    /// What of a kept state could not be put into this sandbox: how many files, and why the first of them.
    fn missing(&self) -> Option<(u64, String)> {
        None
    }
}

/// Which back end, and how strict.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Choice {
    /// `namespaces` (also when empty), `none`, `fake`, `oci:IMAGE`, which are namespaces that show an image, or
    /// `container:IMAGE`.
    pub backend: String,
    /// The level asked for; `None` takes the best that the machine has.
    pub level: Option<Level>,
    /// Layers that must be on.
    pub require: Vec<String>,
    /// Folders of the harness (suites, the run, its home) that programs inside must not see, should they lie below one
    /// that is shared with them. What is not there is ignored.
    pub hide: Vec<std::path::PathBuf>,
    /// The program that is re-executed as init and janitor; `None` takes the running one. Tests name the
    /// built `rolltape`, as their own binary can't be it.
    pub helper: Option<std::path::PathBuf>,
    /// Where images are kept, for `oci:IMAGE` here and in suites.
    pub images: Option<std::path::PathBuf>,
    /// Files of podman or docker with logins for registries, best first.
    pub logins: Vec<std::path::PathBuf>,
    /// The program that runs containers; `None` takes docker or podman, whichever has the image.
    pub engine: Option<String>,
    /// Variables that it needs, for who removes containers of a dead harness.
    pub vars: Vec<(String, String)>,
}
