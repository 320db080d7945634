//! The comparison in a run's own reports: one row a subject, differences in brackets.

use super::super::markdown::{cell, code};
use super::super::{Options, text};
use super::{figures, letter, table, unpaired};
use crate::compare::{self, Comparison, NO_TEST, Pair, Summary};
use crate::store::RunView;
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
    writeln!(out, "\nsubjects, with means an attempt; in brackets the mean difference to A, paired by task")?;
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
    let run = view.dir.display();
    writeln!(out, "{NO_TEST}; all figures: rolltape compare {}", text::one_line(&run.to_string()))
}

/// Writes the section of a Markdown report; nothing if there is one subject only.
pub(in crate::report) fn section(view: &RunView, options: &Options, out: &mut dyn Write) -> io::Result<()> {
    let Some(comparison) = compare::of_run(view) else { return Ok(()) };
    // In Markdown, what depends on the clock has a section of its own.
    let options = &Options { timing: false, ..*options };
    let heads = heads(options);
    writeln!(
        out,
        "\n## Comparison\n\nMeans an attempt; in brackets the mean difference to A, paired by task.\n"
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
    let shown = match name {
        "success" => text::ratio(side.success),
        "format_ok" => text::ratio(side.format),
        _ if figure.of == 0 => "–".to_owned(),
        "timing_total_ms" => figures::value(figure.metric, figure.p50),
        _ => figures::value(figure.metric, figure.mean),
    };
    match pair.and_then(|pair| pair.metric(name)).filter(|paired| paired.difference.is_some()) {
        Some(paired) => format!("{shown} ({})", figures::difference(paired.metric, paired.difference)),
        None => shown,
    }
}
