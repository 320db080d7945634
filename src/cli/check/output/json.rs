//! One JSON object: figures, findings, and what could not be read.

use super::{Look, Output, compliant};
use crate::cli::check::Plan;
use crate::cli::check::judge::{Checked, Item};
use crate::formats::ReadError;
use crate::report::findings::pieces::{indented, list};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::io::{self, Write};

pub(super) static ITEM: Output =
    Output { name: "json", about: "one object: figures, findings, what could not be read", render };

/// Schema of the JSON output.
const SCHEMA_VERSION: &str = "1.0";

fn render(checked: &Checked, plan: &Plan, _: &Look<'_>, out: &mut dyn Write) -> io::Result<()> {
    let mut by_rule: BTreeMap<&str, u64> = BTreeMap::new();
    for ((rule, _), count) in checked.items.by_rule() {
        *by_rule.entry(rule).or_default() += count;
    }
    let by_rule: Map<String, Value> = by_rule.into_iter().map(|(id, n)| (id.to_owned(), n.into())).collect();
    out.write_all(b"{\n")?;
    let member = |out: &mut dyn Write, name: &str, value: &Value| {
        writeln!(out, "  \"{name}\": {},", indented(value, 1))
    };
    member(out, "schema_version", &SCHEMA_VERSION.into())?;
    member(out, "files", &checked.files.into())?;
    member(out, "trajectories", &checked.trajectories.into())?;
    member(out, "messages", &checked.messages.into())?;
    member(out, "calls", &checked.calls.into())?;
    list(out, 1, "findings", checked.items.iter().map(|item| Ok(item_json(&item?))))?;
    out.write_all(b",\n")?;
    member(out, "by_rule", &Value::Object(by_rule))?;
    let by_format = checked.by_format.iter().map(|(format, files)| ((*format).to_owned(), (*files).into()));
    member(out, "by_format", &Value::Object(by_format.collect()))?;
    member(out, "compliant", &compliant(checked, plan).into())?;
    let error_json = |error: ReadError| {
        json!({ "path": error.path, "line": (error.line > 0).then_some(error.line), "byte": error.offset,
            "message": error.message, "hint": error.hint })
    };
    list(out, 1, "errors", checked.errors.iter().map(|error| Ok(error_json(error?))))?;
    if let Some(statistics) = &checked.statistics {
        let told = statistics.json(compliant(checked, plan).is_some());
        write!(out, ",\n  \"statistics\": {}", indented(&told, 1))?;
    }
    out.write_all(b"\n}\n")
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
