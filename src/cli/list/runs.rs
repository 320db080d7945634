//! `rolltape list runs`: the runs of a folder, newest first.

use crate::cli::Context;
use crate::cli::report::columns;
use crate::model::AttemptRecord;
use crate::report::{self, Stats};
use crate::store::{self, Glance, State};
use crate::util::plural::plural;
use crate::util::text::{cut, printable};
use rayon::prelude::*;
use serde_json::{Value, json};
use std::path::Path;
use tabled::builder::Builder;
use tabled::settings::object::{Columns, Object as _, Rows};
use tabled::settings::style::HorizontalLine;
use tabled::settings::{Alignment, Style};

/// Columns that all but suites and subjects take, about.
const FIGURES: usize = 118;

/// The columns of the table, and from which width of the terminal on each is shown.
const COLUMNS: [(&str, usize); 9] = [
    ("run", 0),
    ("state", 0),
    ("started", 115),
    ("suites", 150),
    ("subjects", 95),
    ("ended", 0),
    ("success", 0),
    ("format", 0),
    ("cost", 115),
];
/// From which width on subjects are named; else they are counted.
const NAMED: usize = 150;

/// One row.
struct Row {
    id: String,
    glance: Glance,
    stats: Stats,
}

impl Row {
    fn new(dir: &Path) -> Self {
        let glance = store::glance(dir);
        let id = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let stats = glance.view.as_ref().map(|view| report::Stats::of(&view.records)).unwrap_or_default();
        Self { id, glance, stats }
    }

    fn started(&self) -> Option<&str> {
        self.glance.view.as_ref()?.manifest.timing.get("started")?.as_str()
    }

    /// By time; a run that tells none, by the time in its name.
    fn order(&self) -> String {
        let digits = |text: &str| text.chars().filter(char::is_ascii_digit).take(14).collect::<String>();
        self.started().map_or_else(|| digits(&self.id), digits)
    }

    fn suites(&self) -> Vec<&str> {
        self.glance
            .view
            .iter()
            .flat_map(|view| &view.manifest.suites)
            .map(|(name, _)| name.as_str())
            .collect()
    }

    fn subjects(&self) -> Vec<&str> {
        let subjects = self.glance.view.iter().flat_map(|view| &view.manifest.subjects);
        subjects.map(|subject| subject.id.as_str()).collect()
    }

    /// Attempts whose sandboxes were kept.
    fn kept(&self) -> impl Iterator<Item = &AttemptRecord> {
        self.glance.view.iter().flat_map(|view| &view.records).filter(|record| record.kept.is_some())
    }

    fn reason(&self) -> Option<&str> {
        match &self.glance.state {
            State::Damaged(reason) => Some(reason),
            _ => None,
        }
    }
}

/// The text of the list; empty if there is no run.
pub(super) fn list(dir: &Path, as_json: bool, context: &Context) -> String {
    let mut rows: Vec<Row> = store::run_folders(dir).par_iter().map(|dir| Row::new(dir)).collect();
    rows.sort_by(|a, b| (b.order(), &b.id).cmp(&(a.order(), &a.id)));
    if as_json {
        let values: Vec<Value> = rows.iter().map(value).collect();
        return serde_json::to_string_pretty(&values).unwrap_or_default() + "\n";
    }
    if rows.is_empty() { String::new() } else { table(&rows, columns(context)) }
}

fn value(row: &Row) -> Value {
    let view = row.glance.view.as_ref();
    let stats = &row.stats;
    json!({
        "run": row.id,
        "state": row.glance.state.word(),
        "reason": row.reason(),
        "suites": row.suites(),
        "subjects": row.subjects(),
        "started": row.started(),
        "attempts": view.map(|_| stats.attempts),
        "planned": view.map(|view| view.manifest.planned),
        "success": view.map(|_| json!({"passed": stats.success, "of": stats.scored})),
        "format": view.map(|_| json!({"ok": stats.format_ok, "of": stats.judged})),
        "cost_usd": view.and(stats.cost_usd),
        "spent_usd": view.map(|_| stats.spent_usd),
        "sandboxes_kept": view.map(|_| row.kept().count()),
    })
}

fn table(rows: &[Row], width: usize) -> String {
    let room = (width.saturating_sub(FIGURES) / 2).max(16);
    let shown = || COLUMNS.iter().map(|(_, least)| width >= *least);
    let mut builder = Builder::default();
    builder.push_record(COLUMNS.iter().zip(shown()).filter(|(_, shown)| *shown).map(|((name, _), _)| *name));
    for row in rows {
        let one_line = |text: &str, room: usize| cut(&printable(&text.replace(['\n', '\t'], " ")), room);
        let several = |names: Vec<&str>| one_line(&names.join(", "), room);
        let stats = &row.stats;
        let mut cells = vec![
            one_line(&row.id, 60),
            row.glance.state.word().to_owned(),
            // To the minute: the rest is in the JSON.
            printable(&row.started().unwrap_or("–").replace('T', " ").chars().take(16).collect::<String>()),
            if row.glance.view.is_some() { several(row.suites()) } else { "–".to_owned() },
            match (&row.glance.view, width >= NAMED) {
                (None, _) => "–".to_owned(),
                (_, true) => several(row.subjects()),
                (_, false) => row.subjects().len().to_string(),
            },
        ];
        match &row.glance.view {
            Some(view) => cells.extend([
                // What was cancelled has not ended: a resume does it.
                format!("{}/{}", stats.attempts - stats.outcome("cancelled"), view.manifest.planned),
                report::ratio(stats.success_rate()),
                report::ratio(stats.format_rate()),
                if stats.ran() { report::usd(stats.cost_usd) } else { "–".to_owned() },
            ]),
            None => cells.extend(["–", "–", "–", "–"].map(str::to_owned)),
        }
        builder.push_record(cells.into_iter().zip(shown()).filter(|(_, shown)| *shown).map(|(cell, _)| cell));
    }
    let mut table = builder.build();
    let line = HorizontalLine::inherit(Style::modern());
    table.with(Style::modern_rounded().remove_horizontal().horizontals([(1, line)]));
    let texts = if width >= NAMED { 5 } else { 3 };
    let texts = shown().take(texts).filter(|shown| *shown).count();
    table.modify(Columns::new(texts..).not(Rows::first()), Alignment::right());
    let mut text = format!("{table}\n");
    for row in rows {
        if let Some(first) = row.kept().next() {
            let (kept, run) = (plural(row.kept().count(), "sandbox state"), row.glance.dir.display());
            let line = format!("  {} holds {kept}: rolltape sandbox --from {run}/{}\n", row.id, first.id);
            text.push_str(&printable(&line));
        }
        if let Some(reason) = row.reason() {
            text.push_str(&printable(&format!("  {} is damaged: {}\n", row.id, reason.replace('\n', " "))));
        }
    }
    text
}
