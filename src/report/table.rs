//! The table in the terminal: tasks, totals, and what stands beside them.

use super::stats::{Stats, TaskStats};
use super::{Options, Report, Shown, compare, text};
use crate::util::text::{cut, width};
use std::io::{self, Write as _};
use tabled::Table;
use tabled::builder::Builder;
use tabled::settings::object::{Columns, Rows};
use tabled::settings::style::HorizontalLine;
use tabled::settings::{Alignment, Color, Style};

pub(super) static ITEM: Report = Report {
    name: "table",
    file: None,
    about: "Tables for the terminal: each task, each subject, and what stands beside the rates",
    render,
};

/// Columns that all other columns together take, about.
const FIGURES: usize = 84;

/// Lines of a reason that are shown; the files of the run have all of it.
const REASON_LINES: usize = 3;

fn render(view: &Shown<'_>, options: &Options, out: &mut Vec<u8>) -> io::Result<()> {
    let (tasks, subjects) = (view.tasks(), view.subjects());
    let (one_suite, one_subject) = (view.manifest.suites.len() <= 1, subjects.len() <= 1);
    let name = |task: &TaskStats| {
        if one_suite { task.task.to_owned() } else { format!("{}/{}", task.suite, task.task) }
    };
    let mut builder = Builder::default();
    builder.push_record(header(options, one_subject));
    let mut outcomes = Vec::new();
    for task in tasks {
        let label = cut(&text::one_line(&name(task)), options.width.saturating_sub(FIGURES).max(24));
        builder.push_record(row(label, task.subject, &task.stats, options, one_subject));
        outcomes.push(task.stats.clone());
    }
    let first_total = outcomes.len() + 1;
    for (subject, stats) in subjects {
        builder.push_record(row("total".to_owned(), subject, stats, options, one_subject));
        outcomes.push(stats.clone());
    }
    let mut table = builder.build();
    shape(&mut table, first_total, one_subject);
    if options.color {
        colour(&mut table, &outcomes, one_subject);
    }
    writeln!(out, "{table}")?;
    sentences(view, options, out)?;
    compare::brief(view, options, out)
}

fn header(options: &Options, one_subject: bool) -> Vec<String> {
    let mut cells = vec!["task"];
    if !one_subject {
        cells.push("subject");
    }
    cells.extend(["outcome", "success", "score", "format", "calls", "turns", "tokens", "cost"]);
    if options.timing {
        cells.push("time");
    }
    cells.into_iter().map(str::to_owned).collect()
}

fn row(label: String, subject: &str, stats: &Stats, options: &Options, one_subject: bool) -> Vec<String> {
    let mut cells = vec![label];
    if !one_subject {
        cells.push(cut(&text::one_line(subject), 32));
    }
    cells.push(outcomes(stats));
    cells.push(text::ratio(stats.success_rate()));
    cells.push(text::reward(stats.mean_reward()));
    cells.push(text::ratio(stats.format_rate()));
    if stats.ran() {
        cells.push(text::count(Some(stats.calls)));
        cells.push(text::count(Some(stats.turns)));
        cells.push(text::count(stats.tokens()));
        cells.push(text::cost(stats));
        cells.extend(options.timing.then(|| text::duration(stats.duration_ms)));
    } else {
        cells.extend(std::iter::repeat_n("–".to_owned(), if options.timing { 5 } else { 4 }));
    }
    cells
}

/// `passed`, or `2 passed, 1 failed` where there are several attempts.
fn outcomes(stats: &Stats) -> String {
    let words = super::stats::OUTCOMES.iter().filter(|word| stats.outcome(word) > 0);
    if stats.attempts == 1 {
        return words.map(|word| (*word).to_owned()).collect();
    }
    let words: Vec<String> = words.map(|word| format!("{} {word}", stats.outcome(word))).collect();
    words.chunks(2).map(|pair| pair.join(", ")).collect::<Vec<_>>().join("\n")
}

fn shape(table: &mut Table, first_total: usize, one_subject: bool) {
    let line = HorizontalLine::inherit(Style::modern());
    table.with(
        Style::modern_rounded().remove_horizontal().horizontals([(1, line), (first_total.max(2), line)]),
    );
    let first_figure = if one_subject { 2 } else { 3 };
    // By whole columns and a row: an entry for each cell takes longer than all else that the table needs.
    table.modify(Columns::new(first_figure..), Alignment::right());
    table.modify(Rows::first(), Alignment::left());
}

fn colour(table: &mut Table, rows: &[Stats], one_subject: bool) {
    let column = if one_subject { 1 } else { 2 };
    for (at, stats) in rows.iter().enumerate() {
        let bad = stats.outcome("failed") + stats.outcome("invalid") + stats.outcome("limit");
        let color = if stats.outcome("error") > 0 {
            Color::FG_MAGENTA
        } else if bad > 0 {
            Color::FG_RED
        } else if stats.outcome("passed") > 0 {
            Color::FG_GREEN
        } else {
            Color::FG_YELLOW
        };
        table.modify((at + 1, column), color);
        if stats.format_ok < stats.judged {
            table.modify((at + 1, column + 3), Color::FG_RED);
        }
    }
}

/// What the figures mean, and every reason that stands outside them.
fn sentences(view: &Shown<'_>, options: &Options, out: &mut dyn io::Write) -> io::Result<()> {
    let stats = view.totals();
    let rates = text::rates(view).into_iter().map(|(subject, stats)| {
        let whose = subject.map(|id| format!("{}: ", text::one_line(id))).unwrap_or_default();
        let (success, format) = (text::rate(stats.success_rate()), text::rate(stats.format_rate()));
        format!("{whose}success {success} scored, format {format} judged")
    });
    let mut line = rates.collect::<Vec<_>>().join("\n");
    let beside = text::beside(stats);
    if !beside.is_empty() {
        line = line + "; beside them, in no rate: " + &beside;
    }
    let missing = view.manifest.planned.saturating_sub(stats.attempts);
    if missing > 0 {
        line = format!("{line}; {missing} of {} planned never ended", view.manifest.planned);
    }
    writeln!(out, "{line}")?;
    for record in &view.records {
        let reason = text::one_line(&text::reason(record));
        if reason.is_empty() || matches!(record.outcome.word(), "error" | "skipped") {
            continue;
        }
        let head = format!("{} {}", text::outcome(record), record.id);
        writeln!(out, "{}", fit(&head, &reason, options.width))?;
    }
    let one_subject = view.manifest.subjects.len() <= 1;
    for task in view.tasks() {
        for reason in &task.reasons {
            let head = if one_subject {
                format!("{}/{}", task.suite, task.task)
            } else {
                format!("{}/{}/{}", task.suite, task.task, task.subject)
            };
            writeln!(out, "{}", fit(&head, &text::one_line(reason), options.width))?;
        }
    }
    let drifted: Vec<_> = view.records.iter().filter(|record| !record.drift.is_empty()).collect();
    for record in &drifted {
        let turns: Vec<String> = record.drift.iter().map(|drift| drift.turn.to_string()).collect();
        let reason = format!("the observation differs from the tape at turn {}", turns.join(", "));
        writeln!(out, "{}", fit(&format!("drift {}", record.id), &reason, options.width))?;
    }
    if !drifted.is_empty() {
        writeln!(out, "  the diffs are in the report as markdown and html")?;
    }
    Ok(())
}

/// `  head: reason`, broken into lines of the terminal's width; a reason of many lines is cut at three.
fn fit(head: &str, reason: &str, columns: usize) -> String {
    let columns = columns.max(60);
    let whole = format!("{}: {reason}", text::one_line(head));
    let mut lines: Vec<String> = vec![String::new()];
    for word in whole.split(' ') {
        let line = lines.last_mut().map_or("", |line| line.as_str());
        if !line.is_empty() && width(line) + width(word) + 5 > columns {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    if lines.len() > REASON_LINES {
        lines.truncate(REASON_LINES);
        if let Some(line) = lines.last_mut() {
            line.push_str(" …");
        }
    }
    format!("  {}", lines.join("\n    "))
}
