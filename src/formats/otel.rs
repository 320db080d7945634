//! `otel-genai`: spans of OpenTelemetry's GenAI conventions as OTLP/JSON, in one document or one export a line.
//!
//! Spans of one conversation (`gen_ai.conversation.id`, else the trace) make one trajectory, in the order of their
//! start. A `chat` span is one model call: of its input messages those are taken that no earlier span of the
//! conversation had, its output is an agent step. Content is opt-in: without it a span still gives its figures, and
//! `execute_tool` spans give calls and results. Attributes may be values or JSON in a string. Source: OpenTelemetry
//! semantic conventions for generative AI (status development), OTLP 1.x JSON encoding.

mod attributes;
mod messages;
mod places;

use super::source::Refusal;
use super::{Format, ReadOutput, Reader, Shape, Sniff, Source};
use crate::model::{Object, Origin, Source as Speaker, Step, Trajectory, Usage};
use crate::util::json::{self, Node, View};
use attributes::Attributes;
use serde_json::Value;
use std::collections::BTreeMap;

const NAME: &str = "otel-genai";

pub(super) static ITEM: Format = Format {
    name: NAME,
    about: "spans of OpenTelemetry's GenAI conventions, OTLP as JSON",
    sniff,
    marks: &[&[
        "resourceSpans",
        "resourceSpans[].scopeSpans",
        "resourceSpans[].scopeSpans[].spans[].attributes[].key=^gen_ai.",
    ]],
    read: Reader::Whole(read),
    folder: None,
    write: None,
};

fn sniff(source: &Source<'_>) -> Sniff {
    let Some(record) = source.first().filter(|record| record.is_object()) else {
        return Sniff::new(0, "holds no JSON object");
    };
    if !record.get("resourceSpans").is_some_and(View::is_array) {
        return Sniff::new(0, "has no \"resourceSpans\"");
    }
    let marked = memchr::memmem::find(source.bytes, b"\"gen_ai.").is_some();
    Sniff::new(if marked { 95 } else { 30 }, "has spans, but none with an attribute that begins with gen_ai.")
}

/// One span with what it belongs to.
struct Span<'a> {
    view: View<'a>,
    attributes: Attributes<'a>,
    /// Nanoseconds since 1970.
    start: u64,
    trace: String,
    around: Object,
}

impl Span<'_> {
    fn operation(&self) -> String {
        self.attributes.text("gen_ai.operation.name").unwrap_or_default()
    }
}

fn read(source: &Source<'_>) -> ReadOutput {
    let mut output = ReadOutput { format: NAME, ..ReadOutput::default() };
    let nodes = documents(source, &mut output);
    let mut warnings: Vec<Refusal> = Vec::new();
    let mut spans = Vec::new();
    for node in &nodes {
        collect(View::new(source.bytes, node), &mut spans, &mut warnings);
    }
    let mut groups: BTreeMap<String, Vec<Span<'_>>> = BTreeMap::new();
    let mut other = 0_usize;
    for span in spans {
        if !span.attributes.any("gen_ai.") {
            other += 1;
            continue;
        }
        let key = span.attributes.text("gen_ai.conversation.id").unwrap_or_else(|| span.trace.clone());
        groups.entry(key).or_default().push(span);
    }
    let mut made: Vec<(usize, Trajectory)> = Vec::new();
    for (key, mut group) in groups {
        group.sort_by_key(|span| span.start);
        let Some(first) = group.iter().map(|span| span.view.offset()).min() else { continue };
        made.push((first, conversation(key, &group, &mut warnings)));
    }
    made.sort_by_key(|(offset, _)| *offset);
    for (offset, mut trajectory) in made {
        let at = source.error(offset, "");
        trajectory.origin = Origin {
            format: NAME.to_owned(),
            path: source.path.to_owned(),
            offset: offset as u64,
            line: at.line,
            files: Vec::new(),
        };
        output.trajectories.push(trajectory);
    }
    if other > 0 {
        let what = format!("{other} spans of other kinds are passed by");
        output.warnings.push(source.error(source.start, what));
    }
    if output.trajectories.is_empty() && output.errors.is_empty() {
        output
            .errors
            .push(source.error(source.start, "holds no span with an attribute that begins with gen_ai."));
    }
    output.warnings.extend(warnings.into_iter().map(|(at, what)| source.error(at, what)));
    output
}

/// All exports of the file; a damaged line is said and loses nothing else.
fn documents(source: &Source<'_>, output: &mut ReadOutput) -> Vec<Node> {
    if let Some(at) = source.too_long() {
        output.errors.push(super::record::too_long(source.error(at, "")));
        return Vec::new();
    }
    let mut nodes = Vec::new();
    let mut add = |start: usize, end: usize| match super::source::scan(source.bytes, start, end) {
        Ok((parsed, behind)) => {
            let notes = parsed.notes.iter().map(|note| source.error(note.offset, note.kind.text()));
            output.warnings.extend(notes);
            output.errors.extend(behind.map(|at| source.error(at, "more text behind the record")));
            nodes.push(parsed.node);
        }
        Err((at, what)) => output.errors.push(source.error(at, what)),
    };
    if let Shape::Document(_) | Shape::Broken(_) = source.shape() {
        add(source.start, source.bytes.len());
        return nodes;
    }
    let mut start = source.start;
    for end in
        memchr::memchr_iter(b'\n', source.text()).map(|at| source.start + at).chain([source.bytes.len()])
    {
        if source.bytes[start..end].iter().any(|byte| !byte.is_ascii_whitespace()) {
            add(start, end);
        }
        start = (end + 1).min(source.bytes.len());
    }
    nodes
}

fn collect<'a>(document: View<'a>, spans: &mut Vec<Span<'a>>, warnings: &mut Vec<Refusal>) {
    let list = |view: View<'a>, key: &str| view.get(key).into_iter().flat_map(View::items);
    for resource in list(document, "resourceSpans") {
        let about =
            resource.get("resource").map(|resource| Attributes::of(resource.get("attributes")).object());
        for scope in list(resource, "scopeSpans") {
            let mut around = Object::new();
            let mut put = |key: &str, object: Object| {
                if !object.is_empty() {
                    around.insert(key.to_owned(), object.into());
                }
            };
            put("export", rest(document, &["resourceSpans"]));
            put("resource", about.clone().unwrap_or_default());
            put("resource_spans", rest(resource, &["resource", "scopeSpans"]));
            put("scope_spans", rest(scope, &["scope", "spans"]));
            put("scope", scope.some("scope").map(View::object).unwrap_or_default());
            for span in list(scope, "spans") {
                if !span.is_object() {
                    warnings
                        .push((span.offset(), format!("a span must be an object, not {}", span.type_name())));
                    continue;
                }
                spans.push(Span {
                    view: span,
                    attributes: Attributes::of(span.get("attributes")),
                    start: attributes::nanoseconds(span.get("startTimeUnixNano")).unwrap_or(0),
                    trace: span.text_at("traceId").unwrap_or_default(),
                    around: around.clone(),
                });
            }
        }
    }
}

fn rest(view: View<'_>, known: &[&str]) -> Object {
    let members = view.members().filter(|(key, _)| !known.contains(&&**key));
    members.map(|(key, value)| (key.into_owned(), value.value())).collect()
}

/// One conversation; `spans` in the order of their start.
fn conversation(key: String, spans: &[Span<'_>], warnings: &mut Vec<Refusal>) -> Trajectory {
    let mut trajectory = Trajectory { session_id: Some(key), ..Trajectory::default() };
    let mut told = messages::Told::default();
    let mut rest: Vec<Value> = Vec::new();
    for span in spans {
        let attributes = &span.attributes;
        match span.operation().as_str() {
            "chat" | "generate_content" | "text_completion" => {
                chat(span, &mut told, &mut trajectory, warnings);
            }
            "execute_tool" => told.tool(span, &mut trajectory.steps),
            _ => {}
        }
        if trajectory.agent.name.is_empty() {
            trajectory.agent.name = attributes.text("gen_ai.agent.name").unwrap_or_default();
        }
        rest.push(whole(span));
    }
    told.finish(&mut trajectory.steps);
    trajectory.extra.insert("spans".to_owned(), rest.into());
    trajectory
}

/// The span without the messages that became steps.
fn whole(span: &Span<'_>) -> Value {
    let mut out: Object = span
        .view
        .members()
        .filter(|(key, _)| key != "attributes")
        .map(|(key, value)| (key.into_owned(), value.value()))
        .collect();
    let mut attributes = span.attributes.object();
    for key in messages::TAKEN {
        if attributes.get(*key).is_some_and(messages::is_readable) {
            attributes.shift_remove(*key);
        }
    }
    if let Some(odd) = span.attributes.odd() {
        out.insert("other_attributes".to_owned(), odd);
    }
    out.insert("attributes".to_owned(), attributes.into());
    out.extend(span.around.clone());
    out.into()
}

/// A model call.
fn chat(
    span: &Span<'_>,
    told: &mut messages::Told,
    trajectory: &mut Trajectory,
    warnings: &mut Vec<Refusal>,
) {
    let attributes = &span.attributes;
    let offset = span.view.offset();
    let mut say = |what: String| warnings.push((offset, what));
    let system = attributes.value("gen_ai.system_instructions");
    if let Some(system) = system.filter(|_| trajectory.steps.is_empty()) {
        let spots = attributes.spots("gen_ai.system_instructions");
        messages::system(&system, spots, &mut trajectory.steps, &mut say);
    }
    if let Some(Value::Array(tools)) = attributes.value("gen_ai.tool.definitions")
        && trajectory.agent.raw_tools.is_none()
    {
        trajectory.agent.tools = Some(tools.iter().filter_map(super::chat::tool).collect());
        trajectory.agent.raw_tools = Some(tools);
    }
    let input = attributes.listed("gen_ai.input.messages");
    told.input(input.as_ref(), &mut trajectory.steps, &mut say);
    let before = trajectory.steps.len();
    let output = attributes.listed("gen_ai.output.messages");
    told.output(output.as_ref(), &mut trajectory.steps, &mut say);
    if trajectory.steps.len() == before {
        // The content was not recorded: the call is one all the same.
        let mut step = Step::new(before as u64 + 1, Speaker::Agent, "");
        step.extra.insert("content".to_owned(), "not recorded".into());
        messages::reply(&mut step, None);
        trajectory.steps.push(step);
    }
    let finish = attributes.value("gen_ai.response.finish_reasons");
    let finish = finish.as_ref().and_then(|list| list.get(0)).and_then(Value::as_str).map(str::to_owned);
    let count = |key: &str| attributes.value(key).as_ref().and_then(Value::as_u64);
    let usage = Usage {
        prompt_tokens: count("gen_ai.usage.input_tokens"),
        completion_tokens: count("gen_ai.usage.output_tokens"),
        cached_tokens: count("gen_ai.usage.cache_read.input_tokens"),
        cost_usd: None,
    };
    let model = attributes.text("gen_ai.response.model").or_else(|| attributes.text("gen_ai.request.model"));
    if let Some(step) = trajectory.steps[before..].iter_mut().find(|step| step.source == Speaker::Agent) {
        step.usage = (usage != Usage::default()).then_some(usage);
        step.model.clone_from(&model);
        if let Some(reply) = step.reply.as_mut().filter(|reply| reply.finish_reason.is_none()) {
            reply.finish_reason = finish;
        }
        step.timestamp = attributes::time(span.start);
        step.extra.insert("span_id".to_owned(), span.view.get("spanId").map_or(Value::Null, View::value));
    }
    if trajectory.agent.model.is_none() {
        trajectory.agent.model = model;
    }
}

/// Text that may be JSON.
fn parsed(text: &str) -> Option<Value> {
    let first = text.trim_start().as_bytes().first()?;
    if !matches!(first, b'{' | b'[') {
        return None;
    }
    let node = json::parse_at(text.as_bytes(), 0, &mut Vec::new()).ok()?;
    text[node.end..].trim().is_empty().then(|| View::new(text.as_bytes(), &node).value())
}
