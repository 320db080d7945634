//! Known values, in every form in which they may turn up.

use super::super::digest::hex;
use crate::model::Span;
use aho_corasick::{AhoCorasick, MatchKind};
use std::fmt::Write as _;

/// Values under this many bytes are no secrets that could be told from words.
const SHORTEST: usize = 4;
/// The longest gap between two bytes of a wrapped value: a line end, a prompt, an escape sequence.
const GAP: usize = 64;
/// Bytes of an anchor: what is looked for first.
const ANCHOR: usize = 4;

/// One form of one value.
#[derive(Debug)]
struct Form {
    kind: String,
    placeholder: String,
    text: String,
}

/// All forms, and the search for them.
#[derive(Debug, Default)]
pub(super) struct Known {
    forms: Vec<Form>,
    anchors: Option<AhoCorasick>,
    /// For each anchor: its form, and where in the form it stands.
    at: Vec<(usize, usize)>,
}

impl Known {
    pub(super) fn new(known: Vec<(String, String)>) -> Self {
        if known.is_empty() {
            // The search is dear to build, and each attempt has its own.
            return Self::default();
        }
        let mut forms = Vec::new();
        for (placeholder, value) in known.into_iter().filter(|(_, value)| value.len() >= SHORTEST) {
            let bare = placeholder.trim_start_matches("<SECRET:").trim_end_matches('>');
            let kind = if bare.is_empty() { "known" } else { bare }.to_owned();
            let add = |form: &str, text: String, forms: &mut Vec<Form>| {
                if text.len() < SHORTEST || forms.iter().any(|known: &Form| known.text == text) {
                    return;
                }
                let placeholder = match (form, placeholder.strip_suffix('>')) {
                    ("", _) => placeholder.clone(),
                    (form, Some(open)) => format!("{open}:{form}>"),
                    (form, None) => format!("{placeholder}:{form}"),
                };
                forms.push(Form { kind: kind.clone(), placeholder, text });
            };
            let json = json_escaped(&value);
            add("", value.clone(), &mut forms);
            add("json", json.clone(), &mut forms);
            add("json2", json_escaped(&json), &mut forms);
            add("url", url_encoded(&value, true), &mut forms);
            add("url-lower", url_encoded(&value, false), &mut forms);
            for skip in 0..3 {
                for (name, alphabet) in [("base64", BASE64), ("base64url", BASE64URL)] {
                    add(&format!("{name}-{skip}"), base64_inside(&value, skip, alphabet), &mut forms);
                }
            }
            if value.len() >= 8 {
                add("hex", hex(value.as_bytes()), &mut forms);
            }
        }
        let mut patterns = Vec::new();
        let mut at = Vec::new();
        for (index, form) in forms.iter().enumerate() {
            let len = form.text.len();
            // A wrap may cut one anchor in two, never all of them.
            let starts = if len >= 3 * ANCHOR { vec![0, len / 2, len - ANCHOR] } else { vec![0] };
            for start in starts {
                let end = (start + ANCHOR).min(len);
                patterns.push(form.text.as_bytes()[start..end].to_vec());
                at.push((index, start));
            }
        }
        let built = AhoCorasick::builder().match_kind(MatchKind::Standard).build(&patterns);
        let anchors = if patterns.is_empty() { None } else { built.ok() };
        Self { forms, anchors, at }
    }

    /// All places where a form stands, overlaps included: `(span, kind, placeholder)`.
    pub(super) fn find<'a>(&'a self, text: &str, tell: &mut dyn FnMut(Span, &'a str, &'a str)) {
        let Some(anchors) = &self.anchors else { return };
        let bytes = text.as_bytes();
        // A place that one anchor has confirmed needs no other.
        let mut ends = vec![0; self.forms.len()];
        for found in anchors.find_overlapping_iter(bytes) {
            let (index, offset) = self.at[found.pattern().as_usize()];
            let form = &self.forms[index];
            if found.start() < ends[index] {
                continue;
            }
            let wanted = form.text.as_bytes();
            let anchor_len = found.end() - found.start();
            let Some(end) = forward(bytes, found.end(), &wanted[offset + anchor_len..]) else { continue };
            let Some(start) = backward(bytes, found.start(), &wanted[..offset]) else { continue };
            if text.is_char_boundary(start) && text.is_char_boundary(end) {
                ends[index] = end;
                tell(Span::new(start, end), &form.kind, &form.placeholder);
            }
        }
    }

    pub(super) fn restore(&self, text: &str) -> String {
        let mut out = text.to_owned();
        for form in &self.forms {
            if out.contains(form.placeholder.as_str()) {
                out = out.replace(form.placeholder.as_str(), &form.text);
            }
        }
        out
    }
}

/// Matches `wanted` from `at` on, gaps allowed; gives the end.
fn forward(bytes: &[u8], mut at: usize, wanted: &[u8]) -> Option<usize> {
    for byte in wanted {
        if bytes.get(at) != Some(byte) {
            at = after_gap(bytes, at, *byte)?;
        }
        at += 1;
    }
    Some(at)
}

/// Matches `wanted` backwards up to `at`, gaps allowed; gives the start.
fn backward(bytes: &[u8], mut at: usize, wanted: &[u8]) -> Option<usize> {
    for byte in wanted.iter().rev() {
        if at > 0 && bytes[at - 1] == *byte {
            at -= 1;
            continue;
        }
        // The gap ends here; the byte before its beginning has to be the wanted one.
        let low = at.saturating_sub(GAP);
        at = (low..at).rev().find(|&start| {
            bytes[start] == *byte && after_gap(bytes, start + 1, *bytes.get(at).unwrap_or(&0)) == Some(at)
        })?;
    }
    Some(at)
}

/// Where the text goes on after what may interrupt a value at `at`, if `next` stands there.
fn after_gap(bytes: &[u8], mut at: usize, next: u8) -> Option<usize> {
    let limit = at + GAP;
    let mut wrapped = false;
    while at < bytes.len() && at < limit {
        let rest = &bytes[at..];
        let len = gap_len(rest, wrapped);
        if len == 0 {
            return None;
        }
        wrapped |= !rest.starts_with(b"\x1b");
        at += len;
        if bytes.get(at) == Some(&next) && gap_len(&bytes[at..], wrapped) == 0 {
            return Some(at);
        }
    }
    None
}

/// Bytes of one piece of a gap at the beginning of `rest`. Blanks, quotes and marks that begin a line only count behind a line end.
fn gap_len(rest: &[u8], wrapped: bool) -> usize {
    for (text, len) in
        [(&b"\r\n"[..], 2), (b"\n", 1), (b"\\r\\n", 4), (b"\\n", 2), (b"\\\n", 2), (b"\\\\n", 3)]
    {
        if rest.starts_with(text) {
            return len;
        }
    }
    if wrapped && matches!(rest.first(), Some(b' ' | b'\t' | b'>' | b'|')) {
        return 1;
    }
    ansi_len(rest)
}

/// Bytes of an SGR or similar escape sequence, raw or as JSON and shells write it; 0 if there is none.
pub(super) fn ansi_len(rest: &[u8]) -> usize {
    let forms: [&[u8]; 7] = [b"\x1b[", b"\\u001b[", b"\\u001B[", b"\\x1b[", b"\\x1B[", b"\\033[", b"\\e["];
    for open in forms {
        if rest.starts_with(open) {
            let body = rest[open.len()..].iter().take(32);
            let len = body.take_while(|byte| byte.is_ascii_digit() || matches!(byte, b';' | b':')).count();
            let end = open.len() + len;
            return if rest.get(end).is_some_and(u8::is_ascii_alphabetic) { end + 1 } else { 0 };
        }
    }
    0
}

fn json_escaped(value: &str) -> String {
    let quoted = serde_json::Value::String(value.to_owned()).to_string();
    quoted.get(1..quoted.len() - 1).unwrap_or(value).to_owned()
}

fn url_encoded(value: &str, upper: bool) -> String {
    let mut out = String::new();
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            // Writing to a string can't fail.
            let _ = if upper { write!(out, "%{byte:02X}") } else { write!(out, "%{byte:02x}") };
        }
    }
    out
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const BASE64URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The characters of a base64 text that depend on `value` alone when `skip` bytes modulo 3 stand before it.
fn base64_inside(value: &str, skip: usize, alphabet: &[u8; 64]) -> String {
    let bytes = value.as_bytes();
    let mut bits: u32 = 0;
    let mut count = 0;
    let mut out = String::new();
    // With one byte before, its last two bits share a character with our first four; with two, the last four with our first two.
    let drop = match skip {
        1 => 4,
        2 => 2,
        _ => 0,
    };
    for (index, byte) in bytes.iter().enumerate() {
        if index == 0 && drop > 0 {
            bits = u32::from(*byte) & ((1 << (8 - drop)) - 1);
            count = 8 - drop;
        } else {
            bits = (bits << 8) | u32::from(*byte);
            count += 8;
        }
        while count >= 6 {
            count -= 6;
            out.push(char::from(alphabet[(bits >> count) as usize & 63]));
            bits &= (1 << count) - 1;
        }
    }
    // Left-over bits share a character with what follows.
    out
}
