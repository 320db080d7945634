//! Assistant texts as they stand in a JSON string: without any markup, or with one call that keeps the grammar.

use super::tools::{Given, Tool, Tools};
use crate::dialects;
use aho_corasick::{AhoCorasick, MatchKind};
use std::sync::LazyLock;

const CALL: &[u8] = b"<function=";
const CALL_END: &[u8] = b"</function>";
const PARAM: &[u8] = b"<parameter=";
const PARAM_END: &[u8] = b"</parameter>";

/// Longest name that is looked at.
const NAME: usize = 64;

/// All marks as JSON strings hold them, and the characters beyond ASCII in them.
struct Marks {
    automaton: AhoCorasick,
    watched: Vec<u32>,
}

static MARKS: LazyLock<Option<Marks>> = LazyLock::new(|| {
    let mut texts: Vec<String> = dialects::marks().map(escaped).collect();
    texts.sort_unstable();
    texts.dedup();
    let mut watched: Vec<u32> = Vec::new();
    for mark in dialects::marks() {
        watched.extend(mark.encode_utf16().map(u32::from).filter(|unit| *unit >= 0x80));
    }
    watched.sort_unstable();
    watched.dedup();
    let automaton = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(texts).ok()?;
    Some(Marks { automaton, watched })
});

/// A mark as it is written in a JSON string.
fn escaped(mark: &str) -> String {
    let quoted = serde_json::Value::from(mark).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// Characters beyond ASCII that a mark may be made of; `None` if nothing can be said of texts at all.
pub(super) fn watched() -> Option<&'static [u32]> {
    // What is found must be what the strict parser of this dialect would be asked for.
    let own =
        dialects::detect("<function=x>\n</function>").is_some_and(|dialect| dialect.name == "openhands");
    let first = dialects::ALL.first().is_some_and(|dialect| dialect.name == "openhands");
    MARKS.as_ref().filter(|_| own && first).map(|marks| marks.watched.as_slice())
}

/// Whether no mark of any dialect stands in the text.
pub(super) fn no_markup(raw: &[u8]) -> bool {
    MARKS.as_ref().is_some_and(|marks| !marks.automaton.is_match(raw))
}

/// The name of the one call of a text, if the text surely keeps the format in every reading.
pub(super) fn one_call<'a>(raw: &'a [u8], tools: Option<&Tools>) -> Option<&'a [u8]> {
    let marks = MARKS.as_ref()?;
    let open = marks.automaton.find(raw)?;
    let body = &raw[open.end()..];
    // A tag in code quotes is a mention.
    if &raw[open.start()..open.end()] != CALL
        || open.start().checked_sub(1).is_some_and(|before| raw[before] == b'`')
        || marks.automaton.is_match(body)
    {
        return None;
    }
    let name = name(body)?;
    let mut rest = body[name.len() + 1..].strip_prefix(b"\\n")?;
    let tool = match tools {
        Some(tools) => Some(tools.tool(name)?),
        None => None,
    };
    let end = params(&mut rest, tool)?;
    blank(end).is_empty().then_some(name)
}

/// Reads the parameters and the closing tag; gives what stands behind it.
fn params<'a>(rest: &mut &'a [u8], tool: Option<&Tool>) -> Option<&'a [u8]> {
    let mut seen: [&[u8]; 16] = [&[]; 16];
    let mut count = 0;
    let mut end = None;
    let next = || -> Option<Option<(&'a [u8], Given<'a>)>> {
        *rest = blank(rest);
        if let Some(behind) = rest.strip_prefix(CALL_END) {
            end = Some(behind);
            return None;
        }
        let mut read = || {
            let body = rest.strip_prefix(PARAM)?;
            let name = name(body)?;
            let (value, behind) = value(&body[name.len() + 1..])?;
            if count == seen.len() || seen[..count].contains(&name) {
                return None;
            }
            seen[count] = name;
            count += 1;
            *rest = behind;
            Some((name, Given::Text(value)))
        };
        Some(read())
    };
    let mut given = std::iter::from_fn(next);
    match tool {
        Some(tool) => tool.accepts(given)?,
        None => given.try_for_each(|argument| argument.map(|_| ()))?,
    }
    end
}

/// The value up to its closing tag, and what stands behind that.
fn value(body: &[u8]) -> Option<(&[u8], &[u8])> {
    for at in memchr::memchr_iter(b'<', body) {
        let rest = &body[at..];
        if let Some(behind) = rest.strip_prefix(PARAM_END) {
            return Some((&body[..at], behind));
        }
        if rest.starts_with(PARAM) || rest.starts_with(CALL_END) {
            return None;
        }
    }
    None
}

/// A plain name before a bracket.
fn name(body: &[u8]) -> Option<&[u8]> {
    let window = &body[..body.len().min(NAME)];
    let length = window
        .iter()
        .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
        .count();
    (length > 0 && window.get(length) == Some(&b'>')).then_some(&window[..length])
}

/// The text behind blanks and written newlines.
fn blank(mut text: &[u8]) -> &[u8] {
    loop {
        match text {
            [b' ', rest @ ..] | [b'\\', b'n', rest @ ..] => text = rest,
            _ => return text,
        }
    }
}
