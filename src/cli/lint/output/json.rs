//! One JSON object: figures, findings, and proofs that could not be made.

use super::Output;
use crate::cli::lint::Linted;
use crate::util::text::json_unmarked;
use serde_json::json;

pub(super) static ITEM: Output = Output {
    name: "json",
    about: "one object: figures, findings, proofs that could not be made",
    render: |linted, _| Ok(render(linted)),
};

/// Schema of the JSON output.
const SCHEMA_VERSION: &str = "1.0";

fn render(linted: &Linted) -> String {
    let findings = linted.findings.iter().map(|finding| {
        json!({
            "lint": finding.lint,
            "name": finding.name,
            "severity": finding.severity.as_str(),
            "task": finding.task,
            "path": finding.file,
            "line": (finding.line > 0).then_some(finding.line),
            "text": finding.text,
        })
    });
    let errors = linted
        .errors
        .iter()
        .map(|(task, agent, why)| json!({ "task": task, "agent": agent, "message": why }));
    let value = json!({
        "schema_version": SCHEMA_VERSION,
        "suite": linted.suite,
        "tasks": linted.tasks,
        "proofs": { "scored": linted.proven, "skipped": linted.skipped, "errors": linted.errors.len() },
        "findings": findings.collect::<Vec<_>>(),
        "errors": errors.collect::<Vec<_>>(),
    });
    format!("{}\n", json_unmarked(&format!("{value:#}")))
}
