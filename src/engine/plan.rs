//! From suites and subjects to the ordered list of attempts.

use crate::agent::Agent;
use crate::backend::Backend;
use crate::model::{AttemptId, Subject};
use crate::score::Compiled;
use crate::suite::{Suite, Task};
use std::sync::Arc;

/// One subject of one suite, opened.
pub struct SubjectPlan {
    /// Who it is.
    pub subject: Subject,
    /// The loop.
    pub agent: Arc<dyn Agent>,
    /// The model; `None` for agents that ask none.
    pub backend: Option<Arc<dyn Backend>>,
    /// Read-only mounts beside those of the task, for the agent alone: host folder, path inside.
    pub mounts: Vec<(String, String)>,
}

/// One suite with its subjects and compiled scorers.
pub struct SuitePlan {
    /// The suite; only the selected tasks.
    pub suite: Suite,
    /// Subjects in the order of the command line.
    pub subjects: Vec<SubjectPlan>,
    /// Scorers of each task, in the order of `suite.tasks` and of the task.
    pub scorers: Vec<Vec<Arc<Compiled>>>,
    /// Why a task can't run here, in the order of `suite.tasks`.
    pub skips: Vec<Option<String>>,
    /// Read-only mounts of each task: host folder, path inside.
    pub mounts: Vec<Vec<(String, String)>>,
}

impl SuitePlan {
    /// Whether a task is done in a sandbox: its agent works in one, a scorer looks into one, or a service
    /// listens in one.
    fn needs_sandbox(&self, task: usize, subject: &SubjectPlan) -> bool {
        subject.agent.uses_sandbox()
            || !self.suite.tasks[task].services.is_empty()
            || self.scorers[task].iter().any(|scorer| !scorer.probes.is_empty())
    }

    /// Whether the machine must be asked for sandboxes at all: some task is done in one, or its needs can
    /// only be judged by one.
    pub fn needs_launcher(&self) -> bool {
        self.suite.tasks.iter().enumerate().any(|(index, task)| {
            !task.needs.is_empty()
                || !task.sandbox.require.is_empty()
                || !task.hidden.is_empty()
                || self.subjects.iter().any(|subject| self.needs_sandbox(index, subject))
        })
    }
}

/// One planned attempt: indices into the [`Plan`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// Position in the plan, from 0.
    pub seq: u64,
    /// Name.
    pub id: AttemptId,
    /// Index of the suite.
    pub suite: usize,
    /// Index of the task in its suite.
    pub task: usize,
    /// Index of the subject in its suite.
    pub subject: usize,
    /// Number of this try, from 1.
    pub try_n: u32,
}

/// What is to be run.
pub struct Plan {
    /// Suites in order.
    pub suites: Vec<SuitePlan>,
    /// Attempts in order.
    pub attempts: Vec<Planned>,
    /// Base seed.
    pub seed: u64,
}

impl Plan {
    /// The suite, task and subject of an attempt.
    pub fn parts(&self, planned: &Planned) -> (&SuitePlan, &Task, &SubjectPlan) {
        let suite = &self.suites[planned.suite];
        (suite, &suite.suite.tasks[planned.task], &suite.subjects[planned.subject])
    }

    /// Whether an attempt is made in a sandbox.
    pub fn needs_sandbox(&self, planned: &Planned) -> bool {
        let suite = &self.suites[planned.suite];
        suite.needs_sandbox(planned.task, &suite.subjects[planned.subject])
    }
}

/// How often each pair of task and subject is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Matrix {
    /// Attempts a pair, from 1.
    pub attempts: u32,
    /// Base seed.
    pub seed: u64,
}

/// Lays the attempts out: suite by suite, task by task, subject by subject, attempt by attempt.
pub fn plan(suites: Vec<SuitePlan>, matrix: Matrix) -> Plan {
    let mut attempts = Vec::new();
    for (suite_index, suite) in suites.iter().enumerate() {
        for (task_index, task) in suite.suite.tasks.iter().enumerate() {
            for (subject_index, subject) in suite.subjects.iter().enumerate() {
                for n in 1..=matrix.attempts {
                    attempts.push(Planned {
                        seq: attempts.len() as u64,
                        id: AttemptId {
                            suite: suite.suite.name.clone(),
                            task: task.id.clone(),
                            subject: subject.subject.id.clone(),
                            n,
                        },
                        suite: suite_index,
                        task: task_index,
                        subject: subject_index,
                        try_n: 1,
                    });
                }
            }
        }
    }
    Plan { suites, attempts, seed: matrix.seed }
}
