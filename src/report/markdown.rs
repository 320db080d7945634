//! Markdown for a pull request or a chat.
//!
//! Invariant: text of a model, an agent or a task stands only inside code spans: no mention, image, link
//! or raw HTML comes of it, and no cell breaks a table. What depends on the clock is in one section.

use super::stats::{Stats, duration_ms};
use super::{Options, Report, Shown, compare, text};
use crate::model::AttemptRecord;
use crate::store::RunView;
use crate::util::plural::plural;
use crate::util::text::cut;
use std::collections::BTreeMap;
use std::io::{self, Write};

pub(super) static ITEM: Report = Report {
    name: "markdown",
    file: Some("report.md"),
    about: "Markdown: totals, tasks, findings and what went wrong, safe to paste anywhere",
    render,
};

/// Attempts told one by one before the rest is only counted.
const TOLD: usize = 50;

fn render(view: &Shown<'_>, options: &Options, out: &mut Vec<u8>) -> io::Result<()> {
    let stats = view.totals();
    writeln!(out, "# Run {}\n", code(&view.manifest.id.0))?;
    for (subject, stats) in text::rates(view) {
        let (success, format) = (text::rate(stats.success_rate()), text::rate(stats.format_rate()));
        if let Some(id) = subject {
            let id = code(id);
            writeln!(
                out,
                "- {id}: success {success} of the scored, format {format} of the judged attempts."
            )?;
        } else {
            writeln!(out, "Success {success} of the scored, format {format} of the judged attempts.")?;
        }
    }
    let beside = text::beside(stats);
    if !beside.is_empty() {
        writeln!(out, "Beside them, in no rate: {beside}.")?;
    }
    let missing = view.manifest.planned.saturating_sub(stats.attempts);
    if missing > 0 {
        writeln!(out, "Of {} planned attempts {missing} never ended.", view.manifest.planned)?;
    }
    facts(view, out)?;
    tables(view, out)?;
    compare::section(view, options, out)?;
    rules(view, out)?;
    troubles(view, out)?;
    drifts(view, out)?;
    if options.timing {
        timing(view, out)?;
    }
    Ok(())
}

fn facts(view: &RunView, out: &mut dyn Write) -> io::Result<()> {
    let manifest = &view.manifest;
    writeln!(out, "\n| what | value |\n| --- | --- |")?;
    for (name, digest) in &manifest.suites {
        writeln!(out, "| suite | {} {} |", cell(name), cell(&cut(digest, 13)))?;
    }
    writeln!(out, "| sandbox | {} |", cell(&manifest.sandbox))?;
    for layer in manifest.layers.iter().filter(|layer| !layer.on) {
        let reason = layer.reason.as_deref().unwrap_or("no reason is known");
        writeln!(out, "| layer off | {}: {} |", cell(&layer.name), cell(reason))?;
    }
    writeln!(out, "| policy, reading | {}, {} |", cell(&manifest.policy), cell(&manifest.reading))?;
    writeln!(out, "| seed | {} |", manifest.seed)?;
    for (name, version) in &manifest.versions {
        let version = version.as_str().map_or_else(|| version.to_string(), str::to_owned);
        writeln!(out, "| {} | {} |", cell(name), cell(&version))?;
    }
    for warning in &view.warnings {
        writeln!(out, "| warning | {} |", cell(warning))?;
    }
    Ok(())
}

const HEAD: &str =
    "| subject | attempts | outcomes | success | score | format | calls | turns | tokens | cost |";
const RULE: &str = "| --- | --: | --- | --: | --: | --: | --: | --: | --: | --: |";

fn tables(view: &Shown<'_>, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\n## Subjects\n\n{HEAD}\n{RULE}")?;
    for (subject, stats) in view.subjects() {
        writeln!(out, "| {} |{}", cell(subject), figures(stats))?;
    }
    writeln!(out, "\n## Tasks\n\n| task {HEAD}\n| --- {RULE}")?;
    for task in view.tasks() {
        let name = cell(&format!("{}/{}", task.suite, task.task));
        writeln!(out, "| {name} | {} |{}", cell(task.subject), figures(&task.stats))?;
    }
    Ok(())
}

fn figures(stats: &Stats) -> String {
    let outcomes = super::stats::OUTCOMES.iter().zip(stats.outcomes).filter(|(_, count)| *count > 0);
    let outcomes: Vec<String> = outcomes.map(|(word, count)| format!("{count} {word}")).collect();
    let known = |figure: String| if stats.ran() { figure } else { "–".to_owned() };
    let figures = [
        stats.attempts.to_string(),
        outcomes.join(", "),
        text::ratio(stats.success_rate()),
        text::reward(stats.mean_reward()),
        text::ratio(stats.format_rate()),
        known(text::count(Some(stats.calls))),
        known(text::count(Some(stats.turns))),
        known(text::count(stats.tokens())),
        known(text::cost(stats)),
    ];
    let mut cells = String::with_capacity(96);
    for figure in &figures {
        cells.extend([" ", figure, " |"]);
    }
    cells
}

fn rules(view: &RunView, out: &mut dyn Write) -> io::Result<()> {
    let mut by_rule: BTreeMap<(&str, &str, &str), u64> = BTreeMap::new();
    for finding in view.records.iter().flat_map(|record| &record.findings) {
        *by_rule.entry((finding.rule, finding.name, finding.severity.as_str())).or_default() += 1;
    }
    if by_rule.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n## Findings\n\n| rule | name | severity | count |\n| --- | --- | --- | --: |")?;
    for ((rule, name, severity), count) in by_rule {
        writeln!(out, "| {} | {} | {severity} | {count} |", cell(rule), cell(name))?;
    }
    Ok(())
}

fn troubles(view: &RunView, out: &mut dyn Write) -> io::Result<()> {
    let troubled: Vec<_> = view.records.iter().filter(|record| record.outcome.word() != "passed").collect();
    if troubled.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n## Not passed\n")?;
    for record in troubled.iter().take(TOLD) {
        write!(out, "- {} {}", code(&record.id.to_string()), text::outcome(record))?;
        let reason = text::reason(record);
        if reason.is_empty() {
            writeln!(out)?;
        } else {
            writeln!(out, ": {}", code(&reason))?;
        }
        for finding in &record.findings {
            let step = finding.step.map_or(String::new(), |step| format!(" step {step}"));
            let (rule, severity) = (code(finding.rule), finding.severity.as_str());
            writeln!(out, "  - {rule} {severity}{step}: {}", code(&finding.text))?;
        }
    }
    if troubled.len() > TOLD {
        writeln!(out, "- and {} more, not told here", plural(troubled.len() - TOLD, "attempt"))?;
    }
    Ok(())
}

/// Observations that differ from the tape, each with its diff.
fn drifts(view: &RunView, out: &mut dyn Write) -> io::Result<()> {
    let drifted: Vec<_> = view
        .records
        .iter()
        .flat_map(|record| record.drift.iter().map(move |drift| (record, drift)))
        .collect();
    if drifted.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n## Drift\n\nObservations that differ from the tape (`-`) now (`+`).")?;
    for (record, drift) in drifted.iter().take(TOLD) {
        writeln!(out, "\n{} turn {}:\n", code(&record.id.to_string()), drift.turn)?;
        for line in drift.diff.lines() {
            // Indented code needs no fence that the text could close.
            writeln!(out, "    {}", text::visible(line))?;
        }
    }
    if drifted.len() > TOLD {
        writeln!(out, "\nand {} more, not shown here", plural(drifted.len() - TOLD, "change"))?;
    }
    Ok(())
}

fn timing(view: &RunView, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\n## Timing\n")?;
    compare::latency(view, out)?;
    retries(view, out)?;
    writeln!(out, "| attempt | time |\n| --- | --: |")?;
    for record in &view.records {
        writeln!(out, "| {} | {} |", cell(&record.id.to_string()), text::duration(duration_ms(record)))?;
    }
    Ok(())
}

/// Requests that back ends had to send again, of each subject with any.
fn retries(view: &RunView, out: &mut dyn Write) -> io::Result<()> {
    let again = |record: &AttemptRecord| record.timing.get("retries")?.as_array().map(Vec::len);
    let mut any = false;
    for subject in &view.manifest.subjects {
        let of = |record: &&AttemptRecord| record.id.subject == subject.id;
        let all: Vec<usize> = view.records.iter().filter(of).filter_map(again).collect();
        if all.is_empty() {
            continue;
        }
        let requests = plural(all.iter().sum(), "request");
        let attempts = plural(all.len(), "attempt");
        writeln!(out, "- {}: {requests} had to be sent again, in {attempts}.", code(&subject.id))?;
        any = true;
    }
    if any { writeln!(out) } else { Ok(()) }
}

/// A code span for a table cell: a bar would end the cell even inside code.
pub fn cell(content: &str) -> String {
    let code = code(content);
    if code.contains('|') { code.replace('|', "\\|") } else { code }
}

/// A code span whose fence is longer than any run of backticks inside.
pub fn code(content: &str) -> String {
    let line = cut(&text::one_line(content), 300);
    if line.is_empty() {
        return String::new();
    }
    let longest = line.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let pad = if line.starts_with('`') || line.ends_with('`') { " " } else { "" };
    [&fence, pad, &line, pad, &fence].concat()
}

#[cfg(test)]
mod tests {
    use super::{cell, code};

    #[test]
    fn hostile_text_stays_in_its_span() {
        assert_eq!(code("@all <img src=x>"), "`@all <img src=x>`");
        assert_eq!(code("a `` b`"), "``` a `` b` ```");
        assert_eq!(cell("a|b\nc"), "`a\\|b c`");
        assert_eq!(code(""), "");
    }
}
