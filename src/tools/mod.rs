//! The agent's tools, run inside a sandbox through its seam. One file a tool.
//!
//! Invariants: a tool's failure is text for the model, only a broken sandbox is an error; what the agent
//! sees is the same text for the same work, whatever the level of the sandbox. The trailer of a command
//! therefore names the working folder as the file tool does (`/workspace/…`), also in the levels where
//! that folder really lies elsewhere; what commands print is never touched, so `pwd` tells the real path.
//! Must not know: back ends, agents, dialects.

mod args;
mod clip;
mod editor;
mod python;
mod shell;
mod spent;
mod split;
mod wait;

pub(crate) use clip::Clip;

use crate::model::{Object, ToolDef};
use crate::sandbox::{Sandbox, SandboxError};
use crate::util::suggest::nearest;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

registry! {
    /// All tools, in the order in which a model is told of them.
    Tool: execute_bash, execute_ipython_cell, str_replace_editor, finish, think
}

/// What a tool gives back.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ToolOutput {
    /// Text for the model.
    pub text: String,
    /// Whether the tool reports a failure.
    pub is_error: bool,
    /// Exit code of a command, -1 while it still runs. Of a cell: 0, or 1 when it raised an exception.
    pub exit_code: Option<i32>,
    /// Set by `finish`: the agent's last words.
    pub finished: Option<String>,
}

impl ToolOutput {
    /// Text that tells of success.
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// Text that tells of a failure.
    pub(crate) fn error(text: impl Into<String>) -> Self {
        Self { text: text.into(), is_error: true, ..Self::default() }
    }
}

/// Limits of the tools.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// A command that prints nothing for so long is left running and the model is asked.
    pub soft_timeout: Duration,
    /// A command that keeps on printing is left running after this long.
    pub busy_timeout: Duration,
    /// The longest `timeout` that a call may ask for.
    pub max_timeout: Duration,
    /// A command of the shell or a cell that has run for so long is ended.
    pub command_wall: Option<Duration>,
    /// One during which programs used so much CPU time is ended, too.
    pub command_cpu: Option<Duration>,
    /// Characters of a command's output that the model sees; the middle of more is left out.
    pub max_output: usize,
    /// Characters of the file tool's answers that the model sees; the end of more is left out.
    pub max_view: usize,
    /// Bytes of the largest file that the file tool opens.
    pub max_file: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            soft_timeout: Duration::from_secs(10),
            busy_timeout: Duration::from_mins(2),
            max_timeout: Duration::from_hours(1),
            command_wall: None,
            command_cpu: None,
            max_output: 30_000,
            max_view: 16_000,
            max_file: 10 << 20,
        }
    }
}

/// All tools of one attempt, with their state.
pub struct Toolbox {
    /// Where they run.
    pub sandbox: Arc<dyn Sandbox>,
    options: Options,
    shell: Option<shell::Shell>,
    python: Option<python::Python>,
    history: editor::History,
}

impl Toolbox {
    /// The tools of a sandbox. The shell starts with the first command.
    pub fn new(sandbox: Arc<dyn Sandbox>) -> Self {
        Self::with_options(sandbox, Options::default())
    }

    /// The same with other limits.
    pub fn with_options(sandbox: Arc<dyn Sandbox>, options: Options) -> Self {
        Self { sandbox, options, shell: None, python: None, history: editor::History::default() }
    }

    /// Definitions of all tools, the same in every level.
    pub fn definitions() -> Vec<ToolDef> {
        DEFINITIONS.clone()
    }

    /// Runs the tool of this name. An unknown name and bad arguments are text for the model.
    ///
    /// Dropping the future leaves a command running in the shell; the next call sees it so.
    ///
    /// # Errors
    /// Only when the sandbox itself is broken.
    pub async fn call(&mut self, name: &str, arguments: &Object) -> Result<ToolOutput, SandboxError> {
        let Some((tool, definition)) = ALL.iter().zip(&*DEFINITIONS).find(|(tool, _)| tool.name == name)
        else {
            let names: Vec<&str> = ALL.iter().map(|tool| tool.name).collect();
            let guess = nearest(name, names.iter().copied());
            let guess = guess.map_or_else(String::new, |name| format!(" Did you mean '{name}'?"));
            let names = names.join(", ");
            let text = format!("ERROR: There is no tool named '{name}'.{guess} The tools are: {names}.");
            return Ok(ToolOutput::error(text));
        };
        if let Err(text) = args::check(definition, arguments) {
            return Ok(ToolOutput::error(text));
        }
        (tool.run)(self, arguments).await
    }
}

/// What each of [`ALL`] is, made once.
static DEFINITIONS: LazyLock<Vec<ToolDef>> =
    LazyLock::new(|| ALL.iter().map(|tool| (tool.define)()).collect());

/// The future of a tool call.
pub type ToolFuture<'a> = Pin<Box<dyn Future<Output = Result<ToolOutput, SandboxError>> + Send + 'a>>;

/// One tool.
pub struct Tool {
    /// Name as the model calls it.
    pub name: &'static str,
    /// One line for `list tools`.
    pub about: &'static str,
    /// Definition for the model.
    pub define: fn() -> ToolDef,
    /// Runs it with arguments that were parsed but not yet checked.
    pub run: for<'a> fn(&'a mut Toolbox, &'a Object) -> ToolFuture<'a>,
}
