//! What one side did, by itself.
//!
//! Invariant: every figure is of scored attempts and says of how many it is known; errors, skips and
//! cancelled attempts are counted beside it.

use super::Side;
use super::metrics::{METRICS, Metric};
use crate::model::{AttemptRecord, Severity, Subject};
use crate::stats::{Rate, quantile};
use std::collections::BTreeMap;

/// One side, summed up.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// Id of its run.
    pub run: String,
    /// The subject.
    pub subject: Subject,
    /// Attempts that its run has of it.
    pub attempts: u64,
    /// Of these: with an error, skipped, cancelled. They are in no figure.
    pub beside: [(&'static str, u64); 3],
    /// Successes of the scored attempts.
    pub success: Rate,
    /// Attempts that kept the format, of the scored ones with a judged message.
    pub format: Rate,
    /// Judged messages of the scored attempts.
    pub messages: u64,
    /// Findings by rule and weight, sorted.
    pub rules: Vec<RuleCount>,
    /// A figure for each of [`METRICS`].
    pub figures: Vec<Figure>,
}

/// How often a rule found something.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleCount {
    /// Id of the rule.
    pub rule: &'static str,
    /// Its name.
    pub name: &'static str,
    /// The weight of these findings; what does not hold in the counting reading is `info`.
    pub severity: Severity,
    /// Findings.
    pub findings: u64,
    /// Scored attempts with at least one.
    pub attempts: u64,
}

/// A metric over the scored attempts.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// The metric.
    pub metric: &'static Metric,
    /// Scored attempts.
    pub of: u64,
    /// Those of which the value is known.
    pub known: u64,
    /// Sum of the known values.
    pub sum: f64,
    /// Their mean.
    pub mean: Option<f64>,
    /// Their median.
    pub p50: Option<f64>,
    /// Their 95th percentile.
    pub p95: Option<f64>,
}

impl Summary {
    /// Scored attempts.
    pub fn scored(&self) -> u64 {
        self.success.of
    }

    /// The figure of the metric of that name.
    pub fn figure(&self, name: &str) -> Option<&Figure> {
        self.figures.iter().find(|figure| figure.metric.name == name)
    }
}

pub(super) fn of(side: &Side<'_>) -> Summary {
    let all: Vec<&AttemptRecord> = side.records().collect();
    let count = |word| all.iter().filter(|record| record.outcome.word() == word).count() as u64;
    let scored: Vec<&AttemptRecord> =
        all.iter().copied().filter(|record| record.outcome.is_scored()).collect();
    let hits = |is: fn(&AttemptRecord) -> Option<bool>| Rate {
        hits: scored.iter().filter(|record| is(record) == Some(true)).count() as u64,
        of: scored.iter().filter(|record| is(record).is_some()).count() as u64,
    };
    Summary {
        run: side.run.manifest.id.0.clone(),
        subject: side.subject(),
        attempts: all.len() as u64,
        beside: ["error", "skipped", "cancelled"].map(|word| (word, count(word))),
        success: Rate { of: scored.len() as u64, ..hits(|record| record.success) },
        format: hits(|record| record.format_ok),
        messages: scored.iter().map(|record| record.messages).sum(),
        rules: rules(&scored),
        figures: METRICS.iter().map(|metric| figure(metric, &scored)).collect(),
    }
}

fn rules(scored: &[&AttemptRecord]) -> Vec<RuleCount> {
    // The heaviest weight of a rule stands first.
    let mut counts: BTreeMap<(&str, u8), RuleCount> = BTreeMap::new();
    for record in scored {
        let mut seen = Vec::new();
        for finding in &record.findings {
            let key = (finding.rule, 2 - finding.severity as u8);
            let entry = counts.entry(key).or_insert_with(|| RuleCount {
                rule: finding.rule,
                name: finding.name,
                severity: finding.severity,
                findings: 0,
                attempts: 0,
            });
            entry.findings += 1;
            if !seen.contains(&key) {
                seen.push(key);
                entry.attempts += 1;
            }
        }
    }
    counts.into_values().collect()
}

fn figure(metric: &'static Metric, scored: &[&AttemptRecord]) -> Figure {
    let mut values: Vec<f64> = scored.iter().filter_map(|record| (metric.value)(record)).collect();
    values.sort_by(f64::total_cmp);
    let sum: f64 = values.iter().sum();
    Figure {
        metric,
        of: scored.len() as u64,
        known: values.len() as u64,
        sum,
        mean: (!values.is_empty()).then(|| sum / values.len() as f64),
        p50: quantile(&values, 0.5),
        p95: quantile(&values, 0.95),
    }
}
