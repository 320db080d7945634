//! How the agent's part of an attempt ended.

use crate::agent::AgentEnd;
use crate::backend::Stop;
use crate::model::{LimitKind, RunError};

/// How the agent's part ended.
pub(super) enum Ending {
    /// The loop ended by itself, or a limit or error stopped it.
    Agent(AgentEnd),
    /// The wall clock ran out.
    Wall,
    /// A limit of the sandbox that ends all work was hit.
    Breached(LimitKind),
    /// The run was stopped.
    Cancelled,
    /// The loop panicked.
    Panic(String),
    /// Nothing could be begun.
    Error(RunError),
}

impl Ending {
    /// The limit that ended the agent's part, if one did.
    pub(super) fn limit(&self) -> Option<LimitKind> {
        match self {
            Ending::Wall => Some(LimitKind::Wall),
            Ending::Breached(kind) | Ending::Agent(AgentEnd::Stopped(Stop::Limit(kind))) => Some(*kind),
            _ => None,
        }
    }
}
