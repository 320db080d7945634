//! Steps under construction, for logs whose calls and results name each other by id.

use super::chat::Content;
use crate::model::{ContentPart, Message, Observation, ObservationResult, Source, Step, ToolCall};
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

    /// The steps. A reply's text is that of its message, put together once.
    pub(super) fn finish(mut self) -> Vec<Step> {
        for step in &mut self.steps {
            if let Some(reply) = step.reply.as_mut().filter(|reply| reply.native && reply.text.is_empty()) {
                reply.text = step.message.text().into_owned();
                reply.place = step.place;
            }
        }
        self.steps
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

/// Puts a result into the latest step that made its call, else into the latest agent step, else into a step of its own;
/// whether that had to be made.
pub(super) fn attach(steps: &mut Vec<Step>, result: ObservationResult) -> bool {
    let made = |step: &Step| step.calls.iter().any(|call| Some(&call.id) == result.call_id.as_ref());
    // Calls are answered soon: only the latest steps are looked at, so that a log of nothing but orphans costs no
    // more than its length.
    let own = steps.iter().enumerate().rev().take(64).find(|(_, step)| made(step)).map(|(n, _)| n);
    let found = own.or_else(|| steps.iter().rposition(|step| step.source == Source::Agent));
    let index = found.unwrap_or_else(|| {
        steps.push(Step::new(steps.len() as u64 + 1, Source::User, ""));
        steps.len() - 1
    });
    steps[index].observation.get_or_insert_with(Observation::default).results.push(result);
    found.is_none()
}

/// Adds content to a step whose message comes in several pieces.
pub(super) fn say(step: &mut Step, content: Content) {
    let had = match &step.message {
        Message::Text(text) => !text.is_empty(),
        Message::Parts(parts) => !parts.is_empty(),
    };
    if !had {
        step.message = content.message;
        step.place = content.place;
        return;
    }
    let more = parts(content.message);
    if more.is_empty() {
        return;
    }
    if let Message::Text(text) = &mut step.message {
        step.message = Message::Parts(parts(Message::Text(std::mem::take(text))));
    }
    if let Message::Parts(all) = &mut step.message {
        all.extend(more);
    }
    // Text that stands in several places has no one place.
    step.place = None;
}

/// Content as parts; an empty text is none.
fn parts(message: Message) -> Vec<ContentPart> {
    match message {
        Message::Text(text) if text.is_empty() => Vec::new(),
        Message::Text(text) => vec![ContentPart { kind: "text".to_owned(), text: Some(text), source: None }],
        Message::Parts(parts) => parts,
    }
}
