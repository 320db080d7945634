//! Secrets in what is to be exported: found in every string, told without being shown.
//!
//! Invariant: what leaves [`Guard::dialogue`] and [`Guard::value`] holds no secret, whether the export
//! then goes on (`--redact`) or is refused.

use super::dialogue::Dialogue;
use crate::model::{Arguments, Object};
use crate::util::redact::Redactor;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeSet;

/// A secret that was found, and where; its value is not kept.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Leak {
    /// Where: source and place in it.
    pub place: String,
    /// What it is, for example `deepseek-key`.
    pub kind: String,
    /// The placeholder that stands for it.
    pub label: String,
}

/// Finds secrets.
#[derive(Debug, Clone, Default)]
pub struct Guard {
    redactor: Redactor,
    /// Values and placeholders that are known to be no secret.
    allowed: BTreeSet<String>,
}

impl Guard {
    /// A guard that lets these values, or what these placeholders stand for, pass.
    pub fn new(allowed: BTreeSet<String>) -> Self {
        Self { redactor: Redactor::default(), allowed }
    }

    /// Takes the secrets out of a text.
    pub fn text(&self, text: &mut String, place: &dyn Fn() -> String, leaks: &mut Vec<Leak>) {
        let allowed = |value: &str| self.redactor.is_allowed(value, &self.allowed);
        let (Cow::Owned(clean), hits) = self.redactor.redact_unless(text, allowed) else { return };
        let leak = |hit: &crate::util::redact::Hit| Leak {
            place: place(),
            kind: hit.kind.clone(),
            label: hit.span.text(&clean).to_owned(),
        };
        leaks.extend(hits.iter().map(leak));
        *text = clean;
    }

    /// Takes the secrets out of all strings of a value, keys included.
    pub fn value(&self, value: &mut Value, place: &dyn Fn() -> String, leaks: &mut Vec<Leak>) {
        match value {
            Value::String(text) => self.text(text, place, leaks),
            Value::Array(items) => items.iter_mut().for_each(|item| self.value(item, place, leaks)),
            Value::Object(object) => self.object(object, place, leaks),
            _ => {}
        }
    }

    fn object(&self, object: &mut Object, place: &dyn Fn() -> String, leaks: &mut Vec<Leak>) {
        let before = leaks.len();
        for key in object.keys() {
            self.text(&mut key.clone(), place, leaks);
        }
        if leaks.len() > before {
            let old = std::mem::take(object);
            for (mut key, value) in old {
                self.text(&mut key, place, &mut Vec::new());
                object.insert(key, value);
            }
        }
        object.values_mut().for_each(|item| self.value(item, place, leaks));
        // A name and its value make a secret together, as in `"api_key": "…"`.
        for (key, item) in object.iter_mut() {
            let Value::String(text) = item else { continue };
            if text.len() > PAIR {
                continue;
            }
            let lead = format!("{key}=");
            let mut pair = format!("{lead}{text}");
            let mut found = Vec::new();
            self.text(&mut pair, place, &mut found);
            if let Some(clean) = pair.strip_prefix(&lead)
                && !found.is_empty()
            {
                clean.clone_into(text);
                leaks.append(&mut found);
            }
        }
    }

    /// Takes the secrets out of a dialogue; `source` names where it comes from.
    pub fn dialogue(&self, dialogue: &mut Dialogue, source: &str, leaks: &mut Vec<Leak>) {
        for tool in &mut dialogue.tools {
            self.value(tool, &|| format!("{source}, the list of tools"), leaks);
        }
        for turn in &mut dialogue.turns {
            let (step, role) = (turn.step, turn.role.as_str());
            let place = || format!("{source}, step {step}, {role}");
            self.text(&mut turn.content, &place, leaks);
            for text in [&mut turn.reasoning, &mut turn.call_id, &mut turn.name].into_iter().flatten() {
                self.text(text, &place, leaks);
            }
            for call in &mut turn.calls {
                let place = || format!("{source}, step {step}, arguments of '{}'", call.name);
                self.object(&mut call.arguments, &place, leaks);
                if let Some(raw) = &mut call.raw {
                    self.text(raw, &place, &mut Vec::new());
                }
                let place = || format!("{source}, step {step}, a call");
                self.text(&mut call.name, &place, leaks);
                self.text(&mut call.id, &place, leaks);
                // What was written must still mean the same.
                let same =
                    |raw: &String| Arguments::text(raw.clone()).parsed.as_ref() == Some(&call.arguments);
                if !call.raw.as_ref().is_some_and(same) {
                    call.raw = None;
                }
            }
        }
    }
}

/// Longest value that is looked at together with its name.
const PAIR: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn key() -> String {
        format!("sk-{}", "a1B2c3D4".repeat(4))
    }

    #[test]
    fn all_strings_are_looked_at_and_none_is_shown() {
        let mut value = json!({"a": [{"b": key()}], key(): 1, "n": 2, "api_key": "hunter2hunter2"});
        let mut leaks = Vec::new();
        Guard::default().value(&mut value, &|| "here".to_owned(), &mut leaks);
        assert!(leaks.len() >= 2, "{leaks:?}");
        let text = format!("{value} {leaks:?}");
        assert!(!text.contains(&key()), "{text}");
    }

    #[test]
    fn what_is_allowed_stays() {
        let mut text = format!("use {} here", key());
        let mut leaks = Vec::new();
        Guard::default().text(&mut text.clone(), &String::new, &mut leaks);
        for allowed in [key(), leaks[0].label.clone()] {
            let guard = Guard::new(BTreeSet::from([allowed]));
            let mut found = Vec::new();
            guard.text(&mut text, &String::new, &mut found);
            assert_eq!((found.len(), text.contains(&key())), (0, true));
        }
    }
}
