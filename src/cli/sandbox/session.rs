//! One command in one sandbox: streams, signals, limits, end.

use super::copy::{self, Found};
use super::terminal::{self, Raw};
use super::told::{Ended, Report};
use super::{Args, STOPPED, opened, shown};
use crate::cli::{CliError, Context, Exit, Verbosity};
use crate::model::LimitKind;
use crate::sandbox::{
    self, Command, Config, Launcher, Process, ProcessControl, Reader, Sandbox, SandboxError, Signal,
    SignalTarget, Writer,
};
use crate::service::Egress;
use crate::suite::Network;
use crate::util::plural::plural;
use std::collections::BTreeMap;
use std::io::{Read as _, Write};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Signals that are passed on.
const PASSED_ON: [(i32, Signal); 6] = [
    (libc::SIGINT, Signal::Int),
    (libc::SIGTERM, Signal::Term),
    (libc::SIGHUP, Signal::Hup),
    (libc::SIGQUIT, Signal::Quit),
    (libc::SIGUSR1, Signal::User1),
    (libc::SIGUSR2, Signal::User2),
];

/// Longer than one step of the clock that files are stamped by.
const STEP: Duration = Duration::from_millis(12);

/// What is to be done.
pub(super) struct Work<'a> {
    pub(super) args: &'a Args,
    pub(super) context: &'a Context,
    pub(super) config: Config,
    pub(super) files: Vec<Found>,
}

/// How the command ended.
enum End {
    Exit(sandbox::Exit),
    Limit(LimitKind),
}

impl Work<'_> {
    /// Runs the command. The report stands also for one that could not be started.
    pub(super) async fn run(self, launcher: &Launcher) -> Result<(Report, Result<Exit, CliError>), CliError> {
        let sandbox = launcher
            .start(self.config.clone())
            .await
            .map_err(|error| opened(self.args.from.as_deref().unwrap_or_default(), error))?;
        if let Some((count, first)) =
            sandbox.missing().or_else(|| self.config.from.as_ref().and_then(sandbox::Snapshot::missing))
        {
            let files = plural(count as usize, "file");
            self.context
                .say(&format!("warning: {files} of the kept state could not be put back, first {first}"));
        }
        let mut report = Report::new(self.args, sandbox.as_ref());
        let done = self.inside(sandbox.as_ref(), &mut report).await;
        let closed = sandbox.close().await;
        report.limits.extend(closed.limits);
        report.limits.dedup();
        Ok((report, done))
    }

    async fn inside(&self, sandbox: &dyn Sandbox, report: &mut Report) -> Result<Exit, CliError> {
        copy::put(sandbox.files(), &self.files).await?;
        let egress = match &self.args.network {
            Network::Allow(allowed) => Some(
                Egress::open(sandbox, allowed, &[])
                    .await
                    .map_err(|error| CliError::harness(error.message))?,
            ),
            _ => None,
        };
        if !sandbox.own_network() && self.args.network != Network::Full {
            self.say(
                "warning: the network is the host's at this level, so nothing keeps the command from it",
            );
        }
        if self.config.changes {
            sandbox.mark().await.map_err(shown)?;
            tokio::time::sleep(STEP).await;
        }
        let raw = Raw::enter();
        // Before the command is there: it may tell somebody that it waits for a signal.
        let signals = signals(raw.is_some());
        let begin = Instant::now();
        let spawned = sandbox.spawn(self.command(raw.is_some())).await;
        let process = match spawned {
            Ok(process) => process,
            Err(error) => {
                drop(raw);
                let refused = not_started(&self.argv()[0], error);
                report.ended = Ended::NotStarted(refused.message.clone());
                return Err(refused);
            }
        };
        let (end, limits) = self.attend(sandbox, process, signals, raw.is_some()).await?;
        report.duration = begin.elapsed();
        drop(raw);
        report.leftovers = limits.leftovers;
        report.limits = limits.limits;
        if let Some(egress) = egress {
            report.network = egress.requests();
        }
        if self.config.changes {
            report.changes = sandbox.changes().await.map_err(shown)?;
        }
        Ok(self.conclude(&end, report))
    }

    /// The command; without one a shell, the better one of those that there may be.
    fn argv(&self) -> Vec<String> {
        if self.args.command.is_empty() {
            let shell = "command -v bash >/dev/null && exec bash; exec sh";
            return ["sh", "-c", shell].map(str::to_owned).to_vec();
        }
        self.args.command.clone()
    }

    fn command(&self, terminal: bool) -> Command {
        let mut env = BTreeMap::new();
        if terminal
            && let Some(term) = self.context.var("TERM").filter(|_| !self.config.env.contains_key("TERM"))
        {
            env.insert("TERM".to_owned(), term.to_owned());
        }
        Command {
            argv: self.argv(),
            env,
            pty: terminal.then(terminal::size),
            person: terminal,
            ..Command::default()
        }
    }

    /// Passes everything on until the end; then all that is left is killed, and the rest of the output passed on.
    async fn attend(
        &self,
        sandbox: &dyn Sandbox,
        process: Process,
        mut signals: mpsc::Receiver<i32>,
        terminal: bool,
    ) -> Result<(End, sandbox::ExitReport), CliError> {
        let Process { stdin, stdout, stderr, mut control, .. } = process;
        let (hung_up, mut gone) = mpsc::channel(1);
        let input = stdin.map(|stdin| tokio::spawn(feed(stdin, hung_up)));
        let outputs: Vec<JoinHandle<()>> = [
            stdout.map(|stream| tokio::spawn(drain(stream, std::io::stdout))),
            stderr.map(|stream| tokio::spawn(drain(stream, std::io::stderr))),
        ]
        .into_iter()
        .flatten()
        .collect();
        let wall = async {
            match self.args.wall {
                Some(limit) => tokio::time::sleep(limit).await,
                None => std::future::pending().await,
            }
        };
        tokio::pin!(wall);
        let end = loop {
            tokio::select! {
                exit = control.wait() => break End::Exit(exit.map_err(shown)?),
                kind = sandbox.breached() => break End::Limit(kind),
                () = &mut wall => break End::Limit(LimitKind::Wall),
                Some(number) = signals.recv() => pass_on(control.as_ref(), number).await,
                // The terminal went away: so it would for a command that had it itself.
                Some(()) = gone.recv(), if terminal => pass_on(control.as_ref(), libc::SIGHUP).await,
            }
        };
        if let Some(input) = input {
            input.abort();
        }
        let report = sandbox.freeze().await.map_err(shown)?;
        // Such a limit kills, and what it killed may have been seen first.
        let fatal = |kind: &&LimitKind| matches!(kind, LimitKind::Cpu | LimitKind::Output);
        let end = report.limits.iter().find(fatal).map_or(end, |kind| End::Limit(*kind));
        for output in outputs {
            let _ = output.await;
        }
        Ok((end, report))
    }

    /// Says what the command's exit code does not tell.
    fn conclude(&self, end: &End, report: &mut Report) -> Exit {
        match end {
            End::Exit(exit) => {
                report.ended = Ended::Exit(*exit);
                for kind in &report.limits {
                    self.say(&format!("rolltape: the command ran into its limit: {}", words(*kind)));
                }
                Exit::Program(exit.shell_code().clamp(0, 255) as u8)
            }
            End::Limit(kind) => {
                report.ended = Ended::Stopped;
                if !report.limits.contains(kind) {
                    report.limits.insert(0, *kind);
                }
                self.say(&format!("rolltape: the command was stopped by its limit: {}", words(*kind)));
                Exit::Program(STOPPED)
            }
        }
    }

    fn say(&self, line: &str) {
        if self.context.verbosity > Verbosity::Quiet {
            self.context.say(line);
        }
    }
}

/// A limit by its name, what it is and the option that sets it.
fn words(kind: LimitKind) -> String {
    let (what, option) = match kind {
        LimitKind::Oom => ("memory", "--memory"),
        LimitKind::Pids => ("processes", "--pids"),
        LimitKind::Disk => ("files", "--disk, --inodes"),
        LimitKind::Output => ("output", "--output"),
        LimitKind::Wall => ("time", "--wall"),
        LimitKind::Cpu => ("CPU time", "--cpu-time"),
        LimitKind::Turns | LimitKind::Tokens | LimitKind::Usd => ("the agent", "suite"),
    };
    format!("{} ({what}, {option})", kind.as_str())
}

/// What a shell would say, with its exit codes.
fn not_started(name: &str, error: SandboxError) -> CliError {
    let code = match error.errno {
        Some(libc::ENOENT) => 127,
        Some(libc::EACCES | libc::ENOEXEC | libc::EISDIR | libc::ENOTDIR | libc::EPERM) => 126,
        _ => return shown(error),
    };
    let mut told = CliError::harness(format!("'{name}' can't be run: {}", error.message));
    told.exit = Exit::Program(code);
    told.hint(match code {
        127 => "what is installed on this machine is there; --mount and --workspace bring more in",
        _ => "make it executable, or run it by its interpreter",
    })
}

/// From our standard input to the command's. On a terminal only its end is told: it means that the terminal is gone.
async fn feed(mut to: Writer, hung_up: mpsc::Sender<()>) {
    let (sender, mut pieces) = mpsc::channel::<Vec<u8>>(4);
    // A thread of its own, which ends with the process: a read of a terminal can't be called off.
    std::thread::spawn(move || {
        let mut buffer = vec![0; 16 << 10];
        loop {
            match std::io::stdin().read(&mut buffer) {
                Ok(count @ 1..) if sender.blocking_send(buffer[..count].to_vec()).is_ok() => {}
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                _ => return,
            }
        }
    });
    while let Some(piece) = pieces.recv().await {
        if to.write_all(&piece).await.is_err() {
            return;
        }
    }
    let _ = hung_up.send(()).await;
}

/// From the command to us. When our reader goes away, so does the command's.
async fn drain<W: Write>(mut from: Reader, to: fn() -> W) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        // Whoever reads us may be slow; other tasks go on meanwhile.
        let write = || {
            let mut to = to();
            to.write_all(&buffer[..count]).and_then(|()| to.flush())
        };
        if tokio::task::block_in_place(write).is_err() {
            return;
        }
    }
}

/// Numbers of the signals that come.
fn signals(terminal: bool) -> mpsc::Receiver<i32> {
    let (sender, receiver) = mpsc::channel(8);
    let resized = terminal.then(|| SignalKind::window_change().as_raw_value());
    for number in PASSED_ON.iter().map(|(number, _)| *number).chain(resized) {
        let Ok(mut stream) = signal(SignalKind::from_raw(number)) else { continue };
        let sender = sender.clone();
        tokio::spawn(async move {
            while stream.recv().await.is_some() {
                if sender.send(number).await.is_err() {
                    return;
                }
            }
        });
    }
    receiver
}

async fn pass_on(control: &dyn ProcessControl, number: i32) {
    // The command may have ended just now; then nobody needs it any more.
    if number == SignalKind::window_change().as_raw_value() {
        let _ = control.resize(terminal::size());
    } else if let Some((_, signal)) = PASSED_ON.iter().find(|(passed, _)| *passed == number) {
        let _ = control.signal(*signal, SignalTarget::Group).await;
    }
}
