//! A line with its calls turned: text of the OpenHands protocol into objects, objects into that text.
//!
//! Invariant: a line that is turned here has the bytes and the loss report that the exact way (read, `convert`) gives
//! it; a differential test compares the two. Everything is moved as it stands: what a JSON string holds raw is what the
//! writer would write, but for characters written as `\u…`, which are written anew.

mod native;
mod textual;

use super::super::calls_as::{CallForm, TOLD};
use super::super::{Format, Loss, Lost, json_out};
use super::list::List;
use super::record::{self, Extra, Message, Record, Role};
use super::text::{ends_whole, watched};
use super::{FORMAT, Memo, PROMPT_TOOLS, plain};
use crate::dialects::{self, Dialect};
use serde_json::Value;
use std::rc::Rc;

/// The dialect whose calls are turned.
const DIALECT: &str = "openhands";

/// What was made of a line.
#[derive(Debug, Clone, PartialEq)]
pub struct Turned {
    /// Id of the trajectory.
    pub id: Option<String>,
    /// What [`super::super::convert()`] would tell.
    pub loss: Loss,
}

/// Turns lines one after the other. One worker has one: it remembers tool lists.
pub struct Turner {
    watched: &'static [u32],
    dialect: &'static Dialect,
    form: Form,
    lists: Memo<List>,
    prompts: Memo<List>,
    kept: Memo<List>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Native,
    Text,
}

impl Turner {
    /// `None` where something else is asked for than to turn calls in `openai-chat`.
    pub fn new(to: &Format, calls: Option<CallForm>) -> Option<Self> {
        let form = match calls? {
            CallForm::Native => Form::Native,
            CallForm::Text(dialect) if dialect.name == DIALECT => Form::Text,
            CallForm::Text(_) => return None,
        };
        (to.name == FORMAT).then_some(())?;
        Some(Self {
            watched: watched()?,
            dialect: dialects::find(DIALECT)?,
            form,
            lists: Memo::default(),
            prompts: Memo::default(),
            kept: Memo::default(),
        })
    }

    /// Writes one line (without its end) into `out`, if it is surely what the exact way gives.
    pub fn line(&mut self, line: &[u8], out: &mut Vec<u8>) -> Option<Turned> {
        let before = out.len();
        let turned = self.turned(line, out);
        if turned.is_none() {
            out.truncate(before);
        }
        turned
    }

    fn turned(&mut self, line: &[u8], out: &mut Vec<u8>) -> Option<Turned> {
        let line = plain(line, self.watched)?;
        let (lists, dialect) = (&mut self.lists, self.dialect);
        let mut record = record::read(line, |walk| lists.list(walk, |raw| List::of_list(raw, dialect)))?;
        let odd = |message: &Message<'_>| message.odd || message.content.parts;
        if record.odd || record.messages.iter().any(odd) {
            return None;
        }
        let mut write = Writer { out, unicode: memchr::memmem::find(line, b"\\u").is_some() };
        write.raw(b"{");
        for (key, value) in [("id", record.id), ("model", record.model)] {
            if let Some(value) = value {
                write.key(key.as_bytes());
                write.text(value);
                write.raw(b",");
            }
        }
        write.raw(b"\"messages\":[");
        let loss = match self.form {
            Form::Native => {
                let kept = self.take_back(&mut record)?;
                let prompts = self.told(&record.messages)?;
                (kept.is_none() || prompts.is_empty()).then_some(())?;
                let first = || prompts.first().map(|(_, list)| Rc::clone(list));
                let tools = kept.or(record.tools).or_else(first);
                let loss = native::messages(&mut write, &record.messages, tools.as_deref(), &prompts)?;
                if let Some(tools) = &tools {
                    write.raw(b",\"tools\":");
                    write.raw(&tools.written);
                }
                write.members(&record.extra, &[TOLD.as_bytes()])?;
                loss
            }
            Form::Text => {
                record.extra.iter().all(|(key, _)| *key != TOLD.as_bytes()).then_some(())?;
                let loss = textual::messages(&mut write, &record.messages, record.tools.as_deref())?;
                write.members(&record.extra, &[])?;
                if let Some(tools) = &record.tools {
                    write.raw(b",");
                    write.raw(&tools.kept);
                }
                loss
            }
        };
        write.raw(b"}");
        let id = record.id.and_then(|raw| std::str::from_utf8(raw).ok()).map(crate::util::json::unescape);
        Some(Turned { id, loss })
    }

    /// The tool list that stands beside a system prompt which tells of it; the prompt is then without it.
    fn take_back(&mut self, record: &mut Record<'_, Rc<List>>) -> Option<Option<Rc<List>>> {
        let Some((_, raw)) = record.extra.iter().find(|(key, _)| *key == TOLD.as_bytes()) else {
            return Some(None);
        };
        let list = self.kept.get(raw, || List::of_kept(raw, self.dialect))?;
        let first = record.messages.first_mut().filter(|first| first.role == Role::System)?;
        if first.content.raw == list.told {
            // It was made for them alone.
            first.extra.is_empty().then(|| record.messages.remove(0))?;
        } else {
            let before = first.content.raw.strip_suffix(&list.told[..])?.strip_suffix(b"\\n\\n")?;
            // Behind an odd backslash, what was cut off was no newline.
            ends_whole(before).then(|| first.content.raw = before)?;
        }
        record.tools.is_none().then_some(Some(list))
    }

    /// System prompts that tell of tools, by step.
    fn told(&mut self, messages: &[Message<'_>]) -> Option<Vec<(u64, Rc<List>)>> {
        let mut told = Vec::new();
        let mut others = 0;
        for (message, step) in messages.iter().zip(1_u64..) {
            others += u64::from(!message.role.is_system());
            let raw = message.content.raw;
            if message.role.is_system() && memchr::memmem::find(raw, PROMPT_TOOLS).is_some() {
                // Results that stand before it would shift the number of its step.
                (others == 0).then_some(())?;
                told.push((step, self.prompts.get(raw, || List::of_prompt(raw, self.dialect))?));
            }
        }
        Some(told)
    }
}

/// Writes pieces of a line.
struct Writer<'o> {
    out: &'o mut Vec<u8>,
    /// Whether the line has escapes that are written in another way.
    unicode: bool,
}

impl Writer<'_> {
    fn raw(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    fn key(&mut self, key: &[u8]) {
        self.raw(b"\"");
        self.raw(key);
        self.raw(b"\":");
    }

    /// A text with its quotes.
    fn text(&mut self, raw: &[u8]) {
        self.raw(b"\"");
        self.inside(raw);
        self.raw(b"\"");
    }

    /// The inside of a text.
    fn inside(&mut self, raw: &[u8]) {
        if self.unicode && memchr::memmem::find(raw, b"\\u").is_some() {
            let quoted = anew(raw);
            self.raw(&quoted[1..quoted.len() - 1]);
        } else {
            self.raw(raw);
        }
    }

    /// The start of a message.
    fn role(&mut self, role: &str) {
        if self.out.last() != Some(&b'[') {
            self.raw(b",");
        }
        self.raw(b"{\"role\":\"");
        self.raw(role.as_bytes());
        self.raw(b"\",");
    }

    /// Members behind others, as they stood, but for some.
    fn members(&mut self, members: &Extra<'_>, but: &[&[u8]]) -> Option<()> {
        for (key, value) in members.iter().filter(|(key, _)| !but.contains(key)) {
            self.raw(b",");
            self.key(key);
            let same = !value.contains(&b' ') && (!self.unicode || memchr::memchr(b'\\', value).is_none());
            if same {
                self.raw(value);
            } else {
                let value: Value = serde_json::from_slice(value).ok()?;
                serde_json::to_writer(&mut *self.out, &value).ok()?;
            }
        }
        Some(())
    }

    /// A message that stays as it is.
    fn same(&mut self, message: &Message<'_>) -> Option<()> {
        self.role(match message.role {
            Role::System => "system",
            Role::Developer => "developer",
            Role::User => "user",
            Role::Assistant => "assistant",
            Role::Tool => return None,
        });
        self.key(b"content");
        self.text(message.content.raw);
        self.reasoning(message);
        self.members(&message.extra, &[])?;
        self.raw(b"}");
        Some(())
    }

    fn reasoning(&mut self, message: &Message<'_>) {
        if let Some(reasoning) = message.reasoning[0] {
            self.raw(b",");
            self.key(b"reasoning_content");
            self.text(reasoning);
        }
    }
}

/// A text with its quotes, written as the writer of values writes it.
fn anew(raw: &[u8]) -> Vec<u8> {
    let text = std::str::from_utf8(raw).map(crate::util::json::unescape).unwrap_or_default();
    let mut out = Vec::with_capacity(raw.len());
    json_out::quote(&mut out, &text);
    out
}

/// What a report tells of ids that were made.
fn made(field: &str, ids: &[(u64, String)]) -> Option<Lost> {
    let (step, example) = ids.first()?;
    Some(Lost {
        field: field.to_owned(),
        count: ids.len() as u64,
        bytes: ids.iter().map(|(_, id)| id.len() as u64).sum(),
        step: Some(*step),
        example: example.clone(),
    })
}
