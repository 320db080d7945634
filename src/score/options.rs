//! Typed reading of a scorer's options, all errors at once.

use super::OptionError;
use crate::model::Object;
use crate::suite::{did_you_mean, parse_duration};
use regex::{Regex, RegexBuilder};
use serde_json::Value;
use std::collections::BTreeMap;

/// Bytes that a compiled pattern may take.
const REGEX_BYTES: usize = 1 << 20;

/// The options of one scorer, read key by key.
pub(super) struct Options<'a> {
    object: &'a Object,
    /// How errors name the table: empty for the scorer itself.
    what: String,
    known: Vec<&'static str>,
    pub(super) errors: Vec<OptionError>,
}

impl<'a> Options<'a> {
    pub(super) fn new(object: &'a Object, what: impl Into<String>) -> Self {
        Self { object, what: what.into(), known: Vec::new(), errors: Vec::new() }
    }

    pub(super) fn error(&mut self, message: impl Into<String>, hint: Option<String>) {
        let mut message = message.into();
        if !self.what.is_empty() {
            message = format!("{message} in {}", self.what);
        }
        self.errors.push(OptionError { message, hint });
    }

    fn get(&mut self, key: &'static str) -> Option<&'a Value> {
        self.known.push(key);
        self.object.get(key)
    }

    fn wrong<T>(&mut self, key: &str, want: &str) -> Option<T> {
        self.error(format!("'{key}' must be {want}"), None);
        None
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.object.contains_key(key)
    }

    /// A string. The row of a data set may give a number where text is wanted.
    pub(super) fn string(&mut self, key: &'static str) -> Option<String> {
        let value = self.get(key)?;
        text_of(value).or_else(|| self.wrong(key, "a string"))
    }

    /// Any value.
    pub(super) fn any(&mut self, key: &'static str) -> Option<&'a Value> {
        self.get(key)
    }

    /// A number, or a string that is one: the cells of a CSV are text.
    pub(super) fn number(&mut self, key: &'static str) -> Option<f64> {
        let number = match self.get(key)? {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => super::number::whole(text),
            _ => None,
        };
        number.or_else(|| self.wrong(key, "a number"))
    }

    /// A string that must be there.
    pub(super) fn required(&mut self, key: &'static str, hint: &str) -> String {
        if !self.has(key) {
            self.known.push(key);
            self.error(format!("'{key}' is missing"), Some(hint.to_owned()));
            return String::new();
        }
        self.string(key).unwrap_or_default()
    }

    /// A string or a list of strings.
    pub(super) fn strings(&mut self, key: &'static str) -> Option<Vec<String>> {
        match self.get(key)? {
            Value::Array(items) => {
                let texts: Option<Vec<String>> = items.iter().map(text_of).collect();
                texts.or_else(|| self.wrong(key, "a string or a list of strings"))
            }
            one => match text_of(one) {
                Some(text) => Some(vec![text]),
                None => self.wrong(key, "a string or a list of strings"),
            },
        }
    }

    pub(super) fn flag(&mut self, key: &'static str) -> Option<bool> {
        match self.get(key)? {
            Value::Bool(flag) => Some(*flag),
            _ => self.wrong(key, "true or false"),
        }
    }

    pub(super) fn whole(&mut self, key: &'static str) -> Option<u64> {
        let value = self.get(key)?;
        value.as_u64().or_else(|| self.wrong(key, "a whole number"))
    }

    /// A duration in milliseconds.
    pub(super) fn millis(&mut self, key: &'static str, default: u64) -> u64 {
        let Some(value) = self.get(key) else { return default };
        match value.as_str().and_then(parse_duration) {
            Some(duration) => duration.as_millis() as u64,
            None => self.wrong(key, "a duration like \"30s\"").unwrap_or(default),
        }
    }

    pub(super) fn table(&mut self, key: &'static str) -> Option<&'a Object> {
        match self.get(key)? {
            Value::Object(object) => Some(object),
            _ => self.wrong(key, "a table"),
        }
    }

    pub(super) fn tables(&mut self, key: &'static str) -> Vec<&'a Object> {
        let Some(value) = self.get(key) else { return Vec::new() };
        let tables: Option<Vec<&Object>> =
            value.as_array().and_then(|items| items.iter().map(Value::as_object).collect());
        tables.or_else(|| self.wrong(key, "a list of tables")).unwrap_or_default()
    }

    /// A table of strings.
    pub(super) fn env(&mut self, key: &'static str) -> BTreeMap<String, String> {
        let mut out = BTreeMap::new();
        for (name, value) in self.table(key).into_iter().flatten() {
            match value {
                Value::String(text) => {
                    out.insert(name.clone(), text.clone());
                }
                _ => self.error(format!("'{key}.{name}' must be a string"), None),
            }
        }
        out
    }

    /// A pattern of linear run time.
    pub(super) fn regex(&mut self, key: &'static str) -> Option<Regex> {
        let pattern = self.string(key)?;
        self.pattern(key, &pattern)
    }

    /// A pattern that stands at `key`, however deep.
    pub(super) fn pattern(&mut self, key: &str, pattern: &str) -> Option<Regex> {
        match RegexBuilder::new(pattern).size_limit(REGEX_BYTES).build() {
            Ok(regex) => Some(regex),
            Err(regex::Error::CompiledTooBig(_)) => {
                self.error(format!("'{key}' is too large a pattern"), None);
                None
            }
            Err(error) => {
                let text = error.to_string();
                let why = text.lines().last().unwrap_or("").trim_start_matches("error: ");
                let hint = "patterns are those of the Rust crate regex: no look-around, no back-references";
                self.error(format!("'{key}' is not a pattern: {why}"), Some(hint.to_owned()));
                None
            }
        }
    }

    /// One of a few words.
    pub(super) fn word(&mut self, key: &'static str, words: &[&'static str]) -> Option<&'static str> {
        let text = self.string(key)?;
        let found = words.iter().copied().find(|word| *word == text);
        if found.is_none() {
            self.error(format!("'{key}' can't be \"{text}\""), Some(did_you_mean(&text, words)));
        }
        found
    }

    /// Says unknown keys and ends.
    pub(super) fn finish(mut self) -> Vec<OptionError> {
        for key in self.object.keys() {
            if !self.known.contains(&key.as_str()) {
                let hint = Some(did_you_mean(key, &self.known));
                self.error(format!("unknown key '{key}'"), hint);
            }
        }
        self.errors
    }
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}
