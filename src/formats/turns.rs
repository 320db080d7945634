//! Steps under construction, for logs whose calls and results name each other by id.

use super::chat::Content;
use crate::model::{Observation, ObservationResult, Source, Step, ToolCall};
use std::collections::HashMap;

/// Steps so far, and which of them made which call.
#[derive(Default)]
pub(super) struct Turns {
    pub(super) steps: Vec<Step>,
    made: HashMap<String, usize>,
    /// The latest agent step.
    agent: Option<usize>,
}

impl Turns {
    /// Adds a step that says something.
    pub(super) fn push(&mut self, source: Source, content: Content) -> &mut Step {
        let mut step = Step::new(self.steps.len() as u64 + 1, source, "");
        step.message = content.message;
        step.place = content.place;
        self.add(step)
    }

    /// Adds a step that is made already; its number is set here.
    pub(super) fn add(&mut self, mut step: Step) -> &mut Step {
        let index = self.steps.len();
        step.id = index as u64 + 1;
        if step.source == Source::Agent {
            self.agent = Some(index);
        }
        for call in step.calls.iter().filter(|call| !call.id.is_empty()) {
            self.made.insert(call.id.clone(), index);
        }
        self.steps.push(step);
        &mut self.steps[index]
    }

    /// Adds calls to a step.
    pub(super) fn made(&mut self, index: usize, calls: Vec<ToolCall>) {
        for call in calls.iter().filter(|call| !call.id.is_empty()) {
            self.made.insert(call.id.clone(), index);
        }
        self.steps[index].calls.extend(calls);
    }

    /// Puts a result into the latest step that made its call, else into the latest agent step, else into a step of
    /// its own.
    pub(super) fn attach(&mut self, result: ObservationResult) {
        let own = result.call_id.as_ref().and_then(|id| self.made.get(id)).copied();
        let index = own.or(self.agent).unwrap_or_else(|| {
            if self.steps.last().is_none_or(|step| step.observation.is_none()) {
                self.add(Step::new(0, Source::User, ""));
            }
            self.steps.len() - 1
        });
        self.steps[index].observation.get_or_insert_with(Observation::default).results.push(result);
    }
}
