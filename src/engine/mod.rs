//! Plans, runs and scores attempts; owns all state of a run; emits events.
//!
//! Invariants: one task (the dispatcher) owns the run's state, executors only send messages; a panic
//! in one attempt ends that attempt only; probes run after everything of the agent is dead, in fresh
//! sandboxes. Must not know: the store, reports, where suites came from.

mod dispatcher;
mod ending;
mod executor;
mod judge;
mod keeping;
mod place;
mod plan;
mod probe;
mod redaction;
mod surroundings;
mod unwind;
mod versions;

use crate::model::Event;

pub use dispatcher::{Control, Ended, Options, Work, run};
pub use keeping::Keep;
pub use plan::{Matrix, Plan, Planned, SubjectPlan, SuitePlan, plan};
pub use versions::tool_versions;

/// Someone who listens to a run. Called from one place, in order.
pub trait Sink: Send {
    /// Takes one event. An error means that the sink can't go on: the run stops starting attempts.
    fn on(&mut self, event: &Event) -> Result<(), SinkError>;
}

/// Why a sink can't go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SinkError {
    /// One lower-case sentence that names the path.
    pub message: String,
    /// What the user may do.
    pub hint: Option<String>,
}
