//! Requests of a program as the steps of a trajectory.
//!
//! Invariant: every reply is a step of its own, in order; of the messages around it, each is told once. Messages of
//! the model's role that this run's model did not write are prompt, and not judged.

use crate::agent::StepLog;
use crate::backend::server::Wanted;
use crate::backend::{ChatMessage, ModelReply, Role};
use crate::model::{Message, Observation, ObservationResult, Source, Step};
use crate::util::text::cut;

/// What was told so far.
#[derive(Default)]
pub(super) struct Told {
    /// The conversation of the last request, and its reply.
    seen: Vec<ChatMessage>,
}

impl Told {
    /// Messages at the beginning of a request that were there before. The last one is always new: a program that
    /// asks the same again asks again.
    pub(super) fn known(&self, messages: &[ChatMessage]) -> usize {
        let equal = messages.iter().zip(&self.seen).take_while(|(new, old)| same(new, old)).count();
        equal.min(messages.len().saturating_sub(1))
    }

    /// Tells what is new in a request.
    pub(super) fn request(&mut self, wanted: &Wanted, log: &mut StepLog) {
        log.add_tools(&wanted.tools);
        for message in wanted.messages.iter().skip(self.known(&wanted.messages)) {
            tell(message, log);
        }
    }

    /// Tells the reply to a request.
    pub(super) fn reply(&mut self, wanted: Wanted, reply: &ModelReply, log: &mut StepLog) {
        let native = !wanted.tools.is_empty() || !reply.calls.is_empty();
        let names: Vec<&str> = reply.calls.iter().map(|call| call.name.as_str()).collect();
        let summary = match names.as_slice() {
            [] => cut(reply.text.lines().next().unwrap_or_default(), 60),
            names => names.join("; "),
        };
        // How a program has calls written as text, nobody says.
        let step = reply.step(native.then_some("native"), native);
        log.push(step, summary);
        self.seen = wanted.messages;
        self.seen.push(ChatMessage {
            reasoning: reply.reasoning.clone(),
            calls: reply.calls.clone(),
            ..ChatMessage::new(Role::Assistant, reply.text.clone())
        });
    }
}

/// Whether two messages are the same. Clients trim what the model wrote, write arguments anew and drop reasoning.
fn same(new: &ChatMessage, old: &ChatMessage) -> bool {
    if new.role != old.role || new.call_id != old.call_id {
        return false;
    }
    if new.role != Role::Assistant {
        return new.content == old.content;
    }
    let calls = |message: &ChatMessage| -> Vec<(String, String)> {
        message.calls.iter().map(|call| (call.id.clone(), call.name.clone())).collect()
    };
    calls(new) == calls(old) && (!old.calls.is_empty() || new.content.trim() == old.content.trim())
}

fn tell(message: &ChatMessage, log: &mut StepLog) {
    let content = message.content.clone();
    match message.role {
        Role::System => log.push(Step::new(0, Source::System, content), "instructions"),
        Role::User => log.push(Step::new(0, Source::User, content), "user"),
        Role::Assistant => {
            let step = Step {
                reasoning: message.reasoning.clone(),
                calls: message.calls.clone(),
                llm_calls: Some(0),
                frame: true,
                ..Step::new(0, Source::Agent, content)
            };
            log.push(step, "told by the program as the model's");
        }
        Role::Tool => {
            let id = message.call_id.clone().unwrap_or_default();
            let mut result = ObservationResult {
                call_id: Some(id.clone()),
                content: Some(Message::Text(content)),
                ..ObservationResult::default()
            };
            if let Some(step) = log.caller_mut(&id) {
                let call = step.calls.iter().find(|call| call.id == id);
                result.name = call.map(|call| call.name.clone());
                step.observation.get_or_insert_with(Observation::default).results.push(result);
            } else {
                // No call has this id: a rule finds it there.
                let observation = Some(Observation { results: vec![result] });
                log.push(Step { observation, ..Step::new(0, Source::User, "") }, "result of no call");
            }
        }
    }
}
