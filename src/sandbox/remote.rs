//! A sandbox behind an init: every level, and `none`.

use super::channel::{Channel, Refusal};
use super::image::Image;
use super::meter::Meter;
use super::snapshot::{Place, Snapshot};
use super::state::{self, About, KeptState, State, StateHead, Young};
use super::stream::Terminal;
use super::wire::{Dec, Enc, WRONG_KIND, failed, kind, limit};
use super::{
    Changes, Command, Exit, ExitReport, FileError, FileKind, FileStat, Files, Level, Process, ProcessControl,
    Reader, Sandbox, SandboxError, Signal, SignalTarget, Writer, layout,
};
use crate::model::{LayerState, LimitKind};
use async_trait::async_trait;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, SocketAddrV4, TcpListener};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// A running sandbox as the harness sees it.
#[derive(Debug)]
pub(super) struct Remote {
    pub(super) level: Level,
    pub(super) layers: Vec<LayerState>,
    pub(super) workspace: String,
    pub(super) folder: String,
    pub(super) files: RemoteFiles,
    /// Counts what programs print, where that is limited.
    pub(super) meter: Option<Meter>,
    /// Whether the loopback is the sandbox's own.
    pub(super) own_network: bool,
    pub(super) env: Mutex<Vec<(String, String)>>,
    /// Processes killed by a freeze, and the limits that the init saw hit (bits of [`limit`]).
    pub(super) found: Mutex<(u64, u8)>,
    /// Whether it was started to be kept.
    pub(super) keep: bool,
    /// Snapshots that were made of it.
    pub(super) kept: AtomicU32,
    /// First id of its files on the host.
    pub(super) uid: u32,
    /// Parts of the snapshot that it started on.
    pub(super) base: Vec<(String, String)>,
    /// The image that it shows.
    pub(super) image: Option<Image>,
    /// What of a kept state could not be unpacked.
    pub(super) missing: (u64, String),
    /// What is left to tidy up on the host; taken by the first `close`.
    pub(super) rest: Mutex<Option<super::attempt::Rest>>,
}

/// File access through the init.
#[derive(Debug)]
pub(super) struct RemoteFiles(pub(super) Arc<Channel>);

impl Remote {
    fn channel(&self) -> &Arc<Channel> {
        &self.files.0
    }

    /// Whether paths of the agent are real inside.
    fn own_root(&self) -> bool {
        self.level >= Level::User
    }
}

#[async_trait]
impl Sandbox for Remote {
    fn level(&self) -> Level {
        self.level
    }

    fn layers(&self) -> &[LayerState] {
        &self.layers
    }

    fn workspace(&self) -> &str {
        &self.workspace
    }

    fn resolve(&self, path: &str) -> String {
        if self.own_root() { layout::absolute(path) } else { layout::resolve(&self.folder, path) }
    }

    async fn spawn(&self, command: Command) -> Result<Process, SandboxError> {
        let mut out = Enc::default();
        let mut env = self.env.lock().unwrap_or_else(PoisonError::into_inner).clone();
        env.extend(command.env.iter().map(|(name, value)| (name.clone(), value.clone())));
        out.texts(command.argv.iter()).pairs(env.iter().map(|(a, b)| (a, b))).text(&command.cwd);
        match command.pty {
            None => out.u8(0),
            Some((columns, rows)) => {
                out.u8(if command.person { 2 } else { 1 }).u32(columns.into()).u32(rows.into())
            }
        };
        if let Some(number) = command.status_fd
            && !(3..200).contains(&number)
        {
            return Err(SandboxError::new(format!("a status pipe can't be descriptor {number}")));
        }
        out.u32(command.status_fd.unwrap_or(0) as u32).u8(match (command.unprivileged, command.root) {
            (true, _) => 1,
            (false, true) => 2,
            _ => 0,
        });
        let (fields, descriptors) = self.channel().ask(kind::SPAWN, &out.0).await?;
        let number = Dec(&fields).u32().map_err(|error| failed("start a program", &error))?;
        let exit = self.channel().exit_of(number);
        let control = Control { channel: Arc::clone(self.channel()), number, exit, terminal: None };
        let mut process = streams(descriptors, command.pty.is_some(), command.status_fd.is_some(), control)
            .map_err(|error| failed("take over a program's streams", &error))?;
        if let Some(meter) = &self.meter {
            for stream in [&mut process.stdout, &mut process.stderr, &mut process.status] {
                *stream = stream.take().map(|stream| meter.count(stream));
            }
        }
        Ok(process)
    }

    fn files(&self) -> &dyn Files {
        &self.files
    }

    async fn listen_at(&self, at: SocketAddrV4) -> Result<(TcpListener, SocketAddr), SandboxError> {
        let listener = if self.own_network {
            let mut out = Enc::default();
            out.u32(at.ip().to_bits()).u32(at.port().into());
            let (_, mut descriptors) = self.channel().ask(kind::LISTEN, &out.0).await?;
            TcpListener::from(descriptors.pop().ok_or_else(|| SandboxError::new("no listener came back"))?)
        } else {
            // The network is the host's: a fixed port may be somebody else's.
            TcpListener::bind(("127.0.0.1", 0)).map_err(|error| failed("listen on 127.0.0.1", &error))?
        };
        let address = listener.local_addr().map_err(|error| failed("listen on 127.0.0.1", &error))?;
        listener.set_nonblocking(true).map_err(|error| failed("listen on 127.0.0.1", &error))?;
        Ok((listener, address))
    }

    async fn freeze(&self) -> Result<ExitReport, SandboxError> {
        let (fields, _) = self.channel().ask(kind::FREEZE, &[]).await?;
        let leftovers = self.count(&fields).map_err(|error| failed("freeze", &error))?;
        let groups = {
            let rest = self.rest.lock().unwrap_or_else(PoisonError::into_inner);
            rest.as_ref().map_or_else(Vec::new, super::attempt::Rest::limits)
        };
        Ok(ExitReport { limits: self.limits(groups), leftovers })
    }

    async fn close(&self) -> ExitReport {
        let rest = self.rest.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(rest) = rest else { return ExitReport::default() };
        if let Ok((fields, _)) = self.channel().ask(kind::FREEZE, &[]).await {
            let _ = self.count(&fields);
        }
        let limits = self.limits(rest.limits());
        self.channel().hang_up();
        rest.end(self.channel()).await;
        ExitReport { limits, leftovers: self.found.lock().unwrap_or_else(PoisonError::into_inner).0 }
    }

    fn set_env(&self, name: &str, value: &str) {
        self.env.lock().unwrap_or_else(PoisonError::into_inner).push((name.to_owned(), value.to_owned()));
    }

    fn own_network(&self) -> bool {
        self.own_network
    }

    async fn breached(&self) -> LimitKind {
        self.channel().breach().wait().await
    }

    async fn cpu_time(&self) -> Result<Duration, SandboxError> {
        let (fields, _) = self.channel().ask(kind::CPU_TIME, &[]).await?;
        let millis = Dec(&fields).u64().map_err(|error| failed("read the CPU time", &error))?;
        Ok(Duration::from_millis(millis))
    }

    async fn mark(&self) -> Result<(), SandboxError> {
        self.channel().ask(kind::MARK, &[]).await?;
        Ok(())
    }

    async fn changes(&self) -> Result<Changes, SandboxError> {
        let (fields, _) = self.channel().ask(kind::CHANGES, &[]).await?;
        Changes::decode(&fields).map_err(|error| failed("read the changes", &error))
    }

    async fn keep(&self, path: &Path, about: &About, max: u64) -> Result<KeptState, SandboxError> {
        self.may_keep()?;
        let what = || format!("write the state '{}'", path.display());
        let head = self.head(about);
        let young = Young::begin(path, &head).map_err(|error| failed(&what(), &error))?;
        let file = young.file().map_err(|error| failed(&what(), &error))?;
        let (kept, _) = self.pack(file, max, &what()).await?;
        let done = tokio::task::spawn_blocking(move || young.finish()).await;
        done.unwrap_or_else(|_| Err(std::io::ErrorKind::Interrupted.into()))
            .map_err(|error| failed(&what(), &error))?;
        Ok(kept)
    }

    async fn snapshot(&self) -> Result<Snapshot, SandboxError> {
        self.may_keep()?;
        self.freeze().await?;
        if !self.own_root() {
            let what = "write a snapshot";
            let file = State::unnamed(&self.head(&About::default())).map_err(|error| failed(what, &error))?;
            let (_, file) = self.pack(file, u64::MAX, what).await?;
            let state = State::packed(file).ok_or_else(|| SandboxError::new("a snapshot can't be read"))?;
            return Ok(Snapshot::packed(state));
        }
        let (nursery, janitor) = {
            let rest = self.rest.lock().unwrap_or_else(PoisonError::into_inner);
            rest.as_ref()
                .and_then(super::attempt::Rest::helpers)
                .ok_or_else(|| SandboxError::new("the sandbox is gone"))?
        };
        let (fields, mut given) = self.channel().ask(kind::GIVE, &[]).await?;
        let layers = Dec(&fields).pairs().map_err(|error| failed("read a snapshot", &error))?;
        let tree = given.pop().ok_or_else(|| SandboxError::new("no file system came back"))?;
        let folder = format!("{}-kept-{}", self.folder, self.kept.fetch_add(1, Ordering::Relaxed));
        let place =
            Place { nursery, janitor, folder, level: self.level, uid: self.uid, image: self.image.clone() };
        Snapshot::of_tree(place, tree, layers).await
    }

    fn missing(&self) -> Option<(u64, String)> {
        Some(self.missing.clone()).filter(|(count, _)| *count > 0)
    }
}

impl Remote {
    fn may_keep(&self) -> Result<(), SandboxError> {
        if self.level == Level::Container {
            return Err(SandboxError::new("the files of a container can't be kept"));
        }
        if !self.base.is_empty() {
            return Err(SandboxError::new("a sandbox that was started on a snapshot can't be kept itself"));
        }
        if !self.keep {
            return Err(SandboxError::new("this sandbox was not started to be kept"));
        }
        Ok(())
    }

    fn head(&self, about: &About) -> StateHead {
        let About { attempt, image, digest } = about.clone();
        StateHead { attempt, level: self.level, image, digest }
    }

    /// Has the init write its files into `file`, which comes back.
    async fn pack(&self, file: File, max: u64, what: &str) -> Result<(KeptState, File), SandboxError> {
        let (pipe, work) = state::drain(file)?;
        let mut out = Enc::default();
        out.u64(max);
        let answer = self.channel().ask_with(kind::PACK, &out.0, vec![pipe]).await;
        let written = work.await.unwrap_or_else(|_| Err(std::io::ErrorKind::Interrupted.into()));
        // That the disk is full comes first: it broke the pipe.
        let file = written.map_err(|error| failed(what, &error))?;
        let (fields, _) = answer?;
        let mut from = Dec(&fields);
        let mut read = || -> std::io::Result<KeptState> {
            let (entries, bytes) = (from.u64()?, from.u64()?);
            Ok(KeptState { entries, bytes, left_out: from.u64()?, cut: from.u8()? == 1 })
        };
        Ok((read().map_err(|error| failed(what, &error))?, file))
    }
}

impl Remote {
    /// Takes in the answer to a freeze; gives how many were killed in all.
    fn count(&self, fields: &[u8]) -> std::io::Result<u64> {
        let mut from = Dec(fields);
        let (killed, hit) = (from.u64()?, from.u8()?);
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.0 += killed;
        found.1 |= hit;
        Ok(found.0)
    }

    /// What control groups or the init saw hit.
    fn limits(&self, mut limits: Vec<LimitKind>) -> Vec<LimitKind> {
        let seen = self.found.lock().unwrap_or_else(PoisonError::into_inner).1;
        let bits = [
            (limit::CPU, LimitKind::Cpu),
            (limit::DISK, LimitKind::Disk),
            (limit::OOM, LimitKind::Oom),
            (limit::PIDS, LimitKind::Pids),
        ];
        limits.extend(bits.iter().filter(|(bit, _)| seen & bit != 0).map(|(_, kind)| *kind));
        limits.extend(self.channel().breach().get());
        // What ended all work comes first, then what the others may follow from.
        let order = [LimitKind::Cpu, LimitKind::Output, LimitKind::Disk, LimitKind::Oom, LimitKind::Pids];
        order.into_iter().filter(|kind| limits.contains(kind)).collect()
    }
}

fn streams(
    descriptors: Vec<OwnedFd>,
    pty: bool,
    status: bool,
    mut control: Control,
) -> std::io::Result<Process> {
    use tokio::net::unix::pipe;
    let mut descriptors = descriptors.into_iter();
    let mut next = || descriptors.next().ok_or_else(|| std::io::Error::other("a descriptor is missing"));
    let reader = |descriptor: OwnedFd| -> std::io::Result<Reader> {
        Ok(Box::pin(pipe::Receiver::from_owned_fd(descriptor)?))
    };
    let (stdin, stdout, stderr): (Writer, Reader, Option<Reader>) = if pty {
        let terminal = Terminal::new(next()?)?;
        control.terminal = Some(terminal.clone());
        (Box::pin(terminal.clone()), Box::pin(terminal), None)
    } else {
        let stdin = pipe::Sender::from_owned_fd(next()?)?;
        (Box::pin(stdin), reader(next()?)?, Some(reader(next()?)?))
    };
    let status = if status { Some(reader(next()?)?) } else { None };
    Ok(Process { stdin: Some(stdin), stdout: Some(stdout), stderr, status, control: Box::new(control) })
}

struct Control {
    channel: Arc<Channel>,
    number: u32,
    exit: watch::Receiver<Option<Exit>>,
    terminal: Option<Terminal>,
}

#[async_trait]
impl ProcessControl for Control {
    async fn signal(&self, signal: Signal, target: SignalTarget) -> Result<(), SandboxError> {
        let signal = match signal {
            Signal::Int => libc::SIGINT,
            Signal::Quit => libc::SIGQUIT,
            Signal::Term => libc::SIGTERM,
            Signal::Kill => libc::SIGKILL,
            Signal::Cont => libc::SIGCONT,
            Signal::Stop => libc::SIGTSTP,
            Signal::Hup => libc::SIGHUP,
            Signal::User1 => libc::SIGUSR1,
            Signal::User2 => libc::SIGUSR2,
        };
        let target = match target {
            SignalTarget::Process => 0,
            SignalTarget::Group => 1,
            SignalTarget::Foreground => 2,
        };
        let mut out = Enc::default();
        out.u32(self.number).u32(signal as u32).u8(target);
        self.channel.ask(kind::SIGNAL, &out.0).await?;
        Ok(())
    }

    async fn wait(&mut self) -> Result<Exit, SandboxError> {
        let end = self.exit.wait_for(Option::is_some).await.ok().and_then(|exit| *exit);
        end.ok_or_else(|| SandboxError::new("the sandbox is gone"))
    }

    async fn foreground_busy(&self) -> Result<bool, SandboxError> {
        let mut out = Enc::default();
        out.u32(self.number);
        Ok(self.channel.ask(kind::BUSY, &out.0).await?.0.first() == Some(&1))
    }

    fn reset_terminal(&self) -> Result<(), SandboxError> {
        match &self.terminal {
            Some(terminal) => terminal.reset().map_err(|error| failed("reset the PTY's modes", &error)),
            None => Ok(()),
        }
    }

    fn resize(&self, size: (u16, u16)) -> Result<(), SandboxError> {
        match &self.terminal {
            Some(terminal) => terminal.resize(size).map_err(|error| failed("resize the PTY", &error)),
            None => Ok(()),
        }
    }
}

fn file_error(path: &str, refusal: Refusal) -> FileError {
    let path = path.to_owned();
    if refusal.gone {
        return FileError::Gone(refusal.what);
    }
    match refusal.code as i32 {
        _ if refusal.code == WRONG_KIND => FileError::WrongKind { path, what: refusal.what },
        libc::ENOENT => FileError::NotFound(path),
        libc::ENOTDIR => FileError::WrongKind { path, what: "is not a directory".to_owned() },
        libc::EXDEV => FileError::Denied { path, reason: "a link leads out of the workspace".to_owned() },
        _ => FileError::Denied { path, reason: refusal.what },
    }
}

fn denied(path: &str, error: &std::io::Error) -> FileError {
    FileError::Denied { path: path.to_owned(), reason: super::wire::words(error) }
}

fn decoded<T>(path: &str, value: std::io::Result<T>) -> Result<T, FileError> {
    value.map_err(|error| denied(path, &error))
}

impl RemoteFiles {
    async fn ask(&self, kind: u8, path: &str, fields: Enc) -> Result<(Vec<u8>, Vec<OwnedFd>), FileError> {
        self.0.ask(kind, &fields.0).await.map_err(|refusal| file_error(path, refusal))
    }
}

fn stat_of(from: &mut Dec<'_>) -> std::io::Result<FileStat> {
    Ok(FileStat {
        path: from.text()?,
        kind: match from.u8()? {
            0 => FileKind::File,
            1 => FileKind::Folder,
            2 => FileKind::Symlink,
            _ => FileKind::Other,
        },
        size: from.u64()?,
        mode: from.u32()?,
    })
}

fn path_only(path: &str) -> Enc {
    let mut out = Enc::default();
    out.text(path);
    out
}

#[async_trait]
impl Files for RemoteFiles {
    async fn read(&self, path: &str, max: u64) -> Result<Vec<u8>, FileError> {
        let (fields, mut descriptors) = self.ask(kind::READ, path, path_only(path)).await?;
        let size = decoded(path, Dec(&fields).u64())?;
        let too_large = |size| FileError::TooLarge { path: path.to_owned(), size, max };
        if size > max {
            return Err(too_large(size));
        }
        let Some(file) = descriptors.pop() else {
            return Err(FileError::Gone("the file did not come back".to_owned()));
        };
        // A regular file, opened inside; it may still grow, so the cap holds for what is read too.
        let read = move || {
            let mut bytes = Vec::with_capacity(size.min(1 << 20) as usize);
            std::fs::File::from(file).take(max.saturating_add(1)).read_to_end(&mut bytes).map(|_| bytes)
        };
        let bytes = if size <= 65536 { read() } else { blocking(read).await };
        let bytes = decoded(path, bytes)?;
        if bytes.len() as u64 > max { Err(too_large(bytes.len() as u64)) } else { Ok(bytes) }
    }

    async fn write(&self, path: &str, bytes: &[u8], mode: u32) -> Result<(), FileError> {
        let mut out = path_only(path);
        out.u32(mode);
        let (_, mut descriptors) = self.ask(kind::WRITE, path, out).await?;
        let Some(file) = descriptors.pop() else {
            return Err(FileError::Gone("the file did not come back".to_owned()));
        };
        let mut file = std::fs::File::from(file);
        let written = if bytes.len() <= 65536 {
            file.write_all(bytes)
        } else {
            let bytes = bytes.to_vec();
            blocking(move || file.write_all(&bytes)).await
        };
        decoded(path, written)
    }

    async fn stat(&self, path: &str) -> Result<FileStat, FileError> {
        let (fields, _) = self.ask(kind::STAT, path, path_only(path)).await?;
        decoded(path, stat_of(&mut Dec(&fields)))
    }

    async fn list(&self, path: &str, depth: u32) -> Result<Vec<FileStat>, FileError> {
        let mut out = path_only(path);
        out.u32(depth);
        let (fields, _) = self.ask(kind::LIST, path, out).await?;
        let mut from = Dec(&fields);
        let count = decoded(path, from.u32())?;
        let all: std::io::Result<Vec<_>> = (0..count).map(|_| stat_of(&mut from)).collect();
        let mut all = decoded(path, all)?;
        all.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(all)
    }

    async fn remove(&self, path: &str) -> Result<(), FileError> {
        self.ask(kind::REMOVE, path, path_only(path)).await.map(drop)
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> std::io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err(std::io::ErrorKind::Interrupted.into()))
}
