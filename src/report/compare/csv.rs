//! One row for each side and metric, and for each side and rule; empty where unknown.

use super::super::Options;
use super::super::csv::{guarded, number};
use crate::compare::{Comparison, Pair, Summary};
use std::io::{self, Write};

const COLUMNS: [&str; 22] = [
    "run",
    "subject",
    "metric",
    "attempts",
    "errors",
    "skipped",
    "cancelled",
    "of",
    "known",
    "sum",
    "mean",
    "p50",
    "p95",
    "against_run",
    "against_subject",
    "tasks",
    "tasks_unknown",
    "task_mean",
    "against_task_mean",
    "difference",
    "better",
    "worse",
];

pub(super) fn render(comparison: &Comparison, options: &Options, out: &mut dyn Write) -> io::Result<()> {
    let mut writer = ::csv::Writer::from_writer(out);
    writer.write_record(COLUMNS.iter().chain(&["equal"]))?;
    for (at, side) in comparison.sides.iter().enumerate() {
        let pair = comparison.pairs.iter().find(|pair| pair.side == at);
        for figure in side.figures.iter().filter(|figure| options.timing || !figure.metric.timing) {
            let mut row = head(side, figure.metric.name);
            row.extend([
                figure.of.to_string(),
                figure.known.to_string(),
                number((figure.known > 0).then_some(figure.sum)),
                number(figure.mean),
                number(figure.p50),
                number(figure.p95),
            ]);
            row.extend(paired(comparison, pair, figure.metric.name));
            writer.write_record(&row)?;
        }
        for count in &side.rules {
            let mut row = head(side, &format!("{} {}", count.rule, count.severity.as_str()));
            let of = side.format.of;
            row.extend([of.to_string(), of.to_string(), count.findings.to_string()]);
            row.push(number((of > 0).then(|| count.findings as f64 / of as f64)));
            row.resize(COLUMNS.len() + 1, String::new());
            writer.write_record(&row)?;
        }
    }
    writer.flush()
}

fn head(side: &Summary, metric: &str) -> Vec<String> {
    let mut row =
        vec![guarded(&side.run), guarded(&side.subject.id), guarded(metric), side.attempts.to_string()];
    row.extend(side.beside.iter().map(|(_, count)| count.to_string()));
    row
}

fn paired(comparison: &Comparison, pair: Option<&Pair>, name: &str) -> Vec<String> {
    let Some((pair, paired)) = pair.and_then(|pair| Some((pair, pair.metric(name)?))) else {
        return vec![String::new(); 10];
    };
    let base = &comparison.sides[pair.baseline];
    let at = |index: usize| number(paired.verdicts.map(|counts| counts[index]));
    vec![
        guarded(&base.run),
        guarded(&base.subject.id),
        paired.tasks.to_string(),
        paired.unknown.to_string(),
        number(paired.side),
        number(paired.baseline),
        number(paired.difference),
        at(0),
        at(1),
        at(2),
    ]
}
