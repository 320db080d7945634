//! From the lines of one conversation to steps.

use super::super::chat::Content;
use super::super::fields::{self, Fields};
use super::super::turns::{self, Turns};
use super::lines::{Line, Lines, Part};
use crate::model::{
    Arguments, ContentPart, Message, Object, ObservationResult, Reply, Source, Step, ToolCall, Trajectory,
    Usage,
};
use crate::util::json::View;
use serde_json::Value;
use std::collections::HashMap;

/// The model that the program names where it speaks itself.
const SYNTHETIC: &str = "<synthetic>";

/// Reads the lines of one part.
pub(super) fn trajectory(part: &Part, lines: &Lines<'_>, remarks: &mut Vec<(usize, String)>) -> Trajectory {
    let mut reading = Reading { turns: Turns::default(), replies: HashMap::new(), meta: Vec::new(), remarks };
    let own: Vec<&Line<'_>> = part.lines.iter().map(|n| &lines.all[*n]).collect();
    for line in &own {
        match &*line.kind {
            _ if !line.is_step => reading.meta.push(line.view.value()),
            "assistant" => reading.assistant(line),
            "user" => reading.user(line),
            _ => reading.injected(line),
        }
    }
    let mut trajectory = Trajectory { id: part.id.clone(), ..Trajectory::default() };
    let said = own.iter().find(|line| line.is_step);
    trajectory.session_id = said.and_then(|line| line.session.clone());
    trajectory.origin.offset = own.first().map_or(0, |line| line.view.offset()) as u64;
    "claude-code".clone_into(&mut trajectory.agent.name);
    trajectory.agent.version = own.iter().find_map(|line| line.view.text_at("version")).unwrap_or_default();
    trajectory.steps = reading.turns.finish();
    name_model(&mut trajectory);
    if let Some(uuid) = &part.branch_of {
        trajectory.extra.insert("branch_of".to_owned(), uuid.clone().into());
    }
    if !reading.meta.is_empty() {
        trajectory.extra.insert("meta".to_owned(), reading.meta.into());
    }
    trajectory
}

/// The first model is the agent's; steps name theirs where it is another one.
fn name_model(trajectory: &mut Trajectory) {
    let models = trajectory.steps.iter().filter(|step| !step.frame);
    trajectory.agent.model = models.into_iter().find_map(|step| step.model.clone());
    for step in &mut trajectory.steps {
        step.model = step.model.take().filter(|model| Some(model) != trajectory.agent.model.as_ref());
    }
}

/// Steps under construction.
struct Reading<'w> {
    turns: Turns,
    /// Steps by the id of the API's message.
    replies: HashMap<String, usize>,
    meta: Vec<Value>,
    remarks: &'w mut Vec<(usize, String)>,
}

/// Blocks of a message, sorted.
#[derive(Default)]
struct Blocks<'a> {
    parts: Vec<ContentPart>,
    texts: Vec<View<'a>>,
    thinking: Vec<Object>,
    calls: Vec<ToolCall>,
    results: Vec<View<'a>>,
}

impl<'a> Blocks<'a> {
    fn of(content: Option<View<'a>>) -> Self {
        let mut blocks = Self::default();
        let Some(content) = content.filter(|content| !content.is_null()) else { return blocks };
        if !content.is_array() {
            blocks.other(content);
            return blocks;
        }
        for block in content.items() {
            match block.text_at("type").as_deref() {
                Some("thinking" | "redacted_thinking") => blocks.thinking.push(block.object()),
                Some("tool_use") => blocks.calls.push(call(block)),
                Some("tool_result") => blocks.results.push(block),
                _ => blocks.other(block),
            }
        }
        blocks
    }

    /// A text, or what is kept as it is.
    fn other(&mut self, block: View<'a>) {
        let text = super::super::chat::part_text(block).filter(|text| text.text().is_some());
        self.texts.extend(text);
        let content = fields::content(Some(block));
        match content.message {
            Message::Text(text) if text.is_empty() && block.text().is_none() => {}
            Message::Text(text) => {
                self.parts.push(ContentPart { kind: "text".to_owned(), text: Some(text), source: None });
            }
            Message::Parts(_) if block.is_object() => self.parts.push(fields::part(block)),
            Message::Parts(parts) => self.parts.extend(parts),
        }
    }

    /// Where the text stands, if it stands in one place.
    fn content(&mut self) -> Content {
        let place = match self.texts.as_slice() {
            [one] => Some(one.place()),
            _ => None,
        };
        Content { message: message(std::mem::take(&mut self.parts)), place }
    }
}

fn message(mut parts: Vec<ContentPart>) -> Message {
    match parts.as_mut_slice() {
        [] => Message::Text(String::new()),
        [ContentPart { text: Some(text), source: None, .. }] => Message::Text(std::mem::take(text)),
        _ => Message::Parts(parts),
    }
}

fn call(block: View<'_>) -> ToolCall {
    let mut members = Fields::of(block);
    members.any("type");
    let id = members.string("id").unwrap_or_default();
    let name = members.string("name").unwrap_or_default();
    let arguments = match members.any("input") {
        Some(input) if input.is_object() => Arguments::object(input.object()),
        Some(input) => match input.text() {
            Some(text) => Arguments::text(text.into_owned()),
            None => Arguments { raw: Some(String::from_utf8_lossy(input.raw()).into_owned()), parsed: None },
        },
        None => Arguments { raw: None, parsed: None },
    };
    ToolCall { id, name, arguments, extra: members.rest(), place: Some(block.value_place()) }
}

impl Reading<'_> {
    /// A line of context that the program put in.
    fn injected(&mut self, line: &Line<'_>) {
        let mut members = Fields::of(line.view);
        members.any("type");
        let content = fields::content(members.any("content"));
        let timestamp = members.string("timestamp");
        let mut extra = Object::from_iter([("type".to_owned(), line.kind.clone().into())]);
        extra.extend(members.rest());
        let step = self.turns.push(Source::System, content);
        step.timestamp = timestamp;
        step.frame = true;
        step.extra = extra;
    }

    fn user(&mut self, line: &Line<'_>) {
        let (mut members, mut inner, content) = open(line);
        inner.drop_if("role", |role| role.text().as_deref() == Some("user"));
        let mut blocks = Blocks::of(content);
        let timestamp = members.string("timestamp");
        let mut extra = members.rest();
        extra.extend(fields::some_object("message", inner.rest()));
        let results = std::mem::take(&mut blocks.results);
        let says = results.is_empty()
            || !blocks.parts.is_empty()
            || !blocks.calls.is_empty()
            || !blocks.thinking.is_empty();
        for (n, block) in results.into_iter().enumerate() {
            let own = if n == 0 && !says { std::mem::take(&mut extra) } else { Object::new() };
            let time = timestamp.clone().filter(|_| n == 0 && !says);
            self.result(block, own, time);
        }
        if !says {
            return;
        }
        let frame = line.view.get("isMeta").and_then(View::bool).unwrap_or(false);
        let summary = line.view.get("isCompactSummary").and_then(View::bool).unwrap_or(false);
        if !blocks.thinking.is_empty() {
            extra
                .insert("thinking_blocks".to_owned(), blocks.thinking.drain(..).map(Value::Object).collect());
        }
        let calls = std::mem::take(&mut blocks.calls);
        let step = self.turns.push(Source::User, blocks.content());
        step.calls = calls;
        step.timestamp = timestamp;
        step.frame = frame || summary;
        step.copied = summary.then_some(true);
        step.extra = extra;
    }

    fn result(&mut self, block: View<'_>, mut extra: Object, timestamp: Option<String>) {
        let mut members = Fields::of(block);
        members.any("type");
        let call_id = members.string("tool_use_id");
        let content = members.any("content");
        let said = fields::content(content);
        if let Some(time) = timestamp {
            extra.insert("timestamp".to_owned(), time.into());
        }
        let (twice, own) = members.rest().into_iter().partition(|(key, _)| extra.contains_key(key));
        extra.extend::<Object>(own);
        // The line has members of the same names.
        extra.extend(fields::some_object("block", twice));
        self.turns.attach(ObservationResult {
            call_id,
            content: content.map(|_| said.message),
            place: said.place,
            extra,
            ..ObservationResult::default()
        });
    }

    /// A line of an assistant message; lines with the id of an earlier one go on with its step.
    fn assistant(&mut self, line: &Line<'_>) {
        let (mut members, mut inner, content) = open(line);
        let timestamp = members.string("timestamp");
        inner.drop_if("role", |role| role.text().as_deref() == Some("assistant"));
        inner.drop_if("type", |kind| kind.text().as_deref() == Some("message"));
        let model = inner.string("model");
        let stop = inner.string("stop_reason");
        let tokens = inner.object("usage");
        let mut blocks = Blocks::of(content);
        if let Some(block) = blocks.results.first() {
            self.remarks.push((block.offset(), "an assistant message holds a result: it is kept".to_owned()));
        }
        let kept = std::mem::take(&mut blocks.results);
        blocks.parts.extend(kept.into_iter().map(fields::part));
        let known = line.message_id.as_ref().and_then(|id| self.replies.get(id)).copied();
        let mut extra = members.rest();
        extra.extend(fields::some_object("message", inner.rest()));
        let thinking = std::mem::take(&mut blocks.thinking);
        let calls = std::mem::take(&mut blocks.calls);
        let said = blocks.content();
        let index = known.unwrap_or(self.turns.steps.len());
        match known {
            None => {
                let mut step = Step::new(0, Source::Agent, "");
                step.message = said.message;
                step.place = said.place;
                step.timestamp = timestamp;
                step.frame = model.as_deref() == Some(SYNTHETIC);
                step.llm_calls = (!step.frame).then_some(1);
                step.reply =
                    Some(Reply { native: true, dialect: Some("native".to_owned()), ..Reply::default() });
                step.model = model;
                step.calls = calls;
                step.extra = extra;
                self.turns.add(step);
                self.replies.extend(line.message_id.clone().map(|id| (id, index)));
            }
            Some(_) => {
                self.turns.made(index, calls);
                go_on(&mut self.turns.steps[index], said, timestamp, model, extra);
            }
        }
        let step = &mut self.turns.steps[index];
        think(step, thinking);
        if let Some(reply) = step.reply.as_mut().filter(|_| stop.is_some()) {
            reply.finish_reason = stop;
        }
        if let Some(tokens) = tokens {
            usage(step, tokens);
        }
    }
}

/// The members of a line and of its message, and the message's content.
fn open<'a>(line: &Line<'a>) -> (Fields<'a>, Fields<'a>, Option<View<'a>>) {
    let mut members = Fields::of(line.view);
    members.any("type");
    members.drop_if("isSidechain", |value| value.bool() == Some(false));
    members.drop_if("sessionId", |value| value.text().is_some());
    // A line without a message is no step.
    let mut inner = members.object("message").unwrap_or_else(|| Fields::of(line.view));
    let content = inner.any("content");
    (members, inner, content)
}

/// Adds a further line of the same message.
fn go_on(step: &mut Step, said: Content, timestamp: Option<String>, model: Option<String>, extra: Object) {
    turns::say(step, said);
    let mut line = extra;
    if let Some(time) = timestamp {
        line.insert("timestamp".to_owned(), time.into());
    }
    if let Some(model) = model.filter(|model| Some(model) != step.model.as_ref()) {
        line.insert("model".to_owned(), model.into());
    }
    // Only what this line says otherwise.
    line.retain(|key, value| step.extra.get(key) != Some(value));
    match step.extra.get_mut("more_lines") {
        Some(Value::Array(list)) => list.push(line.into()),
        _ => {
            step.extra.insert("more_lines".to_owned(), vec![Value::Object(line)].into());
        }
    }
}

/// Reasoning as text; blocks that hold more than their text are kept as well.
fn think(step: &mut Step, blocks: Vec<Object>) {
    for block in blocks {
        let text = block.get("thinking").and_then(Value::as_str).filter(|text| !text.is_empty());
        if let Some(text) = text {
            let all = step.reasoning.get_or_insert_default();
            if !all.is_empty() {
                all.push('\n');
            }
            all.push_str(text);
        }
        if text.is_none() || block.len() > 2 {
            let list = step.extra.entry("thinking_blocks").or_insert_with(|| Value::Array(Vec::new()));
            if let Value::Array(list) = list {
                list.push(block.into());
            }
        }
    }
}

/// Usage of a message; lines repeat it, and the last one has the final figures.
fn usage(step: &mut Step, mut tokens: Fields<'_>) {
    let input = tokens.uint("input_tokens");
    let cached = tokens.uint("cache_read_input_tokens");
    // Kept as well: no other field tells how much was written to the cache.
    let written = tokens.view().get("cache_creation_input_tokens").and_then(View::uint).unwrap_or(0);
    step.usage = Some(Usage {
        prompt_tokens: input.map(|input| input.saturating_add(cached.unwrap_or(0)).saturating_add(written)),
        completion_tokens: tokens.uint("output_tokens"),
        cached_tokens: cached,
        cost_usd: step.extra.get("costUSD").and_then(Value::as_f64),
    });
    step.metrics_extra = Object::from_iter(fields::some_object("extra", tokens.rest()));
}
