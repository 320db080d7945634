//! A comparison for programs.

use super::super::Options;
use super::letter;
use crate::compare::{Comparison, Figure, NO_TEST, Pair, Summary};
use serde_json::{Map, Value, json};
use std::io::{self, Write};

/// Version of this form's shape.
const SCHEMA: &str = "1.0";

pub(super) fn render(comparison: &Comparison, options: &Options, out: &mut dyn Write) -> io::Result<()> {
    let sides: Vec<Value> =
        comparison.sides.iter().enumerate().map(|(at, side)| summary(at, side, options)).collect();
    let pairs: Vec<Value> = comparison.pairs.iter().map(|each| pair(each, options)).collect();
    let value = json!({
        "schema_version": SCHEMA,
        "sides": sides,
        "pairs": pairs,
        "unlike": comparison.unlike,
        "notes": comparison.notes,
        "significance": null,
        "caution": NO_TEST,
    });
    serde_json::to_writer_pretty(&mut *out, &value)?;
    out.write_all(b"\n")
}

fn summary(at: usize, side: &Summary, options: &Options) -> Value {
    let beside: Map<String, Value> =
        side.beside.iter().map(|(word, count)| ((*word).to_owned(), (*count).into())).collect();
    let rules: Vec<Value> = side
        .rules
        .iter()
        .map(|count| {
            let rate = |of: u64| (of > 0).then(|| count.findings as f64 / of as f64);
            json!({
                "rule": count.rule,
                "name": count.name,
                "severity": count.severity.as_str(),
                "findings": count.findings,
                "attempts": count.attempts,
                "per_message": rate(side.messages),
                "per_attempt": rate(side.format.of),
            })
        })
        .collect();
    let figures: Map<String, Value> = side
        .figures
        .iter()
        .filter(|figure| options.timing || !figure.metric.timing)
        .map(|each| (each.metric.name.to_owned(), figure(each)))
        .collect();
    json!({
        "side": letter(at),
        "run": side.run,
        "subject": side.subject.id,
        "agent": side.subject.agent,
        "backend": side.subject.backend,
        "model": side.subject.model,
        "params": side.subject.params,
        "attempts": side.attempts,
        "beside": beside,
        "success": {"passed": side.success.hits, "of": side.success.of},
        "format": {"ok": side.format.hits, "of": side.format.of, "messages": side.messages, "by_rule": rules},
        "figures": figures,
    })
}

fn figure(figure: &Figure) -> Value {
    json!({
        "of": figure.of,
        "known": figure.known,
        "sum": (figure.known > 0).then_some(figure.sum),
        "mean": figure.mean,
        "p50": figure.p50,
        "p95": figure.p95,
    })
}

fn pair(pair: &Pair, options: &Options) -> Value {
    let metrics: Map<String, Value> = pair
        .metrics
        .iter()
        .filter(|paired| options.timing || !paired.metric.timing)
        .map(|paired| {
            let at = |index: usize| paired.verdicts.map(|counts| counts[index]);
            let value = json!({
                "tasks": paired.tasks,
                "tasks_unknown": paired.unknown,
                "baseline": paired.baseline,
                "side": paired.side,
                "difference": paired.difference,
                "better": at(0),
                "worse": at(1),
                "equal": at(2),
            });
            (paired.metric.name.to_owned(), value)
        })
        .collect();
    let unpaired: Vec<Value> =
        pair.unpaired.iter().map(|(task, reason)| json!({"task": task, "reason": reason})).collect();
    json!({
        "side": letter(pair.side),
        "baseline": letter(pair.baseline),
        "tasks": pair.tasks,
        "by_task": by_task(pair, options),
        "unpaired": unpaired,
        "changed": pair.changed,
        "metrics": metrics,
    })
}

/// For each paired task and metric the means of baseline and side; `null` where a value is unknown.
fn by_task(pair: &Pair, options: &Options) -> Vec<Value> {
    let shown = || pair.metrics.iter().filter(|paired| options.timing || !paired.metric.timing);
    let one = |(at, task): (usize, &String)| {
        let mut out = Map::new();
        out.insert("task".to_owned(), json!(task));
        out.extend(shown().map(|paired| (paired.metric.name.to_owned(), json!(paired.by_task[at]))));
        Value::Object(out)
    };
    pair.tasks.iter().enumerate().map(one).collect()
}
