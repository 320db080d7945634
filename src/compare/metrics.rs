//! What subjects are compared by: one line a metric.

use crate::model::{AttemptRecord, Severity};

/// Which way a metric is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    /// More is better.
    Higher,
    /// Less is better.
    Lower,
    /// Neither: it only differs.
    Neither,
}

/// How a metric's values are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// A share from 0 to 1.
    Share,
    /// A number of things.
    Count,
    /// US dollars.
    Usd,
    /// Milliseconds.
    Millis,
}

/// A figure of one attempt.
#[derive(Debug)]
pub struct Metric {
    /// Name in JSON and CSV.
    pub name: &'static str,
    /// Name for people.
    pub label: &'static str,
    /// Its unit.
    pub unit: Unit,
    /// Which way it is better.
    pub better: Better,
    /// Whether it depends on the clock.
    pub timing: bool,
    /// The value of an attempt; `None` is unknown.
    pub value: fn(&AttemptRecord) -> Option<f64>,
}

impl PartialEq for Metric {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

/// All metrics, in the order in which they are shown.
pub static METRICS: &[Metric] = &[
    metric("success", "success", Unit::Share, Better::Higher, |record| record.success.map(share)),
    metric("reward", "reward", Unit::Share, Better::Higher, |record| record.reward),
    metric("format_ok", "format kept", Unit::Share, Better::Higher, |record| record.format_ok.map(share)),
    metric("format_errors_per_message", "format errors/msg", Unit::Share, Better::Lower, format_errors),
    metric("prompt_tokens", "prompt tokens", Unit::Count, Better::Lower, |r| count(r.usage.prompt_tokens)),
    metric("cached_tokens", "cached tokens", Unit::Count, Better::Neither, |r| count(r.usage.cached_tokens)),
    metric("completion_tokens", "completion tokens", Unit::Count, Better::Lower, |r| {
        count(r.usage.completion_tokens)
    }),
    metric("tokens", "tokens", Unit::Count, Better::Lower, |r| count(r.usage.total_tokens())),
    metric("cost_usd", "cost", Unit::Usd, Better::Lower, |record| record.cost_usd),
    metric("turns", "turns", Unit::Count, Better::Lower, |record| Some(record.turns as f64)),
    metric("calls", "calls", Unit::Count, Better::Lower, |record| Some(record.calls as f64)),
    Metric { timing: true, ..metric("timing_total_ms", "time", Unit::Millis, Better::Lower, total) },
    Metric { timing: true, ..metric("timing_turn_ms", "time a turn", Unit::Millis, Better::Lower, a_turn) },
];

/// The metric of that name.
pub fn find(name: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|metric| metric.name == name)
}

const fn metric(
    name: &'static str,
    label: &'static str,
    unit: Unit,
    better: Better,
    value: fn(&AttemptRecord) -> Option<f64>,
) -> Metric {
    Metric { name, label, unit, better, timing: false, value }
}

fn share(yes: bool) -> f64 {
    f64::from(u8::from(yes))
}

fn count(value: Option<u64>) -> Option<f64> {
    value.map(|value| value as f64)
}

/// Errors of the family FC in the counting reading, for each judged message.
fn format_errors(record: &AttemptRecord) -> Option<f64> {
    let errors = record
        .findings
        .iter()
        .filter(|finding| finding.rule.starts_with("FC") && finding.severity == Severity::Error)
        .count();
    (record.messages > 0).then(|| errors as f64 / record.messages as f64)
}

fn timing(record: &AttemptRecord, key: &str) -> Option<f64> {
    record.timing.get(key).and_then(serde_json::Value::as_f64)
}

fn total(record: &AttemptRecord) -> Option<f64> {
    timing(record, "duration_ms")
}

/// The agent's time, scoring excluded, for each turn.
fn a_turn(record: &AttemptRecord) -> Option<f64> {
    let agent = timing(record, "agent_ms")?;
    (record.turns > 0).then(|| agent / record.turns as f64)
}
