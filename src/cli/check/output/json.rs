//! One JSON object: figures, findings, and what could not be read.

use super::{Look, Output, compliant};
use crate::cli::check::Plan;
use crate::cli::check::judge::{Checked, Item};
use crate::util::text::json_unmarked;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

pub(super) static ITEM: Output =
    Output { name: "json", about: "one object: figures, findings, what could not be read", render };

/// Schema of the JSON output.
const SCHEMA_VERSION: &str = "1.0";

fn render(checked: &Checked, plan: &Plan, _: &Look<'_>) -> String {
    let mut by_rule: BTreeMap<&str, u64> = BTreeMap::new();
    for item in &checked.items {
        *by_rule.entry(item.finding.rule).or_default() += 1;
    }
    let by_rule: Map<String, Value> = by_rule.into_iter().map(|(id, n)| (id.to_owned(), n.into())).collect();
    let errors: Vec<Value> = checked
        .errors
        .iter()
        .map(|error| {
            json!({ "path": error.path, "line": (error.line > 0).then_some(error.line), "byte": error.offset,
                "message": error.message, "hint": error.hint })
        })
        .collect();
    let whole = json!({
        "schema_version": SCHEMA_VERSION,
        "files": checked.files,
        "trajectories": checked.trajectories,
        "messages": checked.messages,
        "calls": checked.calls,
        "findings": checked.items.iter().map(item_json).collect::<Vec<_>>(),
        "by_rule": by_rule,
        "compliant": compliant(checked, plan),
        "errors": errors,
    });
    json_unmarked(&format!("{whole:#}\n")).into_owned()
}

/// A finding as both JSON outputs have it.
pub(super) fn item_json(item: &Item) -> Value {
    let finding = &item.finding;
    let place = finding.location.as_ref();
    json!({
        "path": item.path,
        "rule": finding.rule,
        "name": finding.name,
        "severity": finding.severity.as_str(),
        "readings": finding.readings.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "step": finding.step,
        "message": finding.message,
        "byte_start": finding.span.map(|span| span.start),
        "byte_end": finding.span.map(|span| span.end),
        "line": place.map(|place| place.line),
        "column": place.map(|place| place.column),
        "text": finding.text,
    })
}
