//! The FC family on raw lines: messages that surely keep the format are counted without a trajectory being built.
//!
//! For lines of format `openai-chat` alone. Invariant: a line that gets [`Counts`] is one for which the exact way
//! (read, judge) finds nothing, has nothing to remark and counts the same; every doubt is a `None`. A differential
//! test compares the two ways. Must not know: files.

#![expect(clippy::option_option, reason = "the outer one is a doubt, the inner one what is not there")]

mod text;
mod tools;
mod walk;

use super::Options;
use super::no_finish::FINISHERS;
use crate::model::{Policy, Reading};
use std::collections::HashSet;
use std::rc::Rc;
use tools::{Remembered, Tools, arguments};
use walk::{Kind, Walk};

/// The format whose lines are looked at.
pub const FORMAT: &str = "openai-chat";

/// Members of a record that a reader may look at and that are not looked at here: a doubt unless they are null.
const READ: [&[u8]; 7] =
    [b"functions", b"choices", b"response", b"raw_response", b"request", b"finish_reason", b"output"];
/// Members of a message that no reader and no rule looks at. Any other one is a doubt.
const INERT: [&[u8]; 9] = [
    b"refusal",
    b"annotations",
    b"audio",
    b"weight",
    b"timestamp",
    b"cache_control",
    b"cost",
    b"tokens",
    b"prefix",
];

/// What a system prompt that describes tools holds.
const PROMPT_TOOLS: &[u8] = b"---- BEGIN FUNCTION #";

/// Rules that are decided here; with another one on, lines are judged the exact way.
const DECIDED: [&str; 23] = [
    "FC001", "FC002", "FC003", "FC004", "FC005", "FC006", "FC007", "FC008", "FC009", "FC010", "FC011",
    "FC012", "FC013", "FC014", "FC015", "FC016", "FC017", "FC018", "FC019", "FC020", "FC021", "FC022",
    "FC023",
];

/// What is said of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Judged assistant messages, all of them compliant.
    pub messages: u64,
    /// Their calls.
    pub calls: u64,
}

/// Looks at lines one after the other. One worker has one: it remembers tool lists.
pub struct Quick {
    watched: &'static [u32],
    given: Option<Rc<Tools>>,
    lists: Remembered,
    prompts: Remembered,
    scratch: Vec<u8>,
}

impl Quick {
    /// `None` where rules, policy or options ask for more than is decided here.
    pub fn new(policy: &Policy, options: &Options<'_>) -> Option<Self> {
        let on = super::ALL.iter().filter(|rule| !options.off.contains(&rule.id));
        if policy.reading != Reading::Strict
            || policy.dialect.is_some()
            || !on.into_iter().all(|rule| DECIDED.contains(&rule.id))
        {
            return None;
        }
        Some(Self {
            watched: text::watched()?,
            given: options.tools.map(|tools| Rc::new(Tools::new(tools))),
            lists: Remembered::default(),
            prompts: Remembered::default(),
            scratch: Vec::new(),
        })
    }

    /// Counts the messages of one line (without its end), if nothing can be found in it.
    pub fn line(&mut self, line: &[u8]) -> Option<Counts> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if !walk::no_controls(line)
            || !walk::plain_escapes(line, self.watched)
            || simdutf8::basic::from_utf8(line).is_err()
        {
            return None;
        }
        let (messages, list) = self.record(line)?;
        let mut tools = list;
        if let Some(given) = &self.given {
            tools = Some(Rc::clone(given));
        } else if tools.is_none() {
            let prompts = messages.iter().filter(|message| message.role == Role::System);
            for content in prompts.map(|message| message.content) {
                if content.parts && memchr::memmem::find(content.raw, PROMPT_TOOLS).is_some() {
                    return None;
                }
                tools = tools.or_else(|| self.prompts.prompt(content.raw));
            }
        }
        judge(&messages, tools.as_deref(), &mut self.scratch)
    }

    /// The messages of a record, and the tools of its list.
    fn record<'a>(&mut self, line: &'a [u8]) -> Option<(Vec<Message<'a>>, Option<Rc<Tools>>)> {
        let mut walk = Walk::new(line);
        let mut messages = None;
        let mut tools = None;
        let mut keys = walk::Keys::default();
        walk.take(b'{')?;
        loop {
            walk.blanks();
            let key = walk.key()?;
            keys.add(key)?;
            match key {
                b"messages" => messages = Some(read_messages(&mut walk)?),
                b"tools" => tools = self.tools(&mut walk)?,
                _ if READ.contains(&key) => {
                    if walk.value()? != Kind::Null {
                        return None;
                    }
                }
                _ => {
                    walk.value()?;
                }
            }
            if !walk.more(b'}')? {
                break;
            }
        }
        walk.end()?;
        Some((messages?, tools))
    }

    /// A list of tools or null.
    fn tools(&mut self, walk: &mut Walk<'_>) -> Option<Option<Rc<Tools>>> {
        if let Some((length, tools)) = self.lists.prefix(walk.rest()) {
            walk.skip(length);
            return Some(tools);
        }
        let rest = walk.rest();
        let from = walk.at();
        match walk.value()? {
            Kind::Null => Some(None),
            Kind::Array => self.lists.list(&rest[..walk.at() - from]).map(Some),
            _ => None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Role {
    #[default]
    System,
    User,
    Assistant,
    Tool,
}

/// A message, strings as they are written.
#[derive(Default)]
struct Message<'a> {
    role: Role,
    content: Content<'a>,
    reasoning: [&'a [u8]; 2],
    call: Option<Call<'a>>,
    call_id: Option<&'a [u8]>,
    name: Option<&'a [u8]>,
}

/// What a message says.
#[derive(Clone, Copy, Default)]
struct Content<'a> {
    /// Its text, or its list of parts as it is written.
    raw: &'a [u8],
    /// Whether it is a list of other than one text.
    parts: bool,
}

/// The native call of a message.
struct Call<'a> {
    id: &'a [u8],
    name: &'a [u8],
    arguments: &'a [u8],
}

fn read_messages<'a>(walk: &mut Walk<'a>) -> Option<Vec<Message<'a>>> {
    let mut messages = Vec::with_capacity(64);
    walk.take(b'[')?;
    if walk.peek()? == b']' {
        walk.skip(1);
        return Some(messages);
    }
    loop {
        messages.push(read_message(walk)?);
        if !walk.more(b']')? {
            return Some(messages);
        }
    }
}

fn read_message<'a>(walk: &mut Walk<'a>) -> Option<Message<'a>> {
    let mut message = Message::default();
    let mut role = None;
    let mut keys = walk::Keys::default();
    walk.take(b'{')?;
    loop {
        walk.blanks();
        let key = walk.key()?;
        keys.add(key)?;
        match key {
            b"role" => role = Some(walk.string()?),
            b"content" => message.content = read_content(walk)?,
            b"reasoning_content" => message.reasoning[0] = text_or_null(walk)?.unwrap_or_default(),
            b"reasoning" => message.reasoning[1] = text_or_null(walk)?.unwrap_or_default(),
            b"tool_calls" => message.call = read_calls(walk)?,
            b"tool_call_id" => message.call_id = text_or_null(walk)?,
            b"name" => message.name = text_or_null(walk)?,
            b"function_call" => {
                if walk.value()? != Kind::Null {
                    return None;
                }
            }
            _ if INERT.contains(&key) => {
                walk.value()?;
            }
            _ => return None,
        }
        if !walk.more(b'}')? {
            break;
        }
    }
    message.role = match role? {
        b"system" | b"developer" => Role::System,
        b"user" => Role::User,
        b"assistant" => Role::Assistant,
        b"tool" => Role::Tool,
        _ => return None,
    };
    // Calls of anybody but the model mean nothing to the reader, and neither do they here.
    (message.role == Role::Assistant || message.call.is_none()).then_some(message)
}

/// Text, null, or a list of texts and objects.
fn read_content<'a>(walk: &mut Walk<'a>) -> Option<Content<'a>> {
    if walk.peek()? != b'[' {
        return Some(Content { raw: text_or_null(walk)?.unwrap_or_default(), parts: false });
    }
    let (rest, from) = (walk.rest(), walk.at());
    walk.skip(1);
    if walk.peek()? == b']' {
        walk.skip(1);
        return Some(Content { raw: b"", parts: true });
    }
    let mut count = 0;
    let mut only;
    loop {
        count += 1;
        only = match walk.peek()? {
            b'"' => walk.string(),
            b'{' => read_part(walk)?,
            _ => return None,
        };
        if !walk.more(b']')? {
            break;
        }
    }
    Some(match only.filter(|_| count == 1) {
        Some(raw) => Content { raw, parts: false },
        None => Content { raw: &rest[..walk.at() - from], parts: true },
    })
}

/// A part of a list; the text of one that is of type `text`.
fn read_part<'a>(walk: &mut Walk<'a>) -> Option<Option<&'a [u8]>> {
    let (mut kind, mut text) = (None, None);
    let mut keys = walk::Keys::default();
    walk.take(b'{')?;
    loop {
        walk.blanks();
        let key = walk.key()?;
        keys.add(key)?;
        match (key, walk.peek()?) {
            (b"type", b'"') => kind = walk.string(),
            (b"text", b'"') => text = walk.string(),
            _ => {
                walk.value()?;
            }
        }
        if !walk.more(b'}')? {
            return Some(text.filter(|_| kind == Some(b"text")));
        }
    }
}

fn text_or_null<'a>(walk: &mut Walk<'a>) -> Option<Option<&'a [u8]>> {
    if walk.peek()? == b'"' {
        return walk.string().map(Some);
    }
    (walk.value()? == Kind::Null).then_some(None)
}

/// One call, or none.
fn read_calls<'a>(walk: &mut Walk<'a>) -> Option<Option<Call<'a>>> {
    if walk.peek()? != b'[' {
        return (walk.value()? == Kind::Null).then_some(None);
    }
    walk.skip(1);
    if walk.peek()? == b']' {
        walk.skip(1);
        return Some(None);
    }
    let (mut id, mut function) = (None, None);
    let mut keys = walk::Keys::default();
    walk.take(b'{')?;
    loop {
        walk.blanks();
        let key = walk.key()?;
        keys.add(key)?;
        match key {
            b"id" => id = Some(walk.string()?),
            b"function" => function = Some(read_function(walk)?),
            _ => {
                walk.value()?;
            }
        }
        if !walk.more(b'}')? {
            break;
        }
    }
    // A second call is for the exact way.
    walk.take(b']')?;
    let id = id.filter(|id| !id.is_empty() && !id.contains(&b'\\'))?;
    let (name, arguments) = function?;
    Some(Some(Call { id, name, arguments }))
}

/// Name and arguments.
fn read_function<'a>(walk: &mut Walk<'a>) -> Option<(&'a [u8], &'a [u8])> {
    let (mut name, mut arguments) = (None, None);
    let mut keys = walk::Keys::default();
    walk.take(b'{')?;
    loop {
        walk.blanks();
        let key = walk.key()?;
        keys.add(key)?;
        match key {
            b"name" => name = Some(walk.string()?),
            b"arguments" => arguments = Some(walk.string()?),
            _ => {
                walk.value()?;
            }
        }
        if !walk.more(b'}')? {
            break;
        }
    }
    Some((name.filter(|name| !name.contains(&b'\\'))?, arguments?))
}

/// Judges messages that alternate as they should: each assistant message has one call, text in the one kind of log,
/// native and answered at once in the other.
fn judge(messages: &[Message<'_>], tools: Option<&Tools>, scratch: &mut Vec<u8>) -> Option<Counts> {
    let mut counts = Counts::default();
    let mut native = None;
    let mut ids: HashSet<&[u8]> = HashSet::new();
    // The call that waits for its result.
    let mut waits: Option<&Call<'_>> = None;
    let mut after_assistant = false;
    let mut last: &[u8] = b"";
    for message in messages {
        if let Some(call) = waits.take() {
            let answers = message.role == Role::Tool
                && message.call_id == Some(call.id)
                && message.name.is_none_or(|name| name == call.name);
            if !answers {
                return None;
            }
            after_assistant = false;
            continue;
        }
        match message.role {
            Role::Tool => return None,
            Role::System | Role::User => after_assistant = false,
            Role::Assistant => {
                let quiet = message.reasoning.iter().all(|text| text.is_empty() || text::no_markup(text));
                if after_assistant
                    || !quiet
                    || *native.get_or_insert(message.call.is_some()) != message.call.is_some()
                {
                    return None;
                }
                counts.messages += 1;
                counts.calls += 1;
                let text = (!message.content.parts).then_some(message.content.raw)?;
                if let Some(call) = &message.call {
                    if !text::no_markup(text) || !ids.insert(call.id) {
                        return None;
                    }
                    check_native(call, tools, scratch)?;
                    waits = Some(call);
                    last = call.name;
                } else {
                    last = text::one_call(text, tools)?;
                }
                after_assistant = true;
            }
        }
    }
    let finishes = FINISHERS.iter().any(|name| name.as_bytes() == last);
    // A call that ends the run may stay without a result.
    if waits.is_some() && !finishes {
        return None;
    }
    let can_finish = tools.map_or(native == Some(false), |tools| tools.can_finish);
    (counts.messages == 0 || finishes || !can_finish).then_some(counts)
}

/// Arguments that are one JSON object, and right by the tool's schema.
fn check_native(call: &Call<'_>, tools: Option<&Tools>, scratch: &mut Vec<u8>) -> Option<()> {
    unescape(call.arguments, scratch);
    // The watched characters matter in texts alone.
    if !walk::no_controls(scratch) || !walk::plain_escapes(scratch, &[]) {
        return None;
    }
    let mut given = arguments(scratch);
    match tools {
        Some(tools) => tools.tool(call.name)?.accepts(given),
        None => given.try_for_each(|argument| argument.map(|_| ())),
    }
}

/// Decodes the inside of a JSON string whose escapes are known to be whole.
fn unescape(raw: &[u8], out: &mut Vec<u8>) {
    out.clear();
    let mut from = 0;
    for at in memchr::memchr_iter(b'\\', raw) {
        if at < from {
            continue;
        }
        out.extend_from_slice(&raw[from..at]);
        from = at + 2;
        match raw[at + 1] {
            b'n' => out.push(b'\n'),
            b't' => out.push(b'\t'),
            b'r' => out.push(b'\r'),
            b'b' => out.push(8),
            b'f' => out.push(12),
            b'u' => {
                let mut end = at + 6;
                if matches!(raw[at + 2], b'd' | b'D')
                    && matches!(raw[at + 3], b'8'..=b'9' | b'a'..=b'b' | b'A'..=b'B')
                {
                    end = at + 12;
                }
                from = end;
                let text = std::str::from_utf8(&raw[at..end]).unwrap_or_default();
                out.extend_from_slice(crate::util::json::unescape(text).as_bytes());
            }
            other => out.push(other),
        }
    }
    out.extend_from_slice(&raw[from..]);
}
