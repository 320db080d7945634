//! The one inside agent of a sandbox: single-threaded, exec'd before anything is mounted, then only forks.
//!
//! It reaps, opens PTYs, starts programs and opens files from inside; the streams themselves go straight
//! between the program and the harness. When its control socket closes, everything inside dies with it. It must never resolve names or load libraries: glibc would then read files
//! of the agent.

mod calls;
mod confine;
mod contained;
mod files;
mod hold;
mod host;
mod image;
mod layered;
mod ledger;
mod network;
mod pack;
mod reap;
mod seccomp;
mod shadow;
mod spawn;
mod trust;
mod unpack;
pub(super) mod untrusted;
mod watch;
mod world;

use super::pass::{Inbox, send_all};
use super::wire::{self, Dec, Enc, Spec, kind};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::ExitCode;
use std::time::Instant;

pub(super) use host::remember;
pub(super) use network::Next;

/// Becomes root of a user namespace that maps this process's ids.
#[cfg(feature = "oci")]
pub(super) fn become_root() -> io::Result<()> {
    confine::become_user(0)
}

/// The level of a container.
const CONTAINER: u8 = crate::sandbox::Level::Container as u8;

/// A failure to be told: errno (or [`wire::WRONG_KIND`]) and a sentence.
#[derive(Debug)]
pub(super) struct Failure {
    code: u32,
    what: String,
}

impl Failure {
    fn new(what: impl Into<String>) -> Self {
        Self { code: 0, what: what.into() }
    }

    fn io(what: &str, error: &io::Error) -> Self {
        let code = error.raw_os_error().unwrap_or(0) as u32;
        Self { code, what: format!("{what}: {}", wire::words(error)) }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self { code: error.raw_os_error().unwrap_or(0) as u32, what: wire::words(&error) }
    }
}

impl From<rustix::io::Errno> for Failure {
    fn from(error: rustix::io::Errno) -> Self {
        io::Error::from(error).into()
    }
}

/// Adds what was tried to an error.
trait During<T> {
    fn during(self, what: &str) -> Result<T, Failure>;
}

impl<T, E: Into<io::Error>> During<T> for Result<T, E> {
    fn during(self, what: &str) -> Result<T, Failure> {
        self.map_err(|error| Failure::io(what, &error.into()))
    }
}

/// What a request gives back.
type Answer = Result<(Vec<u8>, Vec<OwnedFd>), Failure>;

/// The signal descriptor, what is in hand of the root, and what is to be told of the place.
type Ready = (OwnedFd, world::Built, Vec<u8>);

/// A running program as the init knows it.
#[derive(Debug)]
struct Program {
    pid: i32,
    /// The PTY's master, kept to ask for the foreground group.
    terminal: Option<OwnedFd>,
}

/// Everything that the init knows.
struct Init {
    control: OwnedFd,
    spec: Spec,
    programs: BTreeMap<u32, Program>,
    next: u32,
    /// Where the kernel does not hold a limit, or does not tell that it was hit.
    watch: Option<watch::Watch>,
    ledger: ledger::Ledger,
    /// Parts of the root that may be asked for, and the file system that they lie in.
    sections: Vec<pack::Section>,
    tree: Option<OwnedFd>,
    /// Whether a snapshot lies on these files: then they may not change.
    sealed: bool,
    /// The files of a snapshot, in its keeper.
    held: Option<hold::Held>,
}

/// What has come of a request for an init.
pub(super) enum Birth {
    /// In the process that asked: the init's process id.
    Parent(i32),
    /// In the init itself: what [`main`] wants.
    Child(Begun),
}

/// What a new init begins with.
pub(super) struct Begun {
    /// As much of its spec as may be known of it beforehand, without the secrets of an attempt.
    spec: Box<Spec>,
    /// Where it hears from the outer side, if it has namespaces of its own.
    outer: Option<world::Outer>,
}

impl Begun {
    /// Of an init that was started by somebody else and knows nothing yet.
    pub(super) fn alone() -> Self {
        Self { spec: Box::default(), outer: None }
    }
}

/// Forks an init, in the higher levels into namespaces of its own. The sentence if that is refused.
pub(super) fn bear(spec: &[u8], next: &mut Next) -> Result<Birth, String> {
    let spec = Spec::decode(spec).map_err(|error| wire::words(&error))?;
    let born = if spec.level >= 2 {
        world::split(&spec, next).map(|side| side.map_err(Some))
    } else {
        spawn::fork().map(|pid| pid.ok_or(None))
    };
    match born {
        Ok(Ok(pid)) => Ok(Birth::Parent(pid)),
        Ok(Err(outer)) => Ok(Birth::Child(Begun { spec: Box::new(spec), outer })),
        Err(failure) => Err(failure.what),
    }
}

/// Runs the init until the harness hangs up.
pub(super) fn main(control: OwnedFd, begun: Begun) -> ExitCode {
    match run(control, begun) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::from(1),
    }
}

fn run(control: OwnedFd, begun: Begun) -> io::Result<()> {
    let Begun { spec: known, outer } = begun;
    // A session of its own: Ctrl-C on the harness's terminal is the harness's business.
    let _ = rustix::process::setsid();
    spawn::detach_standard_streams()?;
    let kept: Vec<BorrowedFd<'_>> =
        std::iter::once(control.as_fd()).chain(outer.as_ref().map(AsFd::as_fd)).collect();
    spawn::close_others(&kept)?;
    rustix::process::umask(rustix::fs::Mode::from_bits_truncate(0o022));
    // Nobody may want it for a long time: what takes long is done before anybody waits.
    let ahead = match &outer {
        Some(outer) if known.is_plain() => Some(world::ahead(&known, outer)),
        _ => None,
    };
    let mut inbox = Inbox::default();
    let (id, spec, given) = loop {
        if !inbox.fill(control.as_fd())? {
            return Ok(());
        }
        if let Some((frame, given)) = inbox.next()? {
            break (frame.id, Spec::decode(&frame.fields), given);
        }
    };
    let spec = match spec {
        Ok(spec) => spec,
        Err(error) => return reply(control.as_fd(), id, Err(error.into())),
    };
    // Opened while the host's files can be seen.
    let clock = watch::Clock::open(&spec);
    let ready = match ahead {
        Some(ahead) => ahead
            .and_then(|ahead| world::take(&known, &spec, ahead, given))
            .and_then(|built| settle(&spec, built)),
        None => prepare(&spec, outer, given),
    };
    let (signals, built, told) = match ready {
        Ok(ready) => ready,
        Err(failure) => return reply(control.as_fd(), id, Err(failure)),
    };
    reply(control.as_fd(), id, Ok((told, Vec::new())))?;
    let watch = watch::Watch::new(&spec, clock);
    let world::Built { views, sections, tree, held, .. } = built;
    let ledger = ledger::Ledger::new(views);
    let (programs, next, sealed) = (BTreeMap::new(), 1, false);
    let mut init = Init { control, spec, programs, next, watch, ledger, sections, tree, sealed, held };
    let ended = init.serve(&mut inbox, &signals);
    reap::kill_all(&init.spec);
    ended
}

/// Puts the process where the spec says. Returns the signal descriptor and what is in hand of the root.
fn prepare(spec: &Spec, outer: Option<world::Outer>, given: Vec<OwnedFd>) -> Result<Ready, Failure> {
    let mut built = world::Built::default();
    if let Some(outer) = outer {
        built = world::enter(spec, &outer, given)?;
    } else if spec.level == CONTAINER {
        let told = contained::enter(spec)?;
        confine::lock_down(spec)?;
        return Ok((reap::child_signals()?, built, told));
    } else {
        world::join(spec, 0)?;
        reap::become_reaper()?;
        private_folders(spec)?;
        if spec.uid != 0 {
            // While it may: afterwards nobody can take a capability out of the bounding set.
            confine::bound(&[]);
            confine::become_user(spec.uid).during("become an unprivileged user")?;
        }
        // As the attempt's user: what belongs to nobody else can be made by nobody else.
        if let Some(stream) = given.into_iter().next() {
            built.missing = unpack::unpack(stream, false, |name| private_folder(spec, name))?;
        }
        if spec.keep {
            for name in KEPT {
                if let Some(top) = private_folder(spec, name)? {
                    let name = (*name).to_owned();
                    built.sections.push(pack::Section { path: name.clone(), name, top });
                }
            }
        }
    }
    settle(spec, built)
}

/// Gives up what nobody inside may do.
fn settle(spec: &Spec, built: world::Built) -> Result<Ready, Failure> {
    if spec.level >= 1 && spec.hold == wire::hold::NOTHING {
        confine::lock_down(spec)?;
    }
    let mut told = Enc::default();
    built.missing.encode(&mut told);
    Ok((reap::child_signals()?, built, told.0))
}

/// The attempt's folders, owned by the user that the programs run as.
fn private_folders(spec: &Spec) -> Result<(), Failure> {
    let own = |path: &str| {
        let id = (spec.uid != 0).then_some(spec.uid);
        std::os::unix::fs::chown(path, id, id).during(&format!("give {path} to user {}", spec.uid))
    };
    for folder in ["work", "home", "tmp", "tests"] {
        let path = format!("{}/{folder}", spec.folder);
        std::fs::create_dir_all(&path).during(&path)?;
        own(&path)?;
    }
    if !spec.authority.is_empty() {
        trust::beside(spec)?;
    }
    own(&spec.folder)
}

/// The private folders that are kept. Hidden tests are never the agent's.
const KEPT: &[&str] = &["work", "home", "tmp"];

fn private_folder(spec: &Spec, name: &str) -> Result<Option<OwnedFd>, Failure> {
    if !KEPT.contains(&name) {
        return Ok(None);
    }
    ledger::open_real(&std::path::Path::new(&spec.folder).join(name)).map(Some)
}

fn reply(control: BorrowedFd<'_>, id: u32, answer: Answer) -> io::Result<()> {
    match answer {
        Ok((fields, descriptors)) => {
            let borrowed: Vec<_> = descriptors.iter().map(AsFd::as_fd).collect();
            send_all(control, &wire::frame(borrowed.len(), id, kind::OK, &fields), &borrowed)
        }
        Err(failure) => {
            let mut out = Enc::default();
            out.u32(failure.code).text(&failure.what);
            send_all(control, &wire::frame(0, id, kind::FAILED, &out.0), &[])
        }
    }
}

impl Init {
    fn serve(&mut self, inbox: &mut Inbox, signals: &OwnedFd) -> io::Result<()> {
        let mut looked = Instant::now();
        loop {
            while let Some((frame, given)) = inbox.next()? {
                let answer = self.answer(frame.kind, &mut Dec(&frame.fields), given);
                reply(self.control.as_fd(), frame.id, answer)?;
                // Reaped only after the answer: nobody hears of the end of a program before its start.
                self.reap()?;
            }
            let mut waits = [PollFd::new(&self.control, PollFlags::IN), PollFd::new(signals, PollFlags::IN)];
            let left = self.watch.as_ref().map(|watch| watch.wait().saturating_sub(looked.elapsed()));
            let left = left.map(|left| Timespec { tv_sec: 0, tv_nsec: i64::from(left.subsec_nanos()) });
            match poll(&mut waits, left.as_ref()) {
                Err(rustix::io::Errno::INTR) => continue,
                result => result?,
            };
            let (control, signal) = (!waits[0].revents().is_empty(), !waits[1].revents().is_empty());
            if signal {
                let _ = rustix::io::read(signals, &mut [0u8; 1024]);
                self.reap()?;
            }
            if let Some(watch) = &mut self.watch
                && looked.elapsed() >= watch.wait()
            {
                let over =
                    watch.look(&self.spec, &self.programs.values().map(|program| program.pid).collect());
                looked = Instant::now();
                if let Some(bit) = over {
                    send_all(self.control.as_fd(), &wire::frame(0, 0, kind::BREACH, &[bit]), &[])?;
                }
            }
            if control && !inbox.fill(self.control.as_fd())? {
                return Ok(());
            }
        }
    }

    fn answer(&mut self, kind: u8, from: &mut Dec<'_>, given: Vec<OwnedFd>) -> Answer {
        if self.held.is_some() && kind != kind::SHARE && kind != kind::FREEZE {
            return Err(Failure::new("the keeper of a snapshot runs nothing"));
        }
        if self.sealed && matches!(kind, kind::SPAWN | kind::WRITE | kind::REMOVE) {
            return Err(Failure::new("a snapshot was made of the sandbox: nothing changes in it any more"));
        }
        match kind {
            kind::SPAWN => self.spawn(from),
            kind::SIGNAL => self.signal(from),
            kind::BUSY => self.busy(from),
            kind::READ => files::as_either(&self.spec, from, false, files::read),
            kind::WRITE => files::as_either(&self.spec, from, true, files::write),
            kind::STAT => files::as_either(&self.spec, from, false, files::stat),
            kind::LIST => files::as_either(&self.spec, from, false, files::list),
            kind::REMOVE => files::as_either(&self.spec, from, false, files::remove),
            kind::LISTEN => listen(from),
            kind::MARK => self.ledger.mark(&self.spec),
            kind::CHANGES => self.ledger.changes(&self.spec),
            kind::CPU_TIME => {
                let mut out = Enc::default();
                out.u64(watch::cpu_time(self.watch.as_ref()));
                Ok((out.0, Vec::new()))
            }
            kind::PACK => self.pack(from, given),
            kind::GIVE => self.give(),
            kind::SHARE => match &self.held {
                Some(held) => held.share(),
                None => Err(Failure::new("an unknown request")),
            },
            kind::FREEZE => {
                let mut out = Enc::default();
                // A last look: what went over the limit just now shall be told too.
                if let Some(watch) = &mut self.watch {
                    watch.last();
                    watch.look(&self.spec, &self.programs.values().map(|program| program.pid).collect());
                }
                out.u64(reap::kill_all(&self.spec)).u8(self.watch.as_ref().map_or(0, |watch| watch.hit));
                Ok((out.0, Vec::new()))
            }
            _ => Err(Failure::new("an unknown request")),
        }
    }

    /// What is alive would change the files while they are read.
    fn still(&self) -> Result<(), Failure> {
        reap::kill_all(&self.spec);
        if self.sections.is_empty() {
            return Err(Failure::new("this sandbox was not started to be kept"));
        }
        Ok(())
    }

    fn pack(&self, from: &mut Dec<'_>, given: Vec<OwnedFd>) -> Answer {
        self.still()?;
        let max = from.u64()?;
        let to = given.into_iter().next().ok_or_else(|| Failure::new("no descriptor to write to"))?;
        let mut out = Enc::default();
        pack::pack(&self.sections, to, max)?.encode(&mut out);
        Ok((out.0, Vec::new()))
    }

    fn give(&mut self) -> Answer {
        self.still()?;
        let tree =
            self.tree.as_ref().ok_or_else(|| Failure::new("this sandbox has no file system of its own"))?;
        let mut out = Enc::default();
        out.pairs(self.sections.iter().map(|section| (&section.name, &section.path)));
        let tree = tree.try_clone()?;
        self.sealed = true;
        Ok((out.0, vec![tree]))
    }

    fn reap(&mut self) -> io::Result<()> {
        for (pid, by_signal, code) in reap::ended() {
            let Some(number) = self.programs.iter().find(|(_, program)| program.pid == pid).map(|(n, _)| *n)
            else {
                continue;
            };
            self.programs.remove(&number);
            let mut out = Enc::default();
            out.u32(number).u8(by_signal.into()).u32(code as u32);
            send_all(self.control.as_fd(), &wire::frame(0, 0, kind::EXITED, &out.0), &[])?;
        }
        Ok(())
    }
}

/// A listener on the loopback of the sandbox: for the levels that have their own.
fn listen(from: &mut Dec<'_>) -> Answer {
    let (address, port) = (std::net::Ipv4Addr::from_bits(from.u32()?), from.u32()? as u16);
    let listener =
        std::net::TcpListener::bind((address, port)).during(&format!("listen on {address}:{port}"))?;
    let mut out = Enc::default();
    out.u32(listener.local_addr()?.port().into());
    Ok((out.0, vec![listener.into()]))
}
