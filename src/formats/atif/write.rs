//! Trajectory to ATIF v1.8, straight to bytes.

use super::super::chat::tool_value;
use super::{EXTRA, metrics, parts};
use crate::model::{Message, Object, ObservationResult, Reply, Source, Step, ToolCall, Trajectory};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeSet;

/// One trajectory as an ATIF v1.8 object.
pub fn value(trajectory: &Trajectory) -> Value {
    read_back(|out| object(out, trajectory, None))
}

/// One trajectory as one line, without the newline.
pub fn line(trajectory: &Trajectory) -> String {
    // A buffer that grows from nothing is copied at each step.
    let mut out = Vec::with_capacity(1024);
    object(&mut out, trajectory, None);
    // What is written is the text of a serialiser of JSON.
    String::from_utf8(out).unwrap_or_default()
}

/// An object that is being written: what is absent is not written, what has no place goes to ours, which comes last.
struct Record<'o> {
    out: &'o mut Vec<u8>,
    empty: bool,
    extra: Object,
    ours: Object,
}

impl<'o> Record<'o> {
    fn new(out: &'o mut Vec<u8>, extra: &Object) -> Self {
        let mut extra = extra.clone();
        // Fields that a newer version of ours may have put there stay.
        let ours = match extra.shift_remove(EXTRA) {
            Some(Value::Object(ours)) => ours,
            Some(other) => Object::from_iter([("value".to_owned(), other)]),
            None => Object::new(),
        };
        out.push(b'{');
        Self { out, empty: true, extra, ours }
    }

    /// Where the value of a field is to be written.
    fn field(&mut self, key: &str) -> &mut Vec<u8> {
        if !self.empty {
            self.out.push(b',');
        }
        self.empty = false;
        json(self.out, key);
        self.out.push(b':');
        self.out
    }

    fn put(&mut self, key: &str, value: &(impl Serialize + ?Sized)) {
        json(self.field(key), value);
    }

    fn maybe(&mut self, key: &str, value: Option<&(impl Serialize + ?Sized)>) {
        if let Some(value) = value {
            self.put(key, value);
        }
    }

    fn own(&mut self, key: &str, value: impl Into<Value>) {
        self.ours.insert(key.to_owned(), value.into());
    }

    /// A field that the format allows on some steps only.
    fn either(&mut self, allowed: bool, key: &str, value: Option<impl Serialize + Into<Value>>) {
        match value {
            Some(value) if allowed => self.put(key, &value),
            Some(value) => self.own(key, value),
            None => {}
        }
    }

    /// A list that the format allows in some places only.
    fn either_list<T>(&mut self, allowed: bool, key: &str, items: &[T], write: impl Fn(&mut Vec<u8>, &T)) {
        if allowed {
            list(self.field(key), items, write);
        } else {
            self.own(key, read_back(|out| list(out, items, write)));
        }
    }

    /// Content; a second list holds all of its parts, if the format can't express some.
    fn content(&mut self, key: &str, message: &Message) {
        if let Message::Text(text) = message {
            return self.put(key, text);
        }
        let (fitting, all) = parts::write(message);
        self.put(key, &fitting);
        if let Some(all) = all {
            self.own(key, all);
        }
    }

    fn finish(mut self) {
        if !self.ours.is_empty() {
            self.extra.insert(EXTRA.to_owned(), std::mem::take(&mut self.ours).into());
        }
        if !self.extra.is_empty() {
            let extra = std::mem::take(&mut self.extra);
            self.put("extra", &extra);
        }
        self.out.push(b'}');
    }
}

fn json(out: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) {
    // Texts, numbers and maps with text keys can't fail to serialise, and memory takes all.
    let _ = serde_json::to_writer(out, value);
}

fn list<T>(out: &mut Vec<u8>, items: &[T], write: impl Fn(&mut Vec<u8>, &T)) {
    out.push(b'[');
    for (n, item) in items.iter().enumerate() {
        if n > 0 {
            out.push(b',');
        }
        write(out, item);
    }
    out.push(b']');
}

/// What `write` writes, as a value.
fn read_back(write: impl FnOnce(&mut Vec<u8>)) -> Value {
    let mut out = Vec::new();
    write(&mut out);
    serde_json::from_slice(&out).unwrap_or_default()
}

/// `name` stands for the trajectory's own id, which goes to ours then.
fn object(out: &mut Vec<u8>, trajectory: &Trajectory, name: Option<&str>) {
    let mut record = Record::new(out, &trajectory.extra);
    record.put("schema_version", "ATIF-v1.8");
    if let Some(read) = trajectory.schema_version.as_ref().filter(|read| *read != "ATIF-v1.8") {
        record.own("schema_version", read.clone());
    }
    record.maybe("session_id", trajectory.session_id.as_ref());
    record.maybe("trajectory_id", trajectory.id.as_ref().map(|id| name.unwrap_or(id)));
    agent(record.field("agent"), trajectory);
    let steps: Vec<(u64, &Step)> = (1..).zip(&trajectory.steps).collect();
    list(record.field("steps"), &steps, |out, (number, item)| step(out, *number, item));
    record.maybe("notes", trajectory.notes.as_ref());
    record.maybe("final_metrics", trajectory.final_metrics.as_ref().map(metrics::write_final).as_ref());
    record.maybe("continued_trajectory_ref", trajectory.continued_ref.as_ref());
    if !trajectory.subagents.is_empty() {
        subagents(record.field("subagent_trajectories"), &trajectory.subagents);
    }
    if let Some(name) = name {
        if trajectory.id.is_none() {
            record.put("trajectory_id", name);
        }
        record.own("id", trajectory.id.clone());
    }
    record.finish();
}

/// Embedded trajectories need an id of their own; one that lacks it, or repeats it, is given one.
fn subagents(out: &mut Vec<u8>, all: &[Trajectory]) {
    let mut taken = BTreeSet::new();
    let mut named = Vec::new();
    for (n, trajectory) in all.iter().enumerate() {
        let fits = trajectory.id.as_ref().is_some_and(|id| taken.insert(id.clone()));
        let name = (!fits).then(|| format!("{}subagent-{n}", trajectory.id.as_deref().unwrap_or_default()));
        taken.extend(name.clone());
        named.push((trajectory, name));
    }
    list(out, &named, |out, (trajectory, name)| object(out, trajectory, name.as_deref()));
}

fn agent(out: &mut Vec<u8>, trajectory: &Trajectory) {
    let agent = &trajectory.agent;
    let mut record = Record::new(out, &agent.extra);
    record.put("name", &agent.name);
    record.put("version", &agent.version);
    record.maybe("model_name", agent.model.as_ref());
    match (&agent.raw_tools, &agent.tools) {
        (Some(raw), _) if raw.iter().all(Value::is_object) => record.put("tool_definitions", raw),
        (Some(raw), _) => record.own("tool_definitions", raw.clone()),
        (None, Some(tools)) => {
            list(record.field("tool_definitions"), tools, |out, tool| json(out, &tool_value(tool)));
        }
        (None, None) => {}
    }
    record.finish();
}

fn step(out: &mut Vec<u8>, number: u64, step: &Step) {
    let by_agent = step.source == Source::Agent;
    let mut record = Record::new(out, &step.extra);
    record.put("step_id", &number);
    if step.id != number {
        record.own("step_id", step.id);
    }
    let dated = step.timestamp.as_deref().is_some_and(is_iso_time);
    record.either(dated, "timestamp", step.timestamp.as_deref());
    record.put("source", step.source.as_str());
    record.content("message", &step.message);
    record.either(by_agent, "model_name", step.model.as_deref());
    let effort = step.reasoning_effort.as_ref();
    let plain = effort.is_some_and(|effort| effort.is_string() || effort.is_number());
    record.either(by_agent && plain, "reasoning_effort", effort.cloned());
    record.either(by_agent, "reasoning_content", step.reasoning.as_deref());
    if !step.calls.is_empty() {
        record.either_list(by_agent, "tool_calls", &step.calls, call);
    }
    if let Some(observation) = &step.observation {
        // An id must name a call that stands in this very step.
        let known = |id: &str| by_agent && step.calls.iter().any(|call| call.id == id);
        let mut inner = Record::new(record.field("observation"), &Object::new());
        list(inner.field("results"), &observation.results, |out, item| result(out, item, known));
        inner.finish();
    }
    let figures = metrics::write(step.usage, &step.metrics_extra);
    // A step that says it made no model call may have neither figures nor reasoning.
    let contradicts = step.llm_calls == Some(0) && (figures.is_some() || step.reasoning.is_some());
    record.either(by_agent, "metrics", figures);
    record.maybe("is_copied_context", step.copied.as_ref());
    record.either(by_agent && !contradicts, "llm_call_count", step.llm_calls);
    if step.frame {
        record.own("frame", true);
    }
    if let Some(sent) = &step.reply {
        record.own("reply", reply(sent, step));
    }
    record.finish();
}

/// The raw reply; its text is left out where it is the message itself.
fn reply(reply: &Reply, step: &Step) -> Object {
    let same = matches!(&step.message, Message::Text(text) if *text == reply.text);
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

fn call(out: &mut Vec<u8>, call: &ToolCall) {
    let mut record = Record::new(out, &call.extra);
    record.put("tool_call_id", &call.id);
    record.put("function_name", &call.name);
    match &call.arguments.parsed {
        Some(parsed) => record.put("arguments", parsed),
        None => record.put("arguments", &Object::new()),
    }
    if let Some(raw) = &call.arguments.raw {
        record.own("arguments", raw.clone());
    }
    if call.arguments.parsed.is_none() {
        record.own("unparsed", true);
    }
    record.finish();
}

fn result(out: &mut Vec<u8>, result: &ObservationResult, known: impl Fn(&str) -> bool) {
    let mut record = Record::new(out, &result.extra);
    let fits = result.call_id.as_deref().is_some_and(known);
    record.either(fits, "source_call_id", result.call_id.as_deref());
    if let Some(name) = &result.name {
        record.own("name", name.clone());
    }
    if let Some(content) = &result.content {
        record.content("content", content);
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
        record.either_list(fits, "subagent_trajectory_ref", &result.subagents, json);
    }
    record.finish();
}

/// Date and time as ISO 8601 has them, zone or not.
fn is_iso_time(text: &str) -> bool {
    text.parse::<jiff::Timestamp>().is_ok() || text.parse::<jiff::civil::DateTime>().is_ok()
}
