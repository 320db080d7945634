//! One attempt a row, for spreadsheets.
//!
//! Invariant: a text cell that a spreadsheet would run as a formula gets a `'` before it; numbers stay
//! numbers; what depends on the clock is in columns `timing_*`.

use super::stats::duration_ms;
use super::{Options, Report, text};
use crate::model::{AttemptRecord, Outcome};
use crate::store::RunView;
use std::io;

pub(super) static ITEM: Report = Report {
    name: "csv",
    file: Some("attempts.csv"),
    about: "One attempt a row, for spreadsheets; cells that look like formulas are guarded",
    render,
};

const COLUMNS: [&str; 28] = [
    "seq",
    "suite",
    "task",
    "subject",
    "agent",
    "backend",
    "model",
    "attempt",
    "try",
    "seed",
    "outcome",
    "limit",
    "error_class",
    "reason",
    "success",
    "format_ok",
    "reward",
    "scores",
    "findings",
    "rules",
    "messages",
    "calls",
    "turns",
    "prompt_tokens",
    "completion_tokens",
    "cached_tokens",
    "cost_usd",
    "spent_usd",
];
const TIMING: [&str; 2] = ["timing_started", "timing_duration_ms"];

fn render(view: &RunView, options: &Options, out: &mut dyn io::Write) -> io::Result<()> {
    let mut writer = ::csv::Writer::from_writer(out);
    let timing = if options.timing { &TIMING[..] } else { &[] };
    writer.write_record(COLUMNS.iter().chain(timing))?;
    for record in &view.records {
        let mut row = cells(record);
        if options.timing {
            let started = record.timing.get("started").and_then(serde_json::Value::as_str);
            row.push(guarded(started.unwrap_or_default()));
            row.push(number(duration_ms(record)));
        }
        writer.write_record(&row)?;
    }
    writer.flush()
}

fn cells(record: &AttemptRecord) -> Vec<String> {
    let (limit, class) = match &record.outcome {
        Outcome::Limit(kind) => (kind.as_str(), ""),
        Outcome::Error(error) => ("", error.class.as_str()),
        _ => ("", ""),
    };
    let scores: Vec<String> = record
        .scores
        .iter()
        .map(|score| format!("{}={}", score.scorer, score.value.map_or("none".to_owned(), |v| v.to_string())))
        .collect();
    let rules: Vec<&str> = record.findings.iter().map(|finding| finding.rule).collect();
    vec![
        record.seq.to_string(),
        guarded(&record.id.suite),
        guarded(&record.id.task),
        guarded(&record.id.subject),
        guarded(&record.subject.agent),
        guarded(&record.subject.backend),
        guarded(record.subject.model.as_deref().unwrap_or_default()),
        record.id.n.to_string(),
        record.try_n.to_string(),
        record.seed.to_string(),
        record.outcome.word().to_owned(),
        limit.to_owned(),
        class.to_owned(),
        guarded(&text::reason(record)),
        number(record.success),
        number(record.format_ok),
        number(record.reward),
        guarded(&scores.join(" ")),
        record.findings.len().to_string(),
        guarded(&rules.join(" ")),
        record.messages.to_string(),
        record.calls.to_string(),
        record.turns.to_string(),
        number(record.usage.prompt_tokens),
        number(record.usage.completion_tokens),
        number(record.usage.cached_tokens),
        number(record.cost_usd),
        record.spent_usd.to_string(),
    ]
}

/// Empty where unknown: an empty cell is no zero.
pub(super) fn number(value: Option<impl ToString>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

/// Text on one line that no spreadsheet takes for a formula.
pub(super) fn guarded(cell: &str) -> String {
    guard(text::one_line(cell))
}

/// A cell with a `'` before it if a spreadsheet would take it for a formula.
pub fn guard(cell: String) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠']) {
        format!("'{cell}")
    } else {
        cell
    }
}
