//! JSON Schemas (2020-12) of the files that we read and write: one file a schema, for editors and other programs.
//!
//! Invariant: what the parser accepts, the schema has; tests hold the two together. Words come from the tables
//! that the parser reads. Must not know: how anything is parsed.

mod dataset;
mod parts;
mod scorers;
mod services;
mod settings;

use serde_json::{Map, Value, json};

/// A schema.
pub struct Schema {
    /// Name as in `rolltape schema NAME`.
    pub name: &'static str,
    /// One line for help: which files it is about.
    pub about: &'static str,
    /// Makes what stands beside `$schema` and `title`.
    pub body: fn() -> Map<String, Value>,
}

registry! {
    /// All schemas, in the order of help.
    Schema: suite, task, config, record, finding, manifest, cassette, trajectory, loss_report
}

/// The schema of that name.
pub fn find(name: &str) -> Option<&'static Schema> {
    ALL.iter().copied().find(|schema| schema.name == name)
}

impl Schema {
    /// The whole schema.
    pub fn value(&self) -> Value {
        let mut out = Map::new();
        out.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
        out.insert("title".to_owned(), json!(format!("rolltape {}", self.name)));
        out.insert("description".to_owned(), json!(self.about));
        out.extend((self.body)());
        Value::Object(out)
    }
}
