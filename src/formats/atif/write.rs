//! Trajectory to ATIF v1.8.

use super::super::chat::tool_value;
use super::{EXTRA, metrics, parts};
use crate::model::{Object, ObservationResult, Reply, Source, Step, ToolCall, Trajectory};
use serde_json::Value;

/// One trajectory as an ATIF v1.8 object.
pub fn value(trajectory: &Trajectory) -> Value {
    Value::Object(object(trajectory))
}

/// One trajectory as one line, without the newline.
pub fn line(trajectory: &Trajectory) -> String {
    value(trajectory).to_string()
}

/// An object under construction: what is absent is not written, what has no place goes to ours.
struct Record {
    out: Object,
    extra: Object,
    ours: Object,
}

impl Record {
    fn new(extra: &Object) -> Self {
        let mut extra = extra.clone();
        // Fields that a newer version of ours may have put there stay.
        let ours = match extra.shift_remove(EXTRA) {
            Some(Value::Object(ours)) => ours,
            Some(other) => Object::from_iter([("value".to_owned(), other)]),
            None => Object::new(),
        };
        Self { out: Object::new(), extra, ours }
    }

    fn put(&mut self, key: &str, value: impl Into<Value>) {
        self.out.insert(key.to_owned(), value.into());
    }

    fn maybe(&mut self, key: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.put(key, value);
        }
    }

    fn own(&mut self, key: &str, value: impl Into<Value>) {
        self.ours.insert(key.to_owned(), value.into());
    }

    /// A field that the format allows on some steps only.
    fn either(&mut self, allowed: bool, key: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            if allowed { self.put(key, value) } else { self.own(key, value) }
        }
    }

    fn finish(mut self) -> Object {
        if !self.ours.is_empty() {
            self.extra.insert(EXTRA.to_owned(), self.ours.into());
        }
        if !self.extra.is_empty() {
            self.out.insert("extra".to_owned(), self.extra.into());
        }
        self.out
    }
}

fn object(trajectory: &Trajectory) -> Object {
    let mut record = Record::new(&trajectory.extra);
    record.put("schema_version", "ATIF-v1.8");
    if let Some(read) = trajectory.schema_version.as_ref().filter(|read| *read != "ATIF-v1.8") {
        record.own("schema_version", read.clone());
    }
    record.maybe("session_id", trajectory.session_id.clone());
    record.maybe("trajectory_id", trajectory.id.clone());
    record.put("agent", agent(trajectory));
    let steps = trajectory.steps.iter().enumerate().map(|(n, item)| Value::Object(step(n as u64 + 1, item)));
    record.put("steps", steps.collect::<Vec<_>>());
    record.maybe("notes", trajectory.notes.clone());
    record.maybe("final_metrics", trajectory.final_metrics.as_ref().map(metrics::write_final));
    record.maybe("continued_trajectory_ref", trajectory.continued_ref.clone());
    if !trajectory.subagents.is_empty() {
        record.put("subagent_trajectories", subagents(&trajectory.subagents));
    }
    record.finish()
}

/// Embedded trajectories need an id of their own; one that lacks it, or repeats it, is given one.
fn subagents(list: &[Trajectory]) -> Vec<Value> {
    let mut taken = std::collections::BTreeSet::new();
    let mut out = Vec::new();
    for (n, trajectory) in list.iter().enumerate() {
        let mut object = object(trajectory);
        if trajectory.id.as_ref().is_none_or(|id| !taken.insert(id.clone())) {
            let id = format!("{}subagent-{n}", trajectory.id.as_deref().unwrap_or_default());
            taken.insert(id.clone());
            object.insert("trajectory_id".to_owned(), id.into());
            let mut record = Record::new(&match object.shift_remove("extra") {
                Some(Value::Object(extra)) => extra,
                _ => Object::new(),
            });
            record.own("id", trajectory.id.clone());
            record.out = object;
            object = record.finish();
        }
        out.push(Value::Object(object));
    }
    out
}

fn agent(trajectory: &Trajectory) -> Object {
    let agent = &trajectory.agent;
    let mut record = Record::new(&agent.extra);
    record.put("name", agent.name.clone());
    record.put("version", agent.version.clone());
    record.maybe("model_name", agent.model.clone());
    match (&agent.raw_tools, &agent.tools) {
        (Some(raw), _) if raw.iter().all(Value::is_object) => record.put("tool_definitions", raw.clone()),
        (Some(raw), _) => record.own("tool_definitions", raw.clone()),
        (None, Some(tools)) => {
            record.put("tool_definitions", tools.iter().map(tool_value).collect::<Vec<_>>());
        }
        (None, None) => {}
    }
    record.finish()
}

fn step(number: u64, step: &Step) -> Object {
    let by_agent = step.source == Source::Agent;
    let mut record = Record::new(&step.extra);
    record.put("step_id", number);
    if step.id != number {
        record.own("step_id", step.id);
    }
    let dated = step.timestamp.as_deref().is_some_and(is_iso_time);
    record.either(dated, "timestamp", step.timestamp.clone());
    record.put("source", step.source.as_str());
    let (message, all) = parts::write(&step.message);
    record.put("message", message);
    if let Some(all) = all {
        record.own("message", all);
    }
    record.either(by_agent, "model_name", step.model.clone());
    let effort = step.reasoning_effort.as_ref();
    let plain = effort.is_some_and(|effort| effort.is_string() || effort.is_number());
    record.either(by_agent && plain, "reasoning_effort", effort.cloned());
    record.either(by_agent, "reasoning_content", step.reasoning.clone());
    if !step.calls.is_empty() {
        let calls: Vec<Value> = step.calls.iter().map(|item| Value::Object(call(item))).collect();
        record.either(by_agent, "tool_calls", Some(calls));
    }
    if let Some(observation) = &step.observation {
        // An id must name a call that stands in this very step.
        let known = |id: &str| by_agent && step.calls.iter().any(|call| call.id == id);
        let results = observation.results.iter().map(|item| Value::Object(result(item, known)));
        let results: Vec<Value> = results.collect();
        record.put("observation", serde_json::json!({ "results": results }));
    }
    let figures = metrics::write(step.usage, &step.metrics_extra);
    // A step that says it made no model call may have neither figures nor reasoning.
    let contradicts = step.llm_calls == Some(0) && (figures.is_some() || step.reasoning.is_some());
    record.either(by_agent, "metrics", figures);
    record.maybe("is_copied_context", step.copied);
    record.either(by_agent && !contradicts, "llm_call_count", step.llm_calls);
    if step.frame {
        record.own("frame", true);
    }
    if let Some(sent) = &step.reply {
        record.own("reply", reply(sent, step));
    }
    record.finish()
}

/// The raw reply; its text is left out where it is the message itself.
fn reply(reply: &Reply, step: &Step) -> Object {
    let same = matches!(&step.message, crate::model::Message::Text(text) if *text == reply.text);
    let mut out = Object::new();
    if !same {
        out.insert("text".to_owned(), reply.text.clone().into());
    }
    if let Some(reason) = &reply.finish_reason {
        out.insert("finish_reason".to_owned(), reason.clone().into());
    }
    if let Some(dialect) = &reply.dialect {
        out.insert("dialect".to_owned(), dialect.clone().into());
    }
    if reply.native {
        out.insert("native".to_owned(), true.into());
    }
    out
}

fn call(call: &ToolCall) -> Object {
    let mut record = Record::new(&call.extra);
    record.put("tool_call_id", call.id.clone());
    record.put("function_name", call.name.clone());
    record.put("arguments", call.arguments.parsed.clone().unwrap_or_default());
    if let Some(raw) = &call.arguments.raw {
        record.own("arguments", raw.clone());
    }
    if call.arguments.parsed.is_none() {
        record.own("unparsed", true);
    }
    record.finish()
}

fn result(result: &ObservationResult, known: impl Fn(&str) -> bool) -> Object {
    let mut record = Record::new(&result.extra);
    let fits = result.call_id.as_deref().is_some_and(known);
    record.either(fits, "source_call_id", result.call_id.clone());
    if let Some(name) = &result.name {
        record.own("name", name.clone());
    }
    if let Some(content) = &result.content {
        let (written, all) = parts::write(content);
        record.put("content", written);
        if let Some(all) = all {
            record.own("content", all);
        }
    }
    if !result.subagents.is_empty() {
        let named = |entry: &Object| {
            ["trajectory_id", "trajectory_path"]
                .iter()
                .any(|key| entry.get(*key).is_some_and(Value::is_string))
                && entry.keys().all(|key| {
                    ["trajectory_id", "trajectory_path", "session_id", "extra"].contains(&key.as_str())
                })
        };
        let fits = result.subagents.iter().all(named);
        let list: Vec<Value> = result.subagents.iter().cloned().map(Value::Object).collect();
        record.either(fits, "subagent_trajectory_ref", Some(list));
    }
    record.finish()
}

/// Date and time as ISO 8601 has them, zone or not.
fn is_iso_time(text: &str) -> bool {
    text.parse::<jiff::Timestamp>().is_ok() || text.parse::<jiff::civil::DateTime>().is_ok()
}
