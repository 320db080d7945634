//! What the events of both generations of OpenHands have in common on their way to steps.

use super::events::Value;
use super::source::Refusal;
use super::text_calls;
use crate::model::{Message, Reply, Source as Speaker, Step, Trajectory, Usage};
use crate::util::json::View;
use std::collections::HashMap;

/// Where events are kept that say nothing to the model.
pub(super) const OTHER: &str = "other_events";

/// A trajectory that is made of events.
pub(super) struct Growing {
    pub(super) trajectory: Trajectory,
    /// File, and offset with a clause.
    pub(super) remarks: Vec<(u32, Refusal)>,
    /// Call id: its step.
    pub(super) calls: HashMap<String, usize>,
    /// Number of the next call that is written in text.
    pub(super) next_id: u32,
}

impl Growing {
    /// An empty one.
    pub(super) fn new() -> Self {
        let mut trajectory = Trajectory::default();
        "openhands".clone_into(&mut trajectory.agent.name);
        Self { trajectory, remarks: Vec::new(), calls: HashMap::new(), next_id: 1 }
    }

    /// The trajectory, which is the default one if there was nothing to put in, and what was remarked.
    pub(super) fn finish(self) -> (Trajectory, Vec<(u32, Refusal)>) {
        if self.trajectory.steps.is_empty() && self.trajectory.extra.is_empty() {
            return (Trajectory::default(), self.remarks);
        }
        (self.trajectory, self.remarks)
    }

    pub(super) fn remark(&mut self, event: Value<'_>, what: impl Into<String>) {
        self.remarks.push((event.file, (event.view.offset(), what.into())));
    }

    /// Keeps an event in the step before it, or in the trajectory.
    pub(super) fn keep(&mut self, event: View<'_>) {
        let extra = match self.trajectory.steps.last_mut() {
            Some(step) => &mut step.extra,
            None => &mut self.trajectory.extra,
        };
        let list = extra.entry(OTHER).or_insert_with(|| serde_json::Value::Array(Vec::new()));
        if let Some(list) = list.as_array_mut() {
            list.push(event.value());
        }
    }

    /// Adds an empty step; gives its index.
    pub(super) fn push(&mut self, source: Speaker) -> usize {
        let index = self.trajectory.steps.len();
        self.trajectory.steps.push(Step::new(index as u64 + 1, source, ""));
        index
    }

    /// Makes the reply of a step that has its message and its native calls; `sent` is what else is known of it.
    pub(super) fn reply(&mut self, index: usize, sent: Reply) {
        let step = &mut self.trajectory.steps[index];
        let text = step.message.text().into_owned();
        let mut sent = Reply { text, place: step.place, ..sent };
        if step.calls.is_empty() {
            let reading = text_calls::read(&sent.text, &mut self.next_id);
            sent.dialect = reading.dialect.map(str::to_owned);
            if !reading.calls.is_empty() {
                step.message = Message::Text(reading.content.into_owned());
                step.calls = reading.calls;
            }
        } else {
            (sent.native, sent.dialect) = (true, Some("native".to_owned()));
        }
        step.reply = Some(sent);
        self.note_calls(index);
    }

    /// Remembers which step the calls belong to.
    pub(super) fn note_calls(&mut self, index: usize) {
        self.calls.extend(self.trajectory.steps[index].calls.iter().map(|call| (call.id.clone(), index)));
    }

    /// The last step of the agent.
    pub(super) fn agent_step(&self) -> Option<usize> {
        self.trajectory.steps.iter().rposition(|step| step.source == Speaker::Agent)
    }
}

/// The sums of a model's metrics.
pub(super) fn accumulated(metrics: View<'_>) -> Usage {
    let tokens = metrics.some("accumulated_token_usage");
    let number = |key: &str| tokens.and_then(|tokens| tokens.get(key)?.uint());
    Usage {
        prompt_tokens: number("prompt_tokens"),
        completion_tokens: number("completion_tokens"),
        cached_tokens: number("cache_read_tokens"),
        cost_usd: metrics.get("accumulated_cost").and_then(View::float),
    }
}

/// The exit code, which stands in one place of the result wherever a version has it.
pub(super) fn exit_code(holders: [Option<View<'_>>; 2]) -> Option<View<'_>> {
    holders.into_iter().flatten().find_map(|holder| holder.some("exit_code"))
}
