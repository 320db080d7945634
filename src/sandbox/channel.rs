//! The harness's end of an init's control socket: requests, answers, ends of programs.

use super::pass::{Inbox, send_some};
use super::wire::{self, Dec, Frame, kind};
use super::{Exit, SandboxError};
use crate::model::LimitKind;
use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::unix::AsyncFd;
use tokio::sync::{oneshot, watch};

/// What an init refused: errno (0 if none) and a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: u32,
    pub(super) what: String,
    /// Whether the sandbox itself is gone.
    pub(super) gone: bool,
}

impl Refusal {
    pub(super) fn gone() -> Self {
        Self { code: 0, what: "the sandbox is gone".to_owned(), gone: true }
    }
}

impl From<Refusal> for SandboxError {
    fn from(refusal: Refusal) -> Self {
        let errno = i32::try_from(refusal.code).ok().filter(|code| *code > 0);
        SandboxError { message: refusal.what, hint: None, errno }
    }
}

/// Fields and descriptors of an answer.
pub(super) type Answer = Result<(Vec<u8>, Vec<OwnedFd>), Refusal>;

#[derive(Debug, Default)]
struct State {
    waiting: HashMap<u32, oneshot::Sender<Answer>>,
    /// Ends of programs by number; kept whoever asks first.
    exits: HashMap<u32, watch::Sender<Option<Exit>>>,
    /// The limit that ended all work, if one did.
    breach: Breach,
    gone: bool,
}

/// Who waits for a limit that ends all work.
#[derive(Debug, Clone)]
pub(super) struct Breach(Arc<watch::Sender<Option<LimitKind>>>);

impl Default for Breach {
    fn default() -> Self {
        Self(Arc::new(watch::channel(None).0))
    }
}

impl Breach {
    /// The first one counts.
    pub(super) fn tell(&self, kind: LimitKind) {
        self.0.send_if_modified(|told| {
            let first = told.is_none();
            told.get_or_insert(kind);
            first
        });
    }

    /// The limit, now.
    pub(super) fn get(&self) -> Option<LimitKind> {
        *self.0.borrow()
    }

    /// Waits for it.
    pub(super) async fn wait(&self) -> LimitKind {
        let mut told = self.0.subscribe();
        match told.wait_for(Option::is_some).await.ok().and_then(|kind| *kind) {
            Some(kind) => kind,
            None => std::future::pending().await,
        }
    }
}

/// A running conversation with one init.
#[derive(Debug)]
pub(super) struct Channel {
    socket: Arc<AsyncFd<OwnedFd>>,
    state: Arc<Mutex<State>>,
    writing: tokio::sync::Mutex<()>,
    next: AtomicU32,
    gone: watch::Receiver<bool>,
}

impl Channel {
    /// Takes over a connected socket.
    pub(super) fn new(socket: OwnedFd) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&socket, true)?;
        let socket = Arc::new(super::stream::watch(socket)?);
        let state = Arc::new(Mutex::new(State::default()));
        let (told, gone) = watch::channel(false);
        tokio::spawn(listen(Arc::clone(&socket), Arc::clone(&state), told));
        Ok(Self { socket, state, writing: tokio::sync::Mutex::new(()), next: AtomicU32::new(1), gone })
    }

    /// Sends a request and waits for its answer.
    pub(super) async fn ask(&self, kind: u8, fields: &[u8]) -> Answer {
        self.ask_with(kind, fields, Vec::new()).await
    }

    /// The same with descriptors, which are closed here when they are on their way.
    pub(super) async fn ask_with(&self, kind: u8, fields: &[u8], given: Vec<OwnedFd>) -> Answer {
        let answer = self.begin(kind, fields, given).await?;
        answer.await.unwrap_or_else(|_| Err(Refusal::gone()))
    }

    /// Sends a request, perhaps to nobody yet, and gives where its answer will come.
    pub(super) async fn begin(
        &self,
        kind: u8,
        fields: &[u8],
        given: Vec<OwnedFd>,
    ) -> Result<oneshot::Receiver<Answer>, Refusal> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = oneshot::channel();
        {
            let mut state = lock(&self.state);
            if state.gone {
                return Err(Refusal::gone());
            }
            state.waiting.insert(id, sender);
        }
        let frame = wire::frame(given.len(), id, kind, fields);
        if frame.len() > wire::MAX_FRAME {
            lock(&self.state).waiting.remove(&id);
            return Err(Refusal {
                code: libc::E2BIG as u32,
                what: "the request is too large".into(),
                gone: false,
            });
        }
        if self.send(frame, given).await.is_err() {
            lock(&self.state).waiting.remove(&id);
            return Err(Refusal::gone());
        }
        Ok(receiver)
    }

    /// Writes a whole frame even when the asker goes away in the middle of it.
    async fn send(&self, frame: Vec<u8>, given: Vec<OwnedFd>) -> io::Result<()> {
        let _turn = self.writing.lock().await;
        let some = move |socket: &OwnedFd, frame: &[u8], start: usize| {
            let borrowed: Vec<_> = given.iter().map(AsFd::as_fd).collect();
            send_some(socket.as_fd(), frame, start, &borrowed)
        };
        // Nearly every frame fits into the socket's buffer at once.
        let first = match some(self.socket.get_ref(), &frame, 0) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(error) => return Err(error),
        };
        if first == frame.len() {
            return Ok(());
        }
        // A task of its own can't be cancelled, so no half frame is left behind.
        let socket = Arc::clone(&self.socket);
        let rest = tokio::spawn(async move {
            let mut start = first;
            while start < frame.len() {
                let mut guard = socket.writable().await?;
                if let Ok(result) = guard.try_io(|fd| some(fd.get_ref(), &frame, start)) {
                    start += result?;
                }
            }
            Ok(())
        });
        rest.await.unwrap_or_else(|_| Err(io::ErrorKind::BrokenPipe.into()))
    }

    /// The end of a program, now or later.
    pub(super) fn exit_of(&self, number: u32) -> watch::Receiver<Option<Exit>> {
        let mut state = lock(&self.state);
        let gone = state.gone;
        let sender = state.exits.entry(number).or_insert_with(|| watch::channel(None).0);
        if gone {
            sender.send_if_modified(end_by_kill);
        }
        sender.subscribe()
    }

    /// Who tells of limits that end all work.
    pub(super) fn breach(&self) -> Breach {
        lock(&self.state).breach.clone()
    }

    /// Tells the init that it is over: it kills everything inside and ends.
    pub(super) fn hang_up(&self) {
        let _ = rustix::net::shutdown(self.socket.get_ref(), rustix::net::Shutdown::Write);
    }

    /// Waits until the init has closed its end.
    pub(super) async fn ended(&self) {
        let mut gone = self.gone.clone();
        let _ = gone.wait_for(|gone| *gone).await;
    }
}

/// A program whose sandbox went away was killed with it.
fn end_by_kill(exit: &mut Option<Exit>) -> bool {
    let open = exit.is_none();
    if open {
        *exit = Some(Exit::Signal(libc::SIGKILL));
    }
    open
}

fn lock(state: &Mutex<State>) -> std::sync::MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn listen(socket: Arc<AsyncFd<OwnedFd>>, state: Arc<Mutex<State>>, told: watch::Sender<bool>) {
    let mut inbox = Inbox::default();
    'stream: while let Ok(mut guard) = socket.readable().await {
        match guard.try_io(|fd| inbox.fill(fd.get_ref().as_fd())) {
            Ok(Ok(true)) => {}
            Ok(_) => break,
            Err(_) => continue,
        }
        loop {
            match inbox.next() {
                Ok(Some((frame, descriptors))) => dispatch(&state, frame, descriptors),
                Ok(None) => break,
                Err(_) => break 'stream,
            }
        }
    }
    let mut state = lock(&state);
    state.gone = true;
    #[expect(clippy::iter_over_hash_type, reason = "each is told the same, in whatever order")]
    for (_, sender) in state.waiting.drain() {
        let _ = sender.send(Err(Refusal::gone()));
    }
    #[expect(clippy::iter_over_hash_type, reason = "each is told the same, in whatever order")]
    for sender in state.exits.values() {
        sender.send_if_modified(end_by_kill);
    }
    drop(state);
    let _ = told.send(true);
}

fn dispatch(state: &Mutex<State>, frame: Frame, descriptors: Vec<OwnedFd>) {
    let mut from = Dec(&frame.fields);
    let mut state = lock(state);
    match frame.kind {
        kind::EXITED => {
            let (Ok(number), Ok(signal), Ok(code)) = (from.u32(), from.u8(), from.u32()) else { return };
            let exit = if signal == 1 { Exit::Signal(code as i32) } else { Exit::Code(code as i32) };
            let sender = state.exits.entry(number).or_insert_with(|| watch::channel(None).0);
            sender.send_replace(Some(exit));
        }
        kind::BREACH if from.u8().is_ok_and(|bit| bit == wire::limit::CPU) => {
            state.breach.tell(LimitKind::Cpu);
        }
        kind::OK | kind::FAILED => {
            let Some(sender) = state.waiting.remove(&frame.id) else { return };
            let answer = if frame.kind == kind::OK {
                Ok((frame.fields, descriptors))
            } else {
                let code = from.u32().unwrap_or(0);
                let what = from.text().unwrap_or_else(|_| "an unreadable refusal".to_owned());
                Err(Refusal { code, what, gone: false })
            };
            let _ = sender.send(answer);
        }
        _ => {}
    }
}
