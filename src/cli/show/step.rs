//! One step: reasoning, text, calls, what came back, and what was found in it.

use super::lay::{Mark, masked};
use super::page::{DIM, Length, PLAIN, Page, tone};
use crate::model::{Finding, Message, ObservationResult, Place, Source, Step, ToolCall};
use crate::report::count;
use crate::util::plural::plural;
use crate::util::text::{one_line, width};
use anstyle::AnsiColor;
use serde_json::Value;
use std::borrow::Cow;

/// A finding, and where the text starts that its span indexes, if that is known.
pub(super) type Found<'a> = (&'a Finding, Option<Place>);

/// What the model wrote is shown at length, what it was told and what came back is cut earlier.
const SAID: Length = Length(200, 0);
const TOLD: Length = Length(40, 4);
const BACK: Length = Length(24, 6);
const VALUE: Length = Length(40, 4);
/// A part of a reply around what was found in it.
const PART: Length = Length(4, 0);
/// Findings of a step that are told after it.
const FINDINGS: usize = 50;
/// Bytes of that part before what was found.
const LEAD: usize = 200;

pub(super) fn show(page: &mut Page, step: &Step, found: &[Found<'_>]) {
    heading(page, step);
    if let Some(reasoning) = &step.reasoning {
        page.text("  ┊ ", DIM, reasoning, &[], SAID);
    }
    let mut told = vec![false; found.len()];
    message(page, step, found, &mut told);
    for call in &step.calls {
        show_call(page, call);
    }
    for result in step.observation.iter().flat_map(|observation| &observation.results) {
        show_result(page, step, result, found, &mut told);
    }
    rest(page, step, found, &told);
}

fn heading(page: &mut Page, step: &Step) {
    let style = AnsiColor::on_default(match step.source {
        Source::System => AnsiColor::Magenta,
        Source::User => AnsiColor::Blue,
        Source::Agent => AnsiColor::Green,
    });
    let mut facts: Vec<String> = Vec::new();
    if step.frame {
        facts.push("part of the prompt, not judged".to_owned());
    }
    if step.copied == Some(true) {
        facts.push("copied from an earlier context".to_owned());
    }
    facts.extend(step.timestamp.as_deref().map(one_line));
    facts.extend(step.model.as_deref().map(one_line));
    if let Some(effort) = &step.reasoning_effort {
        facts.push(format!(
            "effort {}",
            one_line(&effort.as_str().map_or_else(|| effort.to_string(), str::to_owned))
        ));
    }
    if let Some(usage) = &step.usage {
        let known = |tokens: Option<u64>| tokens.map_or("?".to_owned(), |_| count(tokens));
        if usage.prompt_tokens.or(usage.completion_tokens).is_some() {
            facts.push(format!("{} + {} tokens", known(usage.prompt_tokens), known(usage.completion_tokens)));
        }
    }
    let finish = step.reply.as_ref().and_then(|reply| reply.finish_reason.as_deref());
    // What ends a message in the usual way says nothing.
    let unusual = finish.filter(|word| !matches!(*word, "stop" | "tool_calls" | "end_turn" | "tool_use"));
    facts.extend(unusual.map(|word| format!("finish {}", one_line(word))));
    page.heading(style.bold(), &format!("{} {}", step.id, step.source.as_str()), &facts.join(" · "));
}

/// The text of the message, with what was found in it.
fn message(page: &mut Page, step: &Step, found: &[Found<'_>], told: &mut [bool]) {
    let text = step.message.text();
    let judged = step.judged_text();
    // Spans index the raw reply. Where the message is how it begins, they are right here too.
    let same = judged.starts_with(&*text);
    let inside = |(_, (finding, place)): &(usize, &Found<'_>)| {
        same && in_reply(step, finding, *place)
            && finding.span.is_some_and(|span| span.start < text.len().max(1))
    };
    let own: Vec<(usize, &Found<'_>)> = found.iter().enumerate().filter(inside).collect();
    let marks: Vec<Mark> = own.iter().filter_map(|(_, (finding, _))| mark(finding)).collect();
    let length = if step.source == Source::Agent { SAID } else { TOLD };
    let shown = page.text("  ", PLAIN, &text, &marks, length);
    for ((index, _), shown) in own.iter().zip(shown) {
        told[*index] = shown;
    }
    media(page, &step.message);
    if text.is_empty() && step.calls.is_empty() && step.reasoning.is_none() && judged.is_empty() {
        page.note("  ", "(says nothing)");
    }
}

/// Parts of a message that are no text.
fn media(page: &mut Page, message: &Message) {
    let Message::Parts(parts) = message else { return };
    for part in parts.iter().filter(|part| part.text.is_none()) {
        let word = |key: &str| part.source.as_ref()?.get(key)?.as_str().map(one_line);
        let what = [Some(one_line(&part.kind)), word("media_type"), word("path")];
        let what = what.into_iter().flatten().collect::<Vec<_>>().join(" ");
        page.note("  ", &format!("[{}]", masked(&what)));
    }
}

fn show_call(page: &mut Page, call: &ToolCall) {
    let style = AnsiColor::Yellow.on_default().bold();
    let (name, id) = (format!("▸ {}", masked(&one_line(&call.name))), masked(&one_line(&call.id)));
    if width(&name) + 1 + width(&id) <= page.room(2) {
        let (name, id) = (page.paint(style, &name), page.paint(DIM, &id));
        page.line(format!("  {name} {id}").trim_end());
    } else {
        page.beside("  ", 2, style, &name);
        page.beside("    ", 4, DIM, &id);
    }
    match (&call.arguments.parsed, &call.arguments.raw) {
        (Some(object), _) if object.is_empty() => {}
        (Some(object), _) => object.iter().for_each(|(key, value)| argument(page, key, value)),
        (None, Some(raw)) => {
            page.note("    ", "(the arguments are no JSON object)");
            page.text("    │ ", PLAIN, raw, &[], VALUE);
        }
        (None, None) => {
            page.note("    ", "(no arguments were written)");
        }
    }
}

/// A text of several lines below its name, anything else beside it.
fn argument(page: &mut Page, key: &str, value: &Value) {
    let text = match value {
        Value::String(text) => Cow::Borrowed(text.as_str()),
        Value::Array(_) | Value::Object(_) => Cow::Owned(format!("{value:#}")),
        other => Cow::Owned(other.to_string()),
    };
    let key = masked(&one_line(key));
    if text.contains('\n') {
        page.labelled("    ", &key, "", VALUE);
        page.text("    │ ", PLAIN, &text, &[], VALUE);
    } else {
        page.labelled("    ", &key, if text.is_empty() { "\"\"" } else { &text }, VALUE);
    }
}

fn show_result(
    page: &mut Page,
    step: &Step,
    result: &ObservationResult,
    found: &[Found<'_>],
    told: &mut [bool],
) {
    let of = result.call_id.as_deref().and_then(|id| step.calls.iter().find(|call| call.id == id));
    let whose = match (of, result.call_id.as_deref()) {
        // One call, one result: nothing to tell apart.
        (Some(_), _) if step.calls.len() == 1 => String::new(),
        (Some(call), _) => format!(" of {} {}", one_line(&call.name), one_line(&call.id)),
        (None, Some(id)) => format!(" of {}, which is no call of this step", one_line(id)),
        (None, None) => String::new(),
    };
    let claimed = result.name.as_deref().filter(|name| of.is_none_or(|call| call.name != **name));
    let claimed = claimed.map(|name| format!(", named {}", one_line(name))).unwrap_or_default();
    page.beside("  ", 2, DIM, &format!("◂ result{}", masked(&format!("{whose}{claimed}"))));
    let text = result.content.as_ref().map(Message::text);
    match text.as_deref() {
        None | Some("") => {
            let what = if text.is_none() { "(no content)" } else { "(empty)" };
            page.note("    ", what);
        }
        Some(text) => {
            let own = |(_, (finding, place)): &(usize, &Found<'_>)| {
                place.is_some() && *place == result.place && !in_reply(step, finding, *place)
            };
            let own: Vec<(usize, &Found<'_>)> = found.iter().enumerate().filter(own).collect();
            let spans: Vec<(usize, Mark)> =
                own.iter().filter_map(|(index, (finding, _))| Some((*index, mark(finding)?))).collect();
            let marks: Vec<Mark> = spans.iter().map(|(_, mark)| mark.clone()).collect();
            let shown = page.text("    │ ", PLAIN, text, &marks, BACK);
            for ((index, _), shown) in spans.iter().zip(shown) {
                told[*index] = shown;
            }
        }
    }
    if let Some(content) = &result.content {
        media(page, content);
    }
    for reference in &result.subagents {
        let id = ["trajectory_id", "session_id", "trajectory_path"]
            .iter()
            .find_map(|key| reference.get(*key)?.as_str());
        page.note("    ", &format!("[subagent {}]", masked(&one_line(id.unwrap_or("unknown")))));
    }
}

/// What was found and is not underlined yet: with the part of the raw reply that it is about, or by itself.
fn rest(page: &mut Page, step: &Step, found: &[Found<'_>], told: &[bool]) {
    let judged = step.judged_text();
    let rest: Vec<&Found<'_>> =
        found.iter().zip(told).filter(|(_, told)| !**told).map(|(found, _)| found).collect();
    let shown = if page.look.full { rest.len() } else { rest.len().min(FINDINGS) };
    for (finding, place) in &rest[..shown] {
        let span = finding.span.filter(|span| in_reply(step, finding, *place) && span.start <= judged.len());
        match span {
            Some(span) if !judged.is_empty() => {
                let floor = judged.floor_char_boundary(span.start.saturating_sub(LEAD));
                let start = judged.floor_char_boundary(span.start);
                let from = judged[floor..start].rfind('\n').map_or(floor, |at| floor + at + 1);
                // Its first line: a span may go on to the end.
                let line = judged[start..].find('\n').map_or(judged.len(), |at| start + at);
                let to = judged.floor_char_boundary(line.min(start + LEAD)).max(start);
                page.note("  ", "in the raw reply:");
                let marks: Vec<Mark> = mark(finding).into_iter().collect();
                if page.part("    │ ", PLAIN, (&judged, from..to), &marks, PART) != [true] {
                    bare(page, finding);
                }
            }
            _ => bare(page, finding),
        }
    }
    if shown < rest.len() {
        page.note("  ", &format!("… {} more; --full shows all", plural(rest.len() - shown, "finding")));
    }
}

/// Whether the span of a finding indexes the reply. Where no place is known, as in a stored run, only what was
/// found in a judged message is sure to.
fn in_reply(step: &Step, finding: &Finding, place: Option<Place>) -> bool {
    place.map_or(finding.message.is_some(), |place| Some(place) == step.judged_place())
}

/// A finding without a place in a text.
pub(super) fn bare(page: &mut Page, finding: &Finding) {
    let style = tone(finding.severity);
    let mark = page.paint(style, "  ! ");
    page.beside(&mark, 4, style, &label(finding));
}

fn mark(finding: &Finding) -> Option<Mark> {
    let span = finding.span?;
    Some(Mark { span: span.start..span.end, tone: finding.severity, label: label(finding) })
}

fn label(finding: &Finding) -> String {
    format!("{} {}: {}", finding.rule, finding.severity.as_str(), one_line(&finding.text))
}
