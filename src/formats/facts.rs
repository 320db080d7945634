//! A trajectory as a list of facts: what a conversion has to keep.
//!
//! A fact is a field's name and its value, without the step's number: formats divide a conversation into steps in
//! different ways and mean the same. Places, origins and step numbers are no facts, nor is a text that is empty, nor
//! what follows from another fact: the name of a result that is the one of its call. Arguments are facts by their
//! value; their text is one besides where the value does not hold all of it (repeated keys, long numbers).

use crate::model::{
    AgentInfo, FinalMetrics, Message, Object, ObservationResult, Reply, Step, ToolCall, Trajectory, Usage,
};
use crate::util::json::parse_at;
use serde_json::Value;
use std::borrow::Cow;

/// One fact.
#[derive(Debug, Clone, PartialEq)]
pub struct Fact<'a> {
    /// Field, for example `step.message`, `call.arguments`, `step.extra.cwd`; fields of an embedded trajectory
    /// begin with `subagent.`.
    pub field: Cow<'static, str>,
    /// Step that it stands in; `None` for the trajectory as a whole.
    pub step: Option<u64>,
    /// The value: text as it is, everything else as JSON.
    pub value: Cow<'a, str>,
}

/// All facts of a trajectory, in order.
pub fn facts(trajectory: &Trajectory) -> Vec<Fact<'_>> {
    let mut list = List { facts: Vec::new(), prefix: String::new(), step: None };
    list.trajectory(trajectory);
    list.facts
}

struct List<'a> {
    facts: Vec<Fact<'a>>,
    prefix: String,
    step: Option<u64>,
}

impl<'a> List<'a> {
    fn put(&mut self, field: &'static str, value: impl Into<Cow<'a, str>>) {
        let value = value.into();
        if value.is_empty() {
            return;
        }
        let field = if self.prefix.is_empty() {
            Cow::Borrowed(field)
        } else {
            Cow::Owned(format!("{}{field}", self.prefix))
        };
        self.facts.push(Fact { field, step: self.step, value });
    }

    fn text(&mut self, field: &'static str, value: Option<&'a str>) {
        if let Some(value) = value {
            self.put(field, value);
        }
    }

    fn number(&mut self, field: &'static str, value: Option<impl ToString>) {
        if let Some(value) = value {
            self.put(field, value.to_string());
        }
    }

    fn rest(&mut self, field: &'static str, object: &'a Object) {
        for (key, value) in object {
            self.one(field, key, value);
        }
    }

    fn one(&mut self, field: &'static str, key: &str, value: &'a Value) {
        let field = Cow::Owned(format!("{}{field}.{key}", self.prefix));
        self.facts.push(Fact { field, step: self.step, value: json(value) });
    }

    fn trajectory(&mut self, trajectory: &'a Trajectory) {
        self.text("id", trajectory.id.as_deref());
        self.text("session_id", trajectory.session_id.as_deref());
        self.text("notes", trajectory.notes.as_deref());
        self.text("continued_ref", trajectory.continued_ref.as_deref());
        self.agent(&trajectory.agent);
        self.rest("extra", &trajectory.extra);
        for step in &trajectory.steps {
            self.step = Some(step.id);
            self.step(step);
        }
        self.step = None;
        if let Some(totals) = &trajectory.final_metrics {
            self.totals(totals);
        }
        for subagent in &trajectory.subagents {
            self.prefix.push_str("subagent.");
            self.trajectory(subagent);
            self.prefix.truncate(self.prefix.len() - "subagent.".len());
        }
    }

    fn agent(&mut self, agent: &'a AgentInfo) {
        self.put("agent.name", agent.name.as_str());
        self.put("agent.version", agent.version.as_str());
        self.text("agent.model", agent.model.as_deref());
        for tool in super::chat::tool_list(agent).unwrap_or_default() {
            self.tool(&tool);
        }
        self.rest("agent.extra", &agent.extra);
    }

    /// A tool is told in one shape, whatever the shape of its source; what else its definition holds stands apart.
    fn tool(&mut self, value: &Value) {
        let Some((mut tool, more)) = super::chat::tool_parts(value) else {
            self.put("agent.tool", value.to_string());
            return;
        };
        // No schema and one without properties both say that there are no arguments.
        if tool.parameters == serde_json::json!({"type": "object", "properties": {}}) {
            tool.parameters = Value::Null;
        }
        self.put("agent.tool", super::chat::tool_value(&tool).to_string());
        if !more.is_empty() {
            self.put("agent.tool_extra", object(&more));
        }
    }

    fn step(&mut self, step: &'a Step) {
        let said = match step.source {
            crate::model::Source::System => "step.message.system",
            crate::model::Source::User => "step.message.user",
            crate::model::Source::Agent => "step.message.agent",
        };
        self.message(said, &step.message);
        self.text("step.reasoning", step.reasoning.as_deref());
        step.calls.iter().for_each(|call| self.call(call));
        for result in step.observation.iter().flat_map(|observation| &observation.results) {
            self.result(result, step);
        }
        if let Some(usage) = &step.usage {
            self.usage(usage);
        }
        if let Some(reply) = &step.reply {
            self.reply(reply, step);
        }
        self.text("step.timestamp", step.timestamp.as_deref());
        self.text("step.model", step.model.as_deref());
        self.number("step.reasoning_effort", step.reasoning_effort.as_ref());
        self.number("step.copied", step.copied);
        self.number("step.llm_calls", step.llm_calls);
        self.number("step.frame", step.frame.then_some(true));
        self.rest("step.extra", &step.extra);
        for (key, value) in &step.metrics_extra {
            match value {
                // ATIF has figures that it does not know one level down.
                Value::Object(inner) if key == "extra" => self.rest("step.metrics", inner),
                value => self.one("step.metrics", key, value),
            }
        }
    }

    fn message(&mut self, field: &'static str, message: &'a Message) {
        match message {
            Message::Text(text) => self.put(field, text.as_str()),
            Message::Parts(parts) => {
                for part in parts {
                    match (&part.text, &part.source) {
                        (Some(text), more) => {
                            self.put(field, text.as_str());
                            if let Some(more) = more {
                                self.put("step.part", object(more));
                            }
                        }
                        (None, Some(source)) => self.put("step.media", object(source)),
                        (None, None) => self.put("step.media", part.kind.as_str()),
                    }
                }
            }
        }
    }

    fn call(&mut self, call: &'a ToolCall) {
        self.put("call.name", call.name.as_str());
        match (&call.arguments.parsed, &call.arguments.raw) {
            (Some(parsed), raw) => {
                self.put("call.arguments", object(parsed));
                self.text("call.arguments_text", raw.as_deref().filter(|raw| !is_exact(raw)));
            }
            (None, Some(raw)) => self.put("call.arguments", raw.as_str()),
            (None, None) => {}
        }
        self.put("call.id", call.id.as_str());
        self.rest("call.extra", &call.extra);
    }

    fn result(&mut self, result: &'a ObservationResult, step: &Step) {
        if let Some(content) = &result.content {
            self.message("result.content", content);
        }
        self.text("result.call_id", result.call_id.as_deref());
        let call = step.calls.iter().find(|call| Some(&call.id) == result.call_id.as_ref());
        let own = call.map(|call| call.name.as_str());
        self.text("result.name", result.name.as_deref().filter(|name| Some(*name) != own));
        for reference in &result.subagents {
            self.put("result.subagent", object(reference));
        }
        self.rest("result.extra", &result.extra);
    }

    fn usage(&mut self, usage: &Usage) {
        self.number("usage.prompt_tokens", usage.prompt_tokens);
        self.number("usage.completion_tokens", usage.completion_tokens);
        self.number("usage.cached_tokens", usage.cached_tokens);
        self.number("usage.cost_usd", usage.cost_usd);
    }

    fn totals(&mut self, totals: &'a FinalMetrics) {
        self.number("totals.prompt_tokens", totals.usage.prompt_tokens);
        self.number("totals.completion_tokens", totals.usage.completion_tokens);
        self.number("totals.cached_tokens", totals.usage.cached_tokens);
        self.number("totals.cost_usd", totals.usage.cost_usd);
        self.number("totals.steps", totals.total_steps);
        self.rest("totals.extra", &totals.extra);
    }

    /// The raw reply says nothing more than the message and the calls where the calls are native.
    fn reply(&mut self, reply: &'a Reply, step: &Step) {
        if reply.text != step.message.text() {
            self.put("reply.text", reply.text.as_str());
        }
        self.text("reply.finish_reason", reply.finish_reason.as_deref());
        self.text("reply.dialect", reply.dialect.as_deref().filter(|name| *name != "native"));
    }
}

/// Whether reading the text gives a value that holds everything in it.
pub(super) fn is_exact(text: &str) -> bool {
    let mut notes = Vec::new();
    parse_at(text.as_bytes(), 0, &mut notes).is_ok() && notes.is_empty()
}

fn object(object: &Object) -> String {
    serde_json::to_string(object).unwrap_or_default()
}

fn json(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(text) if !text.is_empty() => Cow::Borrowed(text),
        other => Cow::Owned(other.to_string()),
    }
}
