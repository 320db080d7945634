//! Plain data that every other module speaks: trajectories, findings, scores, records, events.
//!
//! Invariant: no IO, no clock, no environment, no async, no serde derives; what is on disk is the
//! business of `formats` and `store`. Nothing here knows a format, a rule or an agent.

mod event;
mod finding;
mod ids;
mod outcome;
mod policy;
mod record;
mod role;
mod score;
mod span;
mod step;
mod trajectory;
mod usage;

pub use event::{CassetteLine, Event, Exchanged, Finished, RunSummary, Scope, SseChunk};
pub use finding::{Finding, Location, ReadingKind, Severity};
pub use ids::{AttemptId, RunId};
pub use outcome::{ErrorClass, LimitKind, Outcome, RunError};
pub use policy::{CallPolicy, Policy, Reading};
pub use record::{
    AttemptRecord, Drift, Evidence, LAYERS, LayerState, Parent, RunManifest, Subject, TrajectoryRef,
};
pub use role::Role;
pub use score::Score;
pub use span::{Place, Span};
pub use step::{
    Arguments, ContentPart, Message, Observation, ObservationResult, Reply, Source, Step, ToolCall,
};
pub use trajectory::{AgentInfo, Origin, ToolDef, Trajectory};
pub use usage::{FinalMetrics, Price, Usage};

/// A JSON object in the order in which its keys were written.
pub type Object = serde_json::Map<String, serde_json::Value>;
