//! The journal's line: an [`AttemptRecord`] as JSON, closed by a checksum of the bytes before it.
//!
//! Invariant: `decode(encode(r)) == r`; a line that was cut, or of which a byte changed, is refused.

use super::intern::intern;
use super::version::{SCHEMA, Version};
use crate::model::{
    AttemptId, AttemptRecord, Drift, ErrorClass, Evidence, Finding, LimitKind, Location, Object, Outcome,
    Parent, ReadingKind, RunError, Score, Severity, Span, Subject, TrajectoryRef, Usage,
};
use crate::util::digest::sha256_hex;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct RecordWire {
    schema_version: String,
    seq: u64,
    attempt_id: String,
    #[serde(rename = "try")]
    try_n: u32,
    suite: String,
    task_id: String,
    task_digest: String,
    subject_id: String,
    subject: SubjectWire,
    seed: u64,
    outcome: String,
    success: Option<bool>,
    format_ok: Option<bool>,
    reward: Option<f64>,
    scores: Vec<ScoreWire>,
    findings: Vec<FindingWire>,
    messages: u64,
    calls: u64,
    turns: u64,
    usage: UsageWire,
    cost_usd: Option<f64>,
    spent_usd: f64,
    drift: Vec<DriftWire>,
    limit: Option<String>,
    error: Option<ErrorWire>,
    skipped: Option<String>,
    parent: Option<ParentWire>,
    evidence: Vec<EvidenceWire>,
    trajectory: Option<TrajectoryWire>,
    timing: Object,
}

/// A subject as it stands in records and manifests.
#[derive(Serialize, Deserialize)]
pub(super) struct SubjectWire {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    agent: String,
    backend: String,
    model: Option<String>,
    params: Object,
}

#[derive(Serialize, Deserialize)]
struct ScoreWire {
    scorer: String,
    value: Option<f64>,
    weight: f64,
    reason: String,
}

#[derive(Serialize, Deserialize)]
struct FindingWire {
    rule: String,
    name: String,
    severity: String,
    readings: Vec<String>,
    step: Option<u64>,
    message: Option<u64>,
    byte_start: Option<usize>,
    byte_end: Option<usize>,
    line: Option<u64>,
    column: Option<u64>,
    text: String,
}

#[derive(Serialize, Deserialize)]
struct UsageWire {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
    cached_tokens: Option<u64>,
    cost_usd: Option<f64>,
}

#[derive(Serialize, Deserialize)]
struct DriftWire {
    turn: u32,
    diff: String,
}

#[derive(Serialize, Deserialize)]
struct ErrorWire {
    class: String,
    message: String,
}

#[derive(Serialize, Deserialize)]
struct ParentWire {
    attempt: String,
    step: u64,
}

#[derive(Serialize, Deserialize)]
struct EvidenceWire {
    name: String,
    sha256: String,
}

#[derive(Serialize, Deserialize)]
struct TrajectoryWire {
    offset: u64,
    len: u64,
    sha256: String,
}

const SEAL: &str = ",\"checksum\":\"";

/// One line, newline included.
pub(super) fn encode(record: &AttemptRecord) -> String {
    seal(&json(record))
}

/// The record as one JSON object, without the checksum.
fn json(record: &AttemptRecord) -> String {
    // Maps with text keys and plain numbers can't fail to serialise.
    serde_json::to_string(&to_wire(record)).unwrap_or_default()
}

/// The same as a value.
pub fn value(record: &AttemptRecord) -> serde_json::Value {
    serde_json::to_value(to_wire(record)).unwrap_or_default()
}

fn seal(object: &str) -> String {
    let body = object.strip_suffix('}').unwrap_or(object);
    format!("{body}{SEAL}{}\"}}\n", sha256_hex(body.as_bytes()))
}

/// Reads a line without its newline; the error is a clause that says what is wrong with it.
pub(super) fn decode(line: &str) -> Result<AttemptRecord, String> {
    let at = line.rfind(SEAL).ok_or("it has no checksum")?;
    let (body, rest) = line.split_at(at);
    let checksum = rest.strip_prefix(SEAL).and_then(|rest| rest.strip_suffix("\"}"));
    if checksum != Some(sha256_hex(body.as_bytes()).as_str()) {
        return Err("its checksum does not fit its text".to_owned());
    }
    let wire: Result<RecordWire, _> = serde_json::from_str(line);
    // A record of another version may have another shape, so its version is what is to be told then.
    let version = match &wire {
        Ok(wire) => wire.schema_version.clone(),
        Err(error) => schema_version(line).ok_or_else(|| format!("it is no record: {error}"))?,
    };
    let version =
        Version::parse(&version).ok_or_else(|| format!("its schema version '{version}' is none"))?;
    if !version.readable() {
        return Err(format!("its schema version {version} is newer than {SCHEMA}, the newest known here"));
    }
    from_wire(wire.map_err(|error| format!("it is no record: {error}"))?)
}

fn schema_version(line: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Head {
        schema_version: String,
    }
    serde_json::from_str(line).ok().map(|head: Head| head.schema_version)
}

impl SubjectWire {
    pub(super) fn new(subject: &Subject, with_id: bool) -> Self {
        Self {
            id: with_id.then(|| subject.id.clone()),
            agent: subject.agent.clone(),
            backend: subject.backend.clone(),
            model: subject.model.clone(),
            params: subject.params.clone(),
        }
    }

    pub(super) fn into_subject(self, id: Option<String>) -> Subject {
        Subject {
            id: id.or(self.id).unwrap_or_default(),
            agent: self.agent,
            backend: self.backend,
            model: self.model,
            params: self.params,
        }
    }
}

fn to_wire(record: &AttemptRecord) -> RecordWire {
    let (limit, error, skipped) = match &record.outcome {
        Outcome::Limit(kind) => (Some(kind.as_str().to_owned()), None, None),
        Outcome::Error(error) => {
            let wire = ErrorWire { class: error.class.as_str().to_owned(), message: error.message.clone() };
            (None, Some(wire), None)
        }
        Outcome::Skipped(reason) => (None, None, Some(reason.clone())),
        _ => (None, None, None),
    };
    RecordWire {
        schema_version: SCHEMA.to_string(),
        seq: record.seq,
        attempt_id: record.id.to_string(),
        try_n: record.try_n,
        suite: record.id.suite.clone(),
        task_id: record.id.task.clone(),
        task_digest: record.task_digest.clone(),
        subject_id: record.id.subject.clone(),
        subject: SubjectWire::new(&record.subject, false),
        seed: record.seed,
        outcome: record.outcome.word().to_owned(),
        success: record.success,
        format_ok: record.format_ok,
        reward: record.reward,
        scores: record.scores.iter().map(score_wire).collect(),
        findings: record.findings.iter().map(finding_wire).collect(),
        messages: record.messages,
        calls: record.calls,
        turns: record.turns,
        usage: usage_wire(&record.usage),
        cost_usd: record.cost_usd,
        spent_usd: record.spent_usd,
        drift: record.drift.iter().map(|d| DriftWire { turn: d.turn, diff: d.diff.clone() }).collect(),
        limit,
        error,
        skipped,
        parent: record.parent.as_ref().map(|p| ParentWire { attempt: p.attempt.clone(), step: p.step }),
        evidence: record
            .evidence
            .iter()
            .map(|e| EvidenceWire { name: e.name.clone(), sha256: e.sha256.clone() })
            .collect(),
        trajectory: record.trajectory.as_ref().map(|t| TrajectoryWire {
            offset: t.offset,
            len: t.len,
            sha256: t.sha256.clone(),
        }),
        timing: record.timing.clone(),
    }
}

fn score_wire(score: &Score) -> ScoreWire {
    ScoreWire {
        scorer: score.scorer.clone(),
        value: score.value,
        weight: score.weight,
        reason: score.reason.clone(),
    }
}

fn usage_wire(usage: &Usage) -> UsageWire {
    UsageWire {
        prompt_tokens: usage.prompt_tokens,
        completion_tokens: usage.completion_tokens,
        cached_tokens: usage.cached_tokens,
        cost_usd: usage.cost_usd,
    }
}

fn finding_wire(finding: &Finding) -> FindingWire {
    FindingWire {
        rule: finding.rule.to_owned(),
        name: finding.name.to_owned(),
        severity: finding.severity.as_str().to_owned(),
        readings: finding.readings.iter().map(ToString::to_string).collect(),
        step: finding.step,
        message: finding.message,
        byte_start: finding.span.map(|span| span.start),
        byte_end: finding.span.map(|span| span.end),
        line: finding.location.as_ref().map(|location| location.line),
        column: finding.location.as_ref().map(|location| location.column),
        text: finding.text.clone(),
    }
}

fn from_wire(wire: RecordWire) -> Result<AttemptRecord, String> {
    let id = AttemptId::parse(&wire.attempt_id)
        .ok_or_else(|| format!("its attempt id '{}' is none", wire.attempt_id))?;
    let outcome = outcome(&wire)?;
    Ok(AttemptRecord {
        seq: wire.seq,
        subject: wire.subject.into_subject(Some(wire.subject_id)),
        id,
        try_n: wire.try_n,
        task_digest: wire.task_digest,
        seed: wire.seed,
        outcome,
        success: wire.success,
        format_ok: wire.format_ok,
        reward: wire.reward,
        scores: wire
            .scores
            .into_iter()
            .map(|s| Score { scorer: s.scorer, value: s.value, weight: s.weight, reason: s.reason })
            .collect(),
        findings: wire.findings.into_iter().map(finding).collect::<Result<_, _>>()?,
        messages: wire.messages,
        calls: wire.calls,
        turns: wire.turns,
        usage: Usage {
            prompt_tokens: wire.usage.prompt_tokens,
            completion_tokens: wire.usage.completion_tokens,
            cached_tokens: wire.usage.cached_tokens,
            cost_usd: wire.usage.cost_usd,
        },
        cost_usd: wire.cost_usd,
        spent_usd: wire.spent_usd,
        drift: wire.drift.into_iter().map(|d| Drift { turn: d.turn, diff: d.diff }).collect(),
        parent: wire.parent.map(|p| Parent { attempt: p.attempt, step: p.step }),
        evidence: wire.evidence.into_iter().map(|e| Evidence { name: e.name, sha256: e.sha256 }).collect(),
        trajectory: wire.trajectory.map(|t| TrajectoryRef { offset: t.offset, len: t.len, sha256: t.sha256 }),
        timing: wire.timing,
    })
}

fn outcome(wire: &RecordWire) -> Result<Outcome, String> {
    Ok(match wire.outcome.as_str() {
        "passed" => Outcome::Passed,
        "failed" => Outcome::Failed,
        "invalid" => Outcome::Invalid,
        "cancelled" => Outcome::Cancelled,
        "limit" => {
            let word = wire.limit.as_deref().unwrap_or_default();
            Outcome::Limit(LimitKind::parse(word).ok_or_else(|| format!("its limit '{word}' is unknown"))?)
        }
        "error" => {
            let error = wire.error.as_ref().ok_or("it is an error without one")?;
            let class = ErrorClass::parse(&error.class)
                .ok_or_else(|| format!("its error class '{}' is unknown", error.class))?;
            Outcome::Error(RunError::new(class, error.message.clone()))
        }
        "skipped" => Outcome::Skipped(wire.skipped.clone().unwrap_or_default()),
        other => return Err(format!("its outcome '{other}' is unknown")),
    })
}

fn finding(wire: FindingWire) -> Result<Finding, String> {
    let severity = match wire.severity.as_str() {
        "info" => Severity::Info,
        "warning" => Severity::Warning,
        "error" => Severity::Error,
        other => return Err(format!("the severity '{other}' of a finding is unknown")),
    };
    let reading = |word: String| match word.strip_prefix("runtime:") {
        Some(name) => ReadingKind::Runtime(name.to_owned()),
        None => ReadingKind::Strict,
    };
    Ok(Finding {
        rule: intern(&wire.rule),
        name: intern(&wire.name),
        severity,
        readings: wire.readings.into_iter().map(reading).collect(),
        step: wire.step,
        message: wire.message,
        span: wire.byte_start.zip(wire.byte_end).map(|(start, end)| Span::new(start, end)),
        location: wire.line.zip(wire.column).map(|(line, column)| Location { line, column }),
        text: wire.text,
    })
}
