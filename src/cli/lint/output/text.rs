//! For people: a line a finding, and the figures.

use super::{Output, place, sentence};
use crate::cli::lint::Linted;
use crate::model::Severity;
use crate::util::plural::plural;
use crate::util::text::one_line;

pub(super) static ITEM: Output =
    Output { name: "text", about: "a line a finding, for people", render: |linted, _| Ok(render(linted)) };

fn render(linted: &Linted) -> String {
    let mut out = String::new();
    for finding in &linted.findings {
        let severity = finding.severity.as_str();
        let text = one_line(&sentence(finding));
        out.push_str(&format!("{}: {severity}: {} {}: {text}\n", place(finding), finding.lint, finding.name));
    }
    let skipped = if linted.skipped > 0 { format!(", {} skipped", linted.skipped) } else { String::new() };
    let erred = match linted.errors.len() {
        0 => String::new(),
        n => format!(", {n} not made"),
    };
    out.push_str(&format!(
        "{}: {}, {}{skipped}{erred}: {}, {}, {} info\n",
        linted.suite,
        plural(linted.tasks, "task"),
        plural(linted.proven, "proof"),
        plural(linted.count(Severity::Error), "error"),
        plural(linted.count(Severity::Warning), "warning"),
        linted.count(Severity::Info),
    ));
    out
}
