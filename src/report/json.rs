//! `summary.json`: the run in numbers, for programs.

use super::stats::{OUTCOMES, Stats};
use super::{Options, Report, Shown, text};
use crate::model::Usage;
use crate::store::RecordJson;
use serde::Serialize;
use serde::ser::{SerializeMap as _, Serializer};
use serde_json::json;
use std::borrow::Cow;
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

fn render(view: &Shown<'_>, options: &Options, out: &mut Vec<u8>) -> io::Result<()> {
    let manifest = &view.manifest;
    let subjects: Vec<SubjectJson<'_>> = view
        .subjects()
        .iter()
        .map(|(subject, stats)| SubjectJson { subject, counts: Counts::new(stats, options) })
        .collect();
    let tasks = OneByOne(|| {
        view.tasks().iter().map(|task| TaskJson {
            suite: task.suite,
            task: task.task,
            subject: task.subject,
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
    let mut all = Counts::new(view.totals(), options);
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
    // With room for all: a buffer that grows is copied, and each copy takes memory that is cleared first.
    out.reserve(4096 + 1664 * view.records.len());
    let mut serializer = serde_json::Serializer::with_formatter(&mut *out, Lines::default());
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
    out.push(b'\n');
    if let Cow::Owned(safe) = text::json(out) {
        *out = safe;
    }
    Ok(())
}

/// Two levels with a line for each entry, what is below them on that line: a task or an attempt is one line, to read, to
/// search and to compare.
#[derive(Default)]
struct Lines {
    depth: usize,
    /// Whether the list or map that ends has anything in it.
    filled: bool,
}

/// Levels whose entries have lines of their own.
const OPEN: usize = 2;

impl Lines {
    fn begin<W: io::Write + ?Sized>(&mut self, out: &mut W, bracket: u8) -> io::Result<()> {
        self.depth += 1;
        self.filled = false;
        out.write_all(&[bracket])
    }

    fn entry<W: io::Write + ?Sized>(&self, out: &mut W, first: bool) -> io::Result<()> {
        if !first {
            out.write_all(b",")?;
        }
        if self.depth <= OPEN { self.line(out) } else { Ok(()) }
    }

    fn line<W: io::Write + ?Sized>(&self, out: &mut W) -> io::Result<()> {
        const INDENT: [&[u8]; OPEN + 1] = [b"\n", b"\n  ", b"\n    "];
        out.write_all(INDENT[self.depth.min(OPEN)])
    }

    fn end<W: io::Write + ?Sized>(&mut self, out: &mut W, bracket: u8) -> io::Result<()> {
        self.depth -= 1;
        if self.filled && self.depth < OPEN {
            self.line(out)?;
        }
        self.filled = true;
        out.write_all(&[bracket])
    }
}

impl serde_json::ser::Formatter for Lines {
    fn begin_array<W: io::Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.begin(out, b'[')
    }

    fn end_array<W: io::Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.end(out, b']')
    }

    fn begin_array_value<W: io::Write + ?Sized>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.entry(out, first)
    }

    fn end_array_value<W: io::Write + ?Sized>(&mut self, _: &mut W) -> io::Result<()> {
        self.filled = true;
        Ok(())
    }

    fn begin_object<W: io::Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.begin(out, b'{')
    }

    fn end_object<W: io::Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.end(out, b'}')
    }

    fn begin_object_key<W: io::Write + ?Sized>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.entry(out, first)
    }

    fn begin_object_value<W: io::Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(if self.depth <= OPEN { b": " } else { b":" })
    }

    fn end_object_value<W: io::Write + ?Sized>(&mut self, _: &mut W) -> io::Result<()> {
        self.filled = true;
        Ok(())
    }
}

/// A list of which one item at a time is in memory.
struct OneByOne<F>(F);

impl<F: Fn() -> I, I: Iterator<Item = T>, T: Serialize> Serialize for OneByOne<F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq((self.0)())
    }
}

#[derive(Serialize)]
struct SubjectJson<'a> {
    subject: &'a str,
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
