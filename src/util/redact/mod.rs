//! Secrets: known values and key shapes, found and replaced before anything is written.
//!
//! Known values are found in plain, JSON-escaped, URL-encoded, base64 and line-wrapped form; shapes
//! are our own patterns of keys that services give out. Invariant: redacted text re-scans to nothing,
//! and the same secret has the same placeholder. Must not know: files, rules, who the values belong to.

mod file;
mod keywords;
mod known;
mod parts;
mod scan;
mod shapes;

use crate::model::Span;
pub use file::redact_bytes;
use known::Known;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Replaces secrets in text. Cheap to clone; shared by all writers of a run.
///
/// The default one knows no values and finds shapes alone.
#[derive(Debug, Clone, Default)]
pub struct Redactor {
    known: Arc<Known>,
}

/// A secret that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// What it is, for example `deepseek-key` or `service.deepseek.key`.
    pub kind: String,
    /// Where, in the text that was searched.
    pub span: Span,
}

/// A secret and what takes its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replacement {
    /// What it is.
    pub kind: String,
    /// Where, in the text that was searched.
    pub span: Span,
    /// What takes its place: ASCII without quotes and backslashes.
    pub placeholder: String,
}

/// Redaction can bring two texts together that were apart; more rounds than this are never needed.
const ROUNDS: usize = 4;

impl Redactor {
    /// A redactor that knows these values: `(placeholder, value)`. Values under four bytes are left
    /// out: they would take ordinary words away.
    pub fn new(known: Vec<(String, String)>) -> Self {
        Self { known: Arc::new(Known::new(known)) }
    }

    /// `text` without secrets; borrowed when there were none.
    pub fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.redact_with_hits(text).0
    }

    /// `text` without secrets, and where the placeholders stand in it.
    pub fn redact_with_hits<'a>(&self, text: &'a str) -> (Cow<'a, str>, Vec<Hit>) {
        self.redact_unless(text, |_| false)
    }

    /// Like [`Redactor::redact_with_hits`], but what `allowed` says yes to stays as it is.
    pub fn redact_unless<'a>(
        &self,
        text: &'a str,
        allowed: impl Fn(&str) -> bool,
    ) -> (Cow<'a, str>, Vec<Hit>) {
        let mut out = Cow::Borrowed(text);
        let mut done: Vec<Hit> = Vec::new();
        for _ in 0..ROUNDS {
            let mut found = scan::scan(&self.known, &out);
            found.retain(|secret| !allowed(secret.span.text(&out)));
            if found.is_empty() {
                break;
            }
            let (replaced, hits) = splice(&out, &found, &done);
            out = Cow::Owned(replaced);
            done = hits;
        }
        (out, done)
    }

    /// All strings of a JSON value without secrets, keys included.
    pub fn redact_value(&self, mut value: Value) -> Value {
        self.clean_value(&mut value);
        value
    }

    /// An object without secrets, keys included.
    pub fn redact_object(&self, mut object: Map<String, Value>) -> Map<String, Value> {
        self.clean_object(&mut object);
        object
    }

    /// In place, as there is rarely anything to take out.
    fn clean_value(&self, value: &mut Value) {
        match value {
            Value::String(text) => {
                if let Cow::Owned(clean) = self.redact(text) {
                    *text = clean;
                }
            }
            Value::Array(items) => {
                for item in items.iter_mut() {
                    self.clean_value(item);
                }
                let mut texts = parts::texts_of(items);
                if texts.len() > 1 {
                    self.redact_joined(&mut texts);
                }
            }
            Value::Object(object) => self.clean_object(object),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn clean_object(&self, object: &mut Map<String, Value>) {
        object.values_mut().for_each(|item| self.clean_value(item));
        if object.keys().any(|key| matches!(self.redact(key), Cow::Owned(_))) {
            let items = std::mem::take(object);
            *object = items.into_iter().map(|(key, item)| (self.redact(&key).into_owned(), item)).collect();
        }
    }

    /// Puts the known values back in the place of their placeholders. What was found by its shape alone
    /// stays redacted: nobody knows its value.
    pub fn restore(&self, text: &str) -> String {
        self.known.restore(text)
    }

    /// Secrets in `text` with what takes their place, in order, without overlaps; those that are `allowed` left out.
    pub fn replacements(&self, text: &str, allowed: &BTreeSet<String>) -> Vec<Replacement> {
        let found = scan::scan(&self.known, text).into_iter();
        let found = found.filter(|secret| !self.is_allowed(secret.span.text(text), allowed));
        found
            .map(|found| Replacement {
                kind: found.kind.into_owned(),
                span: found.span,
                placeholder: found.placeholder.into_owned(),
            })
            .collect()
    }

    /// Whether a value is on a list of what is no secret, itself or by its placeholder.
    pub fn is_allowed(&self, value: &str, allowed: &BTreeSet<String>) -> bool {
        !allowed.is_empty() && (allowed.contains(value) || allowed.contains(&*self.redact(value)))
    }

    /// Secrets in `text`, in order, without overlaps.
    pub fn scan(&self, text: &str) -> Vec<Hit> {
        let found = scan::scan(&self.known, text);
        found.into_iter().map(|found| Hit { kind: found.kind.into_owned(), span: found.span }).collect()
    }
}

/// A secret and what takes its place.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Found<'a> {
    kind: Cow<'a, str>,
    span: Span,
    placeholder: Cow<'a, str>,
}

/// Replaces what was found; gives the text, and all placeholders in it with those of earlier rounds.
fn splice(text: &str, found: &[Found], earlier: &[Hit]) -> (String, Vec<Hit>) {
    let mut out = String::with_capacity(text.len());
    let mut hits = Vec::new();
    let mut earlier = earlier.iter().peekable();
    let mut at = 0;
    for secret in found {
        while let Some(hit) = earlier.next_if(|hit| hit.span.start < secret.span.start) {
            let start = out.len() + hit.span.start.saturating_sub(at);
            hits.push(Hit { kind: hit.kind.clone(), span: Span::new(start, start + hit.span.len()) });
        }
        // A placeholder inside a new secret goes with it.
        while earlier.next_if(|hit| hit.span.start < secret.span.end).is_some() {}
        out.push_str(&text[at..secret.span.start]);
        let start = out.len();
        out.push_str(&secret.placeholder);
        hits.push(Hit { kind: secret.kind.clone().into_owned(), span: Span::new(start, out.len()) });
        at = secret.span.end;
    }
    for hit in earlier {
        let start = out.len() + hit.span.start.saturating_sub(at);
        hits.push(Hit { kind: hit.kind.clone(), span: Span::new(start, start + hit.span.len()) });
    }
    out.push_str(&text[at..]);
    (out, hits)
}

/// The placeholder of a shape: the same secret has the same name in every file and on every machine, so
/// that two writings of one run are equal byte for byte. 24 bits of a digest tell keys apart and give
/// no way back to a random value; what people think up gets no digest at all.
fn placeholder(kind: &str, value: &str, random: bool) -> String {
    if !random {
        return format!("<SECRET:{kind}>");
    }
    let mut hasher = Sha256::new();
    hasher.update(b"rolltape placeholder 1\0");
    hasher.update(kind.as_bytes());
    hasher.update([0]);
    hasher.update(value.as_bytes());
    let digest = hasher.finalize();
    format!("<SECRET:{kind}:{}>", super::digest::hex(&digest[..3]))
}
