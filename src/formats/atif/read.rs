//! ATIF v1.0 to v1.8 to trajectory. Lenient: an unknown key is kept under `extra.rolltape.unknown`
//! and said; only what can't be understood at all refuses the record.

use super::super::chat::{expected, tools};
use super::super::source::Refusal;
use super::{EXTRA, metrics, parts};
use crate::model::{
    AgentInfo, Arguments, Message, Object, Observation, ObservationResult, Reply, Source, Step, ToolCall,
    Trajectory,
};
use crate::util::json::View;
use serde_json::Value;

/// An object's `extra`, ours taken apart.
struct Extra {
    plain: Object,
    ours: Object,
}

impl Extra {
    /// Reads `extra`; members of `object` that are not `known` go to `unknown` inside ours.
    fn read(object: View<'_>, known: &[&str], warnings: &mut Vec<Refusal>) -> Self {
        let mut plain = object.some("extra").map(View::object).unwrap_or_default();
        let mut ours = match plain.shift_remove(EXTRA) {
            Some(Value::Object(ours)) => ours,
            Some(other) => Object::from_iter([("value".to_owned(), other)]),
            None => Object::new(),
        };
        let unknown: Vec<_> = object
            .members()
            .filter(|(key, value)| &**key != "extra" && !known.contains(&&**key) && !value.is_null())
            .collect();
        if let Some((key, value)) = unknown.first() {
            warnings.push((
                value.offset(),
                format!("ATIF has no key '{key}' here: kept under extra.rolltape.unknown"),
            ));
            let kept: Object =
                unknown.into_iter().map(|(key, value)| (key.into_owned(), value.value())).collect();
            ours.insert("unknown".to_owned(), kept.into());
        }
        Self { plain, ours }
    }

    fn take(&mut self, key: &str) -> Option<Value> {
        self.ours.shift_remove(key)
    }

    fn take_text(&mut self, key: &str) -> Option<String> {
        match self.take(key)? {
            Value::String(text) => Some(text),
            other => {
                self.ours.insert(key.to_owned(), other);
                None
            }
        }
    }

    /// What is left, ours put back where nobody took it.
    fn rest(mut self) -> Object {
        if !self.ours.is_empty() {
            self.plain.insert(EXTRA.to_owned(), self.ours.into());
        }
        self.plain
    }
}

/// Reads one trajectory.
pub(in crate::formats) fn trajectory(
    record: View<'_>,
    warnings: &mut Vec<Refusal>,
) -> Result<Trajectory, Refusal> {
    if !record.is_object() {
        return Err(expected(record, "a trajectory", "an object"));
    }
    let version = record.text_at("schema_version");
    if let Some(version) = &version
        && !is_known(version)
    {
        let at = record.get("schema_version").map_or(record.offset(), View::offset);
        if is_newer(version) {
            warnings.push((at, format!("the schema version '{version}' is newer than ATIF-v1.8")));
        } else {
            return Err((at, format!("the schema version '{version}' is none of ATIF-v1.0 to ATIF-v1.8")));
        }
    }
    let known = [
        "schema_version",
        "agent",
        "steps",
        "session_id",
        "trajectory_id",
        "notes",
        "final_metrics",
        "continued_trajectory_ref",
        "subagent_trajectories",
    ];
    let mut extra = Extra::read(record, &known, warnings);
    let steps = record.get("steps").ok_or_else(|| (record.offset(), "has no \"steps\"".to_owned()))?;
    if !steps.is_array() {
        return Err(expected(steps, "\"steps\"", "a list"));
    }
    let mut out = Trajectory {
        schema_version: extra.take_text("schema_version").or(version),
        id: record.text_at("trajectory_id"),
        session_id: record.text_at("session_id"),
        notes: record.text_at("notes"),
        continued_ref: record.text_at("continued_trajectory_ref"),
        final_metrics: record.some("final_metrics").map(metrics::read_final),
        ..Trajectory::default()
    };
    if let Some(agent) = record.some("agent") {
        out.agent = read_agent(agent, warnings);
    }
    for (n, item) in steps.items().enumerate() {
        out.steps.push(read_step(n as u64 + 1, item, warnings)?);
    }
    if let Some(list) = record.some("subagent_trajectories") {
        for item in list.items() {
            let mut subagent = trajectory(item, warnings)?;
            if let Some(Value::Object(ours)) = subagent.extra.get_mut(EXTRA)
                && let Some(id) = ours.shift_remove("id")
            {
                subagent.id = id.as_str().map(str::to_owned);
                if ours.is_empty() {
                    subagent.extra.shift_remove(EXTRA);
                }
            }
            out.subagents.push(subagent);
        }
    }
    out.extra = extra.rest();
    Ok(out)
}

fn is_known(version: &str) -> bool {
    let minor = version.strip_prefix("ATIF-v1.");
    minor.is_some_and(|minor| minor.len() == 1 && matches!(minor.as_bytes()[0], b'0'..=b'8'))
}

/// Whether the version is one of ours with a higher number.
fn is_newer(version: &str) -> bool {
    let number = version.strip_prefix("ATIF-v").and_then(|rest| rest.split_once('.'));
    number.is_some_and(|(major, minor)| major.parse::<u32>().is_ok() && minor.parse::<u32>().is_ok())
}

fn read_agent(agent: View<'_>, warnings: &mut Vec<Refusal>) -> AgentInfo {
    let mut extra = Extra::read(agent, &["name", "version", "model_name", "tool_definitions"], warnings);
    let (tools, mut raw_tools) = agent.some("tool_definitions").map_or((None, None), tools);
    if let Some(Value::Array(raw)) = extra.take("tool_definitions") {
        raw_tools = Some(raw);
    }
    AgentInfo {
        name: agent.text_at("name").unwrap_or_default(),
        version: agent.text_at("version").unwrap_or_default(),
        model: agent.text_at("model_name"),
        tools,
        raw_tools,
        extra: extra.rest(),
    }
}

const STEP_KEYS: [&str; 13] = [
    "step_id",
    "source",
    "message",
    "timestamp",
    "model_name",
    "reasoning_effort",
    "reasoning_content",
    "tool_calls",
    "observation",
    "metrics",
    "is_copied_context",
    "llm_call_count",
    "extra",
];

fn read_step(number: u64, item: View<'_>, warnings: &mut Vec<Refusal>) -> Result<Step, Refusal> {
    if !item.is_object() {
        return Err(expected(item, "a step", "an object"));
    }
    let source = match item.text_at("source").as_deref() {
        Some("system") => Source::System,
        Some("user") => Source::User,
        Some("agent") => Source::Agent,
        Some(other) => {
            let at = item.get("source").map_or(item.offset(), View::offset);
            return Err((
                at,
                format!("the source '{other}' of step {number} is none of system, user, agent"),
            ));
        }
        None => return Err((item.offset(), format!("step {number} has no \"source\""))),
    };
    let mut extra = Extra::read(item, &STEP_KEYS, warnings);
    let mut step = Step::new(number, source, "");
    if let Some(id) = extra.take("step_id").as_ref().and_then(Value::as_u64) {
        step.id = id;
    }
    if let Some(message) = item.some("message") {
        (step.message, step.place) = parts::read(message, "\"message\"")?;
    }
    if let Some(all) = extra.take("message") {
        step.message = all_parts(&all);
    }
    step.timestamp = item.text_at("timestamp").or_else(|| extra.take_text("timestamp"));
    step.model = item.text_at("model_name").or_else(|| extra.take_text("model_name"));
    step.reasoning = item.text_at("reasoning_content").or_else(|| extra.take_text("reasoning_content"));
    let effort = item.some("reasoning_effort").map(View::value);
    step.reasoning_effort = effort.or_else(|| extra.take("reasoning_effort"));
    step.copied = item.get("is_copied_context").and_then(View::bool);
    let count = item.get("llm_call_count").and_then(View::uint);
    step.llm_calls = count.or_else(|| extra.take("llm_call_count").as_ref().and_then(Value::as_u64));
    step.frame = extra.take("frame") == Some(Value::Bool(true));
    let ours = item.some("extra").and_then(|extra| extra.some(EXTRA));
    // What a step of another source may not have in the format stands in ours.
    let field = |key: &str| item.some(key).or_else(|| ours?.some(key));
    if let Some(list) = field("tool_calls") {
        extra.take("tool_calls");
        step.calls = read_calls(list, warnings)?;
    }
    if let Some(figures) = field("metrics") {
        extra.take("metrics");
        let (usage, rest) = metrics::read(figures);
        step.usage = Some(usage);
        step.metrics_extra = rest;
    }
    if let Some(observation) = item.some("observation") {
        step.observation = Some(read_observation(observation, warnings)?);
    }
    if let Some(sent) = ours.and_then(|ours| ours.some("reply")) {
        extra.take("reply");
        step.reply = Some(read_reply(sent, &step));
    }
    step.extra = extra.rest();
    Ok(step)
}

fn read_reply(sent: View<'_>, step: &Step) -> Reply {
    let text = sent.get("text");
    Reply {
        text: text
            .and_then(View::text)
            .map_or_else(|| step.message.text().into_owned(), std::borrow::Cow::into_owned),
        finish_reason: sent.text_at("finish_reason"),
        dialect: sent.text_at("dialect"),
        native: sent.get("native").and_then(View::bool).unwrap_or(false),
        place: text.map(View::place).or(step.place),
    }
}

fn read_calls(list: View<'_>, warnings: &mut Vec<Refusal>) -> Result<Vec<ToolCall>, Refusal> {
    if !list.is_array() {
        return Err(expected(list, "\"tool_calls\"", "a list"));
    }
    let call = |item: View<'_>| {
        let Some(name) = item.text_at("function_name") else {
            return Err((item.offset(), "a tool call has no \"function_name\"".to_owned()));
        };
        let mut extra = Extra::read(item, &["tool_call_id", "function_name", "arguments"], warnings);
        let raw = extra.take_text("arguments");
        let unparsed = extra.take("unparsed") == Some(Value::Bool(true));
        let arguments = item.some("arguments");
        let parsed = arguments.filter(|value| value.is_object() && !unparsed).map(View::object);
        // Early versions of other writers put text there.
        let raw = raw.or_else(|| arguments.and_then(View::text).map(std::borrow::Cow::into_owned));
        let parsed = match (&raw, parsed) {
            (Some(text), None) if !unparsed => Arguments::text(text.clone()).parsed,
            (_, parsed) => parsed,
        };
        Ok(ToolCall {
            id: item.text_at("tool_call_id").unwrap_or_default(),
            name,
            arguments: Arguments { raw, parsed },
            extra: extra.rest(),
            place: Some(item.value_place()),
        })
    };
    list.items().map(call).collect()
}

fn read_observation(observation: View<'_>, warnings: &mut Vec<Refusal>) -> Result<Observation, Refusal> {
    let mut results = Vec::new();
    for item in observation.get("results").into_iter().flat_map(View::items) {
        if !item.is_object() {
            return Err(expected(item, "an observation result", "an object"));
        }
        let known = ["source_call_id", "content", "subagent_trajectory_ref"];
        let mut extra = Extra::read(item, &known, warnings);
        let mut result = ObservationResult {
            call_id: item.text_at("source_call_id").or_else(|| extra.take_text("source_call_id")),
            name: extra.take_text("name"),
            ..ObservationResult::default()
        };
        if let Some(content) = item.some("content") {
            let (content, place) = parts::read(content, "\"content\"")?;
            (result.content, result.place) = (Some(content), place);
        }
        if let Some(all) = extra.take("content") {
            result.content = Some(all_parts(&all));
        }
        let references = item.some("subagent_trajectory_ref").map(View::value);
        let references = references.or_else(|| extra.take("subagent_trajectory_ref"));
        if let Some(Value::Array(list)) = references {
            result.subagents = list
                .into_iter()
                .filter_map(|entry| match entry {
                    Value::Object(entry) => Some(entry),
                    _ => None,
                })
                .collect();
        }
        result.extra = extra.rest();
        results.push(result);
    }
    Ok(Observation { results })
}

/// Parts that the format could not hold, as [`parts::write`] put them aside.
fn all_parts(value: &Value) -> Message {
    let part = |item: &Value| crate::model::ContentPart {
        kind: item["type"].as_str().unwrap_or_default().to_owned(),
        text: item["text"].as_str().map(str::to_owned),
        source: item["source"].as_object().cloned(),
    };
    Message::Parts(value.as_array().map(|items| items.iter().map(part).collect()).unwrap_or_default())
}
