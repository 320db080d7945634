//! Second pass: units become rows, rows become files, and the folder gets its name last of all.
//!
//! Order of safety: every string of every row is looked at before its line is written, and the folder is
//! renamed only when no secret was found anywhere.

use super::card::{self, Card};
use super::dialogue::Notes;
use super::error::ExportError;
use super::folder::{Facts, Stage};
use super::guard::Leak;
use super::intake::{Intake, Rejected};
use super::reason::{Reason, Reject};
use super::shape::Shape;
use super::split::Splits;
use super::table::{Table, Written};
use super::units::{self, Caps, Planned};
use super::{Member, Row, Target, Unit};
use rayon::prelude::*;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Units that are rendered at once.
const CHUNK: usize = 256;

/// Leaks that are told one by one.
const TOLD: usize = 20;

/// How rows are made.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The target.
    pub target: &'static Target,
    /// Seed of the splits.
    pub seed: u64,
    /// Shares of the splits.
    pub splits: Splits,
    /// How many units there may be.
    pub caps: Caps,
    /// Whether secrets are replaced; otherwise they refuse the export.
    pub redact: bool,
}

/// What was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// Files with their rows.
    pub files: Vec<(String, usize)>,
    /// How often each reason was met.
    pub rejected: Vec<(Reason, u64)>,
    /// Secrets that were replaced.
    pub redacted: u64,
    /// Sentences about what the user should know.
    pub remarks: Vec<String>,
}

/// A row ready to be written.
struct Ready {
    row: Row,
    line: Vec<u8>,
}

/// Makes the data set in `stage`; the caller may look at it before it calls [`Stage::finish`].
///
/// # Errors
/// A secret, nothing left, a disk that fails.
pub fn build(mut intake: Intake, plan: &Plan, facts: &Facts, stage: &Stage) -> Result<Built, ExportError> {
    let target = plan.target;
    let units = units::plan(&mut intake, &plan.caps)?;
    let asks: Vec<(&str, &str)> =
        intake.candidates.iter().map(|one| (one.meta.task.as_str(), one.ask.as_str())).collect();
    let splits = plan.splits.assign(asks, plan.seed);
    let mut writer = Writer::new(target, &splits, plan, stage);
    for chunk in units.chunks(CHUNK) {
        let made: Vec<_> = chunk.par_iter().map(|unit| render(&intake, unit, target, plan)).collect();
        for (unit, made) in chunk.iter().zip(made) {
            match made? {
                Ok((ready, leaks)) => writer.add(&intake, unit, ready, leaks, facts)?,
                Err(reject) => writer.rejected.push(units::refused(&intake, unit, reject)),
            }
        }
    }
    writer.finish(intake, facts, stage)
}

type Rendered = Result<(Vec<Ready>, Vec<Leak>), Reject>;

fn render(intake: &Intake, unit: &Planned, target: &Target, plan: &Plan) -> Result<Rendered, ExportError> {
    let indices = unit.members();
    let mut members = Vec::with_capacity(indices.len());
    let mut leaks = Vec::new();
    for index in &indices {
        let candidate = &intake.candidates[*index];
        members.push(Member { index: *index, meta: &candidate.meta, dialogue: intake.load(*index)? });
        leaks.extend(candidate.leaks.iter().cloned());
    }
    let unit = match unit {
        Planned::Row(_) => Unit::Row(&members[0]),
        Planned::Pair { kind, cut, .. } => Unit::Pair {
            chosen: &members[0],
            rejected: &members[1],
            kind: *kind,
            cut: *cut,
            rest: plan.caps.rest,
        },
        Planned::Prompt(_) => Unit::Prompt(&members),
        Planned::Group(_) => Unit::Group(&members),
    };
    let rows = match (target.write)(&unit) {
        Ok(rows) => rows,
        Err(reject) => return Ok(Err(reject)),
    };
    let mut ready = Vec::with_capacity(rows.len());
    for mut row in rows {
        // What was no secret apart may be one together.
        let mut columns = Value::Object(std::mem::take(&mut row.columns));
        let place = || format!("{}, as a row", members[0].meta.place);
        intake.guard.value(&mut columns, &place, &mut leaks);
        let mut line = serde_json::to_vec(&columns).unwrap_or_default();
        line.push(b'\n');
        if let Value::Object(columns) = columns {
            row.columns = columns;
        }
        ready.push(Ready { row, line });
    }
    Ok(Ok((ready, leaks)))
}

struct Writer<'a> {
    target: &'static Target,
    splits: &'a BTreeMap<String, &'static str>,
    plan: &'a Plan,
    stage: &'a Stage,
    tables: Vec<Table>,
    /// Types of each table over all its files.
    shapes: Vec<Shape>,
    leaks: Vec<Leak>,
    rejected: Vec<Rejected>,
    used: BTreeSet<usize>,
}

impl<'a> Writer<'a> {
    fn new(
        target: &'static Target,
        splits: &'a BTreeMap<String, &'static str>,
        plan: &'a Plan,
        stage: &'a Stage,
    ) -> Self {
        Self {
            target,
            splits,
            plan,
            stage,
            tables: Vec::new(),
            shapes: vec![Shape::default(); target.tables.len()],
            leaks: Vec::new(),
            rejected: Vec::new(),
            used: BTreeSet::new(),
        }
    }

    fn add(
        &mut self,
        intake: &Intake,
        unit: &Planned,
        ready: Vec<Ready>,
        leaks: Vec<Leak>,
        facts: &Facts,
    ) -> Result<(), ExportError> {
        self.leaks.extend(leaks);
        if !self.leaks.is_empty() && !self.plan.redact {
            // The export is refused: the rest is looked at, so that all places are told at once.
            return Ok(());
        }
        let members = unit.members();
        let task = members.first().map_or("", |index| intake.candidates[*index].meta.task.as_str());
        let split = self.splits.get(task).copied().unwrap_or("train");
        self.used.extend(members);
        for Ready { row, line } in ready {
            self.shapes[row.table].add_row(&row.columns);
            let of: Vec<Value> = row
                .parts
                .iter()
                .map(|(index, turns)| {
                    let meta = &intake.candidates[*index].meta;
                    let source = facts.sources.get(meta.source).map_or("", |source| source.path.as_str());
                    json!({"source": meta.source, "path": source, "place": meta.place, "id": meta.id, "turns": turns})
                })
                .collect();
            let origin = json!({"sha256": null, "task": task, "of": of});
            let at = self.tables.iter().position(|table| table.table == row.table && table.split == split);
            let at = match at {
                Some(at) => at,
                None => {
                    let below = self.target.tables[row.table];
                    self.tables.push(Table::new(self.stage.path(), row.table, below, split)?);
                    self.tables.len() - 1
                }
            };
            self.tables[at].add(&row.columns, &line, origin)?;
        }
        Ok(())
    }

    fn finish(mut self, mut intake: Intake, facts: &Facts, stage: &Stage) -> Result<Built, ExportError> {
        intake.rejected.append(&mut self.rejected);
        let mut counts: BTreeMap<Reason, u64> = BTreeMap::new();
        for rejected in &intake.rejected {
            *counts.entry(rejected.reject.reason).or_default() += 1;
        }
        let counts: Vec<(Reason, u64)> = counts.into_iter().collect();
        if !self.leaks.is_empty() && !self.plan.redact {
            return Err(refused(&self.leaks));
        }
        if self.tables.is_empty() {
            return Err(nothing_left(intake.seen, &counts));
        }
        let order =
            |table: &Table| (table.table, super::split::NAMES.iter().position(|name| *name == table.split));
        self.tables.sort_by_key(order);
        let mut remarks = Vec::new();
        let first = self.tables.first().map(|table| &table.shape);
        if first.zip(self.shapes.first()).is_some_and(|(first, all)| first.widened_by(all)) {
            remarks.push(
                "a later split holds shapes that the first one lacks: load the folder, whose card declares \
                 the types, not the files one by one"
                    .to_owned(),
            );
        }
        let wanted = self.plan.splits.0.iter().map(|(name, _)| *name);
        let empty: Vec<&str> =
            wanted.filter(|name| !self.tables.iter().any(|table| table.split == *name)).collect();
        if !empty.is_empty() {
            remarks.push(format!("no task fell into {}: its file is not written", empty.join(", ")));
        }
        let files: Vec<Written> =
            self.tables.into_iter().map(Table::finish).collect::<Result<_, ExportError>>()?;
        let mut notes = Notes::default();
        self.used.iter().for_each(|index| notes.add(intake.candidates[*index].notes));
        let card = Card {
            target: self.target,
            plan: self.plan,
            facts,
            files: &files,
            shapes: &self.shapes,
            intake: &intake,
            used: &self.used,
            counts: &counts,
            notes,
            leaks: &self.leaks,
        };
        card::write(&card, stage)?;
        Ok(Built {
            files: files.iter().map(|file| (file.name.clone(), file.rows)).collect(),
            rejected: counts,
            redacted: self.leaks.len() as u64,
            remarks,
        })
    }
}

/// The refusal for secrets: where they are, never what they are.
fn refused(leaks: &[Leak]) -> ExportError {
    let all: BTreeSet<&Leak> = leaks.iter().collect();
    let mut lines: Vec<String> =
        all.iter().take(TOLD).map(|leak| format!("{}: {} {}", leak.place, leak.kind, leak.label)).collect();
    if all.len() > TOLD {
        lines.push(format!("and {} more", all.len() - TOLD));
    }
    let what = crate::util::plural::plural(all.len(), "place");
    let text = format!(
        "the rows hold secrets in {what} (rule SE001), so nothing was written:\n  {}",
        lines.join("\n  ")
    );
    ExportError::No(
        text,
        vec![
            "'--redact' puts these placeholders in their stead".to_owned(),
            "'--allow FILE' lets pass what is no secret: one value or placeholder a line".to_owned(),
        ],
    )
}

fn nothing_left(seen: u64, counts: &[(Reason, u64)]) -> ExportError {
    let told: Vec<String> = counts.iter().map(|(reason, n)| format!("{} {n}", reason.as_str())).collect();
    let noun =
        crate::util::plural::plural(seen as usize, "trajectory").replace("trajectorys", "trajectories");
    let why = if told.is_empty() { "there is none".to_owned() } else { told.join(", ") };
    let hint = match counts.iter().max_by_key(|(_, n)| *n).map(|(reason, _)| *reason) {
        Some(Reason::NotPassed | Reason::BadFormat | Reason::Passed) => {
            "'--only all' takes all scored attempts"
        }
        Some(Reason::NoVerdict) => "leave '--only' out: what comes from elsewhere has no verdict",
        Some(Reason::NoPair) => {
            "pairs need a passed and a failed attempt of one task, or one with a broken format"
        }
        Some(Reason::MaskedTurn) => {
            "'openai-sft' can leave turns out of training; '--frame drop' drops worked examples"
        }
        Some(Reason::TextWithCall | Reason::ToolsUnknown) => "'--calls text' keeps calls in the text",
        Some(Reason::ParallelCalls) => "'--split-calls' makes one turn of each call",
        Some(Reason::MalformedCall) => "'--calls text' keeps calls as they were written",
        Some(Reason::LowReward | Reason::NoReward) => "lower '--min-reward' or leave it out",
        _ => "each case stands in the list of reasons above",
    };
    ExportError::No(format!("nothing is left to export of {noun}: {why}"), vec![hint.to_owned()])
}

/// The line of `rejected.jsonl`.
pub(super) fn rejected_line(rejected: &Rejected, facts: &Facts) -> Value {
    let source = rejected.source.and_then(|index| facts.sources.get(index));
    let mut line = Map::new();
    line.insert("reason".to_owned(), rejected.reject.reason.as_str().into());
    line.insert("path".to_owned(), source.map_or("", |source| source.path.as_str()).into());
    line.insert("place".to_owned(), rejected.place.as_str().into());
    line.insert("id".to_owned(), rejected.id.as_str().into());
    line.insert("task".to_owned(), rejected.task.as_str().into());
    line.insert("text".to_owned(), rejected.reject.text.as_str().into());
    Value::Object(line)
}
