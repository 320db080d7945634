//! One attempt a row, for spreadsheets.
//!
//! Invariant: a text cell that a spreadsheet would run as a formula gets a `'` before it; numbers stay
//! numbers; what depends on the clock is in columns `timing_*`.

use super::stats::duration_ms;
use super::{Options, Report, Shown, text};
use crate::model::{AttemptRecord, Outcome, Score};
use std::borrow::Cow;
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

fn render(view: &Shown<'_>, options: &Options, out: &mut Vec<u8>) -> io::Result<()> {
    let mut writer = ::csv::Writer::from_writer(out);
    let timing = if options.timing { &TIMING[..] } else { &[] };
    writer.write_record(COLUMNS.iter().chain(timing))?;
    for record in &view.records {
        fields(&mut writer, record)?;
        if options.timing {
            let started = record.timing.get("started").and_then(serde_json::Value::as_str);
            text(&mut writer, started.unwrap_or_default())?;
            value(&mut writer, duration_ms(record))?;
        }
        writer.write_record(None::<&[u8]>)?;
    }
    writer.flush()
}

type Row<'a> = ::csv::Writer<&'a mut Vec<u8>>;

/// A text, guarded.
fn text(row: &mut Row<'_>, cell: &str) -> ::csv::Result<()> {
    row.write_field(&*guard(text::one_line_of(cell)))
}

/// A number or a truth; empty where unknown: an empty cell is no zero.
fn value(row: &mut Row<'_>, value: Option<impl ToString>) -> ::csv::Result<()> {
    row.write_field(number(value))
}

fn fields(row: &mut Row<'_>, record: &AttemptRecord) -> ::csv::Result<()> {
    let (limit, class) = match &record.outcome {
        Outcome::Limit(kind) => (kind.as_str(), ""),
        Outcome::Error(error) => ("", error.class.as_str()),
        _ => ("", ""),
    };
    value(row, Some(record.seq))?;
    for cell in [&record.id.suite, &record.id.task, &record.id.subject] {
        text(row, cell)?;
    }
    for cell in [&record.subject.agent, &record.subject.backend] {
        text(row, cell)?;
    }
    text(row, record.subject.model.as_deref().unwrap_or_default())?;
    value(row, Some(record.id.n))?;
    value(row, Some(record.try_n))?;
    value(row, Some(record.seed))?;
    for word in [record.outcome.word(), limit, class] {
        row.write_field(word)?;
    }
    text(row, &text::reason(record))?;
    value(row, record.success)?;
    value(row, record.format_ok)?;
    value(row, record.reward)?;
    let score = |score: &Score| {
        format!("{}={}", score.scorer, score.value.map_or("none".to_owned(), |value| value.to_string()))
    };
    text(row, &record.scores.iter().map(score).collect::<Vec<_>>().join(" "))?;
    value(row, Some(record.findings.len()))?;
    text(row, &record.findings.iter().map(|finding| finding.rule).collect::<Vec<_>>().join(" "))?;
    for count in [record.messages, record.calls, record.turns] {
        value(row, Some(count))?;
    }
    let usage = &record.usage;
    for tokens in [usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens] {
        value(row, tokens)?;
    }
    value(row, record.cost_usd)?;
    value(row, Some(record.spent_usd))
}

/// Empty where unknown: an empty cell is no zero.
pub(super) fn number(value: Option<impl ToString>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

/// Text on one line that no spreadsheet takes for a formula.
pub(super) fn guarded(cell: &str) -> String {
    guard(text::one_line_of(cell)).into_owned()
}

/// A cell with a `'` before it if a spreadsheet would take it for a formula.
pub fn guard(cell: Cow<'_, str>) -> Cow<'_, str> {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠']) {
        Cow::Owned(format!("'{cell}"))
    } else {
        cell
    }
}
