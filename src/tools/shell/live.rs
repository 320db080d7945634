//! A running bash: its streams, read all the time, and the wait for the end of a command.

use super::START;
use super::screen::Screen;
use super::status::{self, Status};
use crate::sandbox::{
    Command, Exit, ProcessControl, Reader, Sandbox, SandboxError, Signal, SignalTarget, Writer,
};
use crate::tools::wait::{Overdue, Pace, Wait};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};

/// Descriptor of the status pipe in the shell; `boot.sh` knows it too.
const STATUS_FD: i32 = 198;
/// Columns and rows.
const SIZE: (u16, u16) = (200, 50);
/// After the report, how long the mark in the terminal's stream is waited for.
const MARK: Duration = Duration::from_secs(1);
/// How long the readers get before a wait gives up.
const LAST: Duration = Duration::from_millis(30);
/// How long a write to the terminal may take.
const WRITE: Duration = Duration::from_secs(5);
/// How long a shell whose status pipe is closed has to end.
const LEAVE: Duration = Duration::from_millis(500);
/// Name of the command file in the sandbox's temporary folder.
const FILE: &str = ".rolltape-command";

/// How a wait ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::tools) enum Ended {
    /// The command is done.
    Done(Status),
    /// Nothing was printed for a while.
    Silent,
    /// It prints on and on.
    Busy,
    /// The time that the call gave is over.
    Timeout,
    /// The shell itself ended.
    Dead(Exit),
    /// The shell does not take commands any more.
    Lost,
}

/// What the readers of a program's streams share with its owner.
#[derive(Debug)]
pub(in crate::tools) struct Shared {
    screen: Mutex<Screen>,
    reports: Mutex<Vec<u8>>,
    wake: Notify,
    closed: AtomicBool,
    mute: AtomicBool,
}

impl Shared {
    /// Nothing has come yet.
    pub(in crate::tools) fn new(max_output: usize) -> Self {
        Self {
            screen: Mutex::new(Screen::new(max_output)),
            reports: Mutex::default(),
            wake: Notify::new(),
            closed: AtomicBool::new(false),
            mute: AtomicBool::new(false),
        }
    }

    /// What was printed.
    pub(in crate::tools) fn screen(&self) -> MutexGuard<'_, Screen> {
        self.screen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What came over the status pipe.
    pub(in crate::tools) fn reports(&self) -> MutexGuard<'_, Vec<u8>> {
        self.reports.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until something more came.
    pub(in crate::tools) async fn changed(&self) {
        self.wake.notified().await;
    }

    /// What a wait begins with.
    pub(in crate::tools) fn pace(&self) -> Pace {
        let screen = self.screen();
        Pace::new(screen.begun(), screen.received)
    }

    /// Tells a wait how it stands.
    pub(in crate::tools) fn look(&self, pace: &mut Pace, now: Instant) {
        let screen = self.screen();
        pace.look(screen.begun(), screen.received, now);
    }

    /// Before a wait gives up: a harness that was stopped or got no time may not have read what is there.
    pub(in crate::tools) async fn last_look(&self) {
        let _ = timeout(LAST, self.changed()).await;
    }

    /// Whether the output, or one of two, has ended.
    pub(in crate::tools) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }
}

/// A running shell.
pub(super) struct Live {
    pub(super) control: Box<dyn ProcessControl>,
    /// Where the command is put, as a path inside.
    pub(super) file: String,
    /// Whether a command runs.
    pub(super) running: bool,
    nonce: String,
    stdin: Writer,
    shared: Arc<Shared>,
    readers: Vec<JoinHandle<()>>,
}

impl Drop for Live {
    fn drop(&mut self) {
        for reader in &self.readers {
            reader.abort();
        }
    }
}

impl Live {
    /// Starts bash and waits for its first report.
    pub(super) async fn start(
        sandbox: &dyn Sandbox,
        boot: &str,
        cwd: &str,
        max_output: usize,
    ) -> Result<(Self, Status), SandboxError> {
        let process = sandbox
            .spawn(Command {
                argv: ["bash", "--noediting", "--norc", "--noprofile", "-i"].map(str::to_owned).to_vec(),
                env: environment(boot),
                cwd: cwd.to_owned(),
                pty: Some(SIZE),
                person: false,
                status_fd: Some(STATUS_FD),
                unprivileged: false,
                root: false,
            })
            .await?;
        let missing = || SandboxError::new("the sandbox gave a shell without its terminal or status pipe");
        let stdout = process.stdout.ok_or_else(missing)?;
        let reports = process.status.ok_or_else(missing)?;
        let shared = Arc::new(Shared::new(max_output));
        let readers = vec![
            tokio::spawn(read_output(stdout, Arc::clone(&shared))),
            tokio::spawn(read_reports(reports, Arc::clone(&shared))),
        ];
        let stdin = process.stdin.ok_or_else(missing)?;
        let control = process.control;
        let mut live =
            Self { control, file: String::new(), running: true, nonce: nonce()?, stdin, shared, readers };
        let line = format!(" eval \"$ROLLTAPE_BOOT\"; __rolltape_n={}; __rolltape_end 0\n", live.nonce);
        live.shared.screen().expect_end(&live.nonce);
        live.write(line.as_bytes()).await;
        let wait = Wait { silence: None, total: START, start: START };
        match live.watch(wait).await? {
            Ended::Done(status) => {
                live.shared.screen().clear();
                live.file = format!("{}/{FILE}", temporary(&status.exports).trim_end_matches('/'));
                Ok((live, status))
            }
            Ended::Dead(exit) => {
                let said = live.shared.screen().take_output(500);
                let code = exit.shell_code();
                Err(SandboxError::new(format!("bash ended at its start with code {code}: {}", said.trim())))
            }
            _ => {
                live.stop().await;
                Err(SandboxError::new(format!("bash did not start within {} seconds", START.as_secs())))
            }
        }
    }

    /// Runs what lies in the file, or was quoted to be typed, as the prompt's command: there bash tells no job notices.
    /// What may not be whole is run by the line itself: an unclosed `$(` breaks bash 5.2 in its prompt.
    pub(super) async fn command(&mut self, whole: bool, typed: Option<String>) -> Result<(), SandboxError> {
        self.nonce = nonce()?;
        self.control.reset_terminal()?;
        let given = match typed {
            Some(quoted) => format!("'' {quoted}"),
            None => format!("'{}' ''", self.file.replace('\'', r"'\''")),
        };
        // The empty line first: what a syntax error left of bash's state ends with it.
        let nonce = &self.nonce;
        let line = if whole {
            format!("\n __rolltape_begin {nonce} {given} prompt\n")
        } else {
            format!(
                "\n __rolltape_begin {nonce} {given} here; \\builtin eval -- \"$__rolltape_c\" 197>&- 198>&- 199>&-; \
                 __rolltape_end $?\n"
            )
        };
        self.shared.reports().clear();
        self.shared.screen().expect(&self.nonce, line.as_bytes());
        self.running = true;
        self.write(line.as_bytes()).await;
        Ok(())
    }

    /// Types into the terminal; `false` when it takes nothing.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> bool {
        let work = async {
            self.stdin.write_all(bytes).await?;
            self.stdin.flush().await
        };
        matches!(timeout(WRITE, work).await, Ok(Ok(())))
    }

    pub(super) fn take_output(&mut self, max: usize) -> String {
        self.shared.screen().take_output(max)
    }

    pub(super) fn take_late(&mut self, max: usize) -> Option<String> {
        self.shared.screen().take_late(max)
    }

    /// Kills the shell, if it is not gone already.
    pub(super) async fn stop(&mut self) {
        // It may be gone with its sandbox; then there is nothing to kill.
        let _ = self.control.signal(Signal::Kill, SignalTarget::Process).await;
    }

    /// Waits for the end of the command. Cancel-safe.
    pub(super) async fn watch(&mut self, wait: Wait) -> Result<Ended, SandboxError> {
        let mut pace = self.shared.pace();
        let mut last = false;
        loop {
            let now = Instant::now();
            let found = status::find(&mut self.shared.reports(), &self.nonce);
            if let Some(status) = found {
                self.settle().await;
                self.running = false;
                return Ok(Ended::Done(status));
            }
            if self.shared.mute.load(Ordering::Acquire) {
                // Nobody holds the status pipe: the shell has ended, or its command closed what it reports over.
                let Ok(exit) = timeout(LEAVE, self.control.wait()).await else { return Ok(Ended::Lost) };
                return self.dead(exit?).await;
            }
            self.shared.look(&mut pace, now);
            let (deadline, why) = pace.deadline(wait);
            if now >= deadline {
                if last {
                    return Ok(match why {
                        Overdue::Unbegun => Ended::Lost,
                        Overdue::Silent => Ended::Silent,
                        Overdue::Busy => Ended::Busy,
                        Overdue::Timeout => Ended::Timeout,
                    });
                }
                last = true;
                self.shared.last_look().await;
                continue;
            }
            last = false;
            tokio::select! {
                () = self.shared.changed() => {}
                exit = self.control.wait() => return self.dead(exit?).await,
                () = sleep_until(deadline) => {}
            }
        }
    }

    async fn dead(&mut self, exit: Exit) -> Result<Ended, SandboxError> {
        self.drain().await;
        self.running = false;
        Ok(Ended::Dead(exit))
    }

    /// After the report: waits until the terminal's stream has come to the mark.
    async fn settle(&mut self) {
        let end = Instant::now() + MARK;
        while !self.shared.screen().ended() {
            tokio::select! {
                () = self.shared.changed() => {}
                () = sleep_until(end) => break,
            }
        }
        self.shared.screen().end();
    }

    /// After the shell's end: takes what is still in the terminal. A background job may hold it open.
    async fn drain(&mut self) {
        let end = Instant::now() + Duration::from_millis(200);
        while !self.shared.is_closed() {
            tokio::select! {
                () = self.shared.changed() => {}
                () = sleep_until(end) => break,
            }
        }
        self.shared.screen().end();
    }
}

fn environment(boot: &str) -> BTreeMap<String, String> {
    let fixed = [("TERM", "dumb"), ("PAGER", "cat"), ("GIT_PAGER", "cat"), ("MANPAGER", "cat"), ("PS1", "")];
    let mut env: BTreeMap<String, String> =
        fixed.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    env.insert("ROLLTAPE_BOOT".to_owned(), boot.to_owned());
    env
}

/// TMPDIR as the shell exports it.
fn temporary(exports: &str) -> &str {
    let line = exports.lines().find_map(|line| line.strip_prefix("declare -x TMPDIR=\""));
    line.and_then(|line| line.strip_suffix('"')).filter(|path| path.starts_with('/')).unwrap_or("/tmp")
}

/// Sixteen hexadecimal digits from the system: never derived from a seed, as output must not forge it.
pub(in crate::tools) fn nonce() -> Result<String, SandboxError> {
    let mut bytes = [0u8; 8];
    rustix::rand::getrandom(&mut bytes[..], rustix::rand::GetRandomFlags::empty())
        .map_err(|error| SandboxError::new(format!("no random numbers: {error}")))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Reads what is printed, until its end.
pub(in crate::tools) async fn read_output(mut stream: Reader, shared: Arc<Shared>) {
    let mut buffer = vec![0; 64 << 10];
    // A PTY whose other side is closed gives an error where a pipe gives an end.
    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
        shared.screen().push(&buffer[..count]);
        shared.wake.notify_one();
    }
    shared.closed.store(true, Ordering::Release);
    shared.wake.notify_one();
}

/// Reads the status pipe, until its end.
pub(in crate::tools) async fn read_reports(mut stream: Reader, shared: Arc<Shared>) {
    let mut buffer = vec![0; 16 << 10];
    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
        shared.reports().extend_from_slice(&buffer[..count]);
        shared.wake.notify_one();
    }
    shared.mute.store(true, Ordering::Release);
    shared.wake.notify_one();
}
