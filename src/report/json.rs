//! `summary.json`: the run in numbers, for programs.

use super::stats::{OUTCOMES, Stats, by_subject, by_task, totals};
use super::{Options, Report, text};
use crate::model::Usage;
use crate::store::{RecordJson, RunView};
use serde::Serialize;
use serde::ser::{SerializeMap as _, Serializer};
use serde_json::json;
use std::collections::BTreeMap;
use std::io;

pub(super) static ITEM: Report = Report {
    name: "json",
    file: Some("summary.json"),
    about: "The run in numbers: totals, subjects, tasks and attempts as one JSON object",
    render,
};

/// Version of this report's shape.
const SCHEMA: &str = "1.0";

fn render(view: &RunView, options: &Options, out: &mut dyn io::Write) -> io::Result<()> {
    let manifest = &view.manifest;
    let subjects: Vec<SubjectJson> = by_subject(view)
        .into_iter()
        .map(|(subject, stats)| SubjectJson { subject, counts: Counts::new(&stats, options) })
        .collect();
    let tasks = by_task(view);
    let tasks = OneByOne(|| {
        tasks.iter().map(|task| TaskJson {
            suite: &task.suite,
            task: &task.task,
            subject: &task.subject,
            counts: Counts::new(&task.stats, options),
            reasons: &task.reasons,
        })
    });
    let attempts =
        OneByOne(|| view.records.iter().map(|record| RecordJson { record, timing: options.timing }));
    let mut by_rule: BTreeMap<&str, u64> = BTreeMap::new();
    for finding in view.records.iter().flat_map(|record| &record.findings) {
        *by_rule.entry(finding.rule).or_default() += 1;
    }
    let mut all = Counts::new(&totals(view), options);
    if subjects.len() > 1 {
        // Different subjects have no format rate together.
        all.format = None;
    }
    let head = json!({
        "schema_version": SCHEMA,
        "run": manifest.id.0,
        "suites": manifest.suites.iter().map(|(name, digest)| json!({"name": name, "digest": digest}))
            .collect::<Vec<_>>(),
        "sandbox": manifest.sandbox,
        "layers": manifest.layers.iter().map(|layer| {
            json!({"name": layer.name, "on": layer.on, "reason": layer.reason})
        }).collect::<Vec<_>>(),
        "policy": manifest.policy,
        "reading": manifest.reading,
        "seed": manifest.seed,
        "versions": manifest.versions,
        "planned": manifest.planned,
        "totals": all,
        "by_rule": by_rule,
        "subjects": subjects,
    });
    // Into memory first: the serialiser gives single letters, and a writer takes them one call each.
    // With room for all: a buffer that grows is copied, and each copy takes memory that is cleared first.
    let mut bytes = Vec::with_capacity(4096 + 2560 * view.records.len());
    let mut serializer = serde_json::Serializer::pretty(&mut bytes);
    let mut summary = serializer.serialize_map(None)?;
    for (key, value) in head.as_object().into_iter().flatten() {
        summary.serialize_entry(key, value)?;
    }
    summary.serialize_entry("tasks", &tasks)?;
    summary.serialize_entry("attempts", &attempts)?;
    summary.serialize_entry("warnings", &view.warnings)?;
    if options.timing {
        summary.serialize_entry("timing", &manifest.timing)?;
    }
    summary.end()?;
    bytes.push(b'\n');
    out.write_all(&text::json(&bytes))
}

/// A list of which one item at a time is in memory.
struct OneByOne<F>(F);

impl<F: Fn() -> I, I: Iterator<Item = T>, T: Serialize> Serialize for OneByOne<F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq((self.0)())
    }
}

#[derive(Serialize)]
struct SubjectJson {
    subject: String,
    #[serde(flatten)]
    counts: Counts,
}

#[derive(Serialize)]
struct TaskJson<'a> {
    suite: &'a str,
    task: &'a str,
    subject: &'a str,
    #[serde(flatten)]
    counts: Counts,
    reasons: &'a [String],
}

/// The counts: every rate with its denominator, `null` for what is unknown.
#[derive(Serialize)]
struct Counts {
    attempts: u64,
    outcomes: Outcomes,
    success: Success,
    format: Option<Format>,
    mean_reward: Option<f64>,
    messages: u64,
    calls: u64,
    turns: u64,
    findings: u64,
    usage: Option<Tokens>,
    cost_usd: Option<f64>,
    spent_usd: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    timing: Option<Timing>,
}

#[derive(Serialize)]
struct Success {
    passed: u64,
    of: u64,
}

#[derive(Serialize)]
struct Format {
    ok: u64,
    of: u64,
}

#[derive(Serialize)]
struct Tokens {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
    cached_tokens: Option<u64>,
}

#[derive(Serialize)]
struct Timing {
    duration_ms: Option<f64>,
}

/// How often each of [`OUTCOMES`] came.
struct Outcomes([u64; OUTCOMES.len()]);

impl Serialize for Outcomes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(OUTCOMES.iter().zip(&self.0))
    }
}

impl Counts {
    fn new(stats: &Stats, options: &Options) -> Self {
        Self {
            attempts: stats.attempts,
            outcomes: Outcomes(stats.outcomes),
            success: Success { passed: stats.success, of: stats.scored },
            format: Some(Format { ok: stats.format_ok, of: stats.judged }),
            mean_reward: stats.mean_reward(),
            messages: stats.messages,
            calls: stats.calls,
            turns: stats.turns,
            findings: stats.findings,
            usage: stats.usage.as_ref().map(tokens),
            cost_usd: stats.cost_usd,
            spent_usd: stats.spent_usd,
            timing: options.timing.then_some(Timing { duration_ms: stats.duration_ms }),
        }
    }
}

fn tokens(usage: &Usage) -> Tokens {
    Tokens {
        prompt_tokens: usage.prompt_tokens,
        completion_tokens: usage.completion_tokens,
        cached_tokens: usage.cached_tokens,
    }
}
