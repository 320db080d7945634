//! Subjects side by side, paired by task: inside one run, or between runs.
//!
//! Pure: stored runs in, a comparison out. Invariant: subjects are never pooled; errors, skips and cancelled
//! attempts are in no figure and counted beside; what is unknown is no zero. Must not know: how a comparison
//! is shown, what it decides.

mod metrics;
mod pairs;
mod summary;

use crate::model::{AttemptRecord, Subject};
use crate::store::RunView;
use crate::util::plural::plural;
use std::collections::BTreeSet;

pub use metrics::{Better, METRICS, Metric, Unit, find as find_metric};
pub use pairs::{Pair, Paired};
pub use summary::{Figure, RuleCount, Summary};

/// What every comparison says as long as it has no test.
pub const NO_TEST: &str = "no test of significance yet: a difference may be chance";

/// Parameters that bind the model's format: between subjects that differ in them, compliance is no measure of
/// the model.
const BINDING: [&str; 8] = [
    "stop",
    "grammar",
    "response_format",
    "json_schema",
    "guided_json",
    "guided_regex",
    "guided_grammar",
    "tool_choice",
];

/// A subject of a run.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    /// The run.
    pub run: &'a RunView,
    /// Id of the subject in it.
    pub id: &'a str,
}

impl<'a> Side<'a> {
    /// Its attempts in plan order.
    fn records(&self) -> impl Iterator<Item = &'a AttemptRecord> + use<'a> {
        let id = self.id;
        self.run.records.iter().filter(move |record| record.id.subject == id)
    }

    fn subject(&self) -> Subject {
        let known = self.run.manifest.subjects.iter().find(|subject| subject.id == self.id);
        let seen = || self.records().next().map(|record| record.subject.clone());
        known.cloned().or_else(seen).unwrap_or_else(|| Subject {
            id: self.id.to_owned(),
            agent: String::new(),
            backend: String::new(),
            model: None,
            params: crate::model::Object::new(),
        })
    }
}

/// How to compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Settings {
    /// Pair a task even if it was changed between the runs.
    pub allow_changed: bool,
}

/// Sides, each against its baseline.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// All sides in order.
    pub sides: Vec<Summary>,
    /// Each side that has a baseline, against it.
    pub pairs: Vec<Pair>,
    /// What a reader must know beside the figures.
    pub notes: Vec<String>,
    /// Where two subjects of a pair differ in what binds the format.
    pub unlike: Vec<String>,
}

/// The subjects of a run, in the order of its manifest, then those that only records name.
pub fn subjects(run: &RunView) -> Vec<&str> {
    let mut ids: Vec<&str> = run.manifest.subjects.iter().map(|subject| subject.id.as_str()).collect();
    for record in &run.records {
        if !ids.contains(&record.id.subject.as_str()) {
            ids.push(&record.id.subject);
        }
    }
    ids
}

/// The subjects of one run against its first; `None` if it has only one.
pub fn of_run(run: &RunView) -> Option<Comparison> {
    let sides: Vec<Side<'_>> = subjects(run).into_iter().map(|id| Side { run, id }).collect();
    let baselines: Vec<Option<usize>> = (0..sides.len()).map(|at| (at > 0).then_some(0)).collect();
    (sides.len() > 1).then(|| compare(&sides, &baselines, Settings::default()))
}

/// Compares sides; `baselines` has for each side the index of its baseline, or `None` for one that is only a
/// baseline itself.
pub fn compare(sides: &[Side<'_>], baselines: &[Option<usize>], settings: Settings) -> Comparison {
    let summaries: Vec<Summary> = sides.iter().map(summary::of).collect();
    let pairs: Vec<Pair> = baselines
        .iter()
        .enumerate()
        .filter_map(|(side, baseline)| Some(pairs::pair(sides, (*baseline)?, side, settings)))
        .collect();
    let mut notes = unfinished(sides);
    let mut unlike = Vec::new();
    for pair in &pairs {
        notes.extend(differences(sides, pair, settings));
        unlike.extend(bindings(&summaries[pair.baseline].subject, &summaries[pair.side].subject));
    }
    for list in [&mut notes, &mut unlike] {
        let mut seen = BTreeSet::new();
        list.retain(|note| seen.insert(note.clone()));
    }
    Comparison { sides: summaries, pairs, notes, unlike }
}

/// Parameters that bind the format and differ.
fn bindings(base: &Subject, side: &Subject) -> Vec<String> {
    let value = |subject: &Subject, key: &str| {
        subject.params.get(key).map_or_else(|| "none".to_owned(), ToString::to_string)
    };
    BINDING
        .iter()
        .filter(|key| value(base, key) != value(side, key))
        .map(|key| {
            format!(
                "'{}' has {key} {}, '{}' has {}: their format compliance is not the same measure",
                base.id,
                value(base, key),
                side.id,
                value(side, key)
            )
        })
        .collect()
}

fn unfinished(sides: &[Side<'_>]) -> Vec<String> {
    let mut notes = Vec::new();
    for side in sides {
        let (ended, planned) = (side.run.records.len() as u64, side.run.manifest.planned);
        if ended < planned {
            notes.push(format!(
                "run '{}' is unfinished: {ended} of {planned} attempts ended",
                side.run.manifest.id
            ));
        }
        if let Some((first, more)) = side.run.warnings.split_first() {
            let more = if more.is_empty() { String::new() } else { format!("; and {} more", more.len()) };
            notes.push(format!("the records of run '{}' are damaged: {first}{more}", side.run.manifest.id));
        }
    }
    notes
}

/// What differs between the two sides of a pair beside what is measured.
fn differences(sides: &[Side<'_>], pair: &Pair, settings: Settings) -> Vec<String> {
    let mut notes = Vec::new();
    let (left, right) = (&sides[pair.baseline].run.manifest, &sides[pair.side].run.manifest);
    if left.sandbox != right.sandbox {
        notes.push(format!(
            "run '{}' has the sandbox {}, run '{}' {}",
            left.id, left.sandbox, right.id, right.sandbox
        ));
    }
    if !pair.changed.is_empty() && settings.allow_changed {
        notes.push(format!(
            "{} changed between the runs and paired all the same: {}",
            plural(pair.changed.len(), "task"),
            pair.changed.join(", ")
        ));
    }
    notes
}
