//! Counts over the records of a run, shared by all reports.
//!
//! Invariant: a rate is a pair of numbers; errors, skips and cancelled attempts stand beside it,
//! never inside. What is unknown for one attempt is unknown for the sum.

use crate::model::{AttemptRecord, Outcome, Usage};
use crate::stats::Rate;
use crate::store::RunView;

/// Counts of some attempts.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Stats {
    /// Attempts in all.
    pub attempts: u64,
    /// Of these, scored: passed, failed, invalid or limit.
    pub scored: u64,
    /// Of the scored, those whose scorers all passed.
    pub success: u64,
    /// Attempts with a format verdict.
    pub judged: u64,
    /// Of these, those without an FC error.
    pub format_ok: u64,
    /// Sum and number of rewards.
    pub reward: (f64, u64),
    /// Number of each outcome, in the order of [`OUTCOMES`].
    pub outcomes: [u64; 7],
    /// Judged messages.
    pub messages: u64,
    /// Calls.
    pub calls: u64,
    /// Turns.
    pub turns: u64,
    /// Findings in all.
    pub findings: u64,
    /// Tokens, as far as known for all.
    pub usage: Option<Usage>,
    /// Recorded cost; `None` is unknown.
    pub cost_usd: Option<f64>,
    /// Sum of the recorded costs that are known, and of how many attempts.
    pub known_usd: (f64, u64),
    /// Attempts that could cost something: all but the skipped.
    pub ran: u64,
    /// Money spent in this run.
    pub spent_usd: f64,
    /// Milliseconds, summed; `None` if any is unknown.
    pub duration_ms: Option<f64>,
}

/// The seven words in the order in which reports show them.
pub const OUTCOMES: [&str; 7] = ["passed", "failed", "invalid", "limit", "error", "cancelled", "skipped"];

/// The counts of one task and subject.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskStats<'a> {
    /// Suite.
    pub suite: &'a str,
    /// Task.
    pub task: &'a str,
    /// Subject.
    pub subject: &'a str,
    /// Its counts.
    pub stats: Stats,
    /// The distinct reasons of its errors and skips, in plan order.
    pub reasons: Vec<String>,
}

impl Stats {
    /// Adds up some records.
    pub fn of<'a>(records: impl IntoIterator<Item = &'a AttemptRecord>) -> Self {
        let mut out = Self { cost_usd: Some(0.0), duration_ms: Some(0.0), ..Self::default() };
        for record in records {
            out.add(record);
        }
        out
    }

    fn add(&mut self, record: &AttemptRecord) {
        self.attempts += 1;
        if let Some(at) = OUTCOMES.iter().position(|word| *word == record.outcome.word()) {
            self.outcomes[at] += 1;
        }
        if record.outcome.is_scored() {
            self.scored += 1;
            self.success += u64::from(record.success == Some(true));
            if let Some(reward) = record.reward {
                self.reward = (self.reward.0 + reward, self.reward.1 + 1);
            }
        }
        if let Some(ok) = record.format_ok {
            self.judged += 1;
            self.format_ok += u64::from(ok);
        }
        if matches!(record.outcome, Outcome::Skipped(_)) {
            // Nothing ran: it has no tokens, cost or time to be unknown.
            return;
        }
        self.messages += record.messages;
        self.calls += record.calls;
        self.turns += record.turns;
        self.findings += record.findings.len() as u64;
        self.usage = Some(self.usage.map_or(record.usage, |usage| usage.plus(record.usage)));
        self.ran += 1;
        if let Some(usd) = record.cost_usd {
            self.known_usd = (self.known_usd.0 + usd, self.known_usd.1 + 1);
        }
        self.cost_usd = self.cost_usd.zip(record.cost_usd).map(|(a, b)| a + b);
        self.spent_usd += record.spent_usd;
        self.duration_ms = self.duration_ms.zip(duration_ms(record)).map(|(a, b)| a + b);
    }

    /// Successes of the scored attempts.
    pub fn success_rate(&self) -> Rate {
        Rate { hits: self.success, of: self.scored }
    }

    /// Attempts that kept the format, of the judged ones.
    pub fn format_rate(&self) -> Rate {
        Rate { hits: self.format_ok, of: self.judged }
    }

    /// How many attempts had that outcome.
    pub fn outcome(&self, word: &str) -> u64 {
        OUTCOMES.iter().position(|known| *known == word).map_or(0, |at| self.outcomes[at])
    }

    /// Whether any attempt was more than skipped: else calls, tokens and time say nothing.
    pub fn ran(&self) -> bool {
        self.outcome("skipped") < self.attempts
    }

    /// Mean reward, if any attempt has one.
    pub fn mean_reward(&self) -> Option<f64> {
        (self.reward.1 > 0).then(|| self.reward.0 / self.reward.1 as f64)
    }

    /// Prompt and completion tokens together, if known for every attempt.
    pub fn tokens(&self) -> Option<u64> {
        self.usage.as_ref().and_then(Usage::total_tokens)
    }
}

/// How long an attempt took, if its record says so.
pub(super) fn duration_ms(record: &AttemptRecord) -> Option<f64> {
    // Asked for many times; it is one of a few, which are compared sooner than hashed.
    let (_, duration) = record.timing.iter().find(|(key, _)| *key == "duration_ms")?;
    duration.as_f64()
}

/// One entry for each task and subject, in plan order.
pub(super) fn by_task(view: &RunView) -> Vec<TaskStats<'_>> {
    let mut groups: Vec<(&AttemptRecord, Vec<&AttemptRecord>)> = Vec::new();
    let mut index = std::collections::HashMap::with_capacity(view.records.len());
    for record in &view.records {
        let key = (&record.id.suite, &record.id.task, &record.id.subject);
        let at = *index.entry(key).or_insert_with(|| {
            groups.push((record, Vec::new()));
            groups.len() - 1
        });
        groups[at].1.push(record);
    }
    groups
        .into_iter()
        .map(|(first, records)| TaskStats {
            suite: &first.id.suite,
            task: &first.id.task,
            subject: &first.id.subject,
            stats: Stats::of(records.iter().copied()),
            reasons: reasons(&records),
        })
        .collect()
}

fn reasons(records: &[&AttemptRecord]) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for record in records {
        let reason = match &record.outcome {
            Outcome::Error(error) => format!("error {error}"),
            Outcome::Skipped(reason) => format!("skipped: {reason}"),
            _ => continue,
        };
        if !out.contains(&reason) {
            out.push(reason);
        }
    }
    out
}

/// The counts of each subject, in the order of the manifest, then those that only records name.
pub(super) fn by_subject(view: &RunView) -> Vec<(&str, Stats)> {
    let known = view.manifest.subjects.iter().map(|subject| (subject.id.as_str(), Stats::of([])));
    let mut out: Vec<(&str, Stats)> = known.collect();
    for record in &view.records {
        let id = record.id.subject.as_str();
        let at = out.iter().position(|(known, _)| *known == id).unwrap_or_else(|| {
            out.push((id, Stats::of([])));
            out.len() - 1
        });
        out[at].1.add(record);
    }
    out
}
