//! Steps to a folder that the SDK opens: `base_state.json` and one file an event.
//!
//! The SDK refuses keys that it does not know, and tools whose classes are not loaded. So a call of a foreign tool is
//! written as one of an MCP server, the only kind that needs no class, and of `extra` only what has a place in the
//! SDK's own events is written. Ids that it demands are made from the trajectory's; times are never made up.

use super::super::openhands_events::OTHER;
use super::conversation::{ANY_TOOL, IDLE};
use super::{BASE, tools};
use crate::formats::{Changes, Written};
use crate::model::{
    ContentPart, Message, Object, ObservationResult, Source as Speaker, Step, ToolCall, Trajectory,
};
use crate::util::digest::sha256_parts;
use serde_json::{Value, json};

/// Writes one conversation.
pub(super) fn write(trajectory: &Trajectory, changes: &mut Changes) -> Vec<Written> {
    let mut folder = Folder { trajectory, changes, events: Vec::new(), actions: Vec::new() };
    folder.others(&trajectory.extra);
    for step in &trajectory.steps {
        folder.step(step);
    }
    if !trajectory.subagents.is_empty() {
        folder.changes.note("subagents left out", None);
    }
    let events = folder.events;
    let state = base_state(trajectory);
    let mut files = vec![Written { name: BASE.to_owned(), bytes: bytes(&state) }];
    files.extend(events.iter().enumerate().map(|(n, event)| {
        let id = event["id"].as_str().unwrap_or_default();
        Written { name: format!("events/event-{n:05}-{id}.json"), bytes: bytes(event) }
    }));
    files
}

fn bytes(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

struct Folder<'a> {
    trajectory: &'a Trajectory,
    changes: &'a mut Changes,
    events: Vec<Value>,
    /// Call id, and id of its action's event, of the step at hand and those before it.
    actions: Vec<(String, String)>,
}

impl Folder<'_> {
    fn step(&mut self, step: &Step) {
        match step.source {
            Speaker::System => self.system(step),
            Speaker::Agent if !step.calls.is_empty() => self.actions(step),
            Speaker::Agent => self.message(step, "agent", "assistant"),
            Speaker::User => {
                // A step that only holds results said nothing.
                if step.observation.is_none() || !step.message.text().is_empty() {
                    self.message(step, "user", "user");
                }
                if !step.calls.is_empty() {
                    self.changes.note("calls of no agent left out", Some(step.id));
                }
            }
        }
        for result in step.observation.iter().flat_map(|seen| &seen.results) {
            self.result(step, result);
        }
        self.others(&step.extra);
    }

    /// An event with what every event has.
    fn event(&mut self, extra: &Object, time: Option<&str>, source: &str, step: Option<u64>) -> Object {
        let text = |key: &str| extra.get(key).and_then(Value::as_str);
        let id = match text("id").filter(|id| is_id(id)) {
            Some(id) => id.to_owned(),
            None => {
                self.changes.note("ids made", step);
                made_id(self.trajectory, self.events.len())
            }
        };
        let source = text("source")
            .filter(|word| ["agent", "user", "environment", "hook"].contains(word))
            .unwrap_or(source);
        let mut event = Object::from_iter([("id".to_owned(), id.into())]);
        let time = time.or_else(|| text("timestamp"));
        event.extend(time.map(|time| ("timestamp".to_owned(), time.into())));
        event.insert("source".to_owned(), source.into());
        event.extend(text("parent_id").map(|id| ("parent_id".to_owned(), id.into())));
        event
    }

    fn finish(&mut self, mut event: Object, kind: &str) {
        event.insert("kind".to_owned(), kind.into());
        self.events.push(event.into());
    }

    fn system(&mut self, step: &Step) {
        let first = !self.events.iter().any(|event| event["kind"] == "SystemPromptEvent");
        let mut event = self.event(&step.extra, step.timestamp.as_deref(), "agent", Some(step.id));
        let mut prompt = text(&step.message.text());
        if let (Some(known), Some(prompt)) = (step.extra.get("system_prompt"), prompt.as_object_mut()) {
            copy(known.as_object(), prompt, &["cache_prompt"]);
        }
        event.insert("system_prompt".to_owned(), prompt);
        let agent = &self.trajectory.agent;
        let list = match (&agent.raw_tools, &agent.tools) {
            _ if !first => Vec::new(),
            (Some(raw), _) if raw.iter().all(|tool| tool.get("kind").is_some()) => raw.clone(),
            (_, Some(list)) => list.iter().map(tools::write).collect(),
            _ => Vec::new(),
        };
        event.insert("tools".to_owned(), list.into());
        copy(Some(&step.extra), &mut event, &["dynamic_context"]);
        self.finish(event, "SystemPromptEvent");
    }

    fn message(&mut self, step: &Step, source: &str, role: &str) {
        let mut event = self.event(&step.extra, step.timestamp.as_deref(), source, Some(step.id));
        let mut sent = Object::from_iter([("role".to_owned(), role.into())]);
        sent.insert("content".to_owned(), self.content(&step.message, Some(step.id)).into());
        sent.extend(
            step.reasoning.as_ref().map(|text| ("reasoning_content".to_owned(), text.clone().into())),
        );
        let rest = step.extra.get("llm_message").and_then(Value::as_object);
        copy(rest, &mut sent, &["thinking_blocks", "responses_reasoning_item", "name", "tool_call_id"]);
        event.insert("llm_message".to_owned(), sent.into());
        let keys = ["llm_response_id", "activated_skills", "extended_content", "sender", "critic_result"];
        copy(Some(&step.extra), &mut event, &keys);
        self.finish(event, "MessageEvent");
    }

    fn actions(&mut self, step: &Step) {
        let known = step.extra.get("llm_response_id").and_then(Value::as_str).map(str::to_owned);
        let response = known.unwrap_or_else(|| {
            self.changes.note("ids made", Some(step.id));
            format!("response-{}", step.id)
        });
        for (n, call) in step.calls.iter().enumerate() {
            let rest = call.extra.get("event").and_then(Value::as_object).cloned().unwrap_or_default();
            // What stood in the step's own event is in the step's extra, too, where the reader found it there.
            let time = if n == 0 { step.timestamp.as_deref() } else { None };
            let mut event = self.event(&rest, time, "agent", Some(step.id));
            let thought = if n == 0 { self.content(&step.message, Some(step.id)) } else { Vec::new() };
            // An empty thought is none.
            let thought: Vec<Value> = thought.into_iter().filter(|part| part["text"] != "").collect();
            event.insert("thought".to_owned(), thought.into());
            if let (0, Some(reasoning)) = (n, &step.reasoning) {
                event.insert("reasoning_content".to_owned(), reasoning.clone().into());
            }
            // In the order of the SDK, so that what is read again is the same to the byte.
            copy(Some(&rest), &mut event, &["thinking_blocks", "responses_reasoning_item"]);
            event.insert("action".to_owned(), action(&rest, call));
            let name = rest.get("tool_name").and_then(Value::as_str).unwrap_or(&call.name);
            event.insert("tool_name".to_owned(), name.into());
            event.insert("tool_call_id".to_owned(), call.id.clone().into());
            event.insert("tool_call".to_owned(), tool_call(&rest, call));
            event.insert("llm_response_id".to_owned(), response.clone().into());
            copy(Some(&rest), &mut event, &["security_risk", "critic_result", "summary"]);
            let id = event.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
            self.actions.push((call.id.clone(), id));
            self.finish(event, "ActionEvent");
        }
    }

    fn result(&mut self, step: &Step, result: &ObservationResult) {
        let kind = result.extra.get("kind").and_then(Value::as_str).unwrap_or("ObservationEvent");
        let source = if kind == "AgentErrorEvent" { "agent" } else { "environment" };
        let mut event = self.event(&result.extra, None, source, Some(step.id));
        let call = step.calls.iter().find(|call| Some(&call.id) == result.call_id.as_ref());
        let name = result.name.clone().or_else(|| call.map(|call| call.name.clone())).unwrap_or_default();
        let id = result.call_id.clone().unwrap_or_default();
        let mine = self.actions.iter().rev().find(|(call, _)| *call == id).map(|(_, event)| event.clone());
        let action = result.extra.get("action_id").and_then(Value::as_str).map(str::to_owned).or(mine);
        event.insert("tool_name".to_owned(), name.clone().into());
        event.insert("tool_call_id".to_owned(), id.into());
        let said = result.content.as_ref();
        let plain = || Value::from(said.map(|said| said.text().into_owned()).unwrap_or_default());
        match kind {
            "AgentErrorEvent" => {
                event.insert("error".to_owned(), plain());
                copy(Some(&result.extra), &mut event, &["classification"]);
                return self.finish(event, kind);
            }
            "UserRejectObservation" => {
                event.insert("rejection_reason".to_owned(), plain());
                copy(Some(&result.extra), &mut event, &["rejection_source"]);
            }
            _ => {
                let content = said.map(|said| self.content(said, Some(step.id))).unwrap_or_default();
                let seen = result.extra.get("observation").and_then(Value::as_object);
                let own = seen.filter(|seen| seen.get("kind").is_some_and(Value::is_string));
                let mut own = own.cloned().unwrap_or_else(|| {
                    let mut any = Object::from_iter([("tool_name".to_owned(), name.into())]);
                    any.insert("kind".to_owned(), ANY_TOOL.into());
                    copy(seen, &mut any, &["is_error"]);
                    any
                });
                own.insert("content".to_owned(), content.into());
                own.entry("is_error").or_insert(Value::Bool(false));
                event.insert("observation".to_owned(), own.into());
                copy(Some(&result.extra), &mut event, &["extended_content"]);
            }
        }
        event.insert("action_id".to_owned(), action.unwrap_or_default().into());
        let kind = if kind == "UserRejectObservation" { kind } else { "ObservationEvent" };
        self.finish(event, kind);
    }

    /// Events of the SDK that say nothing to the model, as they stood.
    fn others(&mut self, extra: &Object) {
        for event in extra.get(OTHER).and_then(Value::as_array).into_iter().flatten() {
            let kind = event.get("kind").and_then(Value::as_str);
            let id = event.get("id").and_then(Value::as_str);
            if kind.is_some_and(|kind| IDLE.contains(&kind)) && id.is_some_and(is_id) {
                self.events.push(event.clone());
            }
        }
    }

    /// Content as a list of texts and images.
    fn content(&mut self, message: &Message, step: Option<u64>) -> Vec<Value> {
        let parts = match message {
            Message::Text(said) => return vec![text(said)],
            Message::Parts(parts) => parts,
        };
        let mut list = Vec::new();
        for part in parts {
            match (&part.text, image_urls(part)) {
                (Some(said), _) => {
                    let mut value = text(said);
                    if let Some(value) = value.as_object_mut() {
                        copy(part.source.as_ref(), value, &["cache_prompt"]);
                    }
                    list.push(value);
                }
                (None, Some(urls)) => list.push(json!({"type": "image", "image_urls": urls})),
                (None, None) => self.changes.note("parts left out", step),
            }
        }
        list
    }
}

fn text(said: &str) -> Value {
    json!({"type": "text", "text": said})
}

/// Addresses of an image, as the SDK or OpenAI's API has them.
fn image_urls(part: &ContentPart) -> Option<Vec<Value>> {
    let source = part.source.as_ref()?;
    if let Some(urls) = source.get("image_urls").and_then(Value::as_array) {
        return Some(urls.clone());
    }
    let url = source.get("image_url")?;
    url.get("url").or(Some(url)).filter(|url| url.is_string()).map(|url| vec![url.clone()])
}

/// The action that a call led to: the source's own, else its arguments; null if they are no object.
fn action(rest: &Object, call: &ToolCall) -> Value {
    if let Some(action) = rest.get("action").filter(|action| action.get("kind").is_some_and(Value::is_string))
    {
        return action.clone();
    }
    match &call.arguments.parsed {
        Some(data) => json!({"data": data, "kind": "MCPToolAction"}),
        None => Value::Null,
    }
}

fn tool_call(rest: &Object, call: &ToolCall) -> Value {
    let arguments = match (&call.arguments.raw, &call.arguments.parsed) {
        (Some(raw), _) => raw.clone(),
        (None, Some(parsed)) => Value::Object(parsed.clone()).to_string(),
        (None, None) => String::new(),
    };
    let mut value = Object::from_iter([
        ("id".to_owned(), call.id.clone().into()),
        ("name".to_owned(), call.name.clone().into()),
        ("arguments".to_owned(), arguments.into()),
        ("origin".to_owned(), "completion".into()),
    ]);
    copy(rest.get("tool_call").and_then(Value::as_object), &mut value, &["origin", "responses_item_id"]);
    value.into()
}

/// Copies members that are there.
fn copy(from: Option<&Object>, to: &mut Object, keys: &[&str]) {
    for key in keys {
        if let Some(value) = from.and_then(|from| from.get(*key)) {
            to.insert((*key).to_owned(), value.clone());
        }
    }
}

/// Whether the SDK takes the id in a file's name.
fn is_id(id: &str) -> bool {
    id.len() >= 8 && id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

/// An id that depends on nothing but the trajectory's ids and a number.
fn made_id(trajectory: &Trajectory, number: usize) -> String {
    let parts = [
        trajectory.id.as_deref().unwrap_or_default().as_bytes(),
        trajectory.session_id.as_deref().unwrap_or_default().as_bytes(),
        &(number as u64).to_le_bytes(),
    ];
    uuid(&sha256_parts(parts))
}

fn uuid(digest: &str) -> String {
    let part = |from: usize, to: usize| digest.get(from..to).unwrap_or_default();
    format!("{}-{}-4{}-8{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32))
}

/// The state that the source had, or the least that the SDK opens.
fn base_state(trajectory: &Trajectory) -> Value {
    let session = trajectory.session_id.as_deref().filter(|id| id.len() >= 32 && is_id(id));
    let id = session.map_or_else(|| made_id(trajectory, usize::MAX), str::to_owned);
    let mut state = Object::from_iter([("id".to_owned(), id.into())]);
    if let Some(Value::Object(known)) = trajectory.extra.get("base_state") {
        state.extend(known.clone());
        return state.into();
    }
    let model = trajectory.agent.model.as_deref().unwrap_or("unknown");
    state.insert("agent".to_owned(), json!({"kind": "Agent", "llm": {"model": model}, "tools": []}));
    state.insert("workspace".to_owned(), json!({"kind": "LocalWorkspace", "working_dir": "workspace"}));
    if let Some(totals) = &trajectory.final_metrics {
        let mut tokens = Object::from_iter([("model".to_owned(), model.into())]);
        let usage = &totals.usage;
        for (key, value) in [
            ("prompt_tokens", usage.prompt_tokens),
            ("completion_tokens", usage.completion_tokens),
            ("cache_read_tokens", usage.cached_tokens),
        ] {
            tokens.extend(value.map(|value| (key.to_owned(), value.into())));
        }
        let mut metrics = json!({"model_name": model, "accumulated_token_usage": tokens});
        if let Some(cost) = usage.cost_usd {
            metrics["accumulated_cost"] = cost.into();
        }
        state.insert("stats".to_owned(), json!({"usage_to_metrics": {"default": metrics}}));
    }
    state.into()
}
