//! Secrets in the bytes of a file: taken out where they stand, everything else byte for byte as it was.
//!
//! JSON stays JSON: replaced is only inside string literals, never half an escape sequence, and each literal is also
//! searched as the text that it means. What is no JSON is text; what is no UTF-8 is passed over.

use super::parts::{across, literals_of};
use super::{Redactor, Replacement};
use crate::model::Span;
use crate::util::json::{self, advance_from};
use std::collections::BTreeSet;

/// Rounds after which nothing more comes to light.
const ROUNDS: usize = 4;

/// The bytes without secrets, and how many were taken out; `None` where there were none.
pub fn redact_bytes(
    bytes: &[u8],
    redactor: &Redactor,
    allowed: &BTreeSet<String>,
) -> Option<(Vec<u8>, usize)> {
    let mut out: Option<Vec<u8>> = None;
    let mut count = 0;
    for _ in 0..ROUNDS {
        let here = out.as_deref().unwrap_or(bytes);
        let found = find(here, redactor, allowed);
        if found.is_empty() {
            break;
        }
        // Of a secret in several texts, only the first has a placeholder.
        count += found.iter().filter(|hit| !hit.placeholder.is_empty()).count();
        out = Some(splice(here, &found));
    }
    out.map(|out| (out, count))
}

/// Secrets in order, without overlaps; spans index the file.
fn find(bytes: &[u8], redactor: &Redactor, allowed: &BTreeSet<String>) -> Vec<Replacement> {
    let mut found = Vec::new();
    for segment in segments(bytes) {
        let part = &bytes[segment.span.start..segment.span.end];
        let literals = if segment.json { literals(part) } else { Vec::new() };
        let base = segment.span.start;
        let mut raw = Vec::new();
        texts(part, 0, &mut |at, text| {
            let hits = redactor.replacements(text, allowed);
            raw.extend(hits.into_iter().map(|hit| moved(hit, at)));
        });
        raw.retain_mut(|hit| fits(part, &literals, hit));
        for literal in &literals {
            let inside = &part[literal.start..literal.end];
            if memchr::memchr(b'\\', inside).is_none() {
                // Without escapes it says what it means, but its surroundings may have hidden where it begins.
                texts(inside, literal.start, &mut |at, text| {
                    raw.extend(redactor.replacements(text, allowed).into_iter().map(|hit| moved(hit, at)));
                });
                continue;
            }
            let Some(text) = meaning(inside) else { continue };
            // Hits come in order, so that one walk finds all of them.
            let mut walked = (0, 0);
            for hit in redactor.replacements(&text, allowed) {
                walked = advance_from(inside, walked, hit.span.start);
                let start = walked.0;
                walked = advance_from(inside, walked, hit.span.end);
                let end = walked.0;
                let span = Span::new(literal.start + start, literal.start + end);
                raw.push(Replacement { span, ..hit });
            }
        }
        if segment.json {
            raw.extend(in_parts(part, redactor, allowed));
        }
        found.extend(raw.into_iter().map(|hit| moved(hit, base)));
    }
    merge(found)
}

/// Secrets that reach over several text parts of one message.
fn in_parts(part: &[u8], redactor: &Redactor, allowed: &BTreeSet<String>) -> Vec<Replacement> {
    let mut out = Vec::new();
    // No list has two texts where the key does not stand twice.
    if memchr::memmem::find_iter(part, b"\"text\"").nth(1).is_none() {
        return out;
    }
    let Some(first) = part.iter().position(|byte| matches!(byte, b'{' | b'[')) else { return out };
    let Ok(node) = json::parse_at(part, first, &mut Vec::new()) else { return out };
    let mut rest = vec![json::View::new(part, &node)];
    while let Some(view) = rest.pop() {
        rest.extend(view.items().chain(view.members().map(|(_, value)| value)));
        let literals = literals_of(view);
        if literals.len() < 2 {
            continue;
        }
        let texts: Vec<_> = literals.iter().filter_map(|literal| literal.text()).collect();
        let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
        for (literal, hits) in literals.iter().zip(across(&texts, redactor, allowed)) {
            let start = literal.offset() + 1;
            let inside = &literal.raw()[1..];
            let mut walked = (0, 0);
            for hit in hits {
                let mut at = |decoded| {
                    walked = advance_from(inside, walked, decoded);
                    start + walked.0
                };
                let span = Span::new(at(hit.span.start), at(hit.span.end));
                out.push(Replacement { span, ..hit });
            }
        }
    }
    out
}

/// A part of a file.
struct Segment {
    span: Span,
    json: bool,
}

/// The file as one JSON value, else its lines: each one that is JSON for itself, those between them together as text.
fn segments(bytes: &[u8]) -> Vec<Segment> {
    let whole = Span::new(0, bytes.len());
    let start = if bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    let is_json = |from: usize, to: usize| {
        let first = bytes[from..to].iter().position(|byte| !byte.is_ascii_whitespace()).map(|at| from + at);
        first.filter(|at| matches!(bytes[*at], b'{' | b'[' | b'"')).is_some_and(|at| {
            json::parse_at(&bytes[..to], at, &mut Vec::new())
                .is_ok_and(|node| bytes[node.end..to].iter().all(u8::is_ascii_whitespace))
        })
    };
    if is_json(start, bytes.len()) {
        return vec![Segment { span: whole, json: true }];
    }
    let mut out: Vec<Segment> = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let end = memchr::memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |len| at + len + 1);
        let json = is_json(if at == 0 { start.min(end) } else { at }, end);
        match out.last_mut() {
            Some(last) if !json && !last.json => last.span.end = end,
            _ => out.push(Segment { span: Span::new(at, end), json }),
        }
        at = end;
    }
    out
}

/// The insides of all string literals of JSON.
fn literals(bytes: &[u8]) -> Vec<Span> {
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(open) = memchr::memchr(b'"', &bytes[at..]).map(|len| at + len + 1) {
        let mut end = open;
        while let Some(next) =
            memchr::memchr2(b'"', b'\\', &bytes[end.min(bytes.len())..]).map(|len| end + len)
        {
            end = next;
            if bytes[next] == b'"' {
                break;
            }
            end = next + 2;
        }
        let end = end.min(bytes.len());
        out.push(Span::new(open, end));
        at = (end + 1).min(bytes.len());
    }
    out
}

/// What a literal means.
fn meaning(inside: &[u8]) -> Option<String> {
    let mut quoted = Vec::with_capacity(inside.len() + 2);
    quoted.push(b'"');
    quoted.extend_from_slice(inside);
    quoted.push(b'"');
    let node = json::parse_at(&quoted, 0, &mut Vec::new()).ok()?;
    json::View::new(&quoted, &node).text().map(std::borrow::Cow::into_owned)
}

/// Tells the runs of valid UTF-8, each with where it starts.
fn texts(bytes: &[u8], base: usize, tell: &mut dyn FnMut(usize, &str)) {
    let mut at = base;
    for chunk in bytes.utf8_chunks() {
        if !chunk.valid().is_empty() {
            tell(at, chunk.valid());
        }
        at += chunk.valid().len() + chunk.invalid().len();
    }
}

/// Whether a hit in JSON may be replaced: it lies inside one literal, or outside of all. Its ends are moved off escape
/// sequences that they would cut.
fn fits(part: &[u8], literals: &[Span], hit: &mut Replacement) -> bool {
    if literals.is_empty() {
        return true;
    }
    let index = literals.partition_point(|literal| literal.end < hit.span.start);
    let Some(literal) = literals.get(index) else { return true };
    if hit.span.end < literal.start {
        return true;
    }
    if !literal.contains(hit.span) {
        return false;
    }
    let inside = &part[literal.start..literal.end];
    hit.span.start = literal.start + boundary(inside, hit.span.start - literal.start);
    hit.span.end = literal.start + boundary(inside, hit.span.end - literal.start);
    !hit.span.is_empty()
}

/// The last place at or before `at` that is not inside an escape sequence. Looks no further back than the backslashes
/// before it.
fn boundary(inside: &[u8], at: usize) -> usize {
    // How many bytes of an escape sequence may lie before a place that cuts it: `\n`, and up to five of `\u0041`.
    for back in 1..=5 {
        let Some(start) = at.checked_sub(back) else { break };
        if inside[start] != b'\\' {
            continue;
        }
        let run = inside[..=start].iter().rev().take_while(|byte| **byte == b'\\').count();
        // Of an even run, the last backslash is what the one before it escapes.
        if run % 2 == 1 && (back == 1 || inside.get(start + 1) == Some(&b'u')) {
            return start;
        }
    }
    at
}

fn moved(hit: Replacement, by: usize) -> Replacement {
    Replacement { span: Span::new(hit.span.start + by, hit.span.end + by), ..hit }
}

/// In order; what overlaps becomes one, under the name of the first.
fn merge(mut found: Vec<Replacement>) -> Vec<Replacement> {
    found.sort_by_key(|hit| (hit.span.start, std::cmp::Reverse(hit.span.end)));
    let mut out: Vec<Replacement> = Vec::new();
    for hit in found {
        match out.last_mut() {
            Some(last) if hit.span.start < last.span.end => last.span.end = last.span.end.max(hit.span.end),
            _ => out.push(hit),
        }
    }
    out
}

fn splice(bytes: &[u8], found: &[Replacement]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    for hit in found {
        out.extend_from_slice(&bytes[at..hit.span.start]);
        // Placeholders are plain ASCII without quotes: as they are in any text.
        out.extend_from_slice(hit.placeholder.as_bytes());
        at = hit.span.end;
    }
    out.extend_from_slice(&bytes[at..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> String {
        format!("sk-{}", "a1b2c3d4".repeat(4))
    }

    fn clean(text: &str) -> String {
        let none = BTreeSet::new();
        let out = redact_bytes(text.as_bytes(), &Redactor::default(), &none).expect("a secret").0;
        assert_eq!(redact_bytes(&out, &Redactor::default(), &none), None);
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn json_stays_json_and_the_rest_stays_as_it_was() {
        let key = key();
        let token = "a1B2c3D4e5F6g7H8i9J0k1L2";
        for text in [
            format!("{{ \"a\" :  \"x {key} \\u00e9\\n\",\r\n  \"n\": 1.50e3 }}"),
            format!("{{\"SERVICE_TOKEN\": \"{token}\"}}"),
            format!("{{\"args\": \"{{\\\"SERVICE_TOKEN\\\": \\\"{token}\\\"}}\"}}"),
            format!("[\"\\n{key}\", \"\\t{key}\\\\\"]"),
            format!("{{\"{key}\": 1}}"),
            format!(
                "{{\"pem\": \"-----BEGIN RSA PRIVATE KEY-----\\n{}\\\"\", \"b\": \"-----END \"}}",
                "Ab1/".repeat(20)
            ),
        ] {
            let out = clean(&text);
            let value: serde_json::Value =
                serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"));
            assert!(!out.contains(&key) && !out.contains(token), "{out}");
            assert!(value.to_string().contains("<SECRET:"), "{out}");
            let before: serde_json::Value = serde_json::from_str(&text).expect("JSON");
            let keys = |value: &serde_json::Value| value.as_object().map(serde_json::Map::len);
            assert_eq!(keys(&before), keys(&value));
        }
        let text = format!("{{ \"a\" :  \"x {key} \\u00e9\\n\",\r\n  \"n\": 1.50e3 }}");
        let out = clean(&text);
        let (head, tail) = text.split_once(&key).expect("the key");
        assert!(out.starts_with(head) && out.ends_with(tail), "{out}");
    }

    #[test]
    fn lines_and_plain_text_are_redacted_too() {
        let key = key();
        let text = format!(
            "{{\"a\": \"{key}\"}}\nnot json \"{key}\nnor {key}\n{{\"b\": \"{key}\"}}\n{{\"torn\": \"{key}"
        );
        let out = clean(&text);
        assert_eq!((out.matches("<SECRET:").count(), out.lines().count()), (5, 5), "{out}");
        assert!(!out.contains(&key));
    }

    #[test]
    fn bytes_that_are_no_text_stay() {
        let mut bytes = vec![0xff, 0xfe, b' '];
        bytes.extend_from_slice(key().as_bytes());
        bytes.extend_from_slice(b" \xc3");
        let (out, count) = redact_bytes(&bytes, &Redactor::default(), &BTreeSet::new()).expect("a secret");
        assert_eq!(count, 1);
        assert!(out.starts_with(&[0xff, 0xfe, b' ']) && out.ends_with(b" \xc3"));
    }

    #[test]
    fn what_is_allowed_stays() {
        let text = format!("use {}", key());
        let allowed = BTreeSet::from([key()]);
        assert_eq!(redact_bytes(text.as_bytes(), &Redactor::default(), &allowed), None);
    }

    proptest::proptest! {
        #[test]
        fn json_is_json_afterwards(parts in proptest::collection::vec(0usize..14, 0..20)) {
            let key = key();
            let pool = ["sk-", "Authorization: Bearer ", &key, "\n", " ", "é", "API_KEY=", "://u:pa55w0rd@", "\"", "\\", "-----BEGIN RSA PRIVATE KEY-----", "-----END ", "AAAABBBBCCCCDDDDEEEE1111", "\u{1b}[0m"];
            let text: String = parts.iter().map(|part| pool[*part]).collect();
            let inner = serde_json::json!({ "k": text, text.clone(): 1 }).to_string();
            let json = serde_json::json!({ "API_KEY": text, "args": inner, "list": [text, text] }).to_string();
            if let Some((out, _)) = redact_bytes(json.as_bytes(), &Redactor::default(), &BTreeSet::new()) {
                let value: serde_json::Value = serde_json::from_slice(&out).expect("JSON");
                // What the texts mean is clean too, and not only how they are written.
                for name in ["API_KEY", "args"] {
                    let text = value[name].as_str().unwrap_or_default();
                    proptest::prop_assert_eq!(Redactor::default().scan(text), []);
                }
                proptest::prop_assert_eq!(redact_bytes(&out, &Redactor::default(), &BTreeSet::new()), None);
            }
        }
    }
}
