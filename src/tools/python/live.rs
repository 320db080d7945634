//! A running interpreter: its streams, read all the time, and the wait for the end of a cell.

use crate::sandbox::{Command, Exit, ProcessControl, Sandbox, SandboxError, Signal, SignalTarget, Writer};
use crate::tools::shell::{Shared, nonce, read_output, read_reports};
use crate::tools::wait::{Overdue, Wait};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};

/// Descriptor of the status pipe in the interpreter; `runner.py` knows it too.
const STATUS_FD: i32 = 198;
/// How long after the report the end of the output is waited for, and the other way round.
const MARK: Duration = Duration::from_secs(1);
/// Through bash, which the shell tool needs too: its code for a missing program is known.
const START: &str = "exec 2>&1; exec python3 -u -c \"$ROLLTAPE_RUN\"";
const RUN: &str = "import os; os.environ.pop('ROLLTAPE_RUN'); exec(os.environ.pop('ROLLTAPE_CELLS'))";

/// How a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::tools) enum Ended {
    /// The cell is done; whether it raised an exception.
    Done { raised: bool },
    /// Nothing was printed for a while.
    Silent,
    /// It prints on and on.
    Busy,
    /// The time that the call gave is over.
    Timeout,
    /// The interpreter ended.
    Dead(Exit),
    /// The interpreter ended before the cell began.
    Unborn(Exit),
    /// The interpreter is out of reach.
    Lost,
}

/// A running interpreter.
pub(super) struct Live {
    pub(super) control: Box<dyn ProcessControl>,
    /// Whether a cell runs.
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
    /// Starts the interpreter. It takes cells at once.
    pub(super) async fn start(sandbox: &dyn Sandbox, max_output: usize) -> Result<Self, SandboxError> {
        let process = sandbox
            .spawn(Command {
                argv: ["bash", "-c", START].map(str::to_owned).to_vec(),
                env: environment(sandbox.workspace()),
                status_fd: Some(STATUS_FD),
                ..Command::default()
            })
            .await?;
        let missing = || SandboxError::new("the sandbox gave an interpreter without its pipes");
        let shared = Arc::new(Shared::new(max_output));
        // Standard error goes where standard output goes.
        let readers = vec![
            tokio::spawn(read_output(process.stdout.ok_or_else(missing)?, Arc::clone(&shared))),
            tokio::spawn(read_reports(process.status.ok_or_else(missing)?, Arc::clone(&shared))),
        ];
        let stdin = process.stdin.ok_or_else(missing)?;
        Ok(Self { control: process.control, running: false, nonce: String::new(), stdin, shared, readers })
    }

    /// Hands a cell over. A large one is taken only when the interpreter reads: `longest` is for its start, too.
    pub(super) async fn cell(&mut self, code: &str, longest: Duration) -> Result<(), SandboxError> {
        self.nonce = nonce()?;
        self.shared.reports().clear();
        self.shared.screen().expect(&self.nonce, b"");
        self.running = true;
        let request = format!("{} {}\n{code}", self.nonce, code.len());
        let work = async {
            self.stdin.write_all(request.as_bytes()).await?;
            self.stdin.flush().await
        };
        // An interpreter that takes nothing is found out by the wait that follows.
        let _ = timeout(longest, work).await;
        Ok(())
    }

    pub(super) fn take_output(&mut self, max: usize) -> String {
        self.shared.screen().take_output(max)
    }

    pub(super) fn take_late(&mut self, max: usize) -> Option<String> {
        self.shared.screen().take_late(max)
    }

    /// Kills the interpreter; what its cells started in the background lives on until the sandbox is closed.
    pub(super) async fn kill(&mut self) -> Result<(), SandboxError> {
        self.control.signal(Signal::Kill, SignalTarget::Process).await
    }

    /// Waits for the end of the cell. Cancel-safe.
    pub(super) async fn watch(&mut self, wait: Wait) -> Result<Ended, SandboxError> {
        let mut pace = self.shared.pace();
        let mut last = false;
        let mut printed: Option<Instant> = None;
        loop {
            let now = Instant::now();
            let found = result(&self.shared.reports(), &self.nonce);
            if let Some(raised) = found {
                self.settle(MARK).await;
                self.running = false;
                return Ok(Ended::Done { raised });
            }
            self.shared.look(&mut pace, now);
            if pace.has_begun() && self.shared.screen().ended() {
                printed = printed.or(Some(now));
            }
            let (deadline, why) = match printed {
                // The output is whole and no report comes: the cell took the pipe away.
                Some(printed) => (printed + MARK, Overdue::Unbegun),
                None => pace.deadline(wait),
            };
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
                exit = self.control.wait() => {
                    let exit = exit?;
                    let alive = pace.has_begun() || self.drain().await;
                    self.settle(MARK / 5).await;
                    self.running = false;
                    return Ok(if alive { Ended::Dead(exit) } else { Ended::Unborn(exit) });
                }
                () = sleep_until(deadline) => {}
            }
        }
    }

    /// After the end: whether the cell had begun, as far as its output tells.
    async fn drain(&mut self) -> bool {
        let end = Instant::now() + MARK;
        while !self.shared.screen().begun() && !self.shared.is_closed() {
            tokio::select! {
                () = self.shared.changed() => {}
                () = sleep_until(end) => break,
            }
        }
        self.shared.screen().begun()
    }

    /// Waits until the output has come to its mark or its end.
    async fn settle(&mut self, longest: Duration) {
        let end = Instant::now() + longest;
        while !self.shared.screen().ended() && !self.shared.is_closed() {
            tokio::select! {
                () = self.shared.changed() => {}
                () = sleep_until(end) => break,
            }
        }
        self.shared.screen().end();
    }
}

fn environment(workspace: &str) -> BTreeMap<String, String> {
    [
        ("ROLLTAPE_RUN", RUN),
        ("ROLLTAPE_CELLS", include_str!("runner.py")),
        ("ROLLTAPE_WORKSPACE", workspace),
        // The order of a set must be the same in the next run.
        ("PYTHONHASHSEED", "0"),
        ("TERM", "dumb"),
        ("PAGER", "cat"),
        ("GIT_PAGER", "cat"),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .collect()
}

/// Whether the cell raised, once its report is there.
fn result(reports: &[u8], nonce: &str) -> Option<bool> {
    let word = |word: &str| memchr::memmem::find(reports, format!("{nonce} {word}\n").as_bytes()).is_some();
    if nonce.is_empty() {
        None
    } else if word("ok") {
        Some(false)
    } else {
        word("error").then_some(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_report_with_the_nonce_counts() {
        assert_eq!(result(b"junk ok\nn1 ok\n", "n1"), Some(false));
        assert_eq!(result(b"n1 error\n", "n1"), Some(true));
        assert_eq!(result(b"n1 err", "n1"), None);
        assert_eq!(result(b"n0 ok\n", "n1"), None);
        assert_eq!(result(b" ok\n", ""), None);
    }
}
