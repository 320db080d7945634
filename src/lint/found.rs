//! What lints have found.

use super::{Lint, Place};
use crate::model::Severity;

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Id of the lint.
    pub lint: &'static str,
    /// Name of the lint.
    pub name: &'static str,
    /// Weight.
    pub severity: Severity,
    /// Task, if it is about one.
    pub task: Option<String>,
    /// File, from the folder that the user gave.
    pub file: String,
    /// Line from 1; 0 for a whole file.
    pub line: u64,
    /// One sentence, lower case, without a final period.
    pub text: String,
}

/// Collects findings of one lint after the other.
#[derive(Default)]
pub struct Found {
    pub(super) lint: Option<&'static Lint>,
    all: Vec<Finding>,
}

impl Found {
    /// Adds a finding of the lint that is being asked.
    pub(super) fn add(&mut self, task: Option<&str>, place: Place, text: impl Into<String>) {
        let Some(lint) = self.lint else { return };
        let finding = Finding {
            lint: lint.id,
            name: lint.name,
            severity: lint.severity,
            task: task.map(str::to_owned),
            file: place.file,
            line: place.line,
            text: text.into(),
        };
        if !self.all.contains(&finding) {
            self.all.push(finding);
        }
    }

    pub(super) fn sorted(mut self) -> Vec<Finding> {
        self.all.sort_by(|a, b| {
            (&a.file, a.line, a.lint, &a.task, &a.text).cmp(&(&b.file, b.line, b.lint, &b.task, &b.text))
        });
        self.all
    }
}
