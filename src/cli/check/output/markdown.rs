//! Markdown for a pull request: figures, rules, findings.
//!
//! Invariant: text of a file that was checked, and its name, stand only inside code spans.

use super::{Look, Output, summary};
use crate::cli::check::Plan;
use crate::cli::check::judge::{Checked, Item};
use crate::report::{cell, code};
use crate::util::plural::plural;
use std::collections::BTreeMap;

pub(super) static ITEM: Output =
    Output { name: "markdown", about: "figures and a table of findings, safe to paste anywhere", render };

/// Findings told one by one before the rest is only counted.
const TOLD: usize = 200;

fn render(checked: &Checked, plan: &Plan, _: &Look<'_>) -> String {
    let mut out = "# Check\n\n".to_owned();
    for line in summary(checked, plan).lines() {
        out.push_str(&format!("- {line}\n"));
    }
    let mut by_rule: BTreeMap<(&str, &str, &str), u64> = BTreeMap::new();
    for finding in checked.items.iter().map(|item| &item.finding) {
        *by_rule.entry((finding.rule, finding.name, finding.severity.as_str())).or_default() += 1;
    }
    if !by_rule.is_empty() {
        out.push_str("\n## Rules\n\n| rule | name | severity | count |\n| --- | --- | --- | --: |\n");
    }
    for ((rule, name, severity), count) in by_rule {
        out.push_str(&format!("| {} | {} | {severity} | {count} |\n", cell(rule), cell(name)));
    }
    if !checked.items.is_empty() {
        out.push_str("\n## Findings\n\n| severity | rule | file | place | finding |\n");
        out.push_str("| --- | --- | --- | --: | --- |\n");
    }
    out.extend(checked.items.iter().take(TOLD).map(row));
    if checked.items.len() > TOLD {
        out.push_str(&format!(
            "\nand {} more, not told here\n",
            plural(checked.items.len() - TOLD, "finding")
        ));
    }
    if !checked.errors.is_empty() {
        out.push_str("\n## Not read\n\n");
    }
    for error in checked.errors.iter().take(TOLD) {
        let line = if error.line > 0 { format!(":{}", error.line) } else { String::new() };
        out.push_str(&format!("- {}: {}\n", code(&format!("{}{line}", error.path)), code(&error.message)));
    }
    if checked.errors.len() > TOLD {
        out.push_str(&format!("- and {} more\n", checked.errors.len() - TOLD));
    }
    out
}

fn row(item: &Item) -> String {
    let finding = &item.finding;
    let place = finding.location.as_ref().map_or(String::new(), |at| format!("{}:{}", at.line, at.column));
    format!(
        "| {} | {} | {} | {place} | {} |\n",
        finding.severity.as_str(),
        cell(finding.rule),
        cell(&item.path),
        cell(&finding.text)
    )
}
