//! Limits of one command or cell: wall clock and CPU time.
//!
//! Must not know: how a command or a cell is ended.

use super::Options;
use crate::sandbox::{Sandbox, SandboxError};
use std::time::Duration;
use tokio::time::Instant;

/// Between two looks at the CPU time, at least.
const LOOK: Duration = Duration::from_millis(20);
/// At most: programs on many processors are not far over a limit then.
const LATE: Duration = Duration::from_millis(500);

/// A limit of one command that was gone over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Over {
    Wall,
    Cpu,
}

/// What a command began with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spent {
    since: Instant,
    cpu: Duration,
}

impl Spent {
    /// From now on. CPU time is asked for only where it is limited.
    pub(super) async fn begin(sandbox: &dyn Sandbox, options: &Options) -> Result<Self, SandboxError> {
        let cpu = match options.command_cpu {
            Some(_) => sandbox.cpu_time().await?,
            None => Duration::ZERO,
        };
        Ok(Self { since: Instant::now(), cpu })
    }

    /// Waits until a limit is gone over; for ever where there is none. Cancel-safe.
    pub(super) async fn over(&self, sandbox: &dyn Sandbox, options: &Options) -> Result<Over, SandboxError> {
        tokio::select! {
            () = self.wall(options.command_wall) => Ok(Over::Wall),
            result = self.used(sandbox, options.command_cpu) => result.map(|()| Over::Cpu),
        }
    }

    async fn wall(&self, limit: Option<Duration>) {
        match limit.and_then(|limit| self.since.checked_add(limit)) {
            Some(end) => tokio::time::sleep_until(end).await,
            None => std::future::pending().await,
        }
    }

    async fn used(&self, sandbox: &dyn Sandbox, limit: Option<Duration>) -> Result<(), SandboxError> {
        let Some(limit) = limit else { return std::future::pending().await };
        loop {
            let used = sandbox.cpu_time().await?.saturating_sub(self.cpu);
            if used >= limit {
                return Ok(());
            }
            tokio::time::sleep((limit.saturating_sub(used) / 4).clamp(LOOK, LATE)).await;
        }
    }
}

impl Over {
    /// What the model reads; `what` as in "The command", `end` as in "killed".
    pub(super) fn told(self, what: &str, end: &str, options: &Options) -> String {
        let seconds = |limit: Option<Duration>| limit.unwrap_or_default().as_secs_f64();
        match self {
            Over::Wall => {
                let limit = seconds(options.command_wall);
                format!("[{what} ran over the limit of {limit} seconds and was {end}.]")
            }
            Over::Cpu => {
                let limit = seconds(options.command_cpu);
                format!("[{what} ran over the limit of {limit} seconds of CPU time and was {end}.]")
            }
        }
    }
}
