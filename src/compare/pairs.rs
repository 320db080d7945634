//! Two sides, paired by task.
//!
//! Invariant: a task counts for a metric only if both sides have scored attempts of it and every one of these
//! knows the value; what does not count is told.

use super::metrics::{Better, METRICS, Metric};
use super::{Settings, Side};
use crate::model::AttemptRecord;
use std::collections::{BTreeMap, BTreeSet};

/// One side against its baseline.
#[derive(Debug, Clone, PartialEq)]
pub struct Pair {
    /// Index of the baseline.
    pub baseline: usize,
    /// Index of the side that is held against it.
    pub side: usize,
    /// Number of tasks that both have, scored or not.
    pub common: u64,
    /// Tasks (`suite/task`) that both have scored, in the baseline's order.
    pub tasks: Vec<String>,
    /// Each of [`METRICS`] over these tasks.
    pub metrics: Vec<Paired>,
    /// Tasks that are not paired, and why.
    pub unpaired: Vec<(String, String)>,
    /// Tasks that were other tasks in the other run; unpaired too unless that was allowed.
    pub changed: Vec<String>,
}

/// A metric over the paired tasks. Means are means over tasks of the mean over a task's attempts.
#[derive(Debug, Clone, PartialEq)]
pub struct Paired {
    /// The metric.
    pub metric: &'static Metric,
    /// Tasks that count.
    pub tasks: u64,
    /// Paired tasks of which a value is unknown; they don't count.
    pub unknown: u64,
    /// For each paired task the means of baseline and side; `None` where a value is unknown.
    pub by_task: Vec<Option<(f64, f64)>>,
    /// Mean of the baseline.
    pub baseline: Option<f64>,
    /// Mean of the side.
    pub side: Option<f64>,
    /// Side minus baseline.
    pub difference: Option<f64>,
    /// Tasks in which the side is better, worse, equal; `None` where neither way is better.
    pub verdicts: Option<[u64; 3]>,
}

impl Pair {
    /// The metric of that name.
    pub fn metric(&self, name: &str) -> Option<&Paired> {
        self.metrics.iter().find(|paired| paired.metric.name == name)
    }
}

type Tasks<'a> = Vec<(String, Vec<&'a AttemptRecord>)>;

/// Attempts by task, in plan order.
fn by_task<'a>(side: &Side<'a>) -> Tasks<'a> {
    let mut tasks: Tasks<'a> = Vec::new();
    let mut index = BTreeMap::new();
    for record in side.records() {
        let at = *index.entry((&record.id.suite, &record.id.task)).or_insert_with(|| {
            tasks.push((format!("{}/{}", record.id.suite, record.id.task), Vec::new()));
            tasks.len() - 1
        });
        tasks[at].1.push(record);
    }
    tasks
}

pub(super) fn pair(sides: &[Side<'_>], baseline: usize, side: usize, settings: Settings) -> Pair {
    let (base, other) = (by_task(&sides[baseline]), by_task(&sides[side]));
    let index: BTreeMap<&str, usize> =
        other.iter().enumerate().map(|(at, (task, _))| (task.as_str(), at)).collect();
    let mut out =
        Pair { baseline, side, common: 0, tasks: vec![], metrics: vec![], unpaired: vec![], changed: vec![] };
    let mut paired = Vec::new();
    for (task, left) in &base {
        let Some(at) = index.get(task.as_str()) else {
            out.unpaired.push((task.clone(), "only the baseline has this task".to_owned()));
            continue;
        };
        out.common += 1;
        let right = &other[*at].1;
        let digest = |records: &[&AttemptRecord]| records.first().map(|record| record.task_digest.clone());
        if digest(left) != digest(right) {
            out.changed.push(task.clone());
            if !settings.allow_changed {
                out.unpaired.push((task.clone(), "the task was changed between the runs".to_owned()));
                continue;
            }
        }
        let (left, right) = (scored(left), scored(right));
        if left.is_empty() || right.is_empty() {
            let who = match (left.is_empty(), right.is_empty()) {
                (true, true) => "neither has a",
                (true, false) => "the baseline has no",
                _ => "it has no",
            };
            out.unpaired.push((task.clone(), format!("{who} scored attempt")));
            continue;
        }
        out.tasks.push(task.clone());
        paired.push((left, right));
    }
    let known: BTreeSet<&str> = base.iter().map(|(task, _)| task.as_str()).collect();
    for (task, _) in other.iter().filter(|(task, _)| !known.contains(task.as_str())) {
        out.unpaired.push((task.clone(), "the baseline does not have this task".to_owned()));
    }
    out.metrics = METRICS.iter().map(|metric| measure(metric, &paired)).collect();
    out
}

fn scored<'a>(records: &[&'a AttemptRecord]) -> Vec<&'a AttemptRecord> {
    records.iter().copied().filter(|record| record.outcome.is_scored()).collect()
}

fn measure(metric: &'static Metric, tasks: &[(Vec<&AttemptRecord>, Vec<&AttemptRecord>)]) -> Paired {
    let by_task: Vec<Option<(f64, f64)>> =
        tasks.iter().map(|(left, right)| mean(metric, left).zip(mean(metric, right))).collect();
    let means: Vec<(f64, f64)> = by_task.iter().flatten().copied().collect();
    let n = means.len() as f64;
    let over =
        |value: fn(&(f64, f64)) -> f64| (!means.is_empty()).then(|| means.iter().map(value).sum::<f64>() / n);
    Paired {
        metric,
        tasks: means.len() as u64,
        unknown: (tasks.len() - means.len()) as u64,
        baseline: over(|(left, _)| *left),
        side: over(|(_, right)| *right),
        difference: over(|(left, right)| right - left),
        verdicts: verdicts(metric.better, &means),
        by_task,
    }
}

/// The mean of a task's attempts; unknown if any is.
fn mean(metric: &Metric, records: &[&AttemptRecord]) -> Option<f64> {
    let values: Option<Vec<f64>> = records.iter().map(|record| (metric.value)(record)).collect();
    let values = values?;
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

fn verdicts(better: Better, means: &[(f64, f64)]) -> Option<[u64; 3]> {
    if better == Better::Neither {
        return None;
    }
    let mut counts = [0; 3];
    for (left, right) in means {
        let gain = if better == Better::Higher { right - left } else { left - right };
        // Sums in another order may differ in the last digit.
        let slack = 1e-9 * left.abs().max(right.abs());
        counts[if gain.abs() <= slack { 2 } else { usize::from(gain < 0.0) }] += 1;
    }
    Some(counts)
}
