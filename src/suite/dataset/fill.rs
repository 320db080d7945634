//! A task of a data set with its placeholders, and what a row makes of it.
//!
//! Strings of id, prompt, files, scripts and scorers are divided once. Settings (limits, policy, sandbox, services,
//! needs, mounts) rarely differ from row to row; only if they hold placeholders are they read for each row anew.

use super::super::parse::{document, read_task};
use super::super::reader::{Reader, Table, did_you_mean};
use super::super::settings::{self, Settings};
use super::super::{FileSpec, Script, ServiceSpec, Task};
use super::rows::Row;
use super::template::{Misses, Node, Template, find};
use crate::model::Object;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use toml::de::DeTable;

/// Keys that are read for each row if they hold placeholders.
const SETTINGS: &[&str] =
    &["policy", "limits", "sandbox", "reward", "services", "service", "needs", "mounts"];

/// One lower-case sentence and what the user may do.
pub(super) type Told = (String, Option<String>);

/// A task with placeholders.
pub(super) struct Filler {
    /// As the template says, where it says the same for every row.
    task: Task,
    id: Option<Template>,
    prompt: Template,
    files: BTreeMap<String, Template>,
    hidden: BTreeMap<String, Template>,
    solution: Option<Template>,
    cheats: BTreeMap<String, Template>,
    score: Vec<Node>,
    /// Settings that differ from row to row, and what they are laid over.
    settings: Option<(Node, Settings, Vec<ServiceSpec>)>,
    /// Each column that is named, and the key in which it first is.
    named: Vec<(String, String)>,
}

impl Filler {
    /// Reads the template; `None` after an error.
    pub(super) fn read(
        reader: &mut Reader<'_>,
        table: &Table<'_, '_>,
        base: &Settings,
        services: &[ServiceSpec],
    ) -> Option<Self> {
        let before = reader.errors.len();
        let (own, variable) = divided(reader, table);
        let own = Table::new(&own, table.at.clone(), table.what.clone());
        let task = read_task(reader, &own, base, services);
        let mut parser = Parser { reader, table, named: Vec::new() };
        let id = table.has("id").then(|| parser.template("id", &task.id));
        let prompt = parser.template("prompt", &task.prompt);
        let files = parser.files("files", &task.files);
        let hidden = parser.files("tests", &task.hidden);
        let solution = task.solution.as_ref().map(|script| parser.template("solution", &script.text));
        let mut cheats = BTreeMap::new();
        for (name, script) in &task.cheats {
            cheats.insert(name.clone(), parser.template("cheats", &script.text));
        }
        let specs = task.score.iter();
        let score = specs.map(|spec| parser.node("score", &Value::Object(spec.options.clone()))).collect();
        let mut nodes = Vec::new();
        for (key, value) in &variable {
            nodes.push((key.clone(), parser.node(key, value)));
        }
        let settings = (!nodes.is_empty()).then(|| (Node::Table(nodes), base.clone(), services.to_vec()));
        let named = parser.named;
        let filler = Self { task, id, prompt, files, hidden, solution, cheats, score, settings, named };
        (reader.errors.len() == before).then_some(filler)
    }

    /// Whether the template says how tasks are named.
    pub(super) fn names_tasks(&self) -> bool {
        self.id.is_some()
    }

    /// Says columns that not one row has: that is a slip of the template, not of the rows.
    pub(super) fn absent_in_all(
        &self,
        reader: &mut Reader<'_>,
        table: &Table<'_, '_>,
        file: &str,
        rows: &[Row],
    ) -> bool {
        let Some(first) = rows.first() else { return false };
        let known: Vec<&str> = first.fields.keys().map(String::as_str).take(12).collect();
        let absent: Vec<&(String, String)> = self
            .named
            .iter()
            .filter(|(_, column)| rows.iter().all(|row| find(&row.fields, column).is_none()))
            .collect();
        for (key, column) in &absent {
            let message = format!("no row of '{file}' has the column '{column}'");
            reader.error_hint(table.place_of(key), message, did_you_mean(column, &known));
        }
        !absent.is_empty()
    }

    /// The task of a row, without a digest, and what is wrong with it.
    pub(super) fn task(&self, row: &Row) -> (Task, Vec<Told>) {
        let mut misses = Misses::default();
        let fields = &row.fields;
        let mut text = |template: &Template| template.text(fields, &mut misses);
        let mut task = self.task.clone();
        if let Some(id) = &self.id {
            task.id = text(id);
        }
        task.prompt = text(&self.prompt);
        let empty = task.prompt.trim().is_empty();
        let mut put = |files: &mut BTreeMap<String, FileSpec>, templates: &BTreeMap<String, Template>| {
            for (path, template) in templates {
                let bytes = text(template).into_bytes();
                let executable = bytes.starts_with(b"#!");
                files.insert(path.clone(), FileSpec { bytes, executable });
            }
        };
        put(&mut task.files, &self.files);
        put(&mut task.hidden, &self.hidden);
        task.solution = self.solution.as_ref().map(|template| Script { text: text(template) });
        for (name, template) in &self.cheats {
            task.cheats.insert(name.clone(), Script { text: text(template) });
        }
        for (spec, node) in task.score.iter_mut().zip(&self.score) {
            if !node.is_fixed()
                && let Value::Object(options) = node.value(fields, &mut misses)
            {
                spec.options = options;
            }
        }
        let mut told = Vec::new();
        if let Some((node, base, services)) = &self.settings {
            let value = node.value(fields, &mut misses);
            if misses.is_empty() {
                told = settings_of(value, base, services, &mut task);
            }
        }
        if empty && misses.is_empty() {
            told.push(("the prompt of this row is empty".to_owned(), None));
        }
        told.extend(missing(&misses, fields));
        (task, told)
    }
}

/// The template without the settings that hold placeholders, and those as JSON.
fn divided<'i>(reader: &mut Reader<'_>, table: &Table<'_, 'i>) -> (DeTable<'i>, Object) {
    let (mut own, mut variable) = (DeTable::new(), Object::new());
    for (name, item) in table.raw() {
        own.insert(name.clone(), item.clone());
    }
    let mut take = |key: &str| {
        let Some(item) = table.item(key) else { return false };
        let value = reader.json(item);
        let holds = value.to_string().contains("{{");
        if holds {
            own.remove(key);
            variable.insert(key.to_owned(), value);
        }
        holds
    };
    for key in SETTINGS.iter().filter(|key| !key.starts_with("service")) {
        take(key);
    }
    // Which services there are and what they are told belongs together.
    let any = take("services");
    if take("service") || any {
        for key in ["services", "service"] {
            if let Some(item) = table.item(key) {
                own.remove(key);
                variable.insert(key.to_owned(), reader.json(item));
            }
        }
    }
    (own, variable)
}

/// Divides strings, and tells what is wrong with them at their key.
struct Parser<'r, 'e, 't, 'i> {
    reader: &'r mut Reader<'e>,
    table: &'r Table<'t, 'i>,
    named: Vec<(String, String)>,
}

impl Parser<'_, '_, '_, '_> {
    fn template(&mut self, key: &str, text: &str) -> Template {
        let template = Template::parse(text).unwrap_or_else(|message| {
            self.error(key, message);
            Template::default()
        });
        self.name(key, template.columns());
        template
    }

    fn files(&mut self, key: &str, files: &BTreeMap<String, FileSpec>) -> BTreeMap<String, Template> {
        let text = |file: &FileSpec| String::from_utf8_lossy(&file.bytes).into_owned();
        files.iter().map(|(path, file)| (path.clone(), self.template(key, &text(file)))).collect()
    }

    fn node(&mut self, key: &str, value: &Value) -> Node {
        let node = Node::parse(value).unwrap_or_else(|message| {
            self.error(key, message);
            Node::Fixed(Value::Null)
        });
        let mut columns = Vec::new();
        node.columns(&mut columns);
        self.name(key, columns.into_iter());
        node
    }

    fn name<'a>(&mut self, key: &str, columns: impl Iterator<Item = &'a str>) {
        for column in columns {
            if !self.named.iter().any(|(_, other)| other == column) {
                self.named.push((key.to_owned(), column.to_owned()));
            }
        }
    }

    fn error(&mut self, key: &str, message: String) {
        self.reader.error_hint(self.table.place_of(key), message, "write {{{{ for two braces of the text");
    }
}

/// Reads settings with a row's values.
fn settings_of(mut value: Value, base: &Settings, services: &[ServiceSpec], task: &mut Task) -> Vec<Told> {
    for key in ["limits", "sandbox"] {
        if let Some(Value::Object(table)) = value.get_mut(key) {
            table.values_mut().for_each(number);
        }
    }
    let null = |(key, value): (&String, &Value)| holds_null(value).then(|| key.clone());
    if let Some(key) = value.as_object().and_then(|settings| settings.iter().find_map(null)) {
        return vec![(
            format!("the '{key}' of this row hold null"),
            Some("leave the row out, or give it a value".to_owned()),
        )];
    }
    let text = match settings_text(&value) {
        Ok(text) => text,
        Err(what) => return vec![(format!("the settings of this row can't be read: {what}"), None)],
    };
    let mut reader = Reader::new("", &text);
    let document = document(&mut reader, &text);
    let table = Table::new(&document, 0..0, "this row");
    let own = base.overlaid(&mut reader, &table);
    if table.has("services") || table.has("service") {
        task.services = settings::task_services(&mut reader, &table, services);
    }
    for key in SETTINGS {
        match *key {
            "policy" if table.has(key) => task.policy = own.policy.clone(),
            "limits" if table.has(key) => task.limits = own.limits.clone(),
            "sandbox" if table.has(key) => task.sandbox = own.sandbox.clone(),
            "reward" if table.has(key) => task.reward = own.reward,
            "needs" if table.has(key) => task.needs = reader.strings(&table, key).unwrap_or_default(),
            "mounts" if table.has(key) => task.mounts = settings::read_mounts(&mut reader, &table),
            _ => {}
        }
    }
    reader.errors.into_iter().map(|error| (error.message, error.hint)).collect()
}

/// The settings as TOML. Numbers are exact in JSON values, and no types of serde's own: each kind is said here.
fn settings_text(value: &Value) -> Result<String, String> {
    fn of(value: &Value) -> Result<toml::Value, String> {
        Ok(match value {
            Value::Null => return Err("null has no form in TOML".to_owned()),
            Value::Bool(flag) => toml::Value::Boolean(*flag),
            Value::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(whole), _) => toml::Value::Integer(whole),
                (None, Some(float)) => toml::Value::Float(float),
                (None, None) => return Err(format!("{number} is out of range")),
            },
            Value::String(text) => toml::Value::String(text.clone()),
            Value::Array(items) => toml::Value::Array(items.iter().map(of).collect::<Result<_, _>>()?),
            Value::Object(members) => {
                let pairs = members.iter().map(|(key, value)| Ok((key.clone(), of(value)?)));
                toml::Value::Table(pairs.collect::<Result<_, String>>()?)
            }
        })
    }
    toml::to_string(&of(value)?).map_err(|error| error.to_string())
}

fn holds_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.iter().any(holds_null),
        Value::Object(object) => object.values().any(holds_null),
        _ => false,
    }
}

/// A cell of a CSV is text, also where a number is meant.
fn number(value: &mut Value) {
    let Some(text) = value.as_str() else { return };
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if let Ok(found) = serde_json::from_str::<serde_json::Number>(text)
        && plain
    {
        *value = Value::Number(found);
    }
}

/// What the row could not give, as sentences.
fn missing(misses: &Misses, fields: &Object) -> Vec<Told> {
    let list = |names: &BTreeSet<String>| {
        let names: Vec<String> = names.iter().map(|name| format!("'{name}'")).collect();
        format!("{} {}", if names.len() == 1 { "column" } else { "columns" }, names.join(", "))
    };
    let mut told = Vec::new();
    if !misses.absent.is_empty() {
        let has: Vec<&str> = fields.keys().map(String::as_str).take(12).collect();
        let hint = if has.is_empty() {
            "it has none at all".to_owned()
        } else {
            format!("it has {}", has.join(", "))
        };
        told.push((format!("the row lacks the {}", list(&misses.absent)), Some(hint)));
    }
    if !misses.null.is_empty() {
        let message = format!("the {} of the row is null, which is no text", list(&misses.null));
        told.push((message, Some("leave the row out, or give it a text".to_owned())));
    }
    told
}
