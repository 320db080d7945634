//! Names of attempts and runs.

use std::fmt;

/// `suite/task/subject/n`, with `n` counted from 1. No part holds a slash.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AttemptId {
    /// Suite name.
    pub suite: String,
    /// Task id inside the suite.
    pub task: String,
    /// Subject id, for example `codeact@cassette`.
    pub subject: String,
    /// Number of the attempt, from 1.
    pub n: u32,
}

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}/{}", self.suite, self.task, self.subject, self.n)
    }
}

impl AttemptId {
    /// Reads what [`fmt::Display`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('/');
        let (suite, task, subject, n) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() || suite.is_empty() || task.is_empty() || subject.is_empty() {
            return None;
        }
        Some(Self {
            suite: suite.to_owned(),
            task: task.to_owned(),
            subject: subject.to_owned(),
            n: n.parse().ok()?,
        })
    }
}

/// A sortable name of a run, for example `20261123T161900-deepseek-api-3f2a`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RunId(pub String);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
