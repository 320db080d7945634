//! `{{column}}` in the strings of a data set.
//!
//! A placeholder names a column, or goes down into it: `{{answer.parts.0}}`. A string that is one placeholder and
//! nothing else becomes the row's own value, of whatever type; else values are set in as text. `{{{{` stands for
//! two braces that mean nothing.

use crate::model::Object;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeSet;

#[derive(Debug, Clone, PartialEq)]
enum Part {
    Text(String),
    Column(String),
}

/// A string of the suite file, divided.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Template(Vec<Part>);

/// What a row could not give, so far.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Misses {
    /// Columns that the row has not.
    pub(super) absent: BTreeSet<String>,
    /// Columns that are null where text is wanted.
    pub(super) null: BTreeSet<String>,
}

impl Misses {
    pub(super) fn is_empty(&self) -> bool {
        self.absent.is_empty() && self.null.is_empty()
    }
}

impl Template {
    /// Divides a string. The error is one lower-case sentence.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut parts: Vec<Part> = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find("{{") {
            plain.push_str(&rest[..at]);
            rest = &rest[at..];
            if let Some(after) = rest.strip_prefix("{{{{") {
                plain.push_str("{{");
                rest = after;
            } else if rest.starts_with("{{{") {
                // A brace of the text before a placeholder, as in `{"n": {{{n}}}}`.
                plain.push('{');
                rest = &rest[1..];
            } else {
                let Some(end) = rest.find("}}") else {
                    return Err(format!("'{}' opens a placeholder and does not close it", head(rest)));
                };
                let name = rest[2..end].trim();
                if name.is_empty() || name.contains(['{', '}', '\n']) {
                    return Err(format!("'{}' is no name of a column", head(&rest[..end + 2])));
                }
                if !plain.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut plain)));
                }
                parts.push(Part::Column(name.to_owned()));
                rest = &rest[end + 2..];
            }
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Self(parts))
    }

    /// The columns that it names.
    pub(super) fn columns(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Column(name) => Some(name.as_str()),
            Part::Text(_) => None,
        })
    }

    /// The text for a row.
    pub(super) fn text(&self, row: &Object, misses: &mut Misses) -> String {
        let mut out = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Column(name) => match find(row, name) {
                    None => {
                        misses.absent.insert(name.clone());
                    }
                    Some(Value::Null) => {
                        misses.null.insert(name.clone());
                    }
                    Some(value) => out.push_str(&shown(value)),
                },
            }
        }
        out
    }

    /// The value for a row: its own if the template is one placeholder, else text.
    pub(super) fn value(&self, row: &Object, misses: &mut Misses) -> Value {
        let [Part::Column(name)] = self.0.as_slice() else { return self.text(row, misses).into() };
        let found = find(row, name).cloned();
        if found.is_none() {
            misses.absent.insert(name.clone());
        }
        found.unwrap_or_default()
    }
}

/// JSON with templates in the place of its strings.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    Fixed(Value),
    Template(Template),
    List(Vec<Node>),
    Table(Vec<(String, Node)>),
}

impl Node {
    /// Divides all strings in it.
    pub(super) fn parse(value: &Value) -> Result<Self, String> {
        Ok(match value {
            Value::String(text) if text.contains("{{") => Self::Template(Template::parse(text)?),
            Value::Array(items) => {
                let nodes: Vec<Self> = items.iter().map(Self::parse).collect::<Result<_, _>>()?;
                if nodes.iter().all(Self::is_fixed) { Self::Fixed(value.clone()) } else { Self::List(nodes) }
            }
            Value::Object(object) => {
                let each = |(key, value): (&String, &Value)| Ok((key.clone(), Self::parse(value)?));
                let nodes: Vec<(String, Self)> = object.iter().map(each).collect::<Result<_, String>>()?;
                if nodes.iter().all(|(_, node)| node.is_fixed()) {
                    Self::Fixed(value.clone())
                } else {
                    Self::Table(nodes)
                }
            }
            _ => Self::Fixed(value.clone()),
        })
    }

    pub(super) fn is_fixed(&self) -> bool {
        matches!(self, Self::Fixed(_))
    }

    /// All columns that are named in it.
    pub(super) fn columns<'a>(&'a self, out: &mut Vec<&'a str>) {
        match self {
            Self::Fixed(_) => {}
            Self::Template(template) => out.extend(template.columns()),
            Self::List(nodes) => nodes.iter().for_each(|node| node.columns(out)),
            Self::Table(nodes) => nodes.iter().for_each(|(_, node)| node.columns(out)),
        }
    }

    /// The value for a row.
    pub(super) fn value(&self, row: &Object, misses: &mut Misses) -> Value {
        match self {
            Self::Fixed(value) => value.clone(),
            Self::Template(template) => template.value(row, misses),
            Self::List(nodes) => nodes.iter().map(|node| node.value(row, misses)).collect(),
            Self::Table(nodes) => Value::Object(
                nodes.iter().map(|(key, node)| (key.clone(), node.value(row, misses))).collect(),
            ),
        }
    }
}

/// The column of that name, or what lies at that path of names and numbers.
pub(super) fn find<'r>(row: &'r Object, path: &str) -> Option<&'r Value> {
    if let Some(value) = row.get(path) {
        return Some(value);
    }
    let (first, rest) = path.split_once('.')?;
    rest.split('.').try_fold(row.get(first)?, |value, key| match value {
        Value::Object(object) => object.get(key),
        Value::Array(items) => items.get(key.parse::<usize>().ok()?),
        _ => None,
    })
}

fn shown(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(text) => Cow::Borrowed(text),
        other => Cow::Owned(other.to_string()),
    }
}

/// The start of a text, for a sentence.
fn head(text: &str) -> String {
    let line = text.lines().next().unwrap_or("");
    line.chars().take(30).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn row() -> Object {
        json!({"n": 5, "q": "why?", "a.b": "dot", "deep": {"list": [1, {"x": true}]}, "nil": null})
            .as_object()
            .cloned()
            .expect("an object")
    }

    fn filled(text: &str) -> (Value, Misses) {
        let mut misses = Misses::default();
        let value = Template::parse(text).expect("a template").value(&row(), &mut misses);
        (value, misses)
    }

    #[test]
    fn one_placeholder_keeps_its_type_and_others_are_text() {
        for (text, want) in [
            ("{{n}}", json!(5)),
            ("{{ deep }}", json!({"list": [1, {"x": true}]})),
            ("{{deep.list.1.x}}", json!(true)),
            ("{{nil}}", json!(null)),
            ("{{a.b}}", json!("dot")),
            ("{{n}} {{q}}", json!("5 why?")),
            ("x{{deep}}", json!("x{\"list\":[1,{\"x\":true}]}")),
            ("{{{{n}}", json!("{{n}}")),
            ("{\"n\": {{{n}}}}", json!("{\"n\": {5}}")),
            ("plain } }} text", json!("plain } }} text")),
        ] {
            let (value, misses) = filled(text);
            assert_eq!(value, want, "{text}");
            assert!(misses.is_empty(), "{text}");
        }
    }

    #[test]
    fn what_a_row_lacks_is_told_and_null_is_no_text() {
        let (_, misses) = filled("{{x}} {{deep.list.7}} {{nil}}");
        assert_eq!(misses.absent.iter().map(String::as_str).collect::<Vec<_>>(), ["deep.list.7", "x"]);
        assert_eq!(misses.null.iter().map(String::as_str).collect::<Vec<_>>(), ["nil"]);
        for bad in ["{{n", "{{}}", "{{ }}", "a {{b\nc}}"] {
            assert!(Template::parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        /// Any text can be written: doubled pairs of braces are the same text again.
        #[test]
        fn any_text_can_be_escaped(text in "[{}a ]{0,12}") {
            let written = text.replace("{{", "{{{{");
            let mut misses = Misses::default();
            let read = Template::parse(&written).expect("a template").value(&row(), &mut misses);
            prop_assert_eq!(read, Value::from(text));
        }
    }
}
