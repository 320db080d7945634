//! A line as its messages. Texts are raw: the insides of JSON strings as they are written.

use super::walk::{Kind, Walk};

/// Members of a record that a reader or a rule may look at and that are not looked at here: a doubt unless they are
/// null.
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

/// Members that nothing is made of: names and values as they are written.
pub(crate) type Extra<'a> = Vec<(&'a [u8], &'a [u8])>;

/// One line.
pub(crate) struct Record<'a, T> {
    pub(crate) messages: Vec<Message<'a>>,
    /// What the list of tools came to.
    pub(crate) tools: Option<T>,
    pub(crate) id: Option<&'a [u8]>,
    pub(crate) model: Option<&'a [u8]>,
    pub(crate) extra: Extra<'a>,
    /// Whether something about it means nothing to a rule but is not kept in these fields.
    pub(crate) odd: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Role {
    #[default]
    System,
    Developer,
    User,
    Assistant,
    Tool,
}

impl Role {
    /// Whether it is that of a system prompt.
    pub(crate) fn is_system(self) -> bool {
        matches!(self, Role::System | Role::Developer)
    }
}

/// A message.
#[derive(Default)]
pub(crate) struct Message<'a> {
    pub(crate) role: Role,
    pub(crate) content: Content<'a>,
    /// Under each of the two keys that it may have.
    pub(crate) reasoning: [Option<&'a [u8]>; 2],
    pub(crate) call: Option<Call<'a>>,
    pub(crate) call_id: Option<&'a [u8]>,
    pub(crate) name: Option<&'a [u8]>,
    pub(crate) extra: Extra<'a>,
    /// Whether something about it means nothing to a rule but is not kept in these fields.
    pub(crate) odd: bool,
}

/// What a message says.
#[derive(Clone, Copy, Default)]
pub(crate) struct Content<'a> {
    /// Its text, or its list of parts as it is written.
    pub(crate) raw: &'a [u8],
    /// Whether it is a list of other than one text.
    pub(crate) parts: bool,
    /// Whether it is a part with more than its text.
    odd: bool,
}

/// The native call of a message.
pub(crate) struct Call<'a> {
    pub(crate) id: &'a [u8],
    pub(crate) name: &'a [u8],
    pub(crate) arguments: &'a [u8],
}

/// Reads a line whose bytes were looked at before (`no_controls`, `plain_escapes`, UTF-8). `tools` walks over the
/// value of `tools`.
pub(crate) fn read<'a, T>(
    line: &'a [u8],
    mut tools: impl FnMut(&mut Walk<'a>) -> Option<Option<T>>,
) -> Option<Record<'a, T>> {
    let mut walk = Walk::new(line);
    let mut messages = None;
    let (mut id, mut model) = (None, None);
    let (mut list, mut extra, mut odd) = (None, Vec::new(), false);
    walk.object(|walk, key| {
        match key {
            b"messages" => messages = Some(read_messages(walk)?),
            b"tools" => list = tools(walk)?,
            b"id" | b"model" if walk.peek()? == b'"' => {
                *(if key == b"id" { &mut id } else { &mut model }) = walk.string();
            }
            b"id" | b"model" => odd |= walk.value()? != Kind::Null,
            _ if READ.contains(&key) => {
                if walk.value()? != Kind::Null {
                    return None;
                }
                odd = true;
            }
            _ => extra.push((key, walk.raw()?)),
        }
        Some(())
    })?;
    walk.end()?;
    Some(Record { messages: messages?, tools: list, id, model, extra, odd })
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
    let keys = walk.object(|walk, key| {
        match key {
            b"role" => role = Some(walk.string()?),
            b"content" => {
                message.content = read_content(walk)?;
                message.odd |= message.content.odd;
            }
            b"reasoning_content" => {
                message.reasoning[0] = text_or_null(walk)?;
                message.odd |= message.reasoning[0].is_none();
            }
            b"reasoning" => {
                message.reasoning[1] = text_or_null(walk)?;
                message.odd = true;
            }
            b"tool_calls" => message.call = read_calls(walk, &mut message.odd)?,
            b"tool_call_id" => message.call_id = text_or_null(walk)?,
            b"name" => message.name = text_or_null(walk)?,
            b"function_call" => {
                if walk.value()? != Kind::Null {
                    return None;
                }
            }
            _ if INERT.contains(&key) => message.extra.push((key, walk.raw()?)),
            _ => return None,
        }
        Some(())
    })?;
    message.role = match role? {
        b"system" => Role::System,
        b"developer" => Role::Developer,
        b"user" => Role::User,
        b"assistant" => Role::Assistant,
        b"tool" => Role::Tool,
        _ => return None,
    };
    // What belongs to one role is kept as something else with another.
    let strange: &[&[u8]] = match message.role {
        Role::Assistant => &[b"name", b"tool_call_id"],
        Role::Tool => &[b"tool_calls", b"function_call", b"reasoning_content"],
        _ => &[b"name", b"tool_call_id", b"tool_calls", b"function_call", b"reasoning_content"],
    };
    message.odd |= strange.iter().any(|key| keys.has(key));
    // Calls of anybody but the model mean nothing to the reader, and neither do they here.
    (message.role == Role::Assistant || message.call.is_none()).then_some(message)
}

/// Text, null, or a list of texts and objects.
fn read_content<'a>(walk: &mut Walk<'a>) -> Option<Content<'a>> {
    if walk.peek()? != b'[' {
        let raw = text_or_null(walk)?.unwrap_or_default();
        return Some(Content { raw, ..Content::default() });
    }
    let (rest, from) = (walk.rest(), walk.at());
    walk.skip(1);
    if walk.peek()? == b']' {
        walk.skip(1);
        return Some(Content { raw: b"", parts: true, odd: true });
    }
    let (mut count, mut odd) = (0, false);
    let mut only;
    loop {
        count += 1;
        only = match walk.peek()? {
            b'"' => walk.string(),
            b'{' => read_part(walk, &mut odd)?,
            _ => return None,
        };
        if !walk.more(b']')? {
            break;
        }
    }
    Some(match only.filter(|_| count == 1) {
        Some(raw) => Content { raw, parts: false, odd },
        None => Content { raw: &rest[..walk.at() - from], parts: true, odd: true },
    })
}

/// A part of a list; the text of one that is of type `text`.
fn read_part<'a>(walk: &mut Walk<'a>, odd: &mut bool) -> Option<Option<&'a [u8]>> {
    let (mut kind, mut text) = (None, None);
    walk.object(|walk, key| {
        match (key, walk.peek()?) {
            (b"type", b'"') => kind = walk.string(),
            (b"text", b'"') => text = walk.string(),
            _ => {
                *odd = true;
                walk.value()?;
            }
        }
        Some(())
    })?;
    Some(text.filter(|_| kind == Some(b"text")))
}

fn text_or_null<'a>(walk: &mut Walk<'a>) -> Option<Option<&'a [u8]>> {
    if walk.peek()? == b'"' {
        return walk.string().map(Some);
    }
    (walk.value()? == Kind::Null).then_some(None)
}

/// One call, or none.
fn read_calls<'a>(walk: &mut Walk<'a>, odd: &mut bool) -> Option<Option<Call<'a>>> {
    if walk.peek()? != b'[' {
        return (walk.value()? == Kind::Null).then_some(None);
    }
    walk.skip(1);
    if walk.peek()? == b']' {
        walk.skip(1);
        return Some(None);
    }
    let (mut id, mut function) = (None, None);
    walk.object(|walk, key| {
        match key {
            b"id" => id = Some(walk.string()?),
            b"function" => function = Some(read_function(walk, odd)?),
            b"type" => *odd |= walk.raw()? != b"\"function\"",
            _ => {
                *odd = true;
                walk.value()?;
            }
        }
        Some(())
    })?;
    // A second call is for the exact way.
    walk.take(b']')?;
    let id = id.filter(|id| !id.is_empty() && !id.contains(&b'\\'))?;
    let (name, arguments) = function?;
    Some(Some(Call { id, name, arguments }))
}

/// Name and arguments.
fn read_function<'a>(walk: &mut Walk<'a>, odd: &mut bool) -> Option<(&'a [u8], &'a [u8])> {
    let (mut name, mut arguments) = (None, None);
    walk.object(|walk, key| {
        match key {
            b"name" => name = Some(walk.string()?),
            b"arguments" => arguments = Some(walk.string()?),
            _ => {
                *odd = true;
                walk.value()?;
            }
        }
        Some(())
    })?;
    Some((name.filter(|name| !name.contains(&b'\\'))?, arguments?))
}
