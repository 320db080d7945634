//! What a rule has to say about a message.

use super::Span;

/// How much a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// Told, nothing else.
    Info,
    /// Suspicious; fails only with `--fail-on warning`.
    Warning,
    /// Breaks the contract.
    Error,
}

impl Severity {
    /// `error`, `warning` or `info`.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

/// How the message was read when the finding arose.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ReadingKind {
    /// What the model wrote.
    Strict,
    /// What the named runtime's parser makes of it.
    Runtime(String),
}

impl std::fmt::Display for ReadingKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ReadingKind::Strict => f.write_str("strict"),
            ReadingKind::Runtime(name) => write!(f, "runtime:{name}"),
        }
    }
}

/// A position in the decompressed file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Location {
    /// Line from 1; only `\n` ends a line.
    pub line: u64,
    /// Column from 1, in characters.
    pub column: u64,
}

/// One finding.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// Rule id, for example `FC002`.
    pub rule: &'static str,
    /// Rule name, for example `multiple-calls`.
    pub name: &'static str,
    /// Weight under the policy in force.
    pub severity: Severity,
    /// Readings in which it holds.
    pub readings: Vec<ReadingKind>,
    /// Step id, from 1; `None` for the trajectory as a whole.
    pub step: Option<u64>,
    /// Index of the judged assistant message, from 0.
    pub message: Option<u64>,
    /// Bytes in the decoded message.
    pub span: Option<Span>,
    /// Line and column in the file, once located.
    pub location: Option<Location>,
    /// One sentence, lower case, without a final period.
    pub text: String,
}
