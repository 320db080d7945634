//! ATIF v1.0 to v1.8 to trajectory. Lenient: what is unknown or of a strange type is kept under
//! `extra.rolltape.unknown` and said; only what can't be understood at all refuses the record.

use super::super::chat::{self, expected, tools};
use super::super::fields::Fields;
use super::super::source::Refusal;
use super::members::{Keys, Members};
use super::{metrics, parts};
use crate::model::{
    AgentInfo, Arguments, Message, Object, Observation, ObservationResult, Place, Reply, Source, Step,
    ToolCall, Trajectory,
};
use crate::util::json::View;
use serde_json::Value;

const TRAJECTORY: Keys = Keys {
    own: &[
        "schema_version",
        "agent",
        "steps",
        "session_id",
        "trajectory_id",
        "notes",
        "final_metrics",
        "continued_trajectory_ref",
        "subagent_trajectories",
    ],
    ours: &["schema_version"],
};
const EMBEDDED: Keys = Keys { own: TRAJECTORY.own, ours: &["schema_version", "id"] };
const AGENT: Keys =
    Keys { own: &["name", "version", "model_name", "tool_definitions"], ours: &["tool_definitions"] };
const STEP: Keys = Keys {
    own: &[
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
    ],
    ours: &[
        "step_id",
        "message",
        "timestamp",
        "model_name",
        "reasoning_effort",
        "reasoning_content",
        "tool_calls",
        "metrics",
        "llm_call_count",
        "frame",
        "reply",
    ],
};
const CALL: Keys =
    Keys { own: &["tool_call_id", "function_name", "arguments"], ours: &["arguments", "unparsed"] };
const RESULT: Keys = Keys {
    own: &["source_call_id", "content", "subagent_trajectory_ref"],
    ours: &["source_call_id", "name", "content", "subagent_trajectory_ref"],
};

/// Reads one trajectory.
pub(in crate::formats) fn trajectory(
    record: View<'_>,
    warnings: &mut Vec<Refusal>,
) -> Result<Trajectory, Refusal> {
    read(record, None, warnings)
}

/// Reads one trajectory; an embedded one has its number among those of the one around it.
fn read(
    record: View<'_>,
    embedded: Option<usize>,
    warnings: &mut Vec<Refusal>,
) -> Result<Trajectory, Refusal> {
    if !record.is_object() {
        return Err(expected(record, "a trajectory", "an object"));
    }
    let steps = record.get("steps").ok_or_else(|| (record.offset(), "has no \"steps\"".to_owned()))?;
    if !steps.is_array() {
        return Err(expected(steps, "\"steps\"", "a list"));
    }
    let mut members = Members::of(record, if embedded.is_some() { &EMBEDDED } else { &TRAJECTORY });
    members.own.mark("steps");
    let version = members.own.text("schema_version");
    if let Some(version) = version
        && let Some(remark) = judge_version(version)?
    {
        warnings.push(remark);
    }
    let id = own_id(&mut members, embedded);
    let is_version = |it: &str| is_known(it) || is_newer(it);
    let ours =
        members.ours.take("schema_version", |version| version.text().is_some_and(|it| is_version(&it)));
    let version = ours.or(version).and_then(View::text);
    let mut out = Trajectory {
        schema_version: version.map(std::borrow::Cow::into_owned),
        id,
        session_id: members.own.string("session_id"),
        notes: members.own.string("notes"),
        continued_ref: members.own.string("continued_trajectory_ref"),
        final_metrics: members
            .own
            .object("final_metrics")
            .map(|figures| metrics::read_final(figures, warnings)),
        ..Trajectory::default()
    };
    if let Some(agent) = members.own.member("agent") {
        out.agent = read_agent(agent, warnings);
    }
    for (n, item) in steps.items().enumerate() {
        out.steps.push(read_step(n as u64 + 1, item, warnings)?);
    }
    let subagents = members.own.list("subagent_trajectories");
    for (n, item) in subagents.into_iter().flat_map(View::items).enumerate() {
        out.subagents.push(read(item, Some(n), warnings)?);
    }
    out.extra = members.rest(warnings);
    Ok(out)
}

/// The id. One that an embedded trajectory was given by the writer alone is no id of its own: that stands in ours.
fn own_id(members: &mut Members<'_>, embedded: Option<usize>) -> Option<String> {
    let given = members.ours.view().get("id").is_some_and(|id| id.is_null() || id.text().is_some());
    let Some(n) = embedded.filter(|_| given) else { return members.own.string("trajectory_id") };
    let own = members.ours.string("id");
    let made = format!("{}subagent-{n}", own.as_deref().unwrap_or_default());
    members.own.drop_if("trajectory_id", |id| id.text().as_deref() == Some(&made));
    own
}

/// Refuses a version that is none of the format; the remark is about one that is too new.
fn judge_version(view: View<'_>) -> Result<Option<Refusal>, Refusal> {
    let version = view.text().unwrap_or_default();
    if is_known(&version) {
        Ok(None)
    } else if is_newer(&version) {
        Ok(Some((view.offset(), format!("the schema version '{version}' is newer than ATIF-v1.8"))))
    } else {
        Err((view.offset(), format!("the schema version '{version}' is none of ATIF-v1.0 to ATIF-v1.8")))
    }
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
    let mut members = Members::of(agent, &AGENT);
    let (tools, raw_tools) = match members.ours.list("tool_definitions") {
        Some(all) => (tools(all).0, Some(all.items().map(View::value).collect())),
        None => members.own.list("tool_definitions").map_or((None, None), tools),
    };
    AgentInfo {
        name: members.own.string("name").unwrap_or_default(),
        version: members.own.string("version").unwrap_or_default(),
        model: members.own.string("model_name"),
        tools,
        raw_tools,
        extra: members.rest(warnings),
    }
}

fn read_step(number: u64, item: View<'_>, warnings: &mut Vec<Refusal>) -> Result<Step, Refusal> {
    if !item.is_object() {
        return Err(expected(item, "a step", "an object"));
    }
    let mut members = Members::of(item, &STEP);
    let source = read_source(number, item)?;
    members.own.mark("source");
    let mut step = Step::new(number, source, "");
    members.own.take("step_id", |id| id.uint() == Some(number));
    if let Some(id) = members.ours.uint("step_id") {
        step.id = id;
    }
    if let Some(said) = content(&mut members, "message", warnings) {
        (step.message, step.place) = said;
    }
    step.timestamp = members.either("timestamp");
    step.model = members.either("model_name");
    step.reasoning = members.either("reasoning_content");
    let effort =
        members.own.take("reasoning_effort", |value| value.text().is_some() || value.float().is_some());
    step.reasoning_effort = effort.or_else(|| members.ours.any("reasoning_effort")).map(View::value);
    step.copied = members.own.take("is_copied_context", |flag| flag.bool().is_some()).and_then(View::bool);
    step.llm_calls = members.own.uint("llm_call_count").or_else(|| members.ours.uint("llm_call_count"));
    step.frame = members.ours.take("frame", |flag| flag.bool().is_some()).and_then(View::bool) == Some(true);
    // What a step of another source may not have in the format stands in ours.
    if let Some(list) = members.own.list("tool_calls").or_else(|| members.ours.list("tool_calls")) {
        let strange: Vec<Value> = list.items().filter(|item| !item.is_object()).map(View::value).collect();
        step.calls =
            list.items().filter(|item| item.is_object()).map(|item| read_call(item, warnings)).collect();
        members.keep("tool_calls", list.offset(), strange, warnings);
    }
    if let Some(figures) = members.own.object("metrics").or_else(|| members.ours.object("metrics")) {
        let (usage, rest) = metrics::read(figures, warnings);
        step.usage = Some(usage);
        step.metrics_extra = rest;
    }
    if let Some(seen) = members.own.object("observation") {
        let at = seen.view().offset();
        let (observation, left) = read_observation(seen, warnings);
        step.observation = Some(observation);
        members.keep("observation", at, left, warnings);
    }
    if let Some(sent) = members.ours.object("reply") {
        let at = sent.view().offset();
        let (reply, left) = read_reply(sent, &step);
        step.reply = Some(reply);
        members.keep("reply", at, left, warnings);
    }
    step.extra = members.rest(warnings);
    Ok(step)
}

fn read_source(number: u64, step: View<'_>) -> Result<Source, Refusal> {
    let Some(source) = step.some("source") else {
        return Err((step.offset(), format!("step {number} has no \"source\"")));
    };
    match source.text().as_deref() {
        Some("system") => Ok(Source::System),
        Some("user") => Ok(Source::User),
        Some("agent") => Ok(Source::Agent),
        Some(other) => Err((
            source.offset(),
            format!("the source '{other}' of step {number} is none of system, user, agent"),
        )),
        None => Err(expected(source, &format!("the \"source\" of step {number}"), "a string")),
    }
}

/// The content under a key, and where its text stands. Ours holds all of its parts where the format can't.
fn content(
    members: &mut Members<'_>,
    key: &'static str,
    warnings: &mut Vec<Refusal>,
) -> Option<(Message, Option<Place>)> {
    let own = members.own.take(key, |value| value.is_array() || value.text().is_some());
    let Some(all) = members.ours.list(key) else {
        let own = own?;
        let (message, strange) = parts::read(own);
        warnings.extend(parts::unknown_kind(own));
        members.keep(key, own.offset(), strange, warnings);
        return Some((message, parts::place(own)));
    };
    let (message, strange) = parts::read(all);
    members.keep(key, all.offset(), strange, warnings);
    let mut place = None;
    if let Some(own) = own {
        // The writer put there what the format can hold; anything else is kept beside it.
        if parts::write(&message).0 == own.value() {
            place = parts::place(own);
        } else {
            members.keep(key, own.offset(), own.value(), warnings);
        }
    }
    Some((message, place))
}

/// The raw reply, and what else stands there.
fn read_reply(mut sent: Fields<'_>, step: &Step) -> (Reply, Object) {
    let text = sent.text("text");
    let own = text.and_then(View::text).map(std::borrow::Cow::into_owned);
    let reply = Reply {
        text: own.unwrap_or_else(|| step.message.text().into_owned()),
        finish_reason: sent.string("finish_reason"),
        dialect: sent.string("dialect"),
        native: sent.take("native", |flag| flag.bool().is_some()).and_then(View::bool).unwrap_or(false),
        place: text.map(View::place).or(step.place),
    };
    (reply, sent.rest())
}

fn read_call(item: View<'_>, warnings: &mut Vec<Refusal>) -> ToolCall {
    let mut members = Members::of(item, &CALL);
    if item.some("function_name").is_none() {
        warnings.push((item.offset(), "a tool call has no \"function_name\"".to_owned()));
    }
    let raw = members.ours.string("arguments");
    let unparsed = members.ours.take("unparsed", |flag| flag.bool().is_some()).and_then(View::bool);
    let arguments = match raw {
        raw if unparsed == Some(true) => {
            // An empty object holds the place of arguments that are none.
            members.own.drop_if("arguments", |value| value.is_object() && value.members().next().is_none());
            Arguments { raw, parsed: None }
        }
        Some(raw) => match members.own.member("arguments") {
            Some(object) => Arguments { raw: Some(raw), parsed: Some(object.object()) },
            None => Arguments::text(raw),
        },
        // Early versions of other writers put text there.
        None => {
            let given = members.own.any("arguments");
            if let Some(odd) = given.filter(|given| !given.is_object() && given.text().is_none()) {
                warnings.push(expected(odd, "\"arguments\"", "an object"));
            }
            chat::arguments(given)
        }
    };
    ToolCall {
        id: members.own.string("tool_call_id").unwrap_or_default(),
        name: members.own.string("function_name").unwrap_or_default(),
        arguments,
        extra: members.rest(warnings),
        place: Some(item.value_place()),
    }
}

/// The results, and what else stands there.
fn read_observation(mut seen: Fields<'_>, warnings: &mut Vec<Refusal>) -> (Observation, Object) {
    let list = seen.list("results");
    let mut left = seen.rest();
    let mut observation = Observation::default();
    let mut strange = Vec::new();
    for item in list.into_iter().flat_map(View::items) {
        if item.is_object() {
            observation.results.push(read_result(item, warnings));
        } else {
            strange.push(item.value());
        }
    }
    if !strange.is_empty() {
        left.insert("results".to_owned(), strange.into());
    }
    (observation, left)
}

fn read_result(item: View<'_>, warnings: &mut Vec<Refusal>) -> ObservationResult {
    let mut members = Members::of(item, &RESULT);
    let mut result = ObservationResult {
        call_id: members.either("source_call_id"),
        name: members.ours.string("name"),
        ..ObservationResult::default()
    };
    if let Some((said, place)) = content(&mut members, "content", warnings) {
        (result.content, result.place) = (Some(said), place);
    }
    const REFERENCES: &str = "subagent_trajectory_ref";
    let objects = |list: View<'_>| list.is_array() && list.items().all(View::is_object);
    let references = members.own.take(REFERENCES, objects).or_else(|| members.ours.take(REFERENCES, objects));
    result.subagents = references.into_iter().flat_map(View::items).map(View::object).collect();
    result.extra = members.rest(warnings);
    result
}
