//! How an attempt ended.

use std::fmt;

/// Which limit was hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LimitKind {
    /// Turns of the agent loop.
    Turns,
    /// Wall clock.
    Wall,
    /// Tokens.
    Tokens,
    /// Money.
    Usd,
    /// Memory of the sandbox.
    Oom,
    /// Processes of the sandbox.
    Pids,
    /// Disk bytes or inodes.
    Disk,
    /// Bytes of output.
    Output,
    /// CPU time.
    Cpu,
}

impl LimitKind {
    /// The word that records use.
    pub fn as_str(self) -> &'static str {
        match self {
            LimitKind::Turns => "turns",
            LimitKind::Wall => "wall",
            LimitKind::Tokens => "tokens",
            LimitKind::Usd => "usd",
            LimitKind::Oom => "oom",
            LimitKind::Pids => "pids",
            LimitKind::Disk => "disk",
            LimitKind::Output => "output",
            LimitKind::Cpu => "cpu",
        }
    }

    /// Reads what [`LimitKind::as_str`] gives.
    pub fn parse(word: &str) -> Option<Self> {
        use LimitKind::{Cpu, Disk, Oom, Output, Pids, Tokens, Turns, Usd, Wall};
        [Turns, Wall, Tokens, Usd, Oom, Pids, Disk, Output, Cpu].into_iter().find(|k| k.as_str() == word)
    }
}

/// The closed list of reasons for which the harness could not do its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ErrorClass {
    /// The conversation left the tape.
    CassetteMiss,
    /// The back end refused the credentials.
    BackendAuth,
    /// The back end could not be reached or answered with an error after all retries.
    Backend,
    /// The back end's answer was not one.
    BackendProtocol,
    /// The sandbox could not start or died.
    Sandbox,
    /// A service of the task could not start.
    Service,
    /// A scorer could not judge.
    Scorer,
    /// A tool of the harness failed (not the agent's command).
    Tool,
    /// A part of the harness panicked; the others went on.
    Internal,
}

impl ErrorClass {
    /// All classes.
    pub const ALL: [ErrorClass; 9] = [
        ErrorClass::CassetteMiss,
        ErrorClass::BackendAuth,
        ErrorClass::Backend,
        ErrorClass::BackendProtocol,
        ErrorClass::Sandbox,
        ErrorClass::Service,
        ErrorClass::Scorer,
        ErrorClass::Tool,
        ErrorClass::Internal,
    ];

    /// The word that records use.
    pub fn as_str(self) -> &'static str {
        match self {
            ErrorClass::CassetteMiss => "cassette_miss",
            ErrorClass::BackendAuth => "backend_auth",
            ErrorClass::Backend => "backend",
            ErrorClass::BackendProtocol => "backend_protocol",
            ErrorClass::Sandbox => "sandbox",
            ErrorClass::Service => "service",
            ErrorClass::Scorer => "scorer",
            ErrorClass::Tool => "tool",
            ErrorClass::Internal => "internal",
        }
    }

    /// Reads what [`ErrorClass::as_str`] gives.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == word)
    }
}

/// A harness error of one attempt: never a zero score.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunError {
    /// Class from the closed list.
    pub class: ErrorClass,
    /// One lower-case sentence that names the thing.
    pub message: String,
}

impl RunError {
    /// An error of `class` with its sentence.
    pub fn new(class: ErrorClass, message: impl Into<String>) -> Self {
        Self { class, message: message.into() }
    }
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.class.as_str(), self.message)
    }
}

impl std::error::Error for RunError {}

/// How an attempt ended: one of seven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// All scorers passed.
    Passed,
    /// At least one scorer did not pass.
    Failed,
    /// The agent loop gave up on format; scored all the same.
    Invalid,
    /// A limit was hit; scored all the same.
    Limit(LimitKind),
    /// The harness could not do its work; outside every rate.
    Error(RunError),
    /// Stopped before it ended, or never started.
    Cancelled,
    /// Not run, for the reason given.
    Skipped(String),
}

impl Outcome {
    /// The word that records use.
    pub fn word(&self) -> &'static str {
        match self {
            Outcome::Passed => "passed",
            Outcome::Failed => "failed",
            Outcome::Invalid => "invalid",
            Outcome::Limit(_) => "limit",
            Outcome::Error(_) => "error",
            Outcome::Cancelled => "cancelled",
            Outcome::Skipped(_) => "skipped",
        }
    }

    /// Whether the attempt is inside the denominator of success.
    pub fn is_scored(&self) -> bool {
        matches!(self, Outcome::Passed | Outcome::Failed | Outcome::Invalid | Outcome::Limit(_))
    }
}
