//! Calls that are objects become text, and results observations.

use super::super::super::{Change, Loss};
use super::super::PROMPT_TOOLS;
use super::super::arguments::arguments;
use super::super::list::{List, fits};
use super::super::record::{Call, Message, Role};
use super::super::text::{fits_in_param, is_name, last_is_white, no_markup};
use super::super::walk::Kind;
use super::native::{HEADING, id};
use super::{Writer, made};
use std::collections::HashSet;

/// Writes all messages and the bracket behind them.
pub(super) fn messages(
    write: &mut Writer<'_>,
    messages: &[Message<'_>],
    tools: Option<&List>,
) -> Option<Loss> {
    let mut loss = Loss::default();
    let mut told = None;
    let mut rest = messages;
    if let Some(tools) = tools {
        told = Some(Change { what: "system prompt made that tells the tools", step: None });
        match messages.first().filter(|first| first.role.is_system()) {
            Some(first) => {
                told = Some(Change { what: "tools told in the system prompt", step: Some(1) });
                prompt(write, first, tools)?;
                rest = &messages[1..];
            }
            None => {
                write.role("system");
                write.key(b"content");
                write.text(&tools.told);
                write.raw(b"}");
            }
        }
    }
    let mut turn =
        Turn { tools, known: HashSet::new(), calls: Vec::new(), results: Vec::new(), respelt: None };
    let mut steps = (messages.len() - rest.len()) as u64;
    let mut waits: Option<&Call<'_>> = None;
    let mut scratch = Vec::new();
    for message in rest {
        let waited = waits.take();
        if message.role == Role::Tool {
            turn.result(write, message, waited?, steps)?;
            continue;
        }
        steps += 1;
        match &message.call {
            Some(call) => {
                turn.assistant(write, message, call, steps, &mut scratch)?;
                waits = Some(call);
            }
            None => {
                let raw = message.content.raw;
                let strange = match message.role {
                    Role::Assistant => !no_markup(raw),
                    Role::User => raw.starts_with(HEADING),
                    _ => memchr::memmem::find(raw, PROMPT_TOOLS).is_some(),
                };
                (!strange).then(|| write.same(message))??;
            }
        }
    }
    write.raw(b"]");
    let first = turn.calls.first()?.0;
    let turned = Change { what: "calls written as text", step: Some(first) };
    loss.notes.push((turned, turn.calls.len() as u64));
    loss.notes.extend(told.map(|told| (told, 1)));
    loss.notes.extend(turn.respelt.map(|(step, times)| {
        (Change { what: "arguments written anew, equal in value", step: Some(step) }, times)
    }));
    loss.made.extend(made("call.id", &turn.calls));
    loss.made.extend(made("result.call_id", &turn.results));
    Some(loss)
}

/// A system prompt that tells of the tools at its end.
fn prompt(write: &mut Writer<'_>, message: &Message<'_>, tools: &List) -> Option<()> {
    let raw = message.content.raw;
    if raw.is_empty() || memchr::memmem::find(raw, PROMPT_TOOLS).is_some() {
        return None;
    }
    write.role(if message.role == Role::Developer { "developer" } else { "system" });
    write.key(b"content");
    write.raw(b"\"");
    write.inside(raw);
    write.raw(b"\\n\\n");
    write.raw(&tools.told);
    write.raw(b"\"");
    write.members(&message.extra, &[])?;
    write.raw(b"}");
    Some(())
}

struct Turn<'a, 't> {
    tools: Option<&'t List>,
    known: HashSet<&'a [u8]>,
    /// Steps and new ids.
    calls: Vec<(u64, String)>,
    results: Vec<(u64, String)>,
    /// Calls whose arguments were written otherwise: the step of the first one, and how many.
    respelt: Option<(u64, u64)>,
}

impl<'a> Turn<'a, '_> {
    fn assistant(
        &mut self,
        write: &mut Writer<'_>,
        message: &Message<'a>,
        call: &Call<'a>,
        step: u64,
        scratch: &mut Vec<u8>,
    ) -> Option<()> {
        let raw = message.content.raw;
        let sure = no_markup(raw)
            && (raw.is_empty() || !last_is_white(raw)?.0)
            && is_name(call.name)
            && !call.id.starts_with(b"toolu_")
            && self.known.insert(call.id);
        sure.then_some(())?;
        write.role("assistant");
        write.key(b"content");
        write.raw(b"\"");
        if !raw.is_empty() {
            write.inside(raw);
            write.raw(b"\\n\\n");
        }
        write.raw(b"<function=");
        write.raw(call.name);
        write.raw(b">\\n");
        let mut shortest = 2;
        let mut count = 0;
        for member in arguments(call.arguments, scratch)? {
            let (name, kind, value) = member?;
            let kinds = self.tools.and_then(|tools| tools.kinds(call.name, name));
            let value = match kind {
                Kind::Text if kinds.is_none() => &value[1..value.len() - 1],
                Kind::Text => return None,
                kind => kinds.filter(|kinds| fits(kind, kinds) && !value.contains(&b' ')).map(|_| value)?,
            };
            let escapes = memchr::memmem::find(value, b"\\u").is_some();
            let bare = kind == Kind::Text || !value.contains(&b'\\') && !value.contains(&b'"');
            (is_name(name) && !escapes && bare && fits_in_param(value)).then_some(())?;
            shortest += name.len() + 3 + value.len() + if kind == Kind::Text { 2 } else { 0 };
            count += 1;
            for piece in [b"<parameter=", name, b">", value, b"</parameter>\\n"] {
                write.raw(piece);
            }
        }
        write.raw(b"</function>\"");
        write.reasoning(message);
        write.members(&message.extra, &[])?;
        write.raw(b"}");
        if scratch.len() != shortest + usize::saturating_sub(count, 1) {
            let (_, times) = self.respelt.get_or_insert((step, 0));
            *times += 1;
        }
        self.calls.push((step, id(self.calls.len() as u64 + 1)));
        Some(())
    }

    fn result(
        &mut self,
        write: &mut Writer<'_>,
        message: &Message<'a>,
        call: &Call<'a>,
        step: u64,
    ) -> Option<()> {
        let own = message.call_id == Some(call.id) && message.name.is_none_or(|name| name == call.name);
        own.then_some(())?;
        write.role("user");
        write.key(b"content");
        write.raw(b"\"");
        write.raw(HEADING);
        write.raw(call.name);
        write.raw(b"]:\\n");
        write.inside(message.content.raw);
        write.raw(b"\"");
        write.members(&message.extra, &[])?;
        write.raw(b"}");
        self.results.push((step, id(self.calls.len() as u64)));
        Some(())
    }
}
