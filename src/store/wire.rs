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
use std::borrow::Cow;

/// Texts are borrowed both ways: from the record that is written, from the line that is read.
#[derive(Serialize, Deserialize)]
#[expect(
    clippy::option_option,
    reason = "a report leaves the trajectory out, a journal writes null for none"
)]
struct RecordWire<'a> {
    #[serde(borrow)]
    schema_version: Cow<'a, str>,
    seq: u64,
    #[serde(borrow)]
    attempt_id: Cow<'a, str>,
    #[serde(rename = "try")]
    try_n: u32,
    #[serde(borrow)]
    suite: Cow<'a, str>,
    #[serde(borrow)]
    task_id: Cow<'a, str>,
    #[serde(borrow)]
    task_digest: Cow<'a, str>,
    #[serde(borrow)]
    subject_id: Cow<'a, str>,
    #[serde(borrow)]
    subject: SubjectWire<'a>,
    seed: u64,
    #[serde(borrow)]
    outcome: Cow<'a, str>,
    success: Option<bool>,
    format_ok: Option<bool>,
    reward: Option<f64>,
    #[serde(borrow)]
    scores: Vec<ScoreWire<'a>>,
    #[serde(borrow)]
    findings: Vec<FindingWire<'a>>,
    messages: u64,
    calls: u64,
    turns: u64,
    usage: UsageWire,
    cost_usd: Option<f64>,
    spent_usd: f64,
    #[serde(borrow)]
    drift: Vec<DriftWire<'a>>,
    limit: Option<Cow<'a, str>>,
    error: Option<ErrorWire<'a>>,
    skipped: Option<Cow<'a, str>>,
    parent: Option<ParentWire<'a>>,
    #[serde(borrow)]
    evidence: Vec<EvidenceWire<'a>>,
    /// Left out by reports alone, as is `timing`; a record that is not whole is none.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    trajectory: Option<Option<TrajectoryWire<'a>>>,
    /// Only where there is one: nearly no run keeps any.
    #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
    kept: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timing: Option<Cow<'a, Object>>,
}

/// A record as reports write it: without what depends on the clock, if so asked. Where its trajectory lies in the
/// file depends on which attempt ended first, so that is left out with it.
pub struct RecordJson<'a> {
    /// The record.
    pub record: &'a AttemptRecord,
    /// Whether what depends on the clock is written.
    pub timing: bool,
}

impl Serialize for RecordJson<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        to_wire(self.record, self.timing).serialize(serializer)
    }
}

/// A subject as it stands in records and manifests.
#[derive(Serialize, Deserialize)]
pub(super) struct SubjectWire<'a> {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    agent: Cow<'a, str>,
    #[serde(borrow)]
    backend: Cow<'a, str>,
    model: Option<Cow<'a, str>>,
    params: Cow<'a, Object>,
}

#[derive(Serialize, Deserialize)]
struct ScoreWire<'a> {
    #[serde(borrow)]
    scorer: Cow<'a, str>,
    value: Option<f64>,
    weight: f64,
    #[serde(borrow)]
    reason: Cow<'a, str>,
}

#[derive(Serialize, Deserialize)]
struct FindingWire<'a> {
    #[serde(borrow)]
    rule: Cow<'a, str>,
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    severity: Cow<'a, str>,
    readings: Vec<Cow<'a, str>>,
    step: Option<u64>,
    message: Option<u64>,
    byte_start: Option<usize>,
    byte_end: Option<usize>,
    line: Option<u64>,
    column: Option<u64>,
    #[serde(borrow)]
    text: Cow<'a, str>,
}

#[derive(Serialize, Deserialize)]
struct UsageWire {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
    cached_tokens: Option<u64>,
    cost_usd: Option<f64>,
}

#[derive(Serialize, Deserialize)]
struct DriftWire<'a> {
    turn: u32,
    #[serde(borrow)]
    diff: Cow<'a, str>,
}

#[derive(Serialize, Deserialize)]
struct ErrorWire<'a> {
    #[serde(borrow)]
    class: Cow<'a, str>,
    #[serde(borrow)]
    message: Cow<'a, str>,
}

#[derive(Serialize, Deserialize)]
struct ParentWire<'a> {
    #[serde(borrow)]
    attempt: Cow<'a, str>,
    step: u64,
}

#[derive(Serialize, Deserialize)]
struct EvidenceWire<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    sha256: Cow<'a, str>,
}

#[derive(Serialize, Deserialize)]
struct TrajectoryWire<'a> {
    offset: u64,
    len: u64,
    #[serde(borrow)]
    sha256: Cow<'a, str>,
}

const SEAL: &str = ",\"checksum\":\"";

/// One line, newline included.
pub(super) fn encode(record: &AttemptRecord) -> String {
    seal(json(record))
}

/// Bytes that a line has if nothing in it is long: a buffer that grows is copied.
const LINE: usize = 1536;

/// The record as one JSON object, without the checksum.
fn json(record: &AttemptRecord) -> String {
    let mut bytes = Vec::with_capacity(LINE);
    // Maps with text keys and plain numbers can't fail to serialise, and what comes out is UTF-8.
    let _ = serde_json::to_writer(&mut bytes, &to_wire(record, true));
    String::from_utf8(bytes).unwrap_or_default()
}

fn seal(mut object: String) -> String {
    if object.ends_with('}') {
        object.pop();
    }
    let checksum = sha256_hex(object.as_bytes());
    object.extend([SEAL, &checksum, "\"}\n"]);
    object
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
        Ok(wire) => wire.schema_version.to_string(),
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

impl<'a> SubjectWire<'a> {
    pub(super) fn new(subject: &'a Subject, with_id: bool) -> Self {
        Self {
            id: with_id.then(|| subject.id.as_str().into()),
            agent: subject.agent.as_str().into(),
            backend: subject.backend.as_str().into(),
            model: subject.model.as_deref().map(Cow::Borrowed),
            params: Cow::Borrowed(&subject.params),
        }
    }

    pub(super) fn into_subject(self, id: Option<String>) -> Subject {
        Subject {
            id: id.or(self.id.map(Cow::into_owned)).unwrap_or_default(),
            agent: self.agent.into_owned(),
            backend: self.backend.into_owned(),
            model: self.model.map(Cow::into_owned),
            params: self.params.into_owned(),
        }
    }
}

fn to_wire(record: &AttemptRecord, timing: bool) -> RecordWire<'_> {
    let (mut limit, mut error, mut skipped) = (None, None, None);
    match &record.outcome {
        Outcome::Limit(kind) => limit = Some(kind.as_str().into()),
        Outcome::Error(told) => {
            error =
                Some(ErrorWire { class: told.class.as_str().into(), message: told.message.as_str().into() });
        }
        Outcome::Skipped(reason) => skipped = Some(reason.as_str().into()),
        _ => {}
    }
    let trajectory = record.trajectory.as_ref().map(|at| TrajectoryWire {
        offset: at.offset,
        len: at.len,
        sha256: at.sha256.as_str().into(),
    });
    RecordWire {
        schema_version: SCHEMA.to_string().into(),
        seq: record.seq,
        attempt_id: record.id.to_string().into(),
        try_n: record.try_n,
        suite: record.id.suite.as_str().into(),
        task_id: record.id.task.as_str().into(),
        task_digest: record.task_digest.as_str().into(),
        subject_id: record.id.subject.as_str().into(),
        subject: SubjectWire::new(&record.subject, false),
        seed: record.seed,
        outcome: record.outcome.word().into(),
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
        drift: record
            .drift
            .iter()
            .map(|drift| DriftWire { turn: drift.turn, diff: drift.diff.as_str().into() })
            .collect(),
        limit,
        error,
        skipped,
        parent: record
            .parent
            .as_ref()
            .map(|parent| ParentWire { attempt: parent.attempt.as_str().into(), step: parent.step }),
        evidence: record
            .evidence
            .iter()
            .map(|item| EvidenceWire { name: item.name.as_str().into(), sha256: item.sha256.as_str().into() })
            .collect(),
        trajectory: timing.then_some(trajectory),
        kept: record.kept.as_deref().map(Cow::Borrowed),
        timing: timing.then_some(Cow::Borrowed(&record.timing)),
    }
}

fn score_wire(score: &Score) -> ScoreWire<'_> {
    ScoreWire {
        scorer: score.scorer.as_str().into(),
        value: score.value,
        weight: score.weight,
        reason: score.reason.as_str().into(),
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

fn finding_wire(finding: &Finding) -> FindingWire<'_> {
    FindingWire {
        rule: finding.rule.into(),
        name: finding.name.into(),
        severity: finding.severity.as_str().into(),
        readings: finding.readings.iter().map(|reading| reading.to_string().into()).collect(),
        step: finding.step,
        message: finding.message,
        byte_start: finding.span.map(|span| span.start),
        byte_end: finding.span.map(|span| span.end),
        line: finding.location.as_ref().map(|location| location.line),
        column: finding.location.as_ref().map(|location| location.column),
        text: finding.text.as_str().into(),
    }
}

fn from_wire(wire: RecordWire<'_>) -> Result<AttemptRecord, String> {
    let id = AttemptId::parse(&wire.attempt_id)
        .ok_or_else(|| format!("its attempt id '{}' is none", wire.attempt_id))?;
    let outcome = outcome(&wire)?;
    let timing = wire.timing.ok_or("it is no record: missing field `timing`")?.into_owned();
    let score = |score: ScoreWire<'_>| Score {
        scorer: score.scorer.into_owned(),
        value: score.value,
        weight: score.weight,
        reason: score.reason.into_owned(),
    };
    let evidence =
        |item: EvidenceWire<'_>| Evidence { name: item.name.into_owned(), sha256: item.sha256.into_owned() };
    let place = |at: TrajectoryWire<'_>| TrajectoryRef {
        offset: at.offset,
        len: at.len,
        sha256: at.sha256.into_owned(),
    };
    Ok(AttemptRecord {
        seq: wire.seq,
        subject: wire.subject.into_subject(Some(wire.subject_id.into_owned())),
        id,
        try_n: wire.try_n,
        task_digest: wire.task_digest.into_owned(),
        seed: wire.seed,
        outcome,
        success: wire.success,
        format_ok: wire.format_ok,
        reward: wire.reward,
        scores: wire.scores.into_iter().map(score).collect(),
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
        drift: wire
            .drift
            .into_iter()
            .map(|drift| Drift { turn: drift.turn, diff: drift.diff.into_owned() })
            .collect(),
        parent: wire.parent.map(|parent| Parent { attempt: parent.attempt.into_owned(), step: parent.step }),
        evidence: wire.evidence.into_iter().map(evidence).collect(),
        trajectory: wire.trajectory.flatten().map(place),
        kept: wire.kept.map(Cow::into_owned),
        timing,
    })
}

fn outcome(wire: &RecordWire<'_>) -> Result<Outcome, String> {
    Ok(match &*wire.outcome {
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
            Outcome::Error(RunError::new(class, error.message.to_string()))
        }
        "skipped" => Outcome::Skipped(wire.skipped.as_deref().unwrap_or_default().to_owned()),
        other => return Err(format!("its outcome '{other}' is unknown")),
    })
}

fn finding(wire: FindingWire<'_>) -> Result<Finding, String> {
    let severity = match &*wire.severity {
        "info" => Severity::Info,
        "warning" => Severity::Warning,
        "error" => Severity::Error,
        other => return Err(format!("the severity '{other}' of a finding is unknown")),
    };
    let reading = |word: Cow<'_, str>| match word.strip_prefix("runtime:") {
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
        text: wire.text.into_owned(),
    })
}
