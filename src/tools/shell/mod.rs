//! One persistent bash on a PTY inside the sandbox.
//!
//! A command is put into a file and run by one short typed line, so tabs, carriage returns, here-documents
//! and 300 KB arrive exactly; a short one of plain characters is quoted in that line itself. Its end is told on a pipe that its programs don't have, with a fresh nonce;
//! marks in the terminal's stream only say which bytes belong to it. A shell that ends is replaced.
//!
//! Job notices (`[1] 4711`, `[1]+  Done`) are left out, as they would come at random places with numbers that
//! no second run has: bash tells none to what the prompt runs by itself, and a command is run so; between
//! commands the shell's standard error is `/dev/null`. `jobs` and `$!` work as ever.
//!
//! Known and accepted: `set -x`, DEBUG and ERR traps also see the shell's own lines. A command that prints
//! `$__rolltape_n` in a mark cuts its own text; it can not end itself so.

mod live;
mod screen;
mod status;

pub(super) use live::{Ended, Shared, nonce, read_output, read_reports};

use super::Options;
use super::spent::{Over, Spent};
use super::wait::Wait;
use crate::sandbox::{FileError, Sandbox, SandboxError, Signal, SignalTarget};
use live::Live;
use status::Status;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

/// How long a shell may take to start, and a command to begin.
const START: Duration = Duration::from_mins(1);
/// How long a program gets to react to a key.
const KEY: Duration = Duration::from_secs(2);
/// Bytes of a command that is typed itself: with each of them escaped the line is still one that a terminal takes.
const TYPED: usize = 1_800;
/// A line of a terminal in canonical mode is at most this long, newline included.
const MAX_LINE: usize = 4_096;
/// An environment larger than this is not brought into a new shell.
const MAX_EXPORTS: usize = 100 << 10;

/// What a call to the shell gave.
#[derive(Debug)]
pub(super) struct Answer {
    /// Output of background jobs from before.
    pub(super) late: Option<String>,
    /// Output since the last call.
    pub(super) output: String,
    /// How it stands.
    pub(super) ended: Ended,
    /// Working folder, as real path.
    pub(super) cwd: String,
    /// The limit for which the command was killed, if it was.
    pub(super) over: Option<Over>,
    /// What became of the shell, if it had to be replaced.
    pub(super) replaced: Option<Result<(), String>>,
}

/// A key that is sent to the running program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    /// Sent as it is.
    Plain(u8),
    /// `C-c`: the program is interrupted.
    Interrupt,
}

/// The shell and what must survive its end.
pub(super) struct Shell {
    sandbox: Arc<dyn Sandbox>,
    options: Options,
    live: Option<Live>,
    last: Option<Status>,
    /// `C-c` that were sent in a row.
    interrupts: u32,
    /// What the last command began with.
    spent: Option<Spent>,
}

impl Shell {
    /// A shell that starts with the first command.
    pub(super) fn new(sandbox: Arc<dyn Sandbox>, options: Options) -> Self {
        Self { sandbox, options, live: None, last: None, interrupts: 0, spent: None }
    }

    /// Whether a command still runs, as far as is known.
    pub(super) fn is_running(&self) -> bool {
        self.live.as_ref().is_some_and(|live| live.running)
    }

    /// How many `C-c` were sent in a row.
    pub(super) fn interrupts(&self) -> u32 {
        self.interrupts
    }

    /// Runs a command. The inner error is text for the model: it could not be handed over.
    pub(super) async fn run(
        &mut self,
        command: &str,
        timeout: Option<Duration>,
    ) -> Result<Result<Answer, String>, SandboxError> {
        self.interrupts = 0;
        if self.live.is_none() {
            self.start().await?;
        }
        let Some(live) = self.live.as_mut() else { return Err(SandboxError::new("the shell is gone")) };
        let typed = typed(command);
        if typed.is_none()
            && let Err(error) = hand_over(self.sandbox.as_ref(), live, command).await
        {
            return Ok(Err(format!("ERROR: The command could not be handed to the shell: {error}.")));
        }
        self.spent = Some(Spent::begin(self.sandbox.as_ref(), &self.options).await?);
        live.command(crate::tools::split::whole(command), typed).await?;
        self.answer(timeout, None).await.map(Ok)
    }

    /// Waits for more of the running command.
    pub(super) async fn poll(&mut self, timeout: Option<Duration>) -> Result<Answer, SandboxError> {
        self.interrupts = 0;
        self.answer(timeout, None).await
    }

    /// Types a line for the running program. The inner error is text for the model.
    pub(super) async fn input(
        &mut self,
        text: &str,
        timeout: Option<Duration>,
    ) -> Result<Result<Answer, String>, SandboxError> {
        self.interrupts = 0;
        if text.split('\n').any(|line| line.len() >= MAX_LINE) {
            let text = format!("ERROR: A line of input has at most {} bytes.", MAX_LINE - 1);
            return Ok(Err(text));
        }
        if let Some(live) = self.live.as_mut()
            && !live.write(format!("{text}\n").as_bytes()).await
        {
            return Ok(Err(
                "ERROR: The program does not take input now: the terminal's buffer is full.".into()
            ));
        }
        self.answer(timeout, None).await.map(Ok)
    }

    /// Sends a key. The second `C-c` in a row sends SIGQUIT instead, the third kills the program.
    pub(super) async fn key(&mut self, key: Key) -> Result<Answer, SandboxError> {
        self.interrupts = if key == Key::Interrupt { self.interrupts + 1 } else { 0 };
        let Some(live) = self.live.as_mut() else { return Err(SandboxError::new("the shell is gone")) };
        match (key, self.interrupts) {
            (Key::Plain(byte), _) => {
                live.write(&[byte]).await;
            }
            (Key::Interrupt, 1) => {
                live.write(&[3]).await;
            }
            (Key::Interrupt, 2) => live.control.signal(Signal::Quit, SignalTarget::Foreground).await?,
            (Key::Interrupt, _) => live.control.signal(Signal::Kill, SignalTarget::Foreground).await?,
        }
        let wait = KEY.min(self.options.soft_timeout);
        let answer = self.answer(None, Some(wait)).await?;
        if !matches!(answer.ended, Ended::Silent) {
            return Ok(answer);
        }
        // The shell is back at its prompt but did not report: the agent took PROMPT_COMMAND away.
        if let Some(live) = self.live.as_mut()
            && key == Key::Interrupt
            && !live.control.foreground_busy().await?
        {
            live.write(b"\n __rolltape_end $?\n").await;
            let more = self.answer(None, Some(Duration::from_millis(500))).await?;
            return Ok(Answer { output: format!("{}{}", answer.output, more.output), ..more });
        }
        Ok(answer)
    }

    /// What came since, without waiting.
    pub(super) fn peek(&mut self) -> String {
        let max = self.options.max_output;
        self.live.as_mut().map_or_else(String::new, |live| live.take_output(max))
    }

    async fn answer(
        &mut self,
        timeout: Option<Duration>,
        silence: Option<Duration>,
    ) -> Result<Answer, SandboxError> {
        let Some(live) = self.live.as_mut() else { return Err(SandboxError::new("the shell is gone")) };
        let options = &self.options;
        let wait = Wait::new(timeout, silence, START, options);
        let (sandbox, spent) = (self.sandbox.as_ref(), self.spent);
        let limits = async {
            match spent {
                Some(spent) => spent.over(sandbox, options).await,
                None => std::future::pending().await,
            }
        };
        // A command that is done is not over any more.
        let (ended, over) = tokio::select! {
            biased;
            ended = live.watch(wait) => (ended?, None),
            over = limits => {
                live.control.signal(Signal::Kill, SignalTarget::Foreground).await?;
                (live.watch(Wait { silence: None, total: KEY, start: START }).await?, Some(over?))
            }
        };
        let late = live.take_late(options.max_output);
        let output = live.take_output(options.max_output);
        let mut replaced = None;
        match &ended {
            Ended::Done(status) => self.last = Some(status.clone()),
            Ended::Dead(_) | Ended::Lost => replaced = Some(self.replace().await),
            Ended::Silent | Ended::Busy | Ended::Timeout => {}
        }
        let cwd = match &self.last {
            Some(status) => status.cwd.clone(),
            None => self.sandbox.workspace().to_owned(),
        };
        Ok(Answer { late, output, ended, cwd, over, replaced })
    }

    /// A new shell in the place of one that ended. The error is text for the model.
    async fn replace(&mut self) -> Result<(), String> {
        if let Some(mut old) = self.live.take() {
            old.stop().await;
        }
        self.start().await.map_err(|error| error.message)
    }

    async fn start(&mut self) -> Result<(), SandboxError> {
        let mut boot = include_str!("boot.sh").to_owned();
        let mut cwd = String::new();
        if let Some(last) = &self.last {
            cwd.clone_from(&last.cwd);
            if last.exports.len() <= MAX_EXPORTS {
                let _ = write!(boot, "\n{}", last.exports);
            }
        }
        let started = match Live::start(self.sandbox.as_ref(), &boot, &cwd, self.options.max_output).await {
            // The folder may be gone.
            Err(_) if !cwd.is_empty() => {
                Live::start(self.sandbox.as_ref(), &boot, "", self.options.max_output).await
            }
            other => other,
        };
        let (live, status) = started?;
        self.live = Some(live);
        self.last = Some(status);
        Ok(())
    }
}

/// A short command of plain characters as one word of the typed line: that takes half the time of a file.
fn typed(command: &str) -> Option<String> {
    if command.len() > TYPED {
        return None;
    }
    let mut out = String::with_capacity(command.len() + 8);
    out.push_str("$'");
    for c in command.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\'' | '\\' => out.extend(['\\', c]),
            ' '..='~' => out.push(c),
            // What a terminal could take for a key, or another locale for other characters.
            _ => return None,
        }
    }
    out.push('\'');
    Some(out)
}

/// Puts the command where the shell reads it.
async fn hand_over(sandbox: &dyn Sandbox, live: &mut Live, command: &str) -> Result<(), FileError> {
    let write = sandbox.files().write(&live.file, command.as_bytes(), 0o600).await;
    let Err(FileError::WrongKind { .. } | FileError::Denied { .. }) = write else { return write };
    // The agent put something else there.
    let _ = sandbox.files().remove(&live.file).await;
    let again = sandbox.files().write(&live.file, command.as_bytes(), 0o600).await;
    if again.is_err() {
        live.file.push('_');
        return sandbox.files().write(&live.file, command.as_bytes(), 0o600).await;
    }
    again
}

#[cfg(test)]
mod tests {
    use super::{TYPED, typed};

    #[test]
    fn what_is_typed_is_one_word_and_fits_a_line() {
        assert_eq!(typed("it's \\d\n\tx").as_deref(), Some(r"$'it\'s \\d\n\tx'"));
        for other in ["é", "a\rb", "\u{1b}[A", "\u{3}"] {
            assert_eq!(typed(other), None, "{other:?} goes through a file");
        }
        let longest = typed(&"'".repeat(TYPED)).unwrap();
        assert!(longest.len() < super::MAX_LINE - 200, "{}", longest.len());
        assert_eq!(typed(&"x".repeat(TYPED + 1)), None);
    }
}
