//! What stands beside the rows: `README.md`, `manifest.json`, `features.json`, `provenance.jsonl`,
//! `rejected.jsonl`. No clock: the same input gives the same bytes.

use super::build::{Plan, rejected_line};
use super::dialogue::Notes;
use super::error::ExportError;
use super::folder::{Facts, Stage};
use super::guard::Leak;
use super::intake::Intake;
use super::reason::Reason;
use super::shape::Shape;
use super::table::Written;
use super::{Target, Units};
use crate::util::digest::sha256_hex;
use crate::util::text::printable;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// Version of the files of an export folder.
pub(super) const SCHEMA: &str = "1.0";

/// Sources and runs that the card names; the manifest names all.
const NAMED: usize = 50;

/// All that the files tell.
pub(super) struct Card<'a> {
    pub(super) target: &'static Target,
    pub(super) plan: &'a Plan,
    pub(super) facts: &'a Facts,
    pub(super) files: &'a [Written],
    pub(super) shapes: &'a [Shape],
    pub(super) intake: &'a Intake,
    pub(super) used: &'a BTreeSet<usize>,
    pub(super) counts: &'a [(Reason, u64)],
    pub(super) notes: Notes,
    pub(super) leaks: &'a [Leak],
}

/// Writes all files; the manifest comes last, it holds the digests of the others.
pub(super) fn write(card: &Card<'_>, stage: &Stage) -> Result<(), ExportError> {
    let guard = &card.intake.guard;
    let clean = |mut value: Value| {
        guard.value(&mut value, &String::new, &mut Vec::new());
        value
    };
    let lines = |values: &mut dyn Iterator<Item = Value>| -> String {
        values.map(|value| format!("{}\n", clean(value))).collect()
    };
    let origins = lines(&mut card.files.iter().flat_map(|file| file.origins.iter().cloned()));
    let rejected =
        lines(&mut card.intake.rejected.iter().map(|rejected| rejected_line(rejected, card.facts)));
    let mut others = vec![
        ("provenance.jsonl", origins),
        ("rejected.jsonl", rejected),
        ("features.json", format!("{:#}\n", features(card))),
    ];
    others.extend((card.target.extra)(&splits(card)));
    let mut readme = Value::String(readme(card));
    guard.value(&mut readme, &String::new, &mut Vec::new());
    others.push(("README.md", readme.as_str().unwrap_or_default().to_owned()));
    for (name, text) in &others {
        stage.write(name, text.as_bytes())?;
    }
    let digests: Value = others
        .iter()
        .map(|(name, text)| json!({"name": name, "bytes": text.len(), "sha256": sha256_hex(text.as_bytes())}))
        .collect();
    stage.write("manifest.json", format!("{:#}\n", clean(manifest(card, &digests))).as_bytes())
}

/// Splits that are there, in order.
fn splits(card: &Card<'_>) -> Vec<&'static str> {
    card.files.iter().filter(|file| file.table == 0).map(|file| file.split).collect()
}

fn config(below: &str) -> &str {
    if below.is_empty() { "default" } else { below }
}

fn features(card: &Card<'_>) -> Value {
    let tables = card.target.tables.iter().zip(card.shapes);
    tables
        .map(|(below, shape)| (config(below).to_owned(), shape.features(card.target.floats)))
        .collect::<Map<_, _>>()
        .into()
}

fn manifest(card: &Card<'_>, others: &Value) -> Value {
    let file = |file: &Written| {
        json!({
            "name": file.name, "config": config(card.target.tables[file.table]), "split": file.split,
            "rows": file.rows, "bytes": file.bytes, "sha256": file.sha256,
        })
    };
    let counts: Map<String, Value> =
        card.counts.iter().map(|(reason, n)| (reason.as_str().to_owned(), (*n).into())).collect();
    json!({
        "schema_version": SCHEMA,
        "rolltape": env!("CARGO_PKG_VERSION"),
        "target": card.target.name,
        "options": card.facts.options,
        "files": card.files.iter().map(file).collect::<Value>(),
        "others": others,
        "sources": card.facts.sources.iter().map(super::SourceFacts::json).collect::<Value>(),
        "runs": card.facts.runs.iter().map(super::RunFacts::json).collect::<Value>(),
        "trajectories": card.intake.seen,
        "rejected": counts,
        "changes": changes(card.notes).into_iter().map(|(what, n)| json!({"what": what, "count": n})).collect::<Value>(),
        "secrets_replaced": kinds(card.leaks),
        "licence": card.facts.license.as_deref().unwrap_or("unknown"),
    })
}

fn kinds(leaks: &[Leak]) -> BTreeMap<&str, u64> {
    let mut kinds = BTreeMap::new();
    for leak in leaks {
        *kinds.entry(leak.kind.as_str()).or_default() += 1;
    }
    kinds
}

/// What differs from the sources, each with its count.
fn changes(notes: Notes) -> Vec<(&'static str, u64)> {
    let all = [
        ("messages behind the model's last one, left out", notes.trimmed),
        ("messages with several calls, made one turn a call", notes.split),
        ("messages of the prompt frame, cut or left out", notes.frames),
        ("calls, turned from text into objects or back", notes.converted),
        ("rows with calls but without a list of tools", notes.toolless),
        ("messages of the model that are not to be learned", notes.masked),
    ];
    all.into_iter().filter(|(_, n)| *n > 0).collect()
}

fn front_matter(card: &Card<'_>) -> String {
    let mut out = String::from("---\n");
    let license = card.facts.license.as_deref().unwrap_or("unknown");
    let _ = writeln!(out, "license: {}\nconfigs:", Value::from(license));
    for (table, below) in card.target.tables.iter().enumerate() {
        let files: Vec<&Written> = card.files.iter().filter(|file| file.table == table).collect();
        if files.is_empty() {
            continue;
        }
        let _ = writeln!(out, "- config_name: {}", config(below));
        if table == 0 {
            out.push_str("  default: true\n");
        }
        out.push_str("  data_files:\n");
        for file in files {
            let _ = writeln!(out, "  - split: {}\n    path: {}", file.split, file.name);
        }
    }
    out.push_str("dataset_info:\n");
    for (table, below) in card.target.tables.iter().enumerate() {
        if card.files.iter().any(|file| file.table == table) {
            let types = card.shapes[table].yaml(card.target.floats);
            let _ = write!(out, "- config_name: {}\n  features:\n{types}", config(below));
        }
    }
    out.push_str("---\n");
    out
}

fn readme(card: &Card<'_>) -> String {
    let target = card.target;
    let mut out = front_matter(card);
    let _ =
        write!(out, "\n# Data set `{}`\n\n{}, made by `rolltape export`", target.name, capital(target.about));
    let _ = writeln!(out, " {}.\n\n| file | rows |\n|---|---|", env!("CARGO_PKG_VERSION"));
    for file in card.files {
        let _ = writeln!(out, "| `{}` | {} |", file.name, file.rows);
    }
    let _ = write!(
        out,
        "\n- Columns: {}.\n- Arguments of calls: {}. Roles: {}. Rows end with: {}.\n- Splits: by task, seed {}; \
         no task and no prompt stands in two of them.\n- The first rows of a file are those that bring a new \
         shape of data; the others stand in the order of the sources.\n- `provenance.jsonl` tells where each \
         row comes from, `rejected.jsonl` what gave no row and why, `features.json` the types of the columns. \
         `rolltape export --verify` proves the folder.\n",
        target.container, target.arguments, target.roles, target.ends, card.plan.seed
    );
    provenance(card, &mut out);
    counts(card, &mut out);
    limits(card, &mut out);
    out
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

/// A cell of a table: nothing in it ends the cell or the line.
fn cell(text: &str) -> String {
    printable(text).replace('|', "\\|")
}

fn provenance(card: &Card<'_>, out: &mut String) {
    out.push_str("\n## Sources\n\n| path | format | sha256 |\n|---|---|---|\n");
    for source in card.facts.sources.iter().take(NAMED) {
        let _ = writeln!(out, "| {} | {} | `{}` |", cell(&source.path), source.format, source.sha256);
    }
    let more = card.facts.sources.len().saturating_sub(NAMED);
    if more > 0 {
        let _ = writeln!(out, "\n{more} more stand in `manifest.json`.");
    }
    for run in card.facts.runs.iter().take(NAMED) {
        let _ = writeln!(out, "\nRun `{}`: policy {}, seed {}.\n", run.id, run.policy, run.seed);
        for (name, digest) in &run.suites {
            let _ = writeln!(out, "- suite {}: `{digest}`", cell(name));
        }
        let _ = writeln!(out, "- tasks: {}, with their digests in `manifest.json`", run.tasks.len());
        for subject in &run.subjects {
            let text = |key: &str| subject.get(key).and_then(Value::as_str).unwrap_or("unknown");
            let params = subject.get("params").map(Value::to_string).unwrap_or_default();
            let _ = writeln!(
                out,
                "- subject {}: agent {}, back end {}, model {}, parameters as sent `{}`",
                cell(text("id")),
                cell(text("agent")),
                cell(text("backend")),
                cell(text("model")),
                cell(&params)
            );
        }
        let _ = writeln!(out, "- versions: `{}`", cell(&run.versions.to_string()));
    }
    let elsewhere = card.used.iter().map(|index| &card.intake.candidates[*index].meta);
    let models: BTreeSet<&str> = elsewhere
        .filter(|meta| meta.verdict.is_none())
        .map(|meta| meta.model.as_deref().unwrap_or("unknown"))
        .collect();
    if !models.is_empty() {
        let models: Vec<String> = models.into_iter().take(NAMED).map(cell).collect();
        let _ = writeln!(
            out,
            "\nTrajectories from elsewhere: model {}; sampling parameters unknown; no verdict.",
            models.join(", ")
        );
    }
    let license = card.facts.license.as_deref().unwrap_or("unknown");
    let _ = writeln!(out, "\nLicence: {}.", cell(license));
}

fn counts(card: &Card<'_>, out: &mut String) {
    let _ = writeln!(out, "\n## What was left out\n\n{} trajectories came in.", card.intake.seen);
    if card.counts.is_empty() {
        out.push_str("None was rejected.\n");
    } else {
        out.push_str("\n| reason | count |\n|---|---|\n");
        for (reason, n) in card.counts {
            let _ = writeln!(out, "| {} | {n} |", reason.as_str());
        }
    }
    out.push_str("\n## What differs from the sources\n\n");
    let changes = changes(card.notes);
    if changes.is_empty() {
        out.push_str("Nothing.\n");
    }
    for (what, n) in changes {
        let _ = writeln!(out, "- {n} {what}");
    }
    out.push_str("\n## Secrets\n\nEvery string of every row was searched for the shapes of keys. ");
    if card.leaks.is_empty() {
        out.push_str("None was found.\n");
    } else {
        out.push_str("What was found is replaced by placeholders, the same secret by the same one:\n\n");
        for (kind, n) in kinds(card.leaks) {
            let _ = writeln!(out, "- {kind}: {n}");
        }
    }
}

fn limits(card: &Card<'_>, out: &mut String) {
    out.push_str("\n## Limits\n\n");
    let mut limits = vec![
        "A verdict is that of the suite's scorers; nobody has read the rows.",
        "Attempts of one task are alike: rows are not independent.",
        "Secrets of a shape that is not known are not found, and personal data are not looked for.",
        "The `datasets` library cuts numbers with a fraction in JSON columns to ten decimals.",
    ];
    if card.target.units == Units::Pairs {
        limits.push("A pair shows which attempt ended better, not that the message that differs is why.");
    }
    if card.target.units == Units::Groups {
        limits.push(
            "Rewards are as the run gave them; no ground truth is stored in a run. Filter by outcome_ok.",
        );
    }
    if card.notes.converted > 0 {
        limits.push("In the text form of a call the type of a value is lost: \"5\" and 5 look the same.");
    }
    for limit in limits {
        let _ = writeln!(out, "- {limit}");
    }
}
