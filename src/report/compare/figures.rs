//! How the figures of a comparison are written: rows that table and Markdown share.

use super::super::{Options, text};
use crate::compare::{Comparison, Figure, Metric, Paired, Summary, Unit};

/// A value in its unit.
pub(super) fn value(metric: &Metric, value: Option<f64>) -> String {
    let Some(value) = value else { return "unknown".to_owned() };
    match metric.unit {
        Unit::Share => format!("{value:.2}"),
        Unit::Count if value.abs() < 100.0 => format!("{value:.1}"),
        Unit::Count => text::count(Some(value.round() as u64)),
        Unit::Usd => text::usd(Some(value)),
        Unit::Millis => text::duration(Some(value)),
    }
}

/// A difference with its sign; `=` where there is none.
pub(super) fn difference(metric: &Metric, difference: Option<f64>) -> String {
    match difference {
        None => "–".to_owned(),
        Some(0.0) => "=".to_owned(),
        Some(by) => format!("{}{}", if by < 0.0 { '-' } else { '+' }, value(metric, Some(by.abs()))),
    }
}

/// `1/0/3`, or a dash where neither way is better.
pub(super) fn verdicts(paired: &Paired) -> String {
    match paired.verdicts {
        Some(_) if paired.tasks == 0 => "–".to_owned(),
        Some([better, worse, equal]) => format!("{better}/{worse}/{equal}"),
        None => "–".to_owned(),
    }
}

/// The rows of the side-by-side table: a label and one cell a side.
pub(super) fn sides(comparison: &Comparison, options: &Options) -> Vec<(String, Vec<String>)> {
    let sides = &comparison.sides;
    let row = |label: &str, cell: &dyn Fn(&Summary) -> String| {
        (label.to_owned(), sides.iter().map(cell).collect::<Vec<_>>())
    };
    let mut rows = vec![row("attempts", &|side| side.attempts.to_string())];
    for at in 0..3 {
        if sides.iter().any(|side| side.beside[at].1 > 0) {
            let (word, _) = sides[0].beside[at];
            let label = format!("  {word}, in no rate");
            rows.push(row(&label, &|side| side.beside[at].1.to_string()));
        }
    }
    rows.push(row("success", &|side| text::rate(side.success)));
    rows.push(row("format kept", &|side| text::rate(side.format)));
    for metric in crate::compare::METRICS {
        if matches!(metric.name, "success" | "format_ok" | "tokens") || metric.timing {
            continue;
        }
        let label = match metric.unit {
            Unit::Usd => "cost, mean".to_owned(),
            _ if metric.name == "format_errors_per_message" => metric.label.to_owned(),
            _ => format!("{}, mean", metric.label),
        };
        rows.push(row(&label, &|side| known(side.figure(metric.name), |figure| figure.mean)));
        if metric.unit == Unit::Usd {
            rows.push(row("cost, sum", &|side| {
                known(side.figure(metric.name), |figure| (figure.known > 0).then_some(figure.sum))
            }));
        }
    }
    for metric in crate::compare::METRICS.iter().filter(|metric| metric.timing && options.timing) {
        let figure = |side: &Summary, pick: fn(&Figure) -> Option<f64>| known(side.figure(metric.name), pick);
        rows.push(row(&format!("{}, p50", metric.label), &|side| figure(side, |figure| figure.p50)));
        rows.push(row(&format!("{}, p95", metric.label), &|side| figure(side, |figure| figure.p95)));
    }
    rows
}

/// A figure, and of how many attempts it is where some don't know it.
fn known(figure: Option<&Figure>, pick: fn(&Figure) -> Option<f64>) -> String {
    let Some(figure) = figure.filter(|figure| figure.of > 0) else { return "–".to_owned() };
    let shown = value(figure.metric, pick(figure));
    if figure.known == 0 || figure.known == figure.of {
        shown
    } else {
        format!("{shown} (of {}/{})", figure.known, figure.of)
    }
}

/// The rows of the rules: id, name, weight; one cell a side with findings, rate a message, rate an attempt.
pub(super) fn rules(comparison: &Comparison) -> Vec<([String; 3], Vec<String>)> {
    let mut keys = Vec::new();
    for count in comparison.sides.iter().flat_map(|side| &side.rules) {
        let key = (count.rule, 2 - count.severity as u8, count.name, count.severity);
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    keys.sort_unstable_by_key(|key| (key.0, key.1));
    let cell = |side: &Summary, (rule, _, _, severity): &(&str, u8, &str, crate::model::Severity)| {
        let count = side.rules.iter().find(|count| count.rule == *rule && count.severity == *severity);
        let findings = count.map_or(0, |count| count.findings);
        let rate = |of: u64| {
            if of == 0 { "–".to_owned() } else { format!("{:.2}", findings as f64 / of as f64) }
        };
        format!("{findings} · {} · {}", rate(side.messages), rate(side.format.of))
    };
    keys.iter()
        .map(|key| {
            let head = [key.0, key.2, key.3.as_str()].map(text::one_line);
            (head, comparison.sides.iter().map(|side| cell(side, key)).collect())
        })
        .collect()
}

/// The metrics of a pair that are shown.
pub(super) fn paired<'a>(pair: &'a crate::compare::Pair, options: &Options) -> Vec<&'a Paired> {
    pair.metrics.iter().filter(|paired| options.timing || !paired.metric.timing).collect()
}
