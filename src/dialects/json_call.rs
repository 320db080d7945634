//! Calls that are written as a JSON object: `{"name": …, "arguments": {…}}`.
//!
//! Invariant: what is read of a broken object is never looked at again, so that a reader that goes on at
//! [`Object::end`] is linear in the length of the text.

use super::{Flaw, FlawKind, TextArguments, TextCall};
use crate::model::{Arguments, Object as Map, Span};
use crate::util::json::{Kind, Node, Note, NoteKind, View, parse_at};
use serde_json::Value;

/// What the keys of a call are in a dialect.
pub(super) struct Keys {
    /// Keys of the arguments; the first ones that a call has are its own.
    pub(super) arguments: &'static [&'static str],
    /// Keys that other dialects have for them.
    pub(super) other: &'static [&'static str],
    /// Other keys that a call may have.
    pub(super) also: &'static [&'static str],
}

/// A call object, whole or broken.
pub(super) struct Object {
    /// Name of the function, decoded.
    pub(super) name: String,
    /// Where it stands, without its quotes.
    pub(super) name_span: Span,
    /// The arguments, whatever they are.
    pub(super) arguments: Option<TextArguments>,
    /// One past the object, or past what could be read of it.
    pub(super) end: usize,
    /// Whether the object is whole.
    pub(super) whole: bool,
    /// What deviates from the grammar.
    pub(super) flaws: Vec<Flaw>,
    /// Value of the key `id`, with its span.
    pub(super) id: Option<(String, Span)>,
}

impl Object {
    /// The call that it stands for.
    pub(super) fn into_call(self, span: Span, closed: bool) -> TextCall {
        TextCall {
            span,
            name: self.name,
            name_span: self.name_span,
            params: Vec::new(),
            arguments: self.arguments,
            closed,
            flaws: self.flaws,
            nested: Vec::new(),
        }
    }
}

/// What begins at a place where a call object is expected.
pub(super) enum Read {
    /// A call.
    Call(Box<Object>),
    /// JSON that is no call, or a broken object that names no function: one past what was read.
    Nothing(usize),
}

/// Reads the call object at `at`. If it is broken, it is taken to go no further than `limit`.
pub(super) fn object(text: &str, at: usize, limit: usize, keys: &Keys) -> Read {
    let mut notes = Vec::new();
    match parse_at(text.as_bytes(), at, &mut notes) {
        Ok(node) => whole(text, &node, keys, &notes),
        Err(error) => {
            let limit = limit.max(at);
            let seen = text.floor_char_boundary(error.offset.clamp(at, limit));
            broken(text, at, limit, keys, error.torn).unwrap_or(Read::Nothing(seen))
        }
    }
}

/// Reads a call out of a node that was parsed already.
pub(super) fn whole(text: &str, node: &Node, keys: &Keys, notes: &[Note]) -> Read {
    let bytes = text.as_bytes();
    let Kind::Object(members) = &node.kind else { return Read::Nothing(node.end) };
    let mut parts = Parts::default();
    for (key, value) in members {
        parts.take(text, key, value, keys);
    }
    for note in notes.iter().filter(|note| note.kind == NoteKind::RepeatedKey) {
        let end = text.floor_char_boundary(text.len().min(note.offset + 1));
        parts.flaws.push(Flaw { kind: FlawKind::RepeatedKey, span: Span::new(note.offset, end) });
    }
    let arguments = parts.arguments.take().map(|value| arguments(bytes, text, value));
    parts.finish(node.end, true, arguments)
}

/// Members of a call object as they are met.
#[derive(Default)]
struct Parts<'n> {
    name: Option<(String, Span)>,
    arguments: Option<&'n Node>,
    id: Option<(String, Span)>,
    flaws: Vec<Flaw>,
}

impl<'n> Parts<'n> {
    fn take(&mut self, text: &str, key: &Node, value: &'n Node, keys: &Keys) {
        let bytes = text.as_bytes();
        let word = View::new(bytes, key).text().unwrap_or_default();
        let inside = || Span::new(value.start + 1, value.end - 1);
        let key_span = Span::new(key.start, key.end);
        let decoded = || View::new(bytes, value).text().map(std::borrow::Cow::into_owned);
        if word == "name" {
            self.name = decoded().map(|name| (name, inside()));
        } else if keys.arguments.contains(&&*word) {
            self.arguments = Some(value);
        } else if keys.other.contains(&&*word) {
            self.flaws.push(Flaw { kind: FlawKind::OtherKey, span: key_span });
            self.arguments = self.arguments.or(Some(value));
        } else if keys.also.contains(&&*word) {
            if word == "id" {
                self.id = decoded().map(|id| (id, inside()));
            }
        } else {
            let span = Span::new(key.start, value.end);
            self.flaws.push(Flaw { kind: FlawKind::StrayText, span });
        }
    }

    fn finish(mut self, end: usize, whole: bool, arguments: Option<TextArguments>) -> Read {
        let Some((name, name_span)) = self.name else { return Read::Nothing(end) };
        if arguments.is_none() && whole {
            self.flaws.push(Flaw { kind: FlawKind::MissingArguments, span: name_span });
        }
        let flaws = self.flaws;
        Read::Call(Box::new(Object { name, name_span, arguments, end, whole, flaws, id: self.id }))
    }
}

fn arguments(bytes: &[u8], text: &str, node: &Node) -> TextArguments {
    let span = Span::new(node.start, node.end);
    let view = View::new(bytes, node);
    let parsed = view.is_object().then(|| view.object());
    TextArguments { span, value: Arguments { raw: Some(span.text(text).to_owned()), parsed } }
}

/// What a broken object still says: `None` without a name. `limit` is where it ends at the latest.
fn broken(text: &str, at: usize, limit: usize, keys: &Keys, torn: bool) -> Option<Read> {
    let bytes = &text.as_bytes()[..limit];
    let mut nodes = Vec::new();
    let mut at = blanks(bytes, at);
    if bytes.get(at) != Some(&b'{') {
        return None;
    }
    at += 1;
    let mut open = None;
    loop {
        let mut notes = Vec::new();
        let Ok(key) = parse_at(bytes, at, &mut notes) else { break };
        let colon = blanks(bytes, key.end);
        if !matches!(key.kind, Kind::Text(_)) || bytes.get(colon) != Some(&b':') {
            break;
        }
        let start = blanks(bytes, colon + 1);
        let Ok(value) = parse_at(bytes, start, &mut notes) else {
            open = Some((key, start));
            break;
        };
        let comma = blanks(bytes, value.end);
        nodes.push((key, value));
        if bytes.get(comma) != Some(&b',') {
            break;
        }
        at = comma + 1;
    }
    let mut parts = Parts::default();
    for (key, value) in &nodes {
        parts.take(text, key, value, keys);
    }
    let mut value = parts.arguments.take().map(|value| arguments(text.as_bytes(), text, value));
    if let Some((key, start)) = open {
        let word = View::new(text.as_bytes(), &key).text().unwrap_or_default().into_owned();
        if value.is_none() && keys.arguments.iter().chain(keys.other).any(|own| *own == word) {
            value = Some(cut(text, start, limit, torn));
        }
    }
    if value.as_ref().is_none_or(|value| value.value.parsed.is_some()) {
        let name = parts.name.as_ref().map_or(Span::new(at, at), |(_, span)| *span);
        parts.flaws.push(Flaw { kind: FlawKind::BrokenObject, span: name });
    }
    match parts.finish(limit, false, value) {
        Read::Nothing(_) => None,
        Read::Call(call) => Some(Read::Call(call)),
    }
}

/// Arguments that are not JSON, up to where the object ends; its own bracket is none of them.
fn cut(text: &str, start: usize, limit: usize, torn: bool) -> TextArguments {
    let mut raw = text.get(start..limit).unwrap_or("").trim_end();
    if !torn {
        raw = raw.strip_suffix('}').unwrap_or(raw).trim_end();
    }
    let span = Span::new(start, start + raw.len());
    TextArguments { span, value: Arguments { raw: Some(raw.to_owned()), parsed: None } }
}

/// The first byte at or after `at` that is no blank of JSON.
pub(super) fn blanks(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().take_while(|byte| matches!(byte, b' ' | b'\n' | b'\r' | b'\t')).count()
}

/// `json.loads(text)`: one value with nothing but blanks around it.
pub(super) fn load(text: &str) -> Option<Value> {
    let (value, end) = load_at(text, 0)?;
    (blanks(text.as_bytes(), end) == text.len()).then_some(value)
}

/// The value at `at`, and one past it.
pub(super) fn load_at(text: &str, at: usize) -> Option<(Value, usize)> {
    let node = parse_at(text.as_bytes(), at, &mut Vec::new()).ok()?;
    Some((View::new(text.as_bytes(), &node).value(), node.end))
}

/// A call object of two keys, as JSON on one line.
pub(super) fn written(name: &str, key: &str, arguments: &Map) -> String {
    let name = Value::String(name.to_owned());
    format!("{{\"name\": {name}, \"{key}\": {}}}", Value::Object(arguments.clone()))
}
