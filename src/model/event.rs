//! The one stream of events that a run emits.

use super::{AttemptId, AttemptRecord, Object, RunManifest, Trajectory, Usage};
use serde_json::Value;
use std::sync::Arc;

/// Whether an exchange served the agent or a judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The agent's own model call.
    Agent,
    /// A judge's.
    Judge,
}

/// One server-sent event as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SseChunk {
    /// Milliseconds after the request.
    pub t_ms: u64,
    /// The data field.
    pub data: String,
}

/// One recorded model exchange, redacted; DESIGN 5 names the fields on disk.
#[derive(Debug, Clone, PartialEq)]
pub struct CassetteLine {
    /// Agent or judge.
    pub scope: Scope,
    /// Suite name; empty on a tape that does not tell.
    pub suite: String,
    /// Task id.
    pub task: String,
    /// Subject id.
    pub subject: String,
    /// Attempt number, from 1.
    pub attempt: u32,
    /// Turn, from 1.
    pub turn: u32,
    /// SHA-256 over the replies so far: text, then `\x01name\x01arguments` of each native call, then a NUL byte.
    pub prefix_sha256: String,
    /// Messages that are new since the last turn: `{role, content, reasoning_content?, tool_calls?, tool_call_id?}`.
    pub new_messages: Vec<Object>,
    /// Parameters as sent.
    pub params: Object,
    /// SHA-256 of the tool definitions as JSON; empty without tools.
    pub tools_sha256: String,
    /// HTTP status, 200 for an in-process back end.
    pub status: u16,
    /// Whole body of a reply that was not streamed.
    pub body: Option<Value>,
    /// Streamed reply.
    pub sse: Option<Vec<SseChunk>>,
    /// Usage.
    pub usage: Option<Usage>,
}

/// An exchange and the attempt that it belongs to.
#[derive(Debug, Clone, PartialEq)]
pub struct Exchanged {
    /// The attempt.
    pub attempt: AttemptId,
    /// The exchange.
    pub line: CassetteLine,
}

/// Everything of a finished attempt.
#[derive(Debug, Clone, PartialEq)]
pub struct Finished {
    /// The record; `trajectory` and `evidence` digests are filled in by the engine where known.
    pub record: AttemptRecord,
    /// The trajectory: always there.
    pub trajectory: Trajectory,
    /// Contents of the evidence: digest and bytes.
    pub evidence: Vec<(String, Arc<[u8]>)>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RunSummary {
    /// Attempts that were finished in this invocation.
    pub finished: u64,
    /// Attempts that were never started.
    pub not_started: u64,
    /// Whether the user or a limit stopped it early.
    pub interrupted: bool,
}

/// An event of a run, in the order in which the dispatcher saw it.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The run begins; the plan is fixed.
    RunStarted(Box<RunManifest>),
    /// An attempt was handed to a worker.
    AttemptStarted(AttemptId),
    /// A step was added to an attempt's trajectory.
    StepAdded {
        /// The attempt.
        attempt: AttemptId,
        /// Step id.
        step: u64,
        /// A short line for a live view: the tool's name, or the first words.
        summary: String,
    },
    /// A model exchange took place.
    Exchanged(Arc<Exchanged>),
    /// An attempt ended.
    AttemptFinished(Arc<Finished>),
    /// Something that the user should know and that stops nothing.
    Warning(String),
    /// The run ended.
    RunFinished(RunSummary),
}
