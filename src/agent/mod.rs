//! Agents: the loop that turns model replies into actions. One file an agent.
//!
//! Invariant: every step is in the log before the next one begins, so that a trajectory comes out
//! whatever happens. Must not know: scorers, the store, how attempts are scheduled.

mod script;
mod talk;

use crate::backend::{Metered, OpenError, Stop};
use crate::model::{AgentInfo, AttemptId, Policy, Step, ToolDef};
use crate::suite::Task;
use crate::tools::Toolbox;
use crate::util::tell::Tell;
use async_trait::async_trait;
use std::borrow::Cow;
use std::net::{SocketAddr, TcpListener};

/// How an agent loop ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AgentEnd {
    /// It says that it is done, with its last words.
    Finished(Option<String>),
    /// It gave up on format.
    Invalid,
    /// It was stopped.
    Stopped(Stop),
}

/// The growing trajectory of one attempt. Owned by the engine, lent to the agent.
#[derive(Debug, Default)]
pub struct StepLog {
    steps: Vec<Step>,
    tools: Vec<ToolDef>,
    listener: Option<Tell<(u64, String)>>,
}

impl StepLog {
    /// An empty log that tells each step's id and summary to `listener`.
    pub fn new(listener: Option<Tell<(u64, String)>>) -> Self {
        Self { listener, ..Self::default() }
    }

    /// Adds a step; its id is set here.
    pub fn push(&mut self, mut step: Step, summary: impl Into<String>) {
        step.id = self.steps.len() as u64 + 1;
        if let Some(listener) = &self.listener {
            listener.tell((step.id, summary.into()));
        }
        self.steps.push(step);
    }

    /// The last step, to add an observation to it.
    pub fn last_mut(&mut self) -> Option<&mut Step> {
        self.steps.last_mut()
    }

    /// Steps so far.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The last step that made a call of this id.
    pub fn caller_mut(&mut self, id: &str) -> Option<&mut Step> {
        self.steps.iter_mut().rev().find(|step| step.calls.iter().any(|call| call.id == id))
    }

    /// Adds tools that the model was told of, for an agent that does not know them beforehand.
    pub fn add_tools(&mut self, tools: &[ToolDef]) {
        for tool in tools {
            if !self.tools.iter().any(|known| known.name == tool.name) {
                self.tools.push(tool.clone());
            }
        }
    }

    /// Gives the tools away that were added.
    pub fn take_tools(&mut self) -> Vec<ToolDef> {
        std::mem::take(&mut self.tools)
    }

    /// Gives the steps away.
    pub fn into_steps(self) -> Vec<Step> {
        self.steps
    }
}

/// What an agent works with.
pub struct Session<'a> {
    /// The attempt.
    pub attempt: &'a AttemptId,
    /// The task.
    pub task: &'a Task,
    /// Tools inside the sandbox.
    pub tools: &'a mut Toolbox,
    /// The model; `None` for an agent that asks none.
    pub model: Option<&'a mut Metered>,
    /// Where steps go.
    pub log: &'a mut StepLog,
    /// Where an agent that asks for it serves its model; see [`Agent::wants_door`].
    pub door: Option<Door>,
}

/// A listener inside the sandbox, and the key of those who may come in. Both are taken out of what is written.
pub struct Door {
    /// The listener.
    pub listener: TcpListener,
    /// Its address inside.
    pub addr: SocketAddr,
    /// The key.
    pub key: String,
}

/// An agent loop.
#[async_trait]
pub trait Agent: Send + Sync {
    /// Name, version and tools for the trajectory.
    fn info(&self) -> AgentInfo;
    /// Whether its session needs a [`Door`].
    fn wants_door(&self) -> bool {
        false
    }
    /// Whether it does anything in the sandbox. Of one that does not, only the words can be scored.
    fn uses_sandbox(&self) -> bool {
        true
    }
    /// The policy by which its messages are judged: the task's, unless it has nothing to call.
    fn policy<'a>(&self, task: &'a Policy) -> Cow<'a, Policy> {
        Cow::Borrowed(task)
    }
    /// Runs until done. Dropping the future stops it; what is in the log stays.
    async fn run(&self, session: Session<'_>) -> AgentEnd;
}

/// A kind of agent.
pub struct AgentKind {
    /// Name as in `--agent NAME`; `cheat:NAME` is `cheat` with an argument.
    pub name: &'static str,
    /// One line for `list agents`.
    pub about: &'static str,
    /// Whether it asks a model at all (`oracle` and `nop` do not).
    pub uses_model: bool,
    /// Opens it.
    pub open: fn(arg: Option<&str>) -> Result<Box<dyn Agent>, OpenError>,
}

registry! {
    /// All kinds of agents.
    AgentKind: codeact, tool_calling, chat, command, oracle, nop, cheat, answer
}

/// Name and version of an agent of ours, without tools.
fn info(name: &str) -> AgentInfo {
    AgentInfo { name: name.to_owned(), version: env!("CARGO_PKG_VERSION").to_owned(), ..AgentInfo::default() }
}

/// Refuses an argument where an agent takes none.
fn takes_nothing(name: &str, arg: Option<&str>) -> Result<(), OpenError> {
    match arg {
        None => Ok(()),
        Some(arg) => Err((
            format!("the agent '{name}' takes nothing after a colon, but got '{arg}'"),
            Some(format!("write --agent {name}")),
        )),
    }
}
