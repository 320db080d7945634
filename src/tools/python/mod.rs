//! One persistent Python interpreter inside the sandbox, which runs cells.
//!
//! The interpreter is the sandbox's `python3` with a runner of ours. Where that python can import IPython, it
//! rewrites the cells and gives its magics; what a cell shows is made by the runner in both cases. Requests come by
//! standard input, reports go over the status pipe, and marks with a fresh nonce cut the output, so a cell can
//! close or flood its standard output as it likes. A cell that does take the pipes away loses its interpreter.

mod live;

pub(super) use live::Ended;

use super::Options;
use super::spent::{Over, Spent};
use super::wait::Wait;
use crate::sandbox::{Sandbox, SandboxError, Signal, SignalTarget};
use live::Live;
use std::sync::Arc;
use std::time::Duration;

/// How long an interpreter may take to start and to begin its first cell. Long: where many attempts begin at once,
/// all of them load IPython. One that dies is found out at once.
const START: Duration = Duration::from_mins(3);
/// How long a running interpreter may take to begin a cell.
const BEGIN: Duration = Duration::from_secs(30);
/// How long a cell gets to react to an interrupt.
const INTERRUPT: Duration = Duration::from_secs(3);

/// What a call gave.
#[derive(Debug)]
pub(super) struct Answer {
    /// Output of threads and background programs from before.
    pub(super) late: Option<String>,
    /// Output since the last call.
    pub(super) output: String,
    /// How it stands.
    pub(super) ended: Ended,
    /// Whether the interpreter was started for this cell.
    pub(super) fresh: bool,
    /// The limit for which the cell was ended, if it was, and whether the interpreter had to be killed.
    pub(super) over: Option<(Over, bool)>,
}

/// The interpreter, which starts with the first cell.
pub(super) struct Python {
    sandbox: Arc<dyn Sandbox>,
    options: Options,
    live: Option<Live>,
    /// How long the cell of now may take to begin.
    start: Duration,
    interrupts: u32,
    /// What the last cell began with.
    spent: Option<Spent>,
}

impl Python {
    pub(super) fn new(sandbox: Arc<dyn Sandbox>, options: Options) -> Self {
        Self { sandbox, options, live: None, start: START, interrupts: 0, spent: None }
    }

    /// Whether a cell still runs, as far as is known.
    pub(super) fn is_running(&self) -> bool {
        self.live.as_ref().is_some_and(|live| live.running)
    }

    /// How many interrupts were sent in a row.
    pub(super) fn interrupts(&self) -> u32 {
        self.interrupts
    }

    /// Runs a cell.
    pub(super) async fn run(
        &mut self,
        code: &str,
        timeout: Option<Duration>,
    ) -> Result<Answer, SandboxError> {
        self.interrupts = 0;
        let fresh = self.live.is_none();
        if fresh {
            self.live = Some(Live::start(self.sandbox.as_ref(), self.options.max_output).await?);
        }
        self.start = if fresh { START } else { BEGIN };
        self.spent = Some(Spent::begin(self.sandbox.as_ref(), &self.options).await?);
        if let Some(live) = self.live.as_mut() {
            live.cell(code, self.start).await?;
        }
        let answer = self.answer(timeout, None).await?;
        Ok(Answer { fresh, ..answer })
    }

    /// Waits for more of the running cell.
    pub(super) async fn poll(&mut self, timeout: Option<Duration>) -> Result<Answer, SandboxError> {
        self.interrupts = 0;
        self.answer(timeout, None).await
    }

    /// Interrupts the running cell; the second time in a row kills the interpreter.
    pub(super) async fn interrupt(&mut self) -> Result<Answer, SandboxError> {
        self.interrupts += 1;
        if let Some(live) = self.live.as_mut() {
            if self.interrupts == 1 {
                live.control.signal(Signal::Int, SignalTarget::Process).await?;
            } else {
                live.kill().await?;
            }
        }
        self.answer(None, Some(INTERRUPT.min(self.options.soft_timeout))).await
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
        let Some(live) = self.live.as_mut() else { return Err(SandboxError::new("the interpreter is gone")) };
        let options = &self.options;
        let wait = Wait::new(timeout, silence, self.start, options);
        let (sandbox, spent) = (self.sandbox.as_ref(), self.spent);
        let limits = async {
            match spent {
                Some(spent) => spent.over(sandbox, options).await,
                None => std::future::pending().await,
            }
        };
        let (mut ended, hit) = tokio::select! {
            biased;
            ended = live.watch(wait) => (ended?, None),
            over = limits => {
                // The variables survive where the cell lets itself be interrupted.
                live.control.signal(Signal::Int, SignalTarget::Process).await?;
                let last = Wait { silence: None, total: INTERRUPT, start: INTERRUPT };
                (live.watch(last).await?, Some(over?))
            }
        };
        let stays = matches!(ended, Ended::Silent | Ended::Busy | Ended::Timeout | Ended::Lost);
        if hit.is_some() && stays {
            live.kill().await?;
            ended = live.watch(Wait { silence: None, total: INTERRUPT, start: INTERRUPT }).await?;
        }
        let over = hit.map(|over| (over, stays));
        let late = live.take_late(options.max_output);
        let output = live.take_output(options.max_output);
        if ended == Ended::Lost {
            live.kill().await?;
        }
        if matches!(ended, Ended::Lost | Ended::Dead(_) | Ended::Unborn(_)) {
            self.live = None;
        }
        Ok(Answer { late, output, ended, fresh: false, over })
    }
}
