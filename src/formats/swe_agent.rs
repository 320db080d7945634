//! `swe-agent`: a `.traj` file of SWE-agent.
//!
//! `history` is the conversation as the model saw it, `trajectory` what the agent did with each reply. The
//! messages come from the history; an entry of the trajectory stands in its step's `extra.trajectory`, without
//! what the step says already. The reply that ended the run stands in the trajectory alone and becomes a step
//! of its own. Demonstrations have no trajectory. Source: SWE-agent 1.x, `sweagent/types.py`.

use super::chat::{Chat, expected};
use super::source::Refusal;
use super::text_calls;
use super::{Format, Reader, Sniff, Source};
use crate::dialects;
use crate::model::{
    AgentInfo, Arguments, Message, Object, Observation, ObservationResult, Reply, Source as Speaker, Step,
    ToolCall, Trajectory,
};
use crate::util::json::View;
use serde_json::Value;

mod write;

pub(super) static ITEM: Format = Format {
    name: "swe-agent",
    about: "a .traj file of SWE-agent: history and trajectory, native calls, code blocks or tags",
    sniff,
    marks: &[&[
        "history",
        "history[].role",
        "history[].agent|message_type",
        "trajectory[].action",
        "trajectory[].response|thought",
        "trajectory[].observation",
        "info",
        "environment|replay_config",
    ]],
    read: Reader::Records(convert),
    folder: None,
    write: Some(write::WRITER),
};

/// Members of the file that become parts of the trajectory.
const KNOWN: [&str; 2] = ["history", "trajectory"];

fn sniff(source: &Source<'_>) -> Sniff {
    let Some(record) = source.first().filter(|record| record.is_object()) else {
        return Sniff::new(0, "holds no JSON object");
    };
    let Some(history) = record.get("history") else { return Sniff::new(0, "has no \"history\"") };
    if !history.is_array() {
        return Sniff::new(0, "has a \"history\" that is no list");
    }
    if record.get("trajectory").is_some_and(View::is_array) {
        return Sniff::new(95, "");
    }
    let own = |message: View<'_>| {
        message.get("role").is_some()
            && ["message_type", "agent"].iter().any(|key| message.get(key).is_some())
    };
    if history.items().next().is_some_and(own) {
        Sniff::new(90, "")
    } else {
        Sniff::new(0, "has a \"history\" without roles and agents, and no \"trajectory\"")
    }
}

fn convert(record: View<'_>, warnings: &mut Vec<Refusal>) -> Result<Trajectory, Refusal> {
    if !record.is_object() {
        return Err(expected(record, "a record", "an object with \"history\""));
    }
    let history = record.get("history").ok_or_else(|| (record.offset(), "has no \"history\"".to_owned()))?;
    if !history.is_array() {
        return Err(expected(history, "\"history\"", "a list"));
    }
    let dialect = dialect(history);
    let mut conversation = Chat::in_dialect(dialect);
    for message in history.items() {
        conversation.add(message)?;
    }
    let mut trajectory = Trajectory { steps: conversation.steps, ..Trajectory::default() };
    for step in &mut trajectory.steps {
        tidy(step);
    }
    if let Some(list) = record.some("trajectory") {
        if !list.is_array() {
            return Err(expected(list, "\"trajectory\"", "a list"));
        }
        entries(list, dialect, &mut trajectory.steps, warnings)?;
    }
    trajectory.agent = agent(record);
    let rest = record.members().filter(|(key, _)| !KNOWN.contains(&&**key));
    trajectory.extra = rest.map(|(key, value)| (key.into_owned(), value.value())).collect();
    Ok(trajectory)
}

/// How calls are written, told by the replies: the parser is not always named in the file.
fn dialect(history: View<'_>) -> Option<&'static str> {
    let assistant = |message: &View<'_>| message.text_at("role").as_deref() == Some("assistant");
    let mut replies = history.items().filter(assistant).peekable();
    if replies.peek()?.get("tool_calls").is_some() {
        return None;
    }
    let texts = replies.filter_map(|message| message.text_at("content"));
    for text in texts {
        if text.contains("<function=") {
            return Some("openhands");
        }
        if text.contains("<command>") {
            return Some("swe-agent-xml");
        }
        if text.contains("```") {
            return Some("swe-agent-thought-action");
        }
    }
    None
}

/// A demonstration is part of the prompt; a `thought` that only repeats the reply says nothing new.
fn tidy(step: &mut Step) {
    step.frame = is_demo(step);
    if step.source != Speaker::Agent {
        return;
    }
    let text = step.judged_text();
    if step.extra.get("thought").and_then(Value::as_str) == Some(&*text) {
        step.extra.shift_remove("thought");
    }
}

fn agent(record: View<'_>) -> AgentInfo {
    let mut agent = AgentInfo { name: "swe-agent".to_owned(), ..AgentInfo::default() };
    let text = |view: View<'_>, key: &str| view.text_at(key);
    if let Some(info) = record.some("info") {
        agent.version = text(info, "swe_agent_version").unwrap_or_default();
    }
    // The replay configuration is an object, or the text of one.
    let config = record.some("replay_config").map(|config| match config.text() {
        Some(text) => serde_json::from_str(&text).unwrap_or(Value::Null),
        None => config.value(),
    });
    agent.model = config.and_then(|config| config["agent"]["model"]["name"].as_str().map(str::to_owned));
    agent
}

/// Gives each entry of the trajectory to its step: the next agent step whose reply it has.
fn entries(
    list: View<'_>,
    dialect: Option<&str>,
    steps: &mut Vec<Step>,
    warnings: &mut Vec<Refusal>,
) -> Result<(), Refusal> {
    let agents: Vec<usize> =
        (0..steps.len()).filter(|&n| steps[n].source == Speaker::Agent && !is_demo(&steps[n])).collect();
    let mut next = 0;
    for entry in list.items() {
        if !entry.is_object() {
            return Err(expected(entry, "an entry of \"trajectory\"", "an object"));
        }
        let said = entry.text_at("response");
        match agents.get(next) {
            Some(&index) => {
                let same = said.as_deref() == Some(&*steps[index].judged_text());
                if !same && said.is_some() {
                    warnings.push((
                        entry.offset(),
                        "the history holds another text for this reply; the history's is judged".to_owned(),
                    ));
                }
                let kept = unsaid(entry, &steps[index]);
                steps[index].extra.insert("trajectory".to_owned(), kept.into());
                next += 1;
            }
            None => steps.push(last(entry, dialect, steps)),
        }
    }
    Ok(())
}

fn is_demo(step: &Step) -> bool {
    step.extra.get("is_demo") == Some(&Value::Bool(true))
}

/// The entry without the members that its step has with the same text.
fn unsaid(entry: View<'_>, step: &Step) -> Object {
    let reply = step.judged_text();
    let first = step.observation.as_ref().and_then(|observation| observation.results.first());
    let observed = first.and_then(|result| result.content.as_ref()).map(Message::text);
    let said = |key: &str, value: &View<'_>| {
        let Some(text) = value.text() else { return false };
        match key {
            "response" => text == reply,
            "observation" => observed.as_deref() == Some(&*text),
            "thought" => step.extra.get("thought").and_then(Value::as_str).unwrap_or(&reply) == text,
            "action" => step.extra.get("action").and_then(Value::as_str) == Some(&*text),
            _ => false,
        }
    };
    let rest = entry.members().filter(|(key, value)| !said(key, value));
    rest.map(|(key, value)| (key.into_owned(), value.value())).collect()
}

/// A step for a reply that the history does not hold.
fn last(entry: View<'_>, dialect: Option<&str>, before: &[Step]) -> Step {
    let id = before.len() as u64 + 1;
    let response = entry.get("response");
    let text = response.and_then(View::text).unwrap_or_default().into_owned();
    let place = response.filter(|text| text.text().is_some()).map(View::place);
    let mut step = Step::new(id, Speaker::Agent, text.clone());
    step.place = place;
    let native = dialect.is_none();
    let named = if native { Some("native") } else { dialect };
    step.reply = Some(Reply {
        text: text.clone(),
        dialect: named.map(str::to_owned),
        native,
        place,
        ..Reply::default()
    });
    let action = entry.text_at("action").unwrap_or_default();
    if let Some(dialect) = dialect.and_then(dialects::find) {
        let mut next_id = before.iter().map(|step| step.calls.len() as u32).sum::<u32>() + 1;
        let found = text_calls::read_as(dialect, &text, &mut next_id);
        step.calls = found.calls;
        if !step.calls.is_empty() {
            step.message = Message::Text(found.content.into_owned());
        }
    } else if let Some(word) = action.split_whitespace().next().filter(|_| native) {
        // The call itself is not kept there, only the command that it came to.
        let extra = Object::from_iter([("from_action".to_owned(), Value::Bool(true))]);
        let arguments = Arguments::object(Object::new());
        step.calls.push(ToolCall {
            id: format!("action_{id}"),
            name: word.to_owned(),
            arguments,
            extra,
            place: entry.get("action").map(View::value_place),
        });
    }
    if let Some(observation) = entry.get("observation").filter(|text| text.text().is_some()) {
        let result = ObservationResult {
            call_id: step.calls.first().map(|call| call.id.clone()),
            content: Some(Message::Text(observation.text().unwrap_or_default().into_owned())),
            place: Some(observation.place()),
            ..ObservationResult::default()
        };
        step.observation = Some(Observation { results: vec![result] });
    }
    for key in ["thought", "action"] {
        if let Some(value) = entry.get(key).filter(|value| value.text().is_some_and(|said| said != text)) {
            step.extra.insert(key.to_owned(), value.value());
        }
    }
    let told = ["response", "observation", "thought", "action"];
    let rest = entry.members().filter(|(key, value)| !told.contains(&&**key) || value.text().is_none());
    let kept: Object = rest.map(|(key, value)| (key.into_owned(), value.value())).collect();
    step.extra.insert("trajectory".to_owned(), kept.into());
    step
}
