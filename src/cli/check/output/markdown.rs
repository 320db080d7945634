//! Markdown for a pull request: figures, rules, findings.
//!
//! Invariant: text of a file that was checked, and its name, stand only inside code spans.

use super::{Look, Output, summary};
use crate::cli::check::Plan;
use crate::cli::check::judge::{Checked, Item};
use crate::report::{cell, code};
use crate::rules;
use crate::util::plural::plural;
use std::collections::BTreeMap;
use std::io::{self, Write};

pub(super) static ITEM: Output =
    Output { name: "markdown", about: "figures and a table of findings, safe to paste anywhere", render };

/// Findings told one by one before the rest is only counted.
const TOLD: usize = 200;

fn render(checked: &Checked, plan: &Plan, _: &Look<'_>, to: &mut dyn Write) -> io::Result<()> {
    let mut out = "# Check\n\n".to_owned();
    for line in summary(checked, plan).lines() {
        out.push_str(&format!("- {line}\n"));
    }
    let names = checked.items.by_rule().iter().map(|((id, severity), count)| {
        let name = rules::find(id).map_or("", |rule| rule.name);
        ((*id, name, severity.as_str()), *count)
    });
    let by_rule: BTreeMap<(&str, &str, &str), u64> = names.collect();
    if !by_rule.is_empty() {
        out.push_str("\n## Rules\n\n| rule | name | severity | count |\n| --- | --- | --- | --: |\n");
    }
    for ((rule, name, severity), count) in by_rule {
        out.push_str(&format!("| {} | {} | {severity} | {count} |\n", cell(rule), cell(name)));
    }
    if checked.items.len() > 0 {
        out.push_str("\n## Findings\n\n| severity | rule | file | place | finding |\n");
        out.push_str("| --- | --- | --- | --: | --- |\n");
    }
    for item in checked.items.iter().take(TOLD) {
        out.push_str(&row(&item?));
    }
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
        let error = error?;
        let line = if error.line > 0 { format!(":{}", error.line) } else { String::new() };
        out.push_str(&format!("- {}: {}\n", code(&format!("{}{line}", error.path)), code(&error.message)));
    }
    if checked.errors.len() > TOLD {
        out.push_str(&format!("- and {} more\n", checked.errors.len() - TOLD));
    }
    to.write_all(out.as_bytes())
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
