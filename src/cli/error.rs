//! Errors as the user reads them, and exit codes (DESIGN 6).

use crate::util::suggest::nearest;
use std::fmt;

/// Exit codes, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// 0.
    Fine,
    /// 1: the evaluation says no.
    No,
    /// 2: wrong usage, config or input.
    Usage,
    /// 3: the harness could not do its work.
    Harness,
    /// 130: interrupted.
    Interrupted,
    /// 143: terminated.
    Terminated,
    /// 70: a bug in rolltape.
    Bug,
    /// The exit code of a command that was run for the user.
    Program(u8),
}

impl Exit {
    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Exit::Fine => 0,
            Exit::No => 1,
            Exit::Usage => 2,
            Exit::Harness => 3,
            Exit::Interrupted => 130,
            Exit::Terminated => 143,
            Exit::Bug => 70,
            Exit::Program(code) => code,
        }
    }
}

/// An error that ends a verb: one lower-case sentence that names the thing, and hints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CliError {
    /// Exit code.
    pub exit: Exit,
    /// The sentence, without `error:` and without a final period.
    pub message: String,
    /// What the user may do, each without `hint:`.
    pub hints: Vec<String>,
}

impl CliError {
    /// Wrong usage, config or input (exit 2).
    pub fn usage(message: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, message: message.into(), hints: Vec::new() }
    }

    /// The harness could not do its work (exit 3).
    pub fn harness(message: impl Into<String>) -> Self {
        Self { exit: Exit::Harness, message: message.into(), hints: Vec::new() }
    }

    /// Adds a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

impl CliError {
    /// Nothing is known under `name`; the nearest known name, or all of them, is the hint.
    pub fn unknown<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str> + Clone) -> Self {
        let error = Self::usage(format!("no {what} is named '{name}'"));
        match nearest(name, known.clone()) {
            Some(near) => error.hint(format!("did you mean '{near}'?")),
            None => error.hint(format!("it is one of {}", known.collect::<Vec<_>>().join(", "))),
        }
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.message)?;
        for hint in &self.hints {
            write!(f, "\nhint: {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for CliError {}
