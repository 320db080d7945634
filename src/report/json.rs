//! `summary.json`: the run in numbers, for programs.

use super::stats::{OUTCOMES, Stats, by_subject, by_task, totals};
use super::{Options, Report};
use crate::model::Usage;
use crate::store::RunView;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::io;

pub(super) static ITEM: Report = Report {
    name: "json",
    file: Some("summary.json"),
    about: "The run in numbers: totals, subjects, tasks and attempts as one JSON object",
    render,
};

/// Version of this report's shape.
const SCHEMA: &str = "1.0";

fn render(view: &RunView, options: &Options, out: &mut dyn io::Write) -> io::Result<()> {
    let manifest = &view.manifest;
    let subjects: Vec<Value> = by_subject(view)
        .into_iter()
        .map(|(id, stats)| with("subject", Value::String(id), counts(&stats, options)))
        .collect();
    let tasks: Vec<Value> = by_task(view)
        .into_iter()
        .map(|task| {
            let head = json!({"suite": task.suite, "task": task.task, "subject": task.subject});
            merge(merge(head, counts(&task.stats, options)), json!({"reasons": task.reasons}))
        })
        .collect();
    let mut by_rule: BTreeMap<&str, u64> = BTreeMap::new();
    for finding in view.records.iter().flat_map(|record| &record.findings) {
        *by_rule.entry(finding.rule).or_default() += 1;
    }
    let mut all = counts(&totals(view), options);
    if subjects.len() > 1 {
        // Different subjects have no format rate together.
        all["format"] = Value::Null;
    }
    let mut summary = json!({
        "schema_version": SCHEMA,
        "run": manifest.id.0,
        "suites": manifest.suites.iter().map(|(name, digest)| json!({"name": name, "digest": digest}))
            .collect::<Vec<_>>(),
        "sandbox": manifest.sandbox,
        "layers": manifest.layers.iter().map(|layer| {
            json!({"name": layer.name, "on": layer.on, "reason": layer.reason})
        }).collect::<Vec<_>>(),
        "policy": manifest.policy,
        "reading": manifest.reading,
        "seed": manifest.seed,
        "versions": manifest.versions,
        "planned": manifest.planned,
        "totals": all,
        "by_rule": by_rule,
        "subjects": subjects,
        "tasks": tasks,
        "attempts": view.records.iter().map(|record| super::jsonl::value(record, options)).collect::<Vec<_>>(),
        "warnings": view.warnings,
    });
    if options.timing
        && let Some(object) = summary.as_object_mut()
    {
        object.insert("timing".to_owned(), Value::Object(manifest.timing.clone()));
    }
    serde_json::to_writer_pretty(&mut *out, &summary)?;
    out.write_all(b"\n")
}

/// The counts as an object: every rate with its denominator, `null` for what is unknown.
fn counts(stats: &Stats, options: &Options) -> Value {
    let outcomes: Map<String, Value> =
        OUTCOMES.iter().map(|word| ((*word).to_owned(), stats.outcome(word).into())).collect();
    let mut value = json!({
        "attempts": stats.attempts,
        "outcomes": outcomes,
        "success": {"passed": stats.success, "of": stats.scored},
        "format": {"ok": stats.format_ok, "of": stats.judged},
        "mean_reward": stats.mean_reward(),
        "messages": stats.messages,
        "calls": stats.calls,
        "turns": stats.turns,
        "findings": stats.findings,
        "usage": usage(stats.usage.as_ref()),
        "cost_usd": stats.cost_usd,
        "spent_usd": stats.spent_usd,
    });
    if options.timing
        && let Some(object) = value.as_object_mut()
    {
        object.insert("timing".to_owned(), json!({"duration_ms": stats.duration_ms}));
    }
    value
}

fn usage(usage: Option<&Usage>) -> Value {
    usage.map_or(Value::Null, |usage| {
        json!({
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
            "cached_tokens": usage.cached_tokens,
        })
    })
}

fn with(key: &str, first: Value, rest: Value) -> Value {
    let mut object = Map::new();
    object.insert(key.to_owned(), first);
    merge(Value::Object(object), rest)
}

fn merge(a: Value, b: Value) -> Value {
    match (a, b) {
        (Value::Object(mut a), Value::Object(b)) => {
            a.extend(b);
            Value::Object(a)
        }
        (a, _) => a,
    }
}
