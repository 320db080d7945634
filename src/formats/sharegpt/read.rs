//! Items to steps.

use super::super::chat::{self, Content, expected};
use super::super::fields::{self, Fields};
use super::super::source::Refusal;
use super::super::text_calls;
use super::{CALL, MODEL, RESULT};
use crate::dialects;
use crate::model::{
    Arguments, Message, Object, Observation, ObservationResult, Place, Reply, Source as Speaker, Step,
    ToolCall, Trajectory,
};
use crate::util::json::{self, View, advance_from};
use serde_json::Value;

/// Reads one conversation.
pub(super) fn convert(record: View<'_>, warnings: &mut Vec<Refusal>) -> Result<Trajectory, Refusal> {
    if !record.is_object() {
        return Err(expected(record, "a record", "an object with \"conversations\""));
    }
    let mut fields = Fields::of(record);
    let list = fields.any("conversations").or_else(|| fields.any("conversation"));
    let list = list.ok_or_else(|| (record.offset(), "has no \"conversations\"".to_owned()))?;
    if !list.is_array() {
        return Err(expected(list, "\"conversations\"", "a list"));
    }
    let mut conversation = Conversation { next_id: 1, ..Conversation::default() };
    if let Some(system) = fields.text("system") {
        conversation.push(Speaker::System, fields::content(Some(system)));
    }
    for item in list.items() {
        conversation.add(item, warnings);
    }
    let mut trajectory = Trajectory { steps: conversation.steps, ..Trajectory::default() };
    if let Some(text) = fields.text("tools") {
        match text.text().and_then(|text| serde_json::from_str(&text).ok()) {
            Some(Value::Array(raw)) => {
                (trajectory.agent.tools, trajectory.agent.raw_tools) = chat::tools_of(&raw);
            }
            // A data set without tools has an empty text there.
            _ if text.text().as_deref() == Some("") => {}
            _ => fields.untake("tools"),
        }
    } else if let Some(list) = fields.list("tools") {
        (trajectory.agent.tools, trajectory.agent.raw_tools) = chat::tools(list);
    } else {
        trajectory.agent.tools = chat::tools_in_prompt(&trajectory.steps);
    }
    trajectory.id = fields.string("id");
    trajectory.agent.model = fields.string("model");
    trajectory.extra = fields.rest();
    Ok(trajectory)
}

#[derive(Default)]
struct Conversation {
    steps: Vec<Step>,
    next_id: u32,
    /// Whether the last item was the model's, so that its calls may follow.
    open: bool,
}

impl Conversation {
    fn push(&mut self, source: Speaker, content: Content) -> &mut Step {
        let mut step = Step::new(self.steps.len() as u64 + 1, source, "");
        (step.message, step.place) = (content.message, content.place);
        self.steps.push(step);
        let last = self.steps.len() - 1;
        &mut self.steps[last]
    }

    fn add(&mut self, item: View<'_>, warnings: &mut Vec<Refusal>) {
        let mut fields = Fields::of(item);
        let from = fields.string("from").unwrap_or_default();
        let value = fields.any("value");
        match &*from {
            "human" => self.human(value, fields),
            "user" => self.human(value, named(fields, "user", "human")),
            word if MODEL.contains(&word) => {
                self.model(value, named(fields, word, "gpt"));
                self.open = true;
                return;
            }
            word if CALL.contains(&word) => {
                self.calls(value, named(fields, word, "function_call"));
                self.open = true;
                return;
            }
            word if RESULT.contains(&word) => self.observation(value, named(fields, word, "observation")),
            "system" => {
                self.push(Speaker::System, fields::content(value)).extra = fields.rest();
            }
            _ => {
                let at = item.get("from").unwrap_or(item);
                let what = match at.text() {
                    Some(other) => format!(
                        "the speaker '{other}' is none of human, gpt, system, function_call, observation, tool: taken as a user"
                    ),
                    None => "an item has no \"from\": taken as a user's message".to_owned(),
                };
                warnings.push((at.offset(), what));
                fields.untake("from");
                let extra = fields.rest();
                let step = self.push(Speaker::User, fields::content(value));
                step.extra = extra;
                if !item.is_object() {
                    step.extra.insert("value".to_owned(), item.value());
                }
            }
        }
        self.open = false;
    }

    /// A user's message; an observation in a text dialect goes to the step of its call.
    fn human(&mut self, value: Option<View<'_>>, fields: Fields<'_>) {
        let content = fields::content(value);
        let text = content.message.text();
        let before = self.steps.last().filter(|step| step.source == Speaker::Agent && !step.calls.is_empty());
        let reply = before.and_then(|step| step.reply.as_ref()).filter(|reply| !reply.native);
        let dialect = reply.and_then(|reply| dialects::find(reply.dialect.as_deref()?));
        let results = dialect.map(|dialect| (dialect.read_observations)(&text)).unwrap_or_default();
        if results.is_empty() {
            self.push(Speaker::User, content).extra = fields.rest();
            return;
        }
        let mut extra = fields.rest();
        let place = content.place;
        for result in results {
            let said = result.content.text(&text).to_owned();
            let result = ObservationResult {
                name: result.name,
                content: Some(Message::Text(said)),
                place,
                extra: std::mem::take(&mut extra),
                ..ObservationResult::default()
            };
            self.attach(result);
        }
    }

    fn model(&mut self, value: Option<View<'_>>, mut fields: Fields<'_>) {
        let content = fields::content(value);
        let place = content.place;
        let text = content.message.text().into_owned();
        let reading = text_calls::read(&text, &mut self.next_id);
        let reasoning = fields.string("reasoning_content");
        let extra = fields.rest();
        let step = self.push(Speaker::Agent, content);
        (step.reasoning, step.extra) = (reasoning, extra);
        if !reading.calls.is_empty() {
            step.message = Message::Text(reading.content.into_owned());
            step.calls = reading.calls;
        }
        let dialect = reading.dialect.map(str::to_owned);
        step.reply = Some(Reply { text, dialect, place, ..Reply::default() });
    }

    /// Calls as a JSON text: one, or a list of them. They belong to the text of the model before them.
    fn calls(&mut self, value: Option<View<'_>>, mut fields: Fields<'_>) {
        let text = value.and_then(View::text);
        let found = match text.as_deref().map(serde_json::from_str::<Value>) {
            Some(Ok(Value::Array(list))) if !list.is_empty() => Some(list),
            Some(Ok(one @ Value::Object(_))) => Some(vec![one]),
            _ => None,
        };
        let mut calls: Vec<ToolCall> = match found {
            Some(list) => {
                let places = value.zip(text.as_deref()).map(|(value, text)| call_places(value, text));
                let places = places.into_iter().flatten().map(Some).chain(std::iter::repeat(None));
                let calls = list.into_iter().zip(places);
                calls.map(|(one, place)| ToolCall { place, ..call(one, &mut self.next_id) }).collect()
            }
            // What is no call at all is one that can't be read: the text is its arguments.
            None => {
                let raw = match (&text, value) {
                    (Some(text), _) => text.clone().into_owned(),
                    (None, Some(value)) => String::from_utf8_lossy(value.raw()).into_owned(),
                    (None, None) => String::new(),
                };
                let id = made_id(&mut self.next_id);
                let arguments = Arguments { raw: Some(raw), parsed: None };
                let place = value.map(View::value_place);
                vec![ToolCall { id, name: String::new(), arguments, extra: Object::new(), place }]
            }
        };
        let goes_on = self.open
            && self.steps.last().is_some_and(|step| {
                step.reply.as_ref().is_some_and(|reply| reply.native || step.calls.is_empty())
            });
        if !goes_on {
            let step = self.push(Speaker::Agent, fields::content(None));
            // There is no text; a finding about the calls points at their item.
            let place = value.filter(|_| text.is_some()).map(View::place);
            step.reply = Some(Reply { place, ..Reply::default() });
            step.reasoning = fields.string("reasoning_content");
        }
        if let Some(step) = self.steps.last_mut() {
            // Beside a text of the model the item is the calls' own: its keys may stand in both.
            match calls.first_mut().filter(|_| goes_on) {
                Some(call) => call.extra.extend(fields::some_object("item", fields.rest())),
                None => step.extra = fields.rest(),
            }
            step.calls.extend(calls);
            if let Some(reply) = &mut step.reply {
                (reply.native, reply.dialect) = (true, Some("native".to_owned()));
            }
        }
    }

    fn observation(&mut self, value: Option<View<'_>>, mut fields: Fields<'_>) {
        let content = fields::content(value);
        self.attach(ObservationResult {
            call_id: fields.string("tool_call_id"),
            name: fields.string("name"),
            content: Some(content.message),
            place: content.place,
            extra: fields.rest(),
            ..ObservationResult::default()
        });
    }

    /// Puts a result into the latest step of the model; without an id it answers the first call that has none.
    fn attach(&mut self, mut result: ObservationResult) {
        let made = |step: &Step| step.calls.iter().any(|call| Some(&call.id) == result.call_id.as_ref());
        let own = self.steps.iter().enumerate().rev().take(64).find(|(_, step)| made(step)).map(|(n, _)| n);
        let near = || self.steps.iter().rposition(|step| step.source == Speaker::Agent);
        let index = own.or_else(near).unwrap_or_else(|| {
            self.push(Speaker::User, fields::content(None));
            self.steps.len() - 1
        });
        let step = &mut self.steps[index];
        let seen = step.observation.get_or_insert_with(Observation::default);
        if result.call_id.is_none() {
            result.call_id = step.calls.get(seen.results.len()).map(|call| call.id.clone());
        }
        seen.results.push(result);
    }
}

/// Keeps the word for a speaker, unless it is the usual one.
fn named<'a>(mut fields: Fields<'a>, from: &str, usual: &str) -> Fields<'a> {
    if from != usual {
        fields.untake("from");
    }
    fields
}

/// Where calls stand that are written as JSON in a text: at their brackets, through the escapes of the text.
fn call_places(value: View<'_>, text: &str) -> Vec<Place> {
    let first = text.len() - text.trim_start().len();
    let Ok(node) = json::parse_at(text.as_bytes(), first, &mut Vec::new()) else { return Vec::new() };
    let outer = View::new(text.as_bytes(), &node);
    let starts: Vec<usize> =
        if outer.is_array() { outer.items().map(View::offset).collect() } else { vec![outer.offset()] };
    let raw = value.raw().get(1..).unwrap_or_default();
    let mut walked = (0, 0);
    let place = |start| {
        walked = advance_from(raw, walked, start);
        Place { offset: value.place().offset + walked.0 as u64, json: true, ..Place::default() }
    };
    starts.into_iter().map(place).collect()
}

fn made_id(next_id: &mut u32) -> String {
    let id = format!("call_{next_id:02}");
    *next_id += 1;
    id
}

/// A call as LLaMA-Factory writes it, or in the shape of OpenAI's API.
fn call(value: Value, next_id: &mut u32) -> ToolCall {
    let mut outer = match value {
        Value::Object(outer) => outer,
        other => Object::from_iter([("value".to_owned(), other)]),
    };
    let take = |object: &mut Object, key: &str| match object.shift_remove(key) {
        Some(Value::String(text)) => Some(text),
        Some(other) => {
            object.insert(key.to_owned(), other);
            None
        }
        None => None,
    };
    let id = take(&mut outer, "id").unwrap_or_else(|| made_id(next_id));
    let name = take(&mut outer, "name").unwrap_or_default();
    let arguments = match outer.shift_remove("arguments") {
        Some(Value::Object(parsed)) => Arguments::object(parsed),
        Some(Value::String(raw)) => Arguments::text(raw),
        Some(other) => Arguments { raw: Some(other.to_string()), parsed: None },
        None => Arguments { raw: None, parsed: None },
    };
    ToolCall { id, name, arguments, extra: outer, place: None }
}
