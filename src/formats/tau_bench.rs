//! `tau-bench`: results of tau-bench, a list of `{task_id, reward, info, traj, trial}` whose `traj` is a chat.
//!
//! A message without a call talks to the simulated user and is legal there. Source: tau-bench, `run.py`.

use super::chat::{Chat, expected};
use super::source::Refusal;
use super::{Format, Reader, Sniff, Source};
use crate::model::Trajectory;
use crate::util::json::View;

pub(super) static ITEM: Format = Format {
    name: "tau-bench",
    about: "results of tau-bench: task, reward and a chat each",
    sniff,
    marks: &[&["traj", "traj[].role", "task_id", "reward", "info", "trial"]],
    read: Reader::Records(convert),
    folder: None,
    write: None,
};

fn sniff(source: &Source<'_>) -> Sniff {
    let Some(record) = source.first().filter(|record| record.is_object()) else {
        return Sniff::new(0, "holds no JSON object");
    };
    if !record.get("traj").is_some_and(View::is_array) {
        return Sniff::new(0, "has no \"traj\"");
    }
    Sniff::new(if record.get("task_id").is_some() { 95 } else { 60 }, "")
}

fn convert(record: View<'_>, _: &mut Vec<Refusal>) -> Result<Trajectory, Refusal> {
    if !record.is_object() {
        return Err(expected(record, "a record", "an object with \"traj\""));
    }
    let messages = record.get("traj").ok_or_else(|| (record.offset(), "has no \"traj\"".to_owned()))?;
    if !messages.is_array() {
        return Err(expected(messages, "\"traj\"", "a list"));
    }
    let mut chat = Chat::new();
    for message in messages.items() {
        chat.add(message)?;
    }
    let mut trajectory = Trajectory { steps: chat.steps, ..Trajectory::default() };
    "tau-bench".clone_into(&mut trajectory.agent.name);
    let rest = record.members().filter(|(key, _)| key != "traj");
    trajectory.extra = rest.map(|(key, value)| (key.into_owned(), value.value())).collect();
    Ok(trajectory)
}
