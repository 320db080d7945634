//! `suite.toml` and its inline tasks.

use super::dataset::few;
use super::reader::{Reader, Table};
use super::settings::{self, Settings};
use super::{FileSpec, Script, ServiceSpec, Suite, SuiteError, Task};
use super::{dataset, digest, folder};
use std::collections::BTreeMap;
use toml::de::DeTable;

/// The schema that this version reads.
const SCHEMA: u64 = 1;

const SUITE_KEYS: &[&str] = &["schema", "name", "description", "defaults", "service", "task", "dataset"];
/// Keys of a task.
pub(super) const TASK_KEYS: &[&str] = &[
    "id", "prompt", "policy", "limits", "sandbox", "reward", "services", "service", "needs", "mounts",
    "files", "tests", "solution", "cheats", "score", "example",
];

/// Reads a suite from its files: path relative to the suite's folder → content and mode.
///
/// `suite.toml` must be there. Tasks are its `[[task]]` tables in their order, then the rows of its `[[dataset]]`
/// tables, then every folder
/// with a `task.toml` directly under `tasks/` or directly in the suite, sorted by path. `root` only
/// names things. All errors are given at once, sorted by file and line.
pub fn parse(root: &str, files: &BTreeMap<String, FileSpec>) -> Result<Suite, Vec<SuiteError>> {
    let (suite, mut errors) = read(root, files);
    match suite {
        Some(suite) if errors.is_empty() => Ok(suite),
        _ => {
            sort_errors(&mut errors);
            Err(errors)
        }
    }
}

/// [`parse`] that also gives what could be read beside the errors, so that a caller who knows more (the kinds
/// of scorers) can add its own to them.
pub fn read(root: &str, files: &BTreeMap<String, FileSpec>) -> (Option<Suite>, Vec<SuiteError>) {
    let shown = |path: &str| if root.is_empty() { path.to_owned() } else { join(root, path) };
    let mut errors = Vec::new();
    let Some(file) = files.get("suite.toml") else {
        let error = SuiteError {
            file: if root.is_empty() { ".".to_owned() } else { root.to_owned() },
            line: 0,
            column: 0,
            message: "there is no suite.toml in this folder".to_owned(),
            hint: Some("a suite is a folder with a suite.toml; name that folder".to_owned()),
        };
        return (None, vec![error]);
    };
    let text = text_of(&shown("suite.toml"), &file.bytes, &mut errors);
    let mut reader = Reader::new(shown("suite.toml"), &text);
    let document = document(&mut reader, &text);
    if !(reader.errors.is_empty() && errors.is_empty()) {
        // What was not understood would only show up again as missing and unknown keys.
        errors.append(&mut reader.errors);
        return (None, errors);
    }
    let table = Table::new(&document, 0..0, "the suite");
    if !schema_is_known(&mut reader, &table) {
        return (None, reader.errors);
    }
    reader.known(&table, SUITE_KEYS);
    let mut base = Settings::default();
    let (mut agent, mut backend) = (None, None);
    if let Some(defaults) = reader.table(&table, "defaults", "'defaults'") {
        reader.known(&defaults, &["agent", "backend", "policy", "limits", "sandbox", "reward", "example"]);
        agent = reader.string(&defaults, "agent");
        backend = reader.string(&defaults, "backend");
        base = base.overlaid(&mut reader, &defaults);
    }
    let name = suite_name(&mut reader, &table);
    let services = settings::read_services(&mut reader, &table);
    let mut tasks = inline_tasks(&mut reader, &table, &base, &services);
    let context = dataset::Context { shown: &shown, files, base: &base, services: &services };
    tasks.extend(dataset::read_all(&mut reader, &table, &context));
    errors.append(&mut reader.errors);
    tasks.extend(folder::read_all(&shown, files, &base, &services, &mut errors));
    duplicates(&tasks, &mut errors);
    if tasks.is_empty() && errors.is_empty() {
        errors.push(SuiteError {
            file: shown("suite.toml"),
            line: 0,
            column: 0,
            message: "the suite has no tasks".to_owned(),
            hint: Some(
                "add a [[task]] or [[dataset]] table, or a folder tasks/ID with a task.toml".to_owned(),
            ),
        });
    }
    let tasks = tasks.into_iter().map(|found| found.task).collect();
    let suite = Suite {
        name,
        root: root.to_owned(),
        digest: digest::of_files(files),
        default_agent: agent,
        default_backend: backend,
        tasks,
    };
    (Some(suite), errors)
}

/// Errors in the order of files, lines and columns.
pub fn sort_errors(errors: &mut [SuiteError]) {
    errors.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
}

/// A task and where its id stands.
pub(super) struct Found {
    pub(super) task: Task,
    pub(super) file: String,
    pub(super) line: u64,
    pub(super) column: u64,
}

/// `root/path` with one slash.
fn join(root: &str, path: &str) -> String {
    format!("{}/{path}", root.trim_end_matches('/'))
}

/// The text of a file; invalid UTF-8 is an error with its line, and replaced so that reading goes on.
pub(super) fn text_of(file: &str, bytes: &[u8], errors: &mut Vec<SuiteError>) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.trim_start_matches('\u{feff}').to_owned(),
        Err(error) => {
            let good = &bytes[..error.valid_up_to()];
            let line = good.iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
            let start = good.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            let column = String::from_utf8_lossy(&good[start..]).chars().count() as u64 + 1;
            let message = "the file is not valid UTF-8 here".to_owned();
            errors.push(SuiteError { file: file.to_owned(), line, column, message, hint: None });
            String::from_utf8_lossy(bytes).into_owned()
        }
    }
}

/// Parses TOML as far as it goes; its syntax errors go to the reader.
pub(super) fn document<'t>(reader: &mut Reader<'_>, text: &'t str) -> DeTable<'t> {
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let at = error.span().unwrap_or(0..0);
        let message = error.message().trim().replace('\n', ", ");
        reader.error(at, format!("this is not TOML: {message}"));
    }
    document.into_inner()
}

/// False when the file is of a newer schema, whose other keys can't be judged.
fn schema_is_known(reader: &mut Reader<'_>, table: &Table<'_, '_>) -> bool {
    reader.require(table, "schema", "add schema = 1 as the first line");
    let Some(schema) = reader.whole(table, "schema", 1) else { return true };
    if schema > SCHEMA {
        let message = format!("the suite is of schema {schema}, this rolltape reads up to {SCHEMA}");
        reader.error_hint(table.place_of("schema"), message, "a newer rolltape reads it");
        return false;
    }
    true
}

fn suite_name(reader: &mut Reader<'_>, table: &Table<'_, '_>) -> String {
    reader.require(table, "name", "add name = \"…\"; it is the first part of every attempt id");
    if let Some(item) = table.item("description")
        && !item.get_ref().is_str()
    {
        reader.string(table, "description");
    }
    let name = reader.string(table, "name").unwrap_or_default();
    if table.has("name") && !is_id(&name) && table.item("name").is_some_and(|item| item.get_ref().is_str()) {
        bad_id(reader, table, "name", "suite name", &name);
    }
    name
}

/// Whether a word can be a part of an attempt id: letters, digits, `-`, `_`, `.`, not first a dot.
pub(super) fn is_id(word: &str) -> bool {
    !word.is_empty()
        && !word.starts_with('.')
        && word.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

fn bad_id(reader: &mut Reader<'_>, table: &Table<'_, '_>, key: &str, what: &str, id: &str) {
    let message = format!("the {what} '{id}' must be letters, digits, '-', '_' and '.', not first a dot");
    reader.error_hint(table.place_of(key), message, "ids are parts of suite/task/subject/n");
}

fn inline_tasks(
    reader: &mut Reader<'_>,
    suite: &Table<'_, '_>,
    base: &Settings,
    services: &[ServiceSpec],
) -> Vec<Found> {
    let mut tasks = Vec::new();
    for mut table in reader.tables(suite, "task", "a task") {
        let id = reader.string(&table, "id").unwrap_or_default();
        if !id.is_empty() {
            table.what = format!("task '{id}'");
        }
        reader.require(&table, "id", "add id = \"…\"");
        if table.has("id") && !is_id(&id) && table.item("id").is_some_and(|item| item.get_ref().is_str()) {
            bad_id(reader, &table, "id", "task id", &id);
        }
        reader.known(&table, TASK_KEYS);
        let mut task = read_task(reader, &table, base, services);
        task.digest = digest::of_task(&task);
        let (line, column) = reader.place(table.place_of("id").start);
        tasks.push(Found { task, file: reader.file().to_owned(), line, column });
    }
    tasks
}

/// A task that stands in `suite.toml`; without a digest.
pub(super) fn read_task(
    reader: &mut Reader<'_>,
    table: &Table<'_, '_>,
    base: &Settings,
    services: &[ServiceSpec],
) -> Task {
    reader.require(table, "prompt", "add prompt = \"…\", or make it a folder with an instruction.md");
    let prompt = reader.string(table, "prompt").unwrap_or_default();
    if prompt.trim().is_empty() && table.item("prompt").is_some_and(|item| item.get_ref().is_str()) {
        let message = format!("the prompt of {} is empty", table.what);
        reader.error_hint(table.place_of("prompt"), message, "write what the agent is asked");
    }
    let settings = base.overlaid(reader, table);
    let mut task = Task {
        id: table.item("id").and_then(|item| item.get_ref().as_str()).unwrap_or_default().to_owned(),
        digest: String::new(),
        prompt,
        examples: settings.examples,
        policy: settings.policy,
        limits: settings.limits,
        sandbox: settings.sandbox,
        reward: settings.reward,
        services: settings::task_services(reader, table, services),
        needs: reader.strings(table, "needs").unwrap_or_default(),
        mounts: settings::read_mounts(reader, table),
        files: inline_files(reader, table, "files"),
        hidden: inline_files(reader, table, "tests"),
        solution: reader.string(table, "solution").map(|text| Script { text }),
        cheats: BTreeMap::new(),
        score: settings::read_scorers(reader, table),
    };
    let what = format!("'cheats' of {}", table.what);
    if let Some(inner) = reader.table(table, "cheats", what) {
        for (name, _, _) in inner.entries() {
            if let Some(text) = reader.string(&inner, name) {
                task.cheats.insert(name.to_owned(), Script { text });
            }
        }
    }
    task
}

/// A table of path = text; a text that starts with `#!` is executable.
fn inline_files(reader: &mut Reader<'_>, table: &Table<'_, '_>, key: &str) -> BTreeMap<String, FileSpec> {
    let mut files = BTreeMap::new();
    let what = format!("'{key}' of {}", table.what);
    let Some(inner) = reader.table(table, key, what) else { return files };
    for (path, at, _) in inner.entries() {
        if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
            let message = format!("'{path}' is not a relative path inside the workspace");
            reader.error(at, message);
        } else if let Some(text) = reader.string(&inner, path) {
            let executable = text.starts_with("#!");
            files.insert(path.to_owned(), FileSpec { bytes: text.into_bytes(), executable });
        }
    }
    files
}

fn duplicates(tasks: &[Found], errors: &mut Vec<SuiteError>) {
    let mut first: BTreeMap<&str, &Found> = BTreeMap::new();
    let mut twice: BTreeMap<&str, Vec<SuiteError>> = BTreeMap::new();
    for found in tasks.iter().filter(|found| !found.task.id.is_empty()) {
        let Some(other) = first.get(found.task.id.as_str()) else {
            first.insert(&found.task.id, found);
            continue;
        };
        let place = match other.line {
            0 => other.file.clone(),
            line => format!("{}:{line}", other.file),
        };
        let told: &mut Vec<SuiteError> = twice.entry(&found.file).or_default();
        told.push(SuiteError {
            file: found.file.clone(),
            line: found.line,
            column: found.column,
            message: format!("there are two tasks named '{}'", found.task.id),
            hint: Some(format!("the first is at {place}")),
        });
    }
    errors.extend(twice.into_values().flat_map(few));
}
