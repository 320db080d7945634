//! Rules: what can be said of a trajectory by reading it. One file a rule, one manual a rule.
//!
//! Must not know: files, runs, scores. Invariant: `format_ok` depends on the FC family alone.

use crate::model::{Finding, Policy, Trajectory};

/// The verdict over one trajectory.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Judgement {
    /// Findings in message order; locations not yet filled in.
    pub findings: Vec<Finding>,
    /// Judged assistant messages.
    pub messages: u64,
    /// Messages without an FC error in the counting reading.
    pub compliant: u64,
    /// Calls in the counting reading.
    pub calls: u64,
}

impl Judgement {
    /// Whether no message has an FC error; `None` without a judged message.
    pub fn format_ok(&self) -> Option<bool> {
        (self.messages > 0).then_some(self.compliant == self.messages)
    }
}

/// Judges one trajectory with every rule.
pub fn judge(_trajectory: &Trajectory, _policy: &Policy) -> Judgement {
    Judgement::default()
}
