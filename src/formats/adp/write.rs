//! Steps to actions and observations.
//!
//! The protocol's models refuse keys that they do not know, an id without a result, an id twice, and an action with a
//! result but without an id: such is never written.

use crate::formats::Changes;
use crate::model::{Message, Object, ObservationResult, Source as Speaker, Step, ToolCall, Trajectory};
use serde_json::{Value, json};
use std::collections::HashSet;

/// Members of a trajectory that the protocol has beside its content.
const OF_RECORD: [&str; 4] =
    ["schema_version", "details", "available_custom_tools", "available_code_languages"];

/// Writes one trajectory as a line.
pub(super) fn line(trajectory: &Trajectory, changes: &mut Changes) -> Vec<u8> {
    let mut record = Object::new();
    copy(&trajectory.extra, &mut record, &["schema_version"]);
    if trajectory.id.is_none() {
        changes.note("ids made", None);
    }
    let id = trajectory.id.as_deref().or(trajectory.session_id.as_deref()).unwrap_or("trajectory");
    record.insert("id".to_owned(), id.into());
    let mut content = Content { items: Vec::new(), ids: HashSet::new(), changes };
    for step in &trajectory.steps {
        content.step(step);
    }
    record.insert("content".to_owned(), content.items.into());
    if !trajectory.subagents.is_empty() {
        changes.note("subagents left out", None);
    }
    record.insert("details".to_owned(), json!({}));
    copy(&trajectory.extra, &mut record, &OF_RECORD);
    Value::Object(record).to_string().into_bytes()
}

struct Content<'a> {
    items: Vec<Value>,
    ids: HashSet<String>,
    changes: &'a mut Changes,
}

impl Content<'_> {
    fn step(&mut self, step: &Step) {
        if let Some(item) = step.extra.get("item").filter(|item| item.get("class_").is_some()) {
            self.items.push(item.clone());
        }
        let text = self.text(&step.message, step.id);
        match step.source {
            Speaker::Agent if step.calls.is_empty() => {
                let mut item = json!({"class_": "message_action", "content": step.judged_text()});
                if let Some(item) = item.as_object_mut() {
                    put(item, "reasoning_content", step.reasoning.as_deref());
                    copy(&step.extra, item, &["description", "reward"]);
                }
                self.items.push(item);
                self.results(step, &[]);
            }
            Speaker::Agent => {
                let ids = self.calls(step, &text);
                self.results(step, &ids);
            }
            source => {
                let word = if source == Speaker::System { "system" } else { "user" };
                let word = step.extra.get("source").and_then(Value::as_str).unwrap_or(word);
                if !text.is_empty() || (step.observation.is_none() && !step.extra.contains_key("item")) {
                    self.items.push(observed(&step.message, text, word, &step.extra));
                }
                if !step.calls.is_empty() {
                    self.changes.note("calls of no agent left out", Some(step.id));
                }
                self.results(step, &[]);
            }
        }
    }

    fn text(&mut self, message: &Message, step: u64) -> String {
        if let Message::Parts(parts) = message {
            if parts.iter().any(|part| part.text.is_none() && image(part.source.as_ref()).is_none()) {
                self.changes.note("parts left out", Some(step));
            }
            if parts.iter().filter(|part| part.text.is_some()).count() > 1 {
                self.changes.note("parts joined", Some(step));
            }
        }
        message.text().into_owned()
    }

    /// Writes the calls; gives for each the id that its result has to name.
    fn calls(&mut self, step: &Step, text: &str) -> Vec<Option<String>> {
        let mut ids = Vec::new();
        let results = step.observation.as_ref().map_or(&[][..], |seen| &seen.results);
        for (n, call) in step.calls.iter().enumerate() {
            let answered = results.iter().any(|result| result.call_id.as_ref() == Some(&call.id));
            let mut id = None;
            if answered && !call.id.is_empty() {
                let mut own = call.id.clone();
                while !self.ids.insert(own.clone()) {
                    own.push('x');
                    self.changes.note("ids made", Some(step.id));
                }
                id = Some(own);
            } else {
                self.changes.note("ids of calls without a result left out", Some(step.id));
            }
            let mut item = self.action(call, step.id);
            put(&mut item, "tool_call_id", id.as_deref());
            let own = Value::from(if n == 0 { text } else { "" });
            item.insert("description".to_owned(), own);
            if n == 0 {
                put(&mut item, "reasoning_content", step.reasoning.as_deref());
            }
            copy(&call.extra, &mut item, &["reward"]);
            self.items.push(item.into());
            ids.push(id);
        }
        ids
    }

    fn action(&mut self, call: &ToolCall, step: u64) -> Object {
        let parsed = call.arguments.parsed.as_ref();
        let code = parsed.filter(|_| call.extra.get("class_").is_some_and(|class| class == "code_action"));
        if let Some(content) = code.and_then(|arguments| arguments.get("content")) {
            let item = json!({"class_": "code_action", "language": call.name, "content": content});
            return item.as_object().cloned().unwrap_or_default();
        }
        let kwargs = match (parsed, &call.arguments.raw) {
            (Some(parsed), _) => parsed.clone(),
            (None, Some(raw)) => {
                self.changes.note("arguments that are no object wrapped", Some(step));
                Object::from_iter([("arguments".to_owned(), raw.clone().into())])
            }
            (None, None) => Object::new(),
        };
        let item = json!({"class_": "api_action", "function": call.name, "kwargs": kwargs});
        item.as_object().cloned().unwrap_or_default()
    }

    /// What came back; a result of no call, or the second of one, stands without an id.
    fn results(&mut self, step: &Step, ids: &[Option<String>]) {
        let mut ids: Vec<(&str, Option<String>)> =
            step.calls.iter().zip(ids).map(|(call, id)| (call.id.as_str(), id.clone())).collect();
        for result in step.observation.iter().flat_map(|seen| &seen.results) {
            let own =
                ids.iter().position(|(call, id)| Some(*call) == result.call_id.as_deref() && id.is_some());
            let id = own.and_then(|at| ids.swap_remove(at).1);
            if id.is_none() {
                self.changes.note("ids of results without a call left out", Some(step.id));
            }
            let item = self.result(result, id, step.id);
            self.items.push(item);
        }
    }

    fn result(&mut self, result: &ObservationResult, id: Option<String>, step: u64) -> Value {
        let nothing = Message::Text(String::new());
        let content = result.content.as_ref().unwrap_or(&nothing);
        let text = self.text(content, step);
        let word = result.extra.get("source").and_then(Value::as_str).unwrap_or("environment");
        let mut item = observed(content, text, word, &result.extra);
        if let Some(item) = item.as_object_mut() {
            put(item, "tool_call_id", id.as_deref());
            if item["class_"] == "text_observation" {
                put(item, "name", result.name.as_deref());
            }
        }
        item
    }
}

/// An observation of the class that the source had, else of text.
fn observed(message: &Message, text: String, source: &str, extra: &Object) -> Value {
    let class = extra.get("class_").and_then(Value::as_str);
    let mut item = Object::new();
    match (class, message) {
        (Some("web_observation"), _) => {
            item.insert("class_".to_owned(), "web_observation".into());
            item.insert("axtree".to_owned(), if text.is_empty() { Value::Null } else { text.into() });
            copy(extra, &mut item, &["html", "url", "viewport_size", "image_observation"]);
        }
        (Some("image_observation"), Message::Parts(parts)) if text.is_empty() => {
            let content = parts.first().and_then(|part| image(part.source.as_ref()));
            item.insert("class_".to_owned(), "image_observation".into());
            item.insert("content".to_owned(), content.cloned().unwrap_or_default());
            item.insert("source".to_owned(), source.into());
            copy(extra, &mut item, &["annotations"]);
        }
        _ => {
            item.insert("class_".to_owned(), "text_observation".into());
            item.insert("content".to_owned(), text.into());
            copy(extra, &mut item, &["name"]);
            item.insert("source".to_owned(), source.into());
        }
    }
    item.into()
}

/// Where an image of the protocol lies.
fn image(source: Option<&Object>) -> Option<&Value> {
    source?.get("content")
}

fn put(item: &mut Object, key: &str, value: Option<&str>) {
    item.extend(value.map(|value| (key.to_owned(), value.into())));
}

fn copy(from: &Object, to: &mut Object, keys: &[&str]) {
    for key in keys {
        if let Some(value) = from.get(*key) {
            to.insert((*key).to_owned(), value.clone());
        }
    }
}
