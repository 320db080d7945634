//! Calls in text become objects, and observations results.

use super::super::super::{Change, Loss};
use super::super::list::{List, Typed};
use super::super::record::{Message, Role};
use super::super::text::{TextCall, last_is_white, no_markup, one_call};
use super::{Writer, anew};
use std::rc::Rc;

/// How an observation begins.
pub(super) const HEADING: &[u8] = b"EXECUTION RESULT of [";

/// Writes all messages and the bracket behind them.
pub(super) fn messages(
    write: &mut Writer<'_>,
    messages: &[Message<'_>],
    tools: Option<&List>,
    prompts: &[(u64, Rc<List>)],
) -> Option<Loss> {
    let (mut steps, mut calls) = (0, 0);
    let mut first = None;
    // The name of the call whose result may come next.
    let mut waits: Option<&[u8]> = None;
    for message in messages {
        let waited = waits.take();
        if message.role == Role::User && message.content.raw.starts_with(HEADING) {
            result(write, message, waited?, calls)?;
            continue;
        }
        steps += 1;
        match message.role {
            Role::Tool => return None,
            Role::Assistant if message.call.is_some() => return None,
            Role::Assistant if !no_markup(message.content.raw) => {
                let call = one_call(message.content.raw)?;
                calls += 1;
                first.get_or_insert(steps);
                assistant(write, message, &call, calls, tools)?;
                waits = Some(call.name);
            }
            _ => write.same(message)?,
        }
    }
    write.raw(b"]");
    let mut loss = Loss::default();
    let turned = Change { what: "calls read from text", step: Some(first?) };
    loss.notes.push((turned, calls));
    if let Some((step, _)) = prompts.first() {
        let what = "system prompt still tells how calls are written as text";
        loss.notes.push((Change { what, step: Some(*step) }, prompts.len() as u64));
    }
    Some(loss)
}

fn assistant(
    write: &mut Writer<'_>,
    message: &Message<'_>,
    call: &TextCall<'_>,
    number: u64,
    tools: Option<&List>,
) -> Option<()> {
    write.role("assistant");
    write.key(b"content");
    match before(call.before)? {
        b"" => write.raw(b"null"),
        text => write.text(text),
    }
    write.reasoning(message);
    write.raw(b",\"tool_calls\":[{\"id\":\"");
    write.raw(id(number).as_bytes());
    write.raw(b"\",\"type\":\"function\",\"function\":{\"name\":\"");
    write.raw(call.name);
    write.raw(b"\",\"arguments\":\"{");
    for (index, (name, value)) in call.params().iter().enumerate() {
        write.raw(if index == 0 { b"\\\"" } else { b",\\\"" });
        write.raw(name);
        write.raw(b"\\\":");
        let typed = tools.map_or(Some(Typed::Text), |tools| tools.typed(call.name, name, value));
        match typed? {
            Typed::Json => write.raw(value),
            Typed::Text => {
                write.raw(b"\\\"");
                if write.unicode && memchr::memmem::find(value, b"\\u").is_some() {
                    let quoted = anew(value);
                    twice(write.out, &quoted[1..quoted.len() - 1]);
                } else {
                    twice(write.out, value);
                }
                write.raw(b"\\\"");
            }
        }
    }
    write.raw(b"}\"}}]");
    write.members(&message.extra, &[])?;
    write.raw(b"}");
    Some(())
}

fn result(write: &mut Writer<'_>, message: &Message<'_>, call: &[u8], number: u64) -> Option<()> {
    let rest = message.content.raw.strip_prefix(HEADING)?;
    let output = rest.strip_prefix(call)?.strip_prefix(b"]:\\n")?;
    write.role("tool");
    write.raw(b"\"tool_call_id\":\"");
    write.raw(id(number).as_bytes());
    write.raw(b"\",\"name\":\"");
    write.raw(call);
    write.raw(b"\",\"content\":");
    write.text(output);
    write.members(&message.extra, &[])?;
    write.raw(b"}");
    Some(())
}

/// The id of the n-th call, as runtimes of text calls name them.
pub(super) fn id(number: u64) -> String {
    format!("toolu_{number:02}")
}

/// The text before a call without the gap; `None` if the gap is a strange one.
fn before(raw: &[u8]) -> Option<&[u8]> {
    let mut text = raw;
    for gap in 0..=2 {
        if text.is_empty() {
            // Nothing but a gap.
            return (gap < 2).then_some(text);
        }
        let (white, length) = last_is_white(text)?;
        if !white {
            return (gap < 2 || raw.ends_with(b"\\n\\n")).then_some(text);
        }
        text = &text[..text.len() - length];
    }
    None
}

/// A raw text as it stands in a text inside a text.
fn twice(out: &mut Vec<u8>, raw: &[u8]) {
    let mut from = 0;
    for at in memchr::memchr2_iter(b'\\', b'"', raw) {
        out.extend_from_slice(&raw[from..at]);
        out.push(b'\\');
        from = at;
    }
    out.extend_from_slice(&raw[from..]);
}
