//! The ordered record of one attempt.

use super::{FinalMetrics, Object, Source, Step};
use serde_json::Value;

/// A tool that the model may call.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolDef {
    /// Function name.
    pub name: String,
    /// Description for the model.
    pub description: String,
    /// JSON Schema of the arguments (an object schema).
    pub parameters: Value,
}

/// The agent of a trajectory.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AgentInfo {
    /// Name of the agent program.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Model, if one model served all steps.
    pub model: Option<String>,
    /// Tool list as the model was told, if the log holds it; `None` is not the same as empty.
    pub tools: Option<Vec<ToolDef>>,
    /// Tool definitions exactly as written, when they could not all be read as [`ToolDef`].
    pub raw_tools: Option<Vec<Value>>,
    /// Other fields.
    pub extra: Object,
}

/// Where a trajectory was read from.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Origin {
    /// Name of the format that read it.
    pub format: String,
    /// Path as the user gave it; empty for one made by a run.
    pub path: String,
    /// Byte offset in the decompressed file where the record starts.
    pub offset: u64,
    /// Line of the record, from 1.
    pub line: u64,
    /// Other files that texts were taken from (response logs beside a prompt log).
    pub files: Vec<String>,
}

/// A trajectory.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Trajectory {
    /// Schema version as read, for example `ATIF-v1.8`.
    pub schema_version: Option<String>,
    /// Trajectory id.
    pub id: Option<String>,
    /// Session id.
    pub session_id: Option<String>,
    /// The agent.
    pub agent: AgentInfo,
    /// The steps in order.
    pub steps: Vec<Step>,
    /// Free notes.
    pub notes: Option<String>,
    /// Totals as the producer gave them.
    pub final_metrics: Option<FinalMetrics>,
    /// Reference to the trajectory that this one goes on from.
    pub continued_ref: Option<String>,
    /// Embedded subagent trajectories.
    pub subagents: Vec<Trajectory>,
    /// Other fields (`extra` in ATIF).
    pub extra: Object,
    /// Where it was read from.
    pub origin: Origin,
}

impl Trajectory {
    /// Assistant messages that were made by a model call and are judged, in order.
    pub fn judged(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|step| step.source == Source::Agent && !step.frame)
    }
}
