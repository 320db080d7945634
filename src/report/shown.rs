//! A run as reports read it: its records, and what is counted over them.
//!
//! Invariant: counted once, however many reports are made of the run.

use super::stats::{Stats, TaskStats, by_subject, by_task};
use crate::store::RunView;
use std::ops::Deref;
use std::sync::OnceLock;

/// A run that reports are made of, on any number of cores at once.
#[derive(Debug)]
pub struct Shown<'a> {
    view: &'a RunView,
    tasks: OnceLock<Vec<TaskStats<'a>>>,
    subjects: OnceLock<Vec<(&'a str, Stats)>>,
    totals: OnceLock<Stats>,
}

impl<'a> Shown<'a> {
    /// Nothing is counted yet.
    pub fn new(view: &'a RunView) -> Self {
        Self { view, tasks: OnceLock::new(), subjects: OnceLock::new(), totals: OnceLock::new() }
    }

    /// One entry for each task and subject, in plan order.
    pub fn tasks(&self) -> &[TaskStats<'a>] {
        self.tasks.get_or_init(|| by_task(self.view))
    }

    /// The counts of each subject, in the order of the manifest, then those that only records name.
    pub fn subjects(&self) -> &[(&'a str, Stats)] {
        self.subjects.get_or_init(|| by_subject(self.view))
    }

    /// The counts of the whole run.
    pub fn totals(&self) -> &Stats {
        self.totals.get_or_init(|| Stats::of(&self.view.records))
    }
}

impl Deref for Shown<'_> {
    type Target = RunView;

    fn deref(&self) -> &RunView {
        self.view
    }
}
