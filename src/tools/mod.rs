//! The agent's tools, run inside a sandbox through its seam. One file a tool.
//!
//! Must not know: back ends, agents, dialects. A tool's failure is text for the model; only a
//! broken sandbox is an error.

use crate::model::{Object, ToolDef};
use crate::sandbox::{Sandbox, SandboxError};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// What a tool gives back.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ToolOutput {
    /// Text for the model.
    pub text: String,
    /// Whether the tool reports a failure.
    pub is_error: bool,
    /// Exit code of a command, -1 while it still runs.
    pub exit_code: Option<i32>,
    /// Set by `finish`: the agent's last words.
    pub finished: Option<String>,
}

/// All tools of one attempt, with their state.
pub struct Toolbox {
    /// Where they run.
    pub sandbox: Arc<dyn Sandbox>,
}

/// The future of a tool call.
pub type ToolFuture<'a> = Pin<Box<dyn Future<Output = Result<ToolOutput, SandboxError>> + Send + 'a>>;

/// One tool.
pub struct Tool {
    /// Name as the model calls it.
    pub name: &'static str,
    /// Definition for the model.
    pub define: fn() -> ToolDef,
    /// Runs it with arguments that were parsed but not yet checked.
    pub run: for<'a> fn(&'a mut Toolbox, &'a Object) -> ToolFuture<'a>,
}
