//! `[[dataset]]`: one task a row of a JSONL, JSON, CSV or TSV file of the suite, from a template.
//!
//! Invariant: what a row makes is an ordinary task, whose digest covers all that the row gave to it; what is
//! wrong with rows is said at their lines, the first few of each kind and how many more there are.

mod csv;
mod fill;
mod rows;
mod template;

use super::parse::{Found, TASK_KEYS, is_id, text_of};
use super::reader::{Reader, Table, did_you_mean};
use super::settings::Settings;
use super::{FileSpec, ServiceSpec, SuiteError, Task, digest};
use crate::util::digest::sha256_parts;
use fill::{Filler, Told};
use rayon::prelude::*;
pub(crate) use rows::ENDINGS;
use rows::Row;
use std::collections::BTreeMap;

/// Rows of one data set that may become tasks.
const MAX_ROWS: usize = 200_000;
/// Errors about the rows of one data set that are told one by one.
const TOLD: usize = 20;

/// Rows that one core makes tasks of before another is asked to help.
const PIECE: usize = 64;

const OWN_KEYS: &[&str] = &["name", "file", "limit", "sample", "seed"];

/// What data sets are read with.
pub(super) struct Context<'a> {
    pub(super) shown: &'a dyn Fn(&str) -> String,
    pub(super) files: &'a BTreeMap<String, FileSpec>,
    pub(super) base: &'a Settings,
    pub(super) services: &'a [ServiceSpec],
}

/// The tasks of all data sets of a suite.
pub(super) fn read_all(reader: &mut Reader<'_>, suite: &Table<'_, '_>, context: &Context<'_>) -> Vec<Found> {
    let mut tasks = Vec::new();
    for table in reader.tables(suite, "dataset", "a data set") {
        tasks.extend(read(reader, table, context));
    }
    tasks
}

fn read(reader: &mut Reader<'_>, mut table: Table<'_, '_>, context: &Context<'_>) -> Vec<Found> {
    let before = reader.errors.len();
    reader.require(&table, "file", "add file = \"rows.jsonl\"; it lies in the suite's folder");
    let given = reader.string(&table, "file").unwrap_or_default();
    let file = given.strip_prefix("./").unwrap_or(&given).to_owned();
    if !file.is_empty() {
        table.what = format!("the data set of '{file}'");
    }
    let keys: Vec<&str> = OWN_KEYS.iter().chain(TASK_KEYS).copied().collect();
    reader.known(&table, &keys);
    let name = name(reader, &table, &file);
    let choice = Choice {
        limit: reader.whole(&table, "limit", 1),
        sample: reader.whole(&table, "sample", 1),
        seed: reader.whole(&table, "seed", 0),
    };
    if choice.seed.is_some() && choice.sample.is_none() {
        let message = format!("{} has a 'seed' but no 'sample' that it would choose", table.what);
        reader.error(table.place_of("seed"), message);
    }
    let bytes = content(reader, &table, &file, context);
    let filler = Filler::read(reader, &table, context.base, context.services);
    let (Some(bytes), Some(filler)) = (bytes, filler) else { return Vec::new() };
    if reader.errors.len() > before {
        return Vec::new();
    }
    let mut set = Set { name, shown: (context.shown)(&file), slips: Vec::new(), tasks: Vec::new() };
    let text = text_of(&set.shown, bytes, &mut reader.errors);
    if reader.errors.len() > before {
        return Vec::new();
    }
    let rows = set.rows(&file, &text, &choice);
    if set.slips.is_empty() && filler.absent_in_all(reader, &table, &file, &rows) {
        return Vec::new();
    }
    let made: Vec<(Task, Vec<Told>)> =
        rows.par_iter().with_min_len(PIECE).map(|row| made(row, &filler, &set.name)).collect();
    for (row, (task, slips)) in rows.iter().zip(made) {
        set.row(row, task, slips, filler.names_tasks());
    }
    reader.errors.extend(few(set.slips));
    set.tasks
}

/// What the file's content is, if it is there.
fn content<'f>(
    reader: &mut Reader<'_>,
    table: &Table<'_, '_>,
    file: &str,
    context: &Context<'f>,
) -> Option<&'f [u8]> {
    if file.is_empty() {
        return None;
    }
    if !rows::ENDINGS.iter().any(|ending| file.ends_with(ending)) {
        let message = format!("the file of a data set can't be '{file}'");
        let hint = format!("its name ends with {}", rows::ENDINGS.join(", "));
        reader.error_hint(table.place_of("file"), message, hint);
        return None;
    }
    if let Some(spec) = context.files.get(file) {
        return Some(&spec.bytes);
    }
    let message = if file.split('/').any(|part| matches!(part, "" | "." | "..")) {
        format!("'{file}' is not a path inside the suite's folder")
    } else {
        format!("the suite has no file '{file}'")
    };
    let all = context.files.keys().map(String::as_str);
    let all: Vec<&str> = all.filter(|path| rows::ENDINGS.iter().any(|end| path.ends_with(end))).collect();
    let hint = match all.as_slice() {
        [] => "put the file into the suite's folder".to_owned(),
        all => did_you_mean(file, &all[..all.len().min(8)]),
    };
    reader.error_hint(table.place_of("file"), message, hint);
    None
}

/// What numbered tasks are named after: `name`, else the file's.
fn name(reader: &mut Reader<'_>, table: &Table<'_, '_>, file: &str) -> String {
    let last = file.rsplit('/').next().unwrap_or(file);
    let stem = last.split('.').next().unwrap_or(last).to_owned();
    let name = reader.string(table, "name");
    let key = if name.is_some() { "name" } else { "file" };
    let name = name.unwrap_or(stem);
    if !is_id(&name) && table.item(key).is_some_and(|item| item.get_ref().is_str()) {
        let message = format!(
            "'{name}' can't name tasks: it must be letters, digits, '-', '_' and '.', not first a dot"
        );
        reader.error_hint(
            table.place_of(key),
            message,
            "set name = \"…\"; tasks are then NAME-0001 and so on",
        );
    }
    name
}

/// Which rows are taken.
struct Choice {
    limit: Option<u64>,
    sample: Option<u64>,
    seed: Option<u64>,
}

/// A data set on its way to tasks.
struct Set {
    name: String,
    shown: String,
    slips: Vec<SuiteError>,
    tasks: Vec<Found>,
}

impl Set {
    fn slip(&mut self, line: u64, message: String, hint: Option<String>) {
        self.slips.push(SuiteError { file: self.shown.clone(), line, column: 1, message, hint });
    }

    /// The rows that are taken, in the order of the file.
    fn rows(&mut self, file: &str, text: &str, choice: &Choice) -> Vec<Row> {
        let most = choice.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let cap = if choice.sample.is_some() { usize::MAX } else { MAX_ROWS + 1 };
        let (mut rows, slips) = rows::read(file, text, most.min(cap));
        for slip in slips {
            self.slip(slip.line, slip.message, None);
        }
        if let Some(sample) = choice.sample {
            rows = sampled(rows, sample, choice.seed.unwrap_or(0));
        }
        if rows.len() > MAX_ROWS {
            let message = format!("the data set has more than {MAX_ROWS} rows");
            let hint = "take the first of them with limit = N, or some of them with sample = N";
            self.slip(0, message, Some(hint.to_owned()));
            return Vec::new();
        }
        if rows.is_empty() && self.slips.is_empty() {
            self.slip(0, "the data set has no rows".to_owned(), None);
        }
        rows
    }

    fn row(&mut self, row: &Row, task: Task, slips: Vec<Told>, named: bool) {
        let before = self.slips.len();
        for (message, hint) in slips {
            self.slip(row.line, message, hint);
        }
        if named && self.slips.len() == before && !is_id(&task.id) {
            let message = format!(
                "the id '{}' of this row must be letters, digits, '-', '_' and '.', not first a dot",
                task.id
            );
            let hint = format!("without `id` the rows are numbered: {}-0001", self.name);
            self.slip(row.line, message, Some(hint));
        }
        // A good row beside bad ones is still looked at: its id may stand there twice.
        if self.slips.len() == before {
            self.tasks.push(Found { task, file: self.shown.clone(), line: row.line, column: 1 });
        }
    }
}

/// The task of a row with its id and digest, and what is wrong with it.
fn made(row: &Row, filler: &Filler, name: &str) -> (Task, Vec<Told>) {
    let (mut task, slips) = filler.task(row);
    if !filler.names_tasks() {
        task.id = format!("{name}-{:04}", row.number);
    }
    if slips.is_empty() {
        task.digest = digest::of_task(&task);
    }
    (task, slips)
}

/// At most some twenty of many errors of one file; the last of them says how many more there are.
pub(crate) fn few(mut errors: Vec<SuiteError>) -> Vec<SuiteError> {
    if errors.len() > TOLD + 1 {
        errors.sort_by_key(|error| error.line);
        let more = errors.len() - TOLD;
        let next = errors.swap_remove(TOLD);
        errors.truncate(TOLD);
        errors.push(SuiteError {
            message: format!("{more} more errors like these follow"),
            hint: None,
            ..next
        });
    }
    errors
}

/// Some of the rows, chosen by the seed and their numbers alone, in the order of the file.
fn sampled(mut rows: Vec<Row>, sample: u64, seed: u64) -> Vec<Row> {
    let sample = usize::try_from(sample).unwrap_or(usize::MAX);
    if sample >= rows.len() {
        return rows;
    }
    rows.sort_by_cached_key(|row| {
        sha256_parts([seed.to_string().as_bytes(), row.number.to_string().as_bytes()])
    });
    rows.truncate(sample);
    rows.sort_by_key(|row| row.number);
    rows
}
