//! The log of requests that scorers read. Invariant: neither the key nor any authorisation value is ever in it.

use super::answer::{Answer, Way};
use super::auth::Auth;
use crate::model::Object;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of bodies that the log keeps in all; later bodies are `null` there.
const MAX_LOGGED: usize = 32 << 20;
/// Requests that the log keeps.
const MAX_ENTRIES: usize = 20_000;

/// A request that was read.
pub(super) struct Entry<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) auth: Auth,
    pub(super) json: Option<Value>,
    /// Bytes of the body.
    pub(super) size: usize,
    /// The authorisation value that was shown.
    pub(super) shown: Option<String>,
}

#[derive(Default)]
pub(super) struct Log {
    lines: Arc<Mutex<Vec<Object>>>,
    size: Mutex<usize>,
}

impl Log {
    /// The lines, for whoever holds the running service.
    pub(super) fn lines(&self) -> Arc<Mutex<Vec<Object>>> {
        Arc::clone(&self.lines)
    }

    /// Adds a request; its place comes back, unless the log is full.
    pub(super) fn note(&self, entry: Entry<'_>, answer: &Answer, key: &str) -> Option<usize> {
        let shown = entry.shown.as_deref();
        let hide = |text: &str| {
            let text = text.replace(key, "<key>");
            match shown {
                // A wrong key may be the user's real one; a word of a few letters would tear up the text.
                Some(shown) if shown.len() >= 8 => text.replace(shown, "<key>"),
                _ => text,
            }
        };
        let model = entry.json.as_ref().and_then(|json| json.get("model")).and_then(Value::as_str).map(&hide);
        let mut size = self.size.lock().unwrap_or_else(PoisonError::into_inner);
        *size = size.saturating_add(entry.size);
        let body =
            entry.json.filter(|_| *size <= MAX_LOGGED).map_or(Value::Null, |json| hide_in(json, &hide));
        // Where not a byte of the answer leaves, nobody saw a status.
        let status = (!matches!(answer.way, Way::Reset | Way::Hang)).then_some(answer.status);
        let mut line = json!({
            "method": entry.method,
            "path": hide(entry.path),
            "status": status,
            "auth": entry.auth.as_str(),
            "model": model,
            "body": body,
            "nonce": answer.nonce,
        });
        if let Some(fault) = answer.fault {
            line["fault"] = json!(fault);
        }
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        match line {
            Value::Object(line) if lines.len() < MAX_ENTRIES => {
                lines.push(line);
                Some(lines.len() - 1)
            }
            _ => None,
        }
    }

    /// Tells of requests that waited together. In which order they came is chance; their bodies tell it now.
    pub(super) fn gathered(&self, places: &mut [usize], together: usize) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        places.sort_unstable();
        let mut group: Vec<Object> = places.iter().filter_map(|at| lines.get(*at).cloned()).collect();
        group.sort_by_cached_key(|line| line.get("body").map(ToString::to_string));
        for (at, mut line) in places.iter().zip(group) {
            line.insert("together".to_owned(), together.into());
            lines[*at] = line;
        }
    }
}

/// The value with all its strings, keys included, passed through `hide`.
fn hide_in(value: Value, hide: &impl Fn(&str) -> String) -> Value {
    match value {
        Value::String(text) => Value::String(hide(&text)),
        Value::Array(items) => Value::Array(items.into_iter().map(|item| hide_in(item, hide)).collect()),
        Value::Object(object) => {
            Value::Object(object.into_iter().map(|(key, item)| (hide(&key), hide_in(item, hide))).collect())
        }
        other => other,
    }
}
