//! Assistant texts as they stand in a JSON string: without any markup, or with one call that keeps the grammar.

use crate::dialects;
use aho_corasick::{AhoCorasick, MatchKind};
use std::sync::LazyLock;

const CALL: &[u8] = b"<function=";
const CALL_END: &[u8] = b"</function>";
const PARAM: &[u8] = b"<parameter=";
const PARAM_END: &[u8] = b"</parameter>";

/// Longest name that is looked at.
const NAME: usize = 64;
/// Most parameters of a call.
const PARAMS: usize = 16;

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
pub(crate) fn watched() -> Option<&'static [u32]> {
    // What is found must be what the strict parser of this dialect would be asked for.
    let own =
        dialects::detect("<function=x>\n</function>").is_some_and(|dialect| dialect.name == "openhands");
    let first = dialects::ALL.first().is_some_and(|dialect| dialect.name == "openhands");
    MARKS.as_ref().filter(|_| own && first).map(|marks| marks.watched.as_slice())
}

/// Whether no mark of any dialect stands in the text.
pub(crate) fn no_markup(raw: &[u8]) -> bool {
    MARKS.as_ref().is_some_and(|marks| !marks.automaton.is_match(raw))
}

/// A call in a text. All texts are raw: the insides of JSON strings.
pub(crate) struct TextCall<'a> {
    /// What stands before it.
    pub(crate) before: &'a [u8],
    /// Its name, which is plain.
    pub(crate) name: &'a [u8],
    params: [(&'a [u8], &'a [u8]); PARAMS],
    count: usize,
}

impl<'a> TextCall<'a> {
    /// Names and values of its parameters; no name stands twice.
    pub(crate) fn params(&self) -> &[(&'a [u8], &'a [u8])] {
        &self.params[..self.count]
    }
}

/// The one call of a text, if the text surely keeps the format in every reading.
pub(crate) fn one_call(raw: &[u8]) -> Option<TextCall<'_>> {
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
    let mut call = TextCall { before: &raw[..open.start()], name, params: [(b"", b""); PARAMS], count: 0 };
    let mut rest = body[name.len() + 1..].strip_prefix(b"\\n")?;
    loop {
        rest = blank(rest);
        if let Some(behind) = rest.strip_prefix(CALL_END) {
            return blank(behind).is_empty().then_some(call);
        }
        let param = rest.strip_prefix(PARAM)?;
        let name = self::name(param)?;
        let (value, behind) = value(&param[name.len() + 1..])?;
        if call.count == PARAMS || call.params().iter().any(|(known, _)| *known == name) {
            return None;
        }
        call.params[call.count] = (name, value);
        call.count += 1;
        rest = behind;
    }
}

/// Whether a value may stand in a parameter: it holds no mark and nothing that ends it.
pub(super) fn fits_in_param(value: &[u8]) -> bool {
    let tags = [PARAM, CALL_END, PARAM_END];
    let tag = |at: usize| tags.iter().any(|tag| value[at..].starts_with(tag));
    no_markup(value) && !memchr::memchr_iter(b'<', value).any(tag)
}

/// Whether this is a plain name as a whole.
pub(super) fn is_name(text: &[u8]) -> bool {
    !text.is_empty() && text.len() < NAME && text.iter().copied().all(plain)
}

fn plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
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
    let length = window.iter().take_while(|byte| plain(**byte)).count();
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

/// Decodes the inside of a JSON string whose escapes are known to be whole.
pub(crate) fn unescape(raw: &[u8], out: &mut Vec<u8>) {
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

/// Whether the last character of a text is white space, and how many raw bytes it takes; `None` if that is not
/// seen at once, or if there is no character.
pub(super) fn last_is_white(raw: &[u8]) -> Option<(bool, usize)> {
    let last = *raw.last()?;
    if !ends_whole(&raw[..raw.len() - 1]) {
        return Some((matches!(last, b'n' | b't' | b'r' | b'f'), 2));
    }
    if last.is_ascii_hexdigit() && raw.len() >= 6 && raw[raw.len() - 6..].starts_with(b"\\u") {
        return None;
    }
    if last.is_ascii() {
        return Some((last == b' ', 1));
    }
    let inner = raw.iter().rev().take_while(|byte| (0x80..0xc0).contains(*byte)).count();
    let text = std::str::from_utf8(&raw[raw.len().checked_sub(inner + 1)?..]).ok()?;
    let last = text.chars().next_back()?;
    Some((last.is_whitespace(), last.len_utf8()))
}

/// Whether a raw text does not end in the middle of an escape.
pub(super) fn ends_whole(raw: &[u8]) -> bool {
    raw.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 0
}
