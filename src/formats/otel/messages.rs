//! Messages of the conventions: `{role, parts: [{type: text | reasoning | tool_call | tool_call_response, …}]}`.

use super::super::turns::attach;
use super::Span;
use super::places::Spot;
use crate::model::{
    Arguments, ContentPart, Message, Object, Observation, ObservationResult, Place, Reply, Source as Speaker,
    Step, ToolCall,
};
use crate::util::json::View;
use serde_json::Value;

/// Attributes that become steps.
pub(super) const TAKEN: &[&str] = &[
    "gen_ai.input.messages",
    "gen_ai.output.messages",
    "gen_ai.system_instructions",
    "gen_ai.tool.definitions",
];

/// Whether an attribute is a list, or JSON of one in a string.
pub(super) fn is_readable(value: &Value) -> bool {
    match value {
        Value::Array(_) => true,
        Value::String(text) => super::parsed(text).is_some_and(|value| value.is_array()),
        _ => false,
    }
}

/// What was told in the conversation so far.
#[derive(Default)]
pub(super) struct Told {
    /// Messages, as written, of all inputs and outputs.
    history: Vec<Value>,
    /// `execute_tool` spans by call id: the call, and its result.
    tools: Vec<(Option<String>, ToolCall, Option<ObservationResult>)>,
}

/// Instructions: a list of parts.
pub(super) fn system(value: &Value, parts: Vec<Spot>, steps: &mut Vec<Step>, say: &mut impl FnMut(String)) {
    if !value.is_array() {
        say("the system instructions are no list of parts: they are kept as they are".to_owned());
        return;
    }
    let mut step = Step::new(steps.len() as u64 + 1, Speaker::System, "");
    let message = Value::Object(Object::from_iter([("parts".to_owned(), value.clone())]));
    fill(&mut step, &message, &Spot { parts, ..Spot::default() });
    steps.push(step);
}

impl Told {
    /// Adds the messages that no earlier span told.
    pub(super) fn input(
        &mut self,
        value: Option<&(Value, Vec<Spot>)>,
        steps: &mut Vec<Step>,
        say: &mut impl FnMut(String),
    ) {
        let Some((list, spots)) = list(value, "input", say) else { return };
        let same = |a: &Value, b: &Value| a["role"] == b["role"] && a["parts"] == b["parts"];
        let known = list.iter().zip(&self.history).take_while(|(new, old)| same(new, old)).count();
        // Where a span does not go on from the last one, it tells its own history.
        let fresh = known < self.history.len();
        if fresh && known > 0 {
            self.history.truncate(known);
        } else if fresh {
            self.history.clear();
        }
        for (n, message) in list.iter().enumerate().skip(known) {
            Self::add(message, spots.get(n).unwrap_or(&Spot::default()), true, steps);
            self.history.push(message.clone());
        }
    }

    /// Adds what the model said.
    pub(super) fn output(
        &mut self,
        value: Option<&(Value, Vec<Spot>)>,
        steps: &mut Vec<Step>,
        say: &mut impl FnMut(String),
    ) {
        let Some((list, spots)) = list(value, "output", say) else { return };
        for (n, message) in list.iter().enumerate() {
            Self::add(message, spots.get(n).unwrap_or(&Spot::default()), false, steps);
            self.history.push(message.clone());
        }
    }

    fn add(message: &Value, spot: &Spot, input: bool, steps: &mut Vec<Step>) {
        let source = match message["role"].as_str() {
            Some("assistant" | "model") => Speaker::Agent,
            Some("system" | "developer") => Speaker::System,
            _ => Speaker::User,
        };
        let mut step = Step::new(steps.len() as u64 + 1, source, "");
        let results = fill(&mut step, message, spot);
        if source == Speaker::Agent {
            // An answer that no span of this conversation gave came with the prompt.
            step.frame = input;
            step.copied = input.then_some(true);
            reply(&mut step, message["finish_reason"].as_str());
        }
        let silent = step.message.text().is_empty() && step.calls.is_empty() && step.extra.is_empty();
        if !(!results.is_empty() && silent && step.reasoning.is_none()) {
            steps.push(step);
        }
        for result in results {
            attach(steps, result);
        }
    }

    /// Remembers a tool span: its result is told in the next input as a rule, and used only if it is not.
    pub(super) fn tool(&mut self, span: &Span<'_>, _: &mut [Step]) {
        let attributes = &span.attributes;
        let id = attributes.text("gen_ai.tool.call.id");
        let arguments = arguments(attributes.value("gen_ai.tool.call.arguments").as_ref());
        let call = ToolCall {
            id: id.clone().unwrap_or_else(|| span.view.text_at("spanId").unwrap_or_default()),
            name: attributes.text("gen_ai.tool.name").unwrap_or_default(),
            arguments,
            extra: Object::from_iter([(
                "from_span".to_owned(),
                span.view.get("spanId").map_or(Value::Null, View::value),
            )]),
            place: Some(span.view.value_place()),
        };
        let result = attributes.value("gen_ai.tool.call.result").map(|value| ObservationResult {
            place: attributes.text_place("gen_ai.tool.call.result"),
            call_id: Some(call.id.clone()),
            name: Some(call.name.clone()),
            content: Some(Message::Text(value.as_str().map_or_else(|| value.to_string(), str::to_owned))),
            ..ObservationResult::default()
        });
        self.tools.push((id, call, result));
    }

    /// Gives tool spans to the calls that the messages do not tell of.
    pub(super) fn finish(self, steps: &mut [Step]) {
        for (id, call, result) in self.tools {
            let holder = steps
                .iter_mut()
                .rev()
                .find(|step| step.calls.iter().any(|known| Some(&known.id) == id.as_ref()));
            if let Some(step) = holder {
                let answered =
                    step.observation.iter().flat_map(|all| &all.results).any(|known| known.call_id == id);
                if let Some(result) = result.filter(|_| !answered) {
                    step.observation.get_or_insert_with(Observation::default).results.push(result);
                }
                continue;
            }
            // A call whose message was not recorded belongs to the last answer without content.
            let bare =
                |step: &&mut Step| step.extra.get("content").is_some_and(|word| word == "not recorded");
            if let Some(step) = steps.iter_mut().rfind(bare) {
                step.calls.push(call);
                if let Some(result) = result {
                    step.observation.get_or_insert_with(Observation::default).results.push(result);
                }
            }
        }
    }
}

fn list<'v>(
    value: Option<&'v (Value, Vec<Spot>)>,
    what: &str,
    say: &mut impl FnMut(String),
) -> Option<(&'v [Value], &'v [Spot])> {
    match value? {
        (Value::Array(list), spots) => Some((list, spots)),
        _ => {
            say(format!("the {what} messages of a span are no list: they are kept as they are"));
            None
        }
    }
}

/// Marks a step as a reply.
pub(super) fn reply(step: &mut Step, finish: Option<&str>) {
    step.reply = Some(Reply {
        text: step.message.text().into_owned(),
        finish_reason: finish.map(str::to_owned),
        dialect: Some("native".to_owned()),
        native: true,
        place: step.place,
    });
}

/// Arguments as an object or a text; null is none.
fn arguments(value: Option<&Value>) -> Arguments {
    match value {
        Some(Value::Object(object)) => Arguments::object(object.clone()),
        Some(Value::String(text)) => Arguments::text(text.clone()),
        Some(Value::Null) | None => Arguments { raw: None, parsed: None },
        Some(other) => Arguments { raw: Some(other.to_string()), parsed: None },
    }
}

/// Fills a step with the parts of a message; results come back.
fn fill(step: &mut Step, message: &Value, spot: &Spot) -> Vec<ObservationResult> {
    let mut results = Vec::new();
    let mut parts: Vec<ContentPart> = Vec::new();
    let Some(list) = message["parts"].as_array() else {
        step.extra.insert("message".to_owned(), message.clone());
        return results;
    };
    let rest = |part: &Object, known: &[&str]| -> Object {
        part.iter()
            .filter(|(key, _)| !known.contains(&key.as_str()))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    };
    let mut beside = Vec::new();
    let mut texts: Vec<Option<Place>> = Vec::new();
    for (n, part) in list.iter().enumerate() {
        let spot = spot.parts.get(n);
        let Some(object) = part.as_object() else {
            beside.push(part.clone());
            continue;
        };
        let text = |key: &str| object.get(key).and_then(Value::as_str).map(str::to_owned);
        match object.get("type").and_then(Value::as_str) {
            Some("text") if text("content").is_some() => {
                let more = rest(object, &["type", "content"]);
                if !more.is_empty() {
                    beside.push(more.into());
                }
                texts.push(spot.and_then(|spot| spot.text));
                parts.push(ContentPart { kind: "text".to_owned(), text: text("content"), source: None });
            }
            Some("reasoning") if text("content").is_some() => {
                let more = rest(object, &["type", "content"]);
                if !more.is_empty() {
                    beside.push(more.into());
                }
                let thought = text("content").unwrap_or_default();
                step.reasoning = Some(
                    step.reasoning.take().map_or(thought.clone(), |known| format!("{known}\n{thought}")),
                );
            }
            Some("tool_call") if text("name").is_some() => {
                let arguments = arguments(object.get("arguments"));
                let id = text("id");
                let mut extra = rest(object, &["type", "name", "arguments"]);
                if id.is_some() {
                    extra.shift_remove("id");
                }
                step.calls.push(ToolCall {
                    id: id.unwrap_or_default(),
                    name: text("name").unwrap_or_default(),
                    arguments,
                    extra,
                    place: spot.and_then(|spot| spot.whole),
                });
            }
            Some("tool_call_response") => {
                let key = if object.contains_key("response") { "response" } else { "result" };
                let id = text("id");
                let mut extra = rest(object, &["type", key]);
                if id.is_some() {
                    extra.shift_remove("id");
                }
                let content = object.get(key).map(|value| {
                    Message::Text(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
                });
                results.push(ObservationResult {
                    call_id: id,
                    content,
                    place: spot.and_then(|spot| spot.text),
                    extra,
                    ..ObservationResult::default()
                });
            }
            _ => parts.push(ContentPart {
                kind: text("type").unwrap_or_else(|| "unknown".to_owned()),
                text: None,
                source: Some(object.clone()),
            }),
        }
    }
    if !beside.is_empty() {
        step.extra.insert("parts".to_owned(), beside.into());
    }
    let known = ["role", "parts", "finish_reason"];
    if let Some(object) = message.as_object() {
        let text = |key: &str, value: &Value| known.contains(&key) && (key == "parts" || value.is_string());
        let more = object.iter().filter(|(key, value)| !text(key, value));
        step.extra.extend(more.map(|(key, value)| (key.clone(), value.clone())));
    }
    // Texts of several parts are one text, and no place leads into all of them.
    if let [place] = texts.as_slice() {
        step.place = *place;
    }
    step.message = match parts.as_mut_slice() {
        [] => Message::Text(String::new()),
        [ContentPart { text: Some(text), .. }] => Message::Text(std::mem::take(text)),
        _ => Message::Parts(parts),
    };
    results
}
