//! The comparison in a run's own reports: one row a subject, differences in brackets.

use super::super::markdown::{cell, code};
use super::super::{Options, text};
use super::{figures, letter, table, unpaired};
use crate::compare::{self, Comparison, NO_TEST, Pair, Summary};
use crate::store::RunView;
use crate::util::plural::plural;
use std::io::{self, Write};
use tabled::builder::Builder;

/// Metrics that are shown, and of time the median.
const SHOWN: [(&str, &str); 5] = [
    ("success", "success"),
    ("format_ok", "format"),
    ("tokens", "tokens"),
    ("cost_usd", "cost"),
    ("timing_total_ms", "time p50"),
];

/// Writes the table at the end of a run; nothing if there is one subject only.
pub(in crate::report) fn brief(view: &RunView, options: &Options, out: &mut dyn Write) -> io::Result<()> {
    let Some(comparison) = compare::of_run(view) else { return Ok(()) };
    writeln!(
        out,
        "\nsubjects: scored attempts only, means an attempt; in brackets the mean difference to A, paired by task"
    )?;
    table::legend(&comparison, options, out)?;
    let mut builder = Builder::default();
    builder.push_record(heads(options).into_iter().map(str::to_owned));
    for at in 0..comparison.sides.len() {
        builder.push_record(std::iter::once(letter(at)).chain(cells(&comparison, at, options)));
    }
    table::show(builder, 1, out)?;
    for pair in &comparison.pairs {
        for sentence in unpaired(pair) {
            writeln!(out, "  {}: {}", letter(pair.side), text::one_line(&sentence))?;
        }
    }
    for note in &comparison.unlike {
        writeln!(out, "note: {}", text::one_line(note))?;
    }
    writeln!(out, "{NO_TEST}; 'rolltape compare' shows all figures")
}

/// Writes the section of a Markdown report; nothing if there is one subject only.
pub(in crate::report) fn section(view: &RunView, options: &Options, out: &mut dyn Write) -> io::Result<()> {
    let Some(comparison) = compare::of_run(view) else { return Ok(()) };
    // In Markdown, what depends on the clock has a section of its own.
    let options = &Options { timing: false, ..*options };
    let heads = heads(options);
    writeln!(
        out,
        "\n## Comparison\n\nScored attempts only, means an attempt; in brackets the mean difference to A, paired by task.\n"
    )?;
    writeln!(out, "| {} |", heads.join(" | "))?;
    writeln!(out, "| --- |{}", " --: |".repeat(heads.len() - 1))?;
    for (at, side) in comparison.sides.iter().enumerate() {
        let cells = cells(&comparison, at, options).join(" | ");
        writeln!(out, "| {} {} | {cells} |", letter(at), cell(&side.subject.id))?;
    }
    let mut lines = Vec::new();
    for pair in &comparison.pairs {
        lines.extend(unpaired(pair).iter().map(|line| format!("{}: {}", letter(pair.side), code(line))));
    }
    lines.extend(comparison.unlike.iter().map(|note| code(note)));
    if !lines.is_empty() {
        writeln!(out)?;
    }
    for line in lines {
        writeln!(out, "- {line}")?;
    }
    writeln!(out, "\nThere is {NO_TEST}.")
}

/// Writes the subjects' times for the section of a Markdown report that depends on the clock.
pub(in crate::report) fn latency(view: &RunView, out: &mut dyn Write) -> io::Result<()> {
    let Some(comparison) = compare::of_run(view) else { return Ok(()) };
    writeln!(
        out,
        "| subject | time p50 (mean difference) | time p95 | a turn p50 (mean difference) | a turn p95 |"
    )?;
    writeln!(out, "| --- | --: | --: | --: | --: |")?;
    for (at, side) in comparison.sides.iter().enumerate() {
        let pair = comparison.pairs.iter().find(|pair| pair.side == at);
        write!(out, "| {} {} |", letter(at), cell(&side.subject.id))?;
        for name in ["timing_total_ms", "timing_turn_ms"] {
            let Some(figure) = side.figure(name) else { continue };
            let paired = pair.and_then(|pair| pair.metric(name)).filter(|paired| paired.difference.is_some());
            let by = paired.map(|paired| figures::difference(paired.metric, paired.difference));
            let by = by.map_or_else(String::new, |by| format!(" ({by})"));
            let shown = |value| figures::value(figure.metric, value);
            write!(out, " {}{by} | {} |", shown(figure.p50), shown(figure.p95))?;
        }
        writeln!(out)?;
    }
    writeln!(out)
}

fn heads(options: &Options) -> Vec<&'static str> {
    let mut heads = vec!["subject"];
    heads.extend(SHOWN.iter().filter(|(name, _)| shown(name, options)).map(|(_, head)| *head));
    heads.push("tasks");
    heads
}

fn shown(name: &str, options: &Options) -> bool {
    options.timing || compare::find_metric(name).is_some_and(|metric| !metric.timing)
}

fn cells(comparison: &Comparison, at: usize, options: &Options) -> Vec<String> {
    let side = &comparison.sides[at];
    let pair = comparison.pairs.iter().find(|pair| pair.side == at);
    let mut cells: Vec<String> = SHOWN
        .iter()
        .filter(|(name, _)| shown(name, options))
        .map(|(name, _)| one(side, pair, name))
        .collect();
    cells.push(pair.map_or_else(|| "–".to_owned(), |pair| pair.tasks.len().to_string()));
    cells
}

fn one(side: &Summary, pair: Option<&Pair>, name: &str) -> String {
    let Some(figure) = side.figure(name) else { return String::new() };
    let mut shown = match name {
        "success" => text::ratio(side.success),
        "format_ok" => text::ratio(side.format),
        _ if figure.of == 0 => return "–".to_owned(),
        "timing_total_ms" => figures::value(figure.metric, figure.p50),
        _ => figures::value(figure.metric, figure.mean),
    };
    let whole = figure.known == 0 || figure.known == figure.of || matches!(name, "success" | "format_ok");
    if !whole {
        shown = format!("{shown} of {}/{}", figure.known, figure.of);
    }
    let Some(pair) = pair else { return shown };
    match pair.metric(name).filter(|paired| paired.difference.is_some()) {
        Some(paired) if paired.unknown == 0 => {
            format!("{shown} ({})", figures::difference(paired.metric, paired.difference))
        }
        Some(paired) => {
            let by = figures::difference(paired.metric, paired.difference);
            format!("{shown} ({by} on {})", plural(paired.tasks as usize, "task"))
        }
        None => shown,
    }
}
