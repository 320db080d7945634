//! Tables for the terminal: sides beside each other, rules, and each pair.

use super::super::{Options, text};
use super::{MEANING, against, figures, letter, remarks, unpaired, who};
use crate::compare::{Comparison, NO_TEST, Pair};
use crate::util::plural::plural;
use crate::util::text::cut;
use std::io::{self, Write};
use tabled::builder::Builder;
use tabled::settings::object::{Columns, Object as _, Rows};
use tabled::settings::style::HorizontalLine;
use tabled::settings::{Alignment, Style};

/// Columns that a side takes, its border included, and those of the labels before them.
const SIDE: usize = 22;
const LABELS: usize = 26;
/// From how many columns on better, worse and equal have a column each.
const WIDE: usize = 100;

pub(super) fn render(comparison: &Comparison, options: &Options, out: &mut dyn Write) -> io::Result<()> {
    legend(comparison, options, out)?;
    let rows: Vec<(Vec<String>, Vec<String>)> =
        figures::sides(comparison, options).into_iter().map(|(label, cells)| (vec![label], cells)).collect();
    blocks(&[""], &rows, comparison.sides.len(), LABELS, options, out)?;
    let rules = figures::rules(comparison);
    if !rules.is_empty() {
        writeln!(out, "\nfindings by rule: findings · a judged message · a judged attempt")?;
        let rows: Vec<_> = rules
            .into_iter()
            .map(|([rule, name, severity], cells)| (vec![rule, cut(&name, 22), severity], cells))
            .collect();
        blocks(&["rule", "name", "severity"], &rows, comparison.sides.len(), 46, options, out)?;
    }
    for pair in &comparison.pairs {
        writeln!(out, "\n{}, {} paired", against(pair), plural(pair.tasks.len(), "task"))?;
        one_pair(pair, options, out)?;
        for sentence in unpaired(pair) {
            writeln!(out, "  {}", text::one_line(&sentence))?;
        }
    }
    writeln!(out, "\n{}", MEANING.replacen(". ", ".\n", 1))?;
    for note in comparison.unlike.iter().chain(&comparison.notes) {
        writeln!(out, "note: {}", text::one_line(note))?;
    }
    writeln!(out, "{NO_TEST}")
}

/// `A  codeact@x  (baseline, model y)`, a line a side.
pub(super) fn legend(comparison: &Comparison, options: &Options, out: &mut dyn Write) -> io::Result<()> {
    for at in 0..comparison.sides.len() {
        let remarks = remarks(comparison, at);
        let remarks = if remarks.is_empty() { String::new() } else { format!("  ({})", remarks.join(", ")) };
        let line = format!("{}  {}{remarks}", letter(at), who(comparison, at));
        writeln!(out, "{}", cut(&text::one_line(&line).replacen(' ', "  ", 1), options.width.max(60)))?;
    }
    Ok(())
}

/// Sides beside each other, as many as fit; the first of them stands in every block.
fn blocks(
    heads: &[&str],
    rows: &[(Vec<String>, Vec<String>)],
    sides: usize,
    labels: usize,
    options: &Options,
    out: &mut dyn Write,
) -> io::Result<()> {
    let fit = (options.width.saturating_sub(labels) / SIDE).max(2);
    let mut first = 1;
    loop {
        let last = (first + fit - 1).min(sides);
        let columns: Vec<usize> = std::iter::once(0).chain(first..last).collect();
        let mut builder = Builder::default();
        let head = heads.iter().map(|head| (*head).to_owned());
        builder.push_record(head.chain(columns.iter().map(|at| letter(*at))));
        for (label, cells) in rows {
            builder.push_record(label.iter().cloned().chain(columns.iter().map(|at| cells[*at].clone())));
        }
        show(builder, heads.len(), out)?;
        if last >= sides {
            return Ok(());
        }
        first = last;
    }
}

fn one_pair(pair: &Pair, options: &Options, out: &mut dyn Write) -> io::Result<()> {
    let wide = options.width >= WIDE;
    let (side, base) = (letter(pair.side), letter(pair.baseline));
    let mut builder = Builder::default();
    let head = ["metric", &base, &side, "difference"];
    let rest: &[&str] =
        if wide { &["better", "worse", "equal", "tasks"] } else { &["better/\nworse/equal", "tasks"] };
    builder.push_record(head.iter().chain(rest).map(|head| (*head).to_owned()));
    for paired in figures::paired(pair, options) {
        let metric = paired.metric;
        let mut cells = vec![
            metric.label.to_owned(),
            figures::value(metric, paired.baseline),
            figures::value(metric, paired.side),
            figures::difference(metric, paired.difference),
        ];
        match (wide, paired.verdicts.filter(|_| paired.tasks > 0)) {
            (true, Some(counts)) => cells.extend(counts.map(|count| count.to_string())),
            (true, None) => cells.extend(["–", "–", "–"].map(str::to_owned)),
            (false, _) => cells.push(figures::verdicts(paired)),
        }
        cells.push(paired.tasks.to_string());
        builder.push_record(cells);
    }
    show(builder, 1, out)
}

/// The table in the style of all tables; the columns after `labels` are figures.
pub(super) fn show(builder: Builder, labels: usize, out: &mut dyn Write) -> io::Result<()> {
    let mut table = builder.build();
    let line = HorizontalLine::inherit(Style::modern());
    table.with(Style::modern_rounded().remove_horizontal().horizontals([(1, line)]));
    table.modify(Columns::new(labels..).not(Rows::first()), Alignment::right());
    writeln!(out, "{table}")
}
