//! Messages of a session to steps.

use super::super::chat;
use super::super::fields::{self, Fields};
use super::super::turns::Turns;
use super::record::{Entry, Record};
use crate::model::{
    Arguments, Message, Object, ObservationResult, Reply, Source, Step, ToolCall, Trajectory, Usage,
};
use crate::util::json::View;
use serde_json::Value;

/// One session; messages that were taken back are embedded.
pub(super) fn trajectory(record: &Record<'_>, remarks: &mut Vec<(usize, String)>) -> Trajectory {
    let mut trajectory = part(&record.messages, remarks);
    trajectory.session_id = record.session.get("sessionId").and_then(Value::as_str).map(str::to_owned);
    trajectory.extra.clone_from(&record.session);
    let mut header = record.header.clone();
    header.retain(|key, value| record.session.get(key) != Some(value));
    trajectory.extra.extend(fields::some_object("header", header));
    if !record.meta.is_empty() {
        trajectory.extra.insert("meta".to_owned(), record.meta.clone().into());
    }
    for (n, messages) in record.rewound.iter().enumerate() {
        let mut inner = part(messages, remarks);
        inner.id = Some(format!("rewound-{}", n + 1));
        inner.session_id.clone_from(&trajectory.session_id);
        trajectory.subagents.push(inner);
    }
    trajectory
}

fn part(messages: &[Entry<'_>], remarks: &mut Vec<(usize, String)>) -> Trajectory {
    let mut turns = Turns::default();
    for entry in messages {
        message(entry, &mut turns, remarks);
    }
    let mut trajectory = Trajectory { steps: turns.steps, ..Trajectory::default() };
    "gemini-cli".clone_into(&mut trajectory.agent.name);
    trajectory.agent.model = trajectory.steps.iter().find_map(|step| step.model.clone());
    for step in &mut trajectory.steps {
        step.model = step.model.take().filter(|model| Some(model) != trajectory.agent.model.as_ref());
    }
    trajectory
}

fn message(entry: &Entry<'_>, turns: &mut Turns, remarks: &mut Vec<(usize, String)>) {
    let view = entry.view;
    if !view.is_object() {
        remarks.push((
            view.offset(),
            format!("a message must be an object, not {}: it is kept", view.type_name()),
        ));
        let step = turns.add(Step::new(0, Source::System, ""));
        step.frame = true;
        step.extra.insert("value".to_owned(), view.value());
        return;
    }
    let mut members = Fields::of(view);
    // Of a member that was updated the last value counts.
    let mut newest = |key: &'static str| {
        let updated = entry.updates.iter().rev().find_map(|update| update.some(key));
        updated.or_else(|| members.any(key))
    };
    let content = fields::content(newest("content"));
    let calls = newest("toolCalls");
    let tokens = newest("tokens");
    let thoughts = newest("thoughts");
    let kind = members.string("type");
    let mut step = Step::new(0, Source::User, "");
    step.message = content.message;
    step.place = content.place;
    step.timestamp = members.string("timestamp");
    match kind.as_deref() {
        Some("user") => {}
        Some("gemini") => {
            step.source = Source::Agent;
            step.model = members.string("model");
            step.llm_calls = Some(1);
            let text = step.message.text().into_owned();
            let dialect = Some("native".to_owned());
            step.reply = Some(Reply { text, finish_reason: None, dialect, native: true, place: step.place });
        }
        Some("info" | "error" | "warning") => {
            step.source = Source::System;
            step.frame = true;
            members.untake("type");
        }
        other => {
            let what =
                format!("a message of the kind '{}' is not known: it is kept", other.unwrap_or("none"));
            remarks.push((view.offset(), what));
            step.source = Source::System;
            step.frame = true;
            members.untake("type");
        }
    }
    let calls = own(&mut step, "toolCalls", calls, View::is_array);
    let tokens = own(&mut step, "tokens", tokens, View::is_object);
    let thoughts = own(&mut step, "thoughts", thoughts, View::is_array);
    step.extra.extend(members.rest());
    if let Some(thoughts) = thoughts {
        think(&mut step, thoughts);
    }
    if let Some(tokens) = tokens {
        usage(&mut step, Fields::of(tokens));
    }
    if !entry.earlier.is_empty() {
        step.extra.insert("earlier".to_owned(), entry.earlier.clone().into());
    }
    if !entry.updates.is_empty() {
        step.extra.insert("updates".to_owned(), entry.updates.iter().map(|update| update.value()).collect());
    }
    let mut results = Vec::new();
    for item in calls.into_iter().flat_map(View::items) {
        let (call, result) = call(item);
        step.calls.push(call);
        results.extend(result);
    }
    turns.add(step);
    for result in results {
        turns.attach(result);
    }
}

/// A member that only messages of the model have; elsewhere, or if it is of another type, it is kept as it is.
fn own<'a>(
    step: &mut Step,
    key: &str,
    value: Option<View<'a>>,
    fits: fn(View<'a>) -> bool,
) -> Option<View<'a>> {
    let value = value?;
    if step.source == Source::Agent && fits(value) {
        return Some(value);
    }
    step.extra.insert(key.to_owned(), value.value());
    None
}

/// Thoughts as text; the list is kept as well, for its subjects and times.
fn think(step: &mut Step, thoughts: View<'_>) {
    let said: Vec<String> = thoughts
        .items()
        .filter_map(|thought| {
            let parts = ["subject", "description"].iter().filter_map(|key| thought.text_at(key));
            let parts: Vec<String> = parts.filter(|part| !part.is_empty()).collect();
            (!parts.is_empty()).then(|| parts.join("\n"))
        })
        .collect();
    step.reasoning = (!said.is_empty()).then(|| said.join("\n\n"));
    if thoughts.items().next().is_some() {
        step.extra.insert("thoughts".to_owned(), thoughts.value());
    }
}

/// Tokens; thoughts are counted apart and paid as output.
fn usage(step: &mut Step, mut tokens: Fields<'_>) {
    let output = tokens.uint("output");
    let thoughts = tokens.view().get("thoughts").and_then(View::uint);
    step.usage = Some(Usage {
        prompt_tokens: tokens.uint("input"),
        completion_tokens: output.map(|output| output.saturating_add(thoughts.unwrap_or(0))),
        cached_tokens: tokens.uint("cached"),
        cost_usd: None,
    });
    step.metrics_extra = Object::from_iter(fields::some_object("extra", tokens.rest()));
}

/// A call, and its result where there is one.
fn call(item: View<'_>) -> (ToolCall, Option<ObservationResult>) {
    let mut members = Fields::of(item);
    let id = members.string("id").unwrap_or_default();
    let name = members.string("name").unwrap_or_default();
    let arguments = match members.any("args") {
        Some(args) if args.is_object() => Arguments::object(args.object()),
        Some(args) => Arguments { raw: Some(String::from_utf8_lossy(args.raw()).into_owned()), parsed: None },
        None => Arguments { raw: None, parsed: None },
    };
    let result = members.any("result");
    let place = Some(item.value_place());
    let mut extra = members.rest();
    if !item.is_object() {
        extra.insert("value".to_owned(), item.value());
    }
    let Some(result) = result else {
        return (ToolCall { id, name, arguments, extra: grouped(extra), place }, None);
    };
    let mut seen = ObservationResult { call_id: Some(id.clone()), ..ObservationResult::default() };
    match output(result, &id, &name) {
        Some((text, whole)) => {
            seen.content = text.text().map(|text| Message::Text(text.into_owned()));
            seen.place = Some(text.place());
            if !whole {
                seen.extra.insert("result".to_owned(), result.value());
            }
        }
        // What is more than text is kept as JSON.
        None if result.items().any(|part| chat::part_text(part).is_none()) || result.is_object() => {
            seen.content = Some(Message::Text(result.value().to_string()));
        }
        None => {
            let said = fields::content(Some(result));
            seen.content = Some(said.message);
            seen.place = said.place;
        }
    }
    // How the call ended belongs to what came of it.
    for key in ["status", "resultDisplay", "renderOutputAsMarkdown"] {
        seen.extra.extend(extra.shift_remove_entry(key));
    }
    (ToolCall { id, name, arguments, extra: grouped(extra), place }, Some(seen))
}

/// Other members of a call under one key: other formats have members of the same names.
fn grouped(extra: Object) -> Object {
    Object::from_iter(fields::some_object("toolCall", extra))
}

/// The text of a result that is one function response, and whether that is all that it says.
fn output<'a>(result: View<'a>, id: &str, name: &str) -> Option<(View<'a>, bool)> {
    let mut items = result.items();
    let only = items.next().filter(|_| items.next().is_none())?;
    let response = only.get("functionResponse")?;
    let said = response.get("response")?;
    let text = |key: &str| said.get(key).filter(|text| text.text().is_some());
    let output = text("output");
    let same =
        |key: &str, value: &str| response.get(key).is_none_or(|own| own.text().as_deref() == Some(value));
    let count = |view: View<'_>| view.members().count();
    let known = response.members().all(|(key, _)| matches!(&*key, "id" | "name" | "response"));
    let plain = count(only) == 1 && count(said) == 1 && known && same("id", id) && same("name", name);
    Some((output.or_else(|| text("error"))?, plain && output.is_some()))
}
