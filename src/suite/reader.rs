//! Typed reading of a TOML file with spans: every slip becomes a [`SuiteError`], none ends the reading.

use super::SuiteError;
use super::units;
use crate::model::Object;
use crate::util::suggest::nearest;
use serde_json::Value;
use std::borrow::Cow;
use std::ops::Range;
use std::time::Duration;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A file that is being read, and what is wrong with it so far.
pub(super) struct Reader<'a> {
    file: String,
    text: &'a str,
    /// All errors so far.
    pub(super) errors: Vec<SuiteError>,
}

/// A table of the file with its place and its name for people (`task 'hello'`).
#[derive(Clone)]
pub(super) struct Table<'a, 'i> {
    inner: &'a DeTable<'i>,
    pub(super) at: Range<usize>,
    pub(super) what: String,
}

type Item<'i> = Spanned<DeValue<'i>>;

impl<'a, 'i> Table<'a, 'i> {
    pub(super) fn new(inner: &'a DeTable<'i>, at: Range<usize>, what: impl Into<String>) -> Self {
        Self { inner, at, what: what.into() }
    }

    pub(super) fn item(&self, key: &str) -> Option<&'a Item<'i>> {
        self.inner.iter().find(|(name, _)| name.get_ref().as_ref() == key).map(|(_, item)| item)
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.item(key).is_some()
    }

    /// The place of a key's value, else of the table.
    pub(super) fn place_of(&self, key: &str) -> Range<usize> {
        self.item(key).map_or_else(|| self.at.clone(), Spanned::span)
    }

    /// Keys and values as they are.
    pub(super) fn raw(&self) -> impl Iterator<Item = (&'a Spanned<Cow<'i, str>>, &'a Item<'i>)> {
        self.inner.iter()
    }

    /// Keys and values in the order of the file.
    pub(super) fn entries(&self) -> Vec<(&'a str, Range<usize>, &'a Item<'i>)> {
        let mut all: Vec<_> =
            self.inner.iter().map(|(name, item)| (name.get_ref().as_ref(), name.span(), item)).collect();
        all.sort_by_key(|(_, at, _)| at.start);
        all
    }
}

impl<'a> Reader<'a> {
    pub(super) fn new(file: impl Into<String>, text: &'a str) -> Self {
        Self { file: file.into(), text, errors: Vec::new() }
    }

    /// The name under which errors are told.
    pub(super) fn file(&self) -> &str {
        &self.file
    }

    /// Line and column of a byte offset, both from 1, the column in characters.
    pub(super) fn place(&self, offset: usize) -> (u64, u64) {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        (line as u64, before[start..].chars().count() as u64 + 1)
    }

    pub(super) fn error(&mut self, at: Range<usize>, message: impl Into<String>) {
        self.push(at, message.into(), None);
    }

    pub(super) fn error_hint(
        &mut self,
        at: Range<usize>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.push(at, message.into(), Some(hint.into()));
    }

    fn push(&mut self, at: Range<usize>, message: String, hint: Option<String>) {
        let (line, column) = self.place(at.start);
        self.errors.push(SuiteError { file: self.file.clone(), line, column, message, hint });
    }

    /// A word that is not in a list.
    pub(super) fn unknown_word(&mut self, at: Range<usize>, message: String, word: &str, list: &[&str]) {
        self.error_hint(at, message, did_you_mean(word, list));
    }

    /// Says every key of the table that is not in the list.
    pub(super) fn known(&mut self, table: &Table<'_, '_>, keys: &[&str]) {
        for (key, at, _) in table.entries() {
            if !keys.contains(&key) {
                self.unknown_word(at, format!("{} has an unknown key '{key}'", table.what), key, keys);
            }
        }
    }

    /// Says that the key is missing; for use after a getter gave `None`.
    pub(super) fn require(&mut self, table: &Table<'_, '_>, key: &str, hint: &str) {
        if !table.has(key) {
            self.error_hint(table.at.clone(), format!("{} has no '{key}'", table.what), hint);
        }
    }

    fn wrong<T>(&mut self, table: &Table<'_, '_>, key: &str, item: &Item<'_>, want: &str) -> Option<T> {
        let found = item.get_ref().type_str();
        let message = format!("'{key}' of {} must be {want}, but it is {}", table.what, a(found));
        self.error(item.span(), message);
        None
    }

    pub(super) fn string(&mut self, table: &Table<'_, '_>, key: &str) -> Option<String> {
        let item = table.item(key)?;
        match item.get_ref() {
            DeValue::String(text) => Some(text.to_string()),
            _ => self.wrong(table, key, item, "a string"),
        }
    }

    pub(super) fn flag(&mut self, table: &Table<'_, '_>, key: &str) -> Option<bool> {
        let item = table.item(key)?;
        match item.get_ref() {
            DeValue::Boolean(flag) => Some(*flag),
            _ => self.wrong(table, key, item, "true or false"),
        }
    }

    pub(super) fn strings(&mut self, table: &Table<'_, '_>, key: &str) -> Option<Vec<String>> {
        let item = table.item(key)?;
        let DeValue::Array(items) = item.get_ref() else {
            return self.wrong(table, key, item, "a list of strings");
        };
        let mut out = Vec::new();
        for item in items {
            match item.get_ref() {
                DeValue::String(text) => out.push(text.to_string()),
                _ => return self.wrong(table, key, item, "a list of strings"),
            }
        }
        Some(out)
    }

    /// A whole number of at least `min`.
    pub(super) fn whole(&mut self, table: &Table<'_, '_>, key: &str, min: u64) -> Option<u64> {
        let item = table.item(key)?;
        let number = match item.get_ref() {
            DeValue::Integer(number) => u64::from_str_radix(number.as_str(), number.radix()).ok(),
            _ => None,
        };
        match number {
            Some(number) if number >= min => Some(number),
            _ => {
                let want = format!("a whole number of at least {min}");
                if let DeValue::Integer(number) = item.get_ref() {
                    let message =
                        format!("'{key}' of {} must be {want}, but it is {}", table.what, number.as_str());
                    self.error(item.span(), message);
                    return None;
                }
                self.wrong(table, key, item, &want)
            }
        }
    }

    /// A finite number above zero.
    pub(super) fn positive(&mut self, table: &Table<'_, '_>, key: &str) -> Option<f64> {
        let item = table.item(key)?;
        let number: Option<f64> = match item.get_ref() {
            DeValue::Integer(number) => {
                i64::from_str_radix(number.as_str(), number.radix()).ok().map(|number| number as f64)
            }
            DeValue::Float(number) => number.as_str().parse().ok(),
            _ => return self.wrong(table, key, item, "a number above 0"),
        };
        match number {
            Some(number) if number.is_finite() && number > 0.0 => Some(number),
            _ => {
                let message = format!("'{key}' of {} must be a number above 0", table.what);
                self.error(item.span(), message);
                None
            }
        }
    }

    pub(super) fn duration(&mut self, table: &Table<'_, '_>, key: &str) -> Option<Duration> {
        let item = table.item(key)?;
        let DeValue::String(text) = item.get_ref() else {
            return self.wrong(table, key, item, "a duration like \"10m\"");
        };
        let duration = units::duration(text);
        if duration.is_none() {
            let message = format!("'{key}' of {} is not a duration: \"{text}\"", table.what);
            self.error_hint(item.span(), message, "write a number and a unit: \"500ms\", \"30s\", \"1h30m\"");
        }
        duration
    }

    pub(super) fn size(&mut self, table: &Table<'_, '_>, key: &str) -> Option<u64> {
        let item = table.item(key)?;
        let DeValue::String(text) = item.get_ref() else {
            return self.wrong(table, key, item, "a size like \"1GiB\"");
        };
        let size = units::size(text);
        if size.is_none() {
            let message = format!("'{key}' of {} is not a size: \"{text}\"", table.what);
            self.error_hint(item.span(), message, "write a number and a unit: \"512MiB\", \"1GiB\", \"2GB\"");
        }
        size
    }

    pub(super) fn table<'t, 'i>(
        &mut self,
        table: &Table<'t, 'i>,
        key: &str,
        what: impl Into<String>,
    ) -> Option<Table<'t, 'i>> {
        let item = table.item(key)?;
        match item.get_ref() {
            DeValue::Table(inner) => Some(Table::new(inner, item.span(), what)),
            _ => self.wrong(table, key, item, "a table"),
        }
    }

    /// The tables of `[[key]]` or of a list of inline tables.
    pub(super) fn tables<'t, 'i>(
        &mut self,
        table: &Table<'t, 'i>,
        key: &str,
        what: &str,
    ) -> Vec<Table<'t, 'i>> {
        let Some(item) = table.item(key) else { return Vec::new() };
        let DeValue::Array(items) = item.get_ref() else {
            self.wrong::<()>(table, key, item, "a list of tables");
            return Vec::new();
        };
        let mut out = Vec::new();
        for item in items {
            match item.get_ref() {
                DeValue::Table(inner) => out.push(Table::new(inner, item.span(), what)),
                _ => {
                    self.wrong::<()>(table, key, item, "a list of tables");
                }
            }
        }
        out
    }

    /// All keys of a table but some, as JSON.
    pub(super) fn rest(&mut self, table: &Table<'_, '_>, except: &[&str]) -> Object {
        let mut out = Object::new();
        for (key, _, item) in table.entries() {
            if !except.contains(&key) {
                out.insert(key.to_owned(), self.json(item));
            }
        }
        out
    }

    /// A value as JSON.
    pub(super) fn json(&mut self, item: &Item<'_>) -> Value {
        match item.get_ref() {
            DeValue::String(text) => Value::String(text.to_string()),
            DeValue::Boolean(flag) => Value::Bool(*flag),
            DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
                Ok(number) => number.into(),
                Err(_) => {
                    self.error(item.span(), format!("the number {} is too large", number.as_str()));
                    Value::Null
                }
            },
            DeValue::Float(number) => match number.as_str().parse::<f64>() {
                Ok(number) if number.is_finite() => number.into(),
                _ => {
                    self.error(item.span(), format!("{} is not a finite number", number.as_str()));
                    Value::Null
                }
            },
            DeValue::Datetime(time) => Value::String(time.to_string()),
            DeValue::Array(items) => Value::Array(items.iter().map(|item| self.json(item)).collect()),
            DeValue::Table(inner) => Value::Object(self.rest(&Table::new(inner, item.span(), ""), &[])),
        }
    }
}

/// The hint for a word that is not in a list.
pub(crate) fn did_you_mean(word: &str, list: &[&str]) -> String {
    match nearest(word, list.iter().copied()) {
        Some(name) => format!("did you mean '{name}'?"),
        None => format!("it may be {}", list.join(", ")),
    }
}

fn a(noun: &str) -> String {
    let article = if noun.starts_with(['a', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {noun}")
}
