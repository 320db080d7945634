//! The three outputs of `check`: text for people, JSON whole, JSON by lines.

use super::Plan;
use super::judge::{Checked, Item};
use crate::cli::CliError;
use crate::formats::ReadError;
use crate::model::{Finding, Reading, ReadingKind, Severity};
use crate::rules;
use crate::util::plural::plural;
use crate::util::text::printable;
use anstyle::{AnsiColor, Style};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

/// Schema of the JSON output.
const SCHEMA_VERSION: &str = "1.0";

/// Text: each finding with its source line, then a summary.
pub(super) fn text(checked: &Checked, plan: &Plan, color: bool) -> String {
    let mut out: String = checked.items.iter().map(|item| item_text(item, plan, color)).collect();
    out.push_str(&summary(checked, plan));
    out
}

fn item_text(item: &Item, plan: &Plan, color: bool) -> String {
    let finding = &item.finding;
    let paint = |style: Style, text: &str| {
        if color { format!("{}{text}{}", style.render(), style.render_reset()) } else { text.to_owned() }
    };
    let tone = AnsiColor::on_default(match finding.severity {
        Severity::Error => AnsiColor::Red,
        Severity::Warning => AnsiColor::Yellow,
        Severity::Info => AnsiColor::Cyan,
    });
    let (line, column) = finding.location.as_ref().map_or((1, 1), |place| (place.line, place.column));
    let mut out = format!(
        "{}:{line}:{column}: {} {} ({}) {}{}\n",
        paint(Style::new().bold(), &printable(&item.path)),
        paint(tone, finding.severity.as_str()),
        paint(tone.bold(), finding.rule),
        finding.name,
        printable(&finding.text),
        only(finding, plan),
    );
    if let Some(excerpt) = &item.excerpt {
        let number = excerpt.line.to_string();
        let carets = paint(tone, &"^".repeat(excerpt.width));
        let (gap, blanks) = (" ".repeat(number.len()), " ".repeat(excerpt.before));
        out.push_str(&format!("  {number} | {}\n  {gap} | {blanks}{carets}\n", excerpt.text.trim_end()));
    }
    out.push('\n');
    out
}

/// Says that a finding does not hold in the reading that counts.
fn only(finding: &Finding, plan: &Plan) -> String {
    let strict = finding.readings.contains(&ReadingKind::Strict);
    let runtime = finding.readings.iter().find(|reading| **reading != ReadingKind::Strict);
    match (&plan.policy.reading, strict, runtime) {
        (Reading::Strict, false, Some(reading)) => format!(" [only {reading}]"),
        (Reading::Runtime(_), true, None) => " [only strict]".to_owned(),
        _ => String::new(),
    }
}

fn summary(checked: &Checked, plan: &Plan) -> String {
    let count = |severity| checked.items.iter().filter(|item| item.finding.severity == severity).count();
    let (errors, warnings, infos) = (count(Severity::Error), count(Severity::Warning), count(Severity::Info));
    let mut out = format!(
        "{}, {}, {} judged, {}: {}, {}, {infos} info\n",
        plural(checked.files as usize, "file"),
        match checked.trajectories {
            1 => "1 trajectory".to_owned(),
            n => format!("{n} trajectories"),
        },
        plural(checked.messages as usize, "message"),
        plural(checked.calls as usize, "call"),
        plural(errors, "error"),
        plural(warnings, "warning"),
    );
    let reading = match &plan.policy.reading {
        Reading::Strict => "strict".to_owned(),
        Reading::Runtime(None) => "runtime".to_owned(),
        Reading::Runtime(Some(name)) => format!("runtime:{name}"),
    };
    let off = rules::ALL.iter().filter(|rule| rule.family() == "FC" && plan.off.contains(&rule.id)).count();
    let policy = format!("policy {}, reading {reading}", plan.policy.calls.as_str());
    let off_text = if off > 0 { format!(", {} off", plural(off, "FC rule")) } else { String::new() };
    match (compliant(checked, plan), checked.messages) {
        (None, _) => out.push_str("format not judged: all FC rules are off\n"),
        (Some(_), 0) => {
            out.push_str(&format!("format not judged: no assistant message ({policy}{off_text})\n"));
        }
        (Some(compliant), messages) => {
            let rate = compliant as f64 * 100.0 / messages as f64;
            out.push_str(&format!(
                "compliant: {compliant} of {messages} messages ({rate:.1} %; {policy}{off_text})\n"
            ));
        }
    }
    if !checked.errors.is_empty() {
        let noun = if checked.errors.len() == 1 { "record or file" } else { "records or files" };
        out.push_str(&format!("not read: {} {noun}, see stderr\n", checked.errors.len()));
    }
    out
}

/// Compliant messages; `None` if no rule of the FC family is on.
fn compliant(checked: &Checked, plan: &Plan) -> Option<u64> {
    let judged = rules::ALL.iter().any(|rule| rule.family() == "FC" && !plan.off.contains(&rule.id));
    judged.then_some(checked.compliant)
}

/// One JSON object.
pub(super) fn json(checked: &Checked, plan: &Plan, _: bool) -> String {
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
    format!("{whole:#}\n")
}

/// One finding a line.
pub(super) fn jsonl(checked: &Checked, _: &Plan, _: bool) -> String {
    checked.items.iter().map(|item| format!("{}\n", item_json(item))).collect()
}

fn item_json(item: &Item) -> Value {
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

/// A record that could not be read, as the user sees it.
pub(super) fn error_text(error: &ReadError) -> String {
    let path = printable(&error.path);
    let message = printable(&error.message);
    let mut out = if error.line == 0 {
        format!("error: {path}: {message}")
    } else {
        format!("error: {path}:{}: {message} (byte {})", error.line, error.offset)
    };
    let kept = (error.line > 0).then_some("the records before and after it are kept");
    if let Some(hint) = error.hint.as_deref().or(kept) {
        out.push_str(&format!("\nhint: {}", printable(hint)));
    }
    out
}

/// Writes a file whole or not at all.
pub(super) fn write(path: &Path, text: &str) -> Result<(), CliError> {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mode = std::fs::Permissions::from_mode(0o666);
    let written = tempfile::Builder::new().permissions(mode).tempfile_in(folder).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(path).map(|_| ()).map_err(|error| error.error)
    });
    written.map_err(|error| {
        CliError::usage(format!(
            "{} can't be written: {}",
            path.display(),
            match error.kind() {
                std::io::ErrorKind::NotFound => "there is no such folder".to_owned(),
                kind => kind.to_string(),
            }
        ))
        .hint("name a file in a folder that exists with -o")
    })
}
