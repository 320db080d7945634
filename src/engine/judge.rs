//! From what an attempt left to its record: findings, scores, outcome. Pure but for what it is given.

use super::ending::Ending;
use super::plan::{Plan, Planned};
use super::redaction;
use crate::agent::AgentEnd;
use crate::backend::{Metered, Stop};
use crate::model::{
    AttemptRecord, ErrorClass, Evidence as Stored, Finished, LimitKind, Object, Outcome, Policy, RunError,
    Score, Source, Step, ToolDef, Trajectory,
};
use crate::rewards::weighted_mean;
use crate::rules;
use crate::sandbox::ExitReport;
use crate::score::{self, Compiled, Evidence, ProbeResult};
use crate::suite::RewardRule;
use crate::util::digest::sha256_hex;
use crate::util::redact::Redactor;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Everything that is left of an attempt when all of it is dead.
pub(super) struct Material {
    pub(super) end: Ending,
    pub(super) steps: Vec<Step>,
    /// Tools that the agent learnt of only while it ran.
    pub(super) tools: Vec<ToolDef>,
    pub(super) metered: Option<Metered>,
    pub(super) requests: BTreeMap<String, Vec<Object>>,
    /// What was asked of the network, and what became of it.
    pub(super) network: Vec<Object>,
    /// Files that were carried into commands, and their digests.
    pub(super) carried: Option<Value>,
    pub(super) probes: Option<Result<Vec<Vec<ProbeResult>>, RunError>>,
    pub(super) redactor: Redactor,
    pub(super) report: ExitReport,
    pub(super) stopped: bool,
    pub(super) timing: Object,
}

/// The record of an attempt that was never begun: skipped, cancelled, or lost to a panic.
pub(super) fn without_run(plan: &Plan, planned: &Planned, outcome: Outcome) -> Finished {
    let mut record = blank(plan, planned);
    if outcome == Outcome::Cancelled {
        // What never started is known to cost nothing.
        record.cost_usd = record.usage.cost_usd;
    }
    record.outcome = outcome;
    let trajectory = trajectory(plan, planned, Vec::new());
    Finished { record, trajectory, evidence: Vec::new() }
}

/// Judges an attempt.
pub(super) fn finish(
    plan: &Plan,
    planned: &Planned,
    scorers: &[Arc<Compiled>],
    material: Material,
) -> Finished {
    let (_, task, subject) = plan.parts(planned);
    let mut record = blank(plan, planned);
    let last_words = answer(&material.end, &material.steps, &material.redactor);
    let mut trajectory = trajectory(plan, planned, Vec::new());
    if !material.tools.is_empty() {
        trajectory.agent.tools = Some(redaction::tools(material.tools, &material.redactor));
    }
    let mut secrets = Vec::new();
    // A list that grew has room for more steps, and this one is kept until the end of the run.
    trajectory.steps.reserve_exact(material.steps.len());
    for step in material.steps {
        let step = redaction::step(step, &material.redactor, &mut secrets);
        trajectory.steps.push(step);
    }
    let judged_by = policy(&subject.agent.policy(&task.policy), &trajectory);
    let judgement = rules::judge(&trajectory, &judged_by);
    record.format_ok = judgement.format_ok();
    record.messages = judgement.messages;
    record.calls = judgement.calls;
    record.findings = judgement.findings;
    for (step, hits) in &secrets {
        // Rules see redacted text, so what was taken out is told here.
        let message = trajectory.judged().position(|judged| judged.id == *step);
        let message = message.map(|index| index as u64);
        record.findings.extend(rules::secret_findings(*step, message, hits));
    }
    record.findings.sort_by_key(|finding| (finding.message, finding.step, finding.rule));
    if let Some(metered) = &material.metered {
        record.turns = u64::from(metered.turns());
        record.usage = metered.usage();
        record.cost_usd = record.usage.cost_usd;
        record.spent_usd = metered.spent_usd();
        record.drift = metered.drift().to_vec();
    }
    record.timing = material.timing;
    let mut evidence = Vec::new();
    let turns = material.metered.as_ref().map_or(0, Metered::turns);
    let ended = match &material.end {
        // The purse of the run was empty before its first call: nothing of it was seen, and a resume begins it.
        Ending::Agent(AgentEnd::Stopped(Stop::Limit(LimitKind::Usd | LimitKind::Tokens))) if turns == 0 => {
            Ended::Over(Outcome::Cancelled)
        }
        end => ended(end, &material.report, material.stopped),
    };
    record.outcome = match (ended, material.probes) {
        (Ended::Over(outcome), _) => outcome,
        (Ended::Scored(_), None) => Outcome::Cancelled,
        (Ended::Scored(_), Some(Err(error))) => Outcome::Error(error),
        (Ended::Scored(outcome), Some(Ok(probes))) => {
            let specs = task.score.iter().zip(scorers).zip(probes);
            let hit = material.report.limits.first().copied();
            keep_requests(&material.requests, &material.redactor, &mut record, &mut evidence);
            let mut seen = seen_by_sandbox(&material.report.limits, &material.network);
            seen.extend(material.carried.map(|carried| ("sandbox:carried", carried)));
            for (name, list) in seen {
                let text = material.redactor.redact_value(list).to_string();
                keep(name.to_owned(), text.as_bytes(), &mut record, &mut evidence);
            }
            for ((spec, compiled), probes) in specs {
                keep_evidence(&spec.name, &probes, &material.redactor, &mut record, &mut evidence);
                let given =
                    Evidence { answer: last_words.clone(), probes, requests: material.requests.clone() };
                record.scores.push(score::judge(spec, compiled, &given));
            }
            verdict(outcome, hit, task.reward, &mut record)
        }
    };
    Finished { record, trajectory, evidence }
}

/// The task's policy. How calls are written is told by the agent that wrote them, if it does: one suite runs with
/// agents that write them in different ways.
fn policy(of_task: &Policy, trajectory: &Trajectory) -> Policy {
    let told =
        trajectory.judged().any(|step| step.reply.as_ref().is_some_and(|reply| reply.dialect.is_some()));
    Policy { dialect: of_task.dialect.clone().filter(|_| !told), ..of_task.clone() }
}

enum Ended {
    /// Nothing is scored.
    Over(Outcome),
    /// Scored; the outcome that stands whatever the scores say, if any.
    Scored(Option<Outcome>),
}

fn ended(end: &Ending, report: &ExitReport, stopped: bool) -> Ended {
    let oom = report.limits.contains(&LimitKind::Oom);
    match end {
        Ending::Panic(text) => Ended::Over(Outcome::Error(RunError::new(ErrorClass::Internal, text.clone()))),
        Ending::Cancelled => Ended::Over(Outcome::Cancelled),
        Ending::Agent(AgentEnd::Stopped(Stop::Error(_))) if stopped => Ended::Over(Outcome::Cancelled),
        // A sandbox that died because its memory ran out is the agent's doing, not the harness's.
        Ending::Agent(AgentEnd::Stopped(Stop::Error(error))) if error.class == ErrorClass::Sandbox && oom => {
            Ended::Over(Outcome::Limit(LimitKind::Oom))
        }
        Ending::Error(error) | Ending::Agent(AgentEnd::Stopped(Stop::Error(error))) => {
            Ended::Over(Outcome::Error(error.clone()))
        }
        Ending::Agent(AgentEnd::Invalid) => Ended::Scored(Some(Outcome::Invalid)),
        Ending::Agent(AgentEnd::Finished(_)) => Ended::Scored(None),
        Ending::Wall | Ending::Breached(_) | Ending::Agent(AgentEnd::Stopped(Stop::Limit(_))) => {
            Ended::Scored(end.limit().map(Outcome::Limit))
        }
    }
}

/// Success, reward and outcome from the scores; a scorer that could not judge is an error. `hit` is a limit that the
/// agent ran into and outlived: where it did not succeed all the same, that is how the attempt ended.
fn verdict(
    stands: Option<Outcome>,
    hit: Option<LimitKind>,
    rule: RewardRule,
    record: &mut AttemptRecord,
) -> Outcome {
    if let Some(score) = record.scores.iter().find(|score| score.value.is_none()) {
        let text = format!("scorer '{}' could not judge: {}", score.scorer, score.reason);
        return Outcome::Error(RunError::new(ErrorClass::Scorer, text));
    }
    let success = (!record.scores.is_empty()).then(|| record.scores.iter().all(Score::passed));
    record.success = success;
    record.reward = match rule {
        RewardRule::All if success == Some(false) => Some(0.0),
        RewardRule::All | RewardRule::Mean => weighted_mean(&record.scores),
    };
    stands.unwrap_or(match (success, hit) {
        (Some(false), Some(kind)) => Outcome::Limit(kind),
        (Some(false), None) => Outcome::Failed,
        _ => Outcome::Passed,
    })
}

/// The last words: those of `finish`, else the last message without a call.
fn answer(end: &Ending, steps: &[Step], redactor: &Redactor) -> Option<String> {
    let said = match end {
        Ending::Agent(AgentEnd::Finished(Some(words))) => Some(words.clone()),
        _ => steps
            .iter()
            .rev()
            .find(|step| step.source == Source::Agent && !step.frame && step.calls.is_empty())
            .map(|step| step.message.text().into_owned()),
    };
    said.map(|text| redactor.redact(&text).into_owned())
}

fn keep_evidence(
    scorer: &str,
    probes: &[ProbeResult],
    redactor: &Redactor,
    record: &mut AttemptRecord,
    blobs: &mut Vec<(String, Arc<[u8]>)>,
) {
    for (index, probe) in probes.iter().enumerate() {
        let text = redactor.redact_value(probe.to_json()).to_string();
        keep(format!("{scorer}/{index}"), text.as_bytes(), record, blobs);
    }
}

/// What the agent's own services saw is evidence too.
fn keep_requests(
    requests: &BTreeMap<String, Vec<Object>>,
    redactor: &Redactor,
    record: &mut AttemptRecord,
    blobs: &mut Vec<(String, Arc<[u8]>)>,
) {
    for (service, seen) in requests {
        let list = seen.iter().cloned().map(Value::Object).collect();
        let text = redactor.redact_value(Value::Array(list)).to_string();
        keep(format!("requests:{service}"), text.as_bytes(), record, blobs);
    }
}

/// What the sandbox saw: limits that were hit, and what was asked of the network. Nothing, for most attempts.
fn seen_by_sandbox(limits: &[LimitKind], network: &[Object]) -> Vec<(&'static str, Value)> {
    let mut seen = Vec::new();
    if !limits.is_empty() {
        let words: Vec<&str> = limits.iter().map(|kind| kind.as_str()).collect();
        seen.push(("sandbox:limits", Value::from(words)));
    }
    if !network.is_empty() {
        let list: Vec<Value> = network.iter().cloned().map(Value::Object).collect();
        seen.push(("sandbox:network", Value::from(list)));
    }
    seen
}

fn keep(name: String, bytes: &[u8], record: &mut AttemptRecord, blobs: &mut Vec<(String, Arc<[u8]>)>) {
    let sha256 = sha256_hex(bytes);
    record.evidence.push(Stored { name, sha256: sha256.clone() });
    blobs.push((sha256, bytes.into()));
}

fn trajectory(plan: &Plan, planned: &Planned, steps: Vec<Step>) -> Trajectory {
    let (_, _, subject) = plan.parts(planned);
    let mut agent = subject.agent.info();
    agent.model.clone_from(&subject.subject.model);
    Trajectory { id: Some(planned.id.to_string()), agent, steps, ..Trajectory::default() }
}

fn blank(plan: &Plan, planned: &Planned) -> AttemptRecord {
    let (_, task, subject) = plan.parts(planned);
    AttemptRecord {
        try_n: planned.try_n,
        task_digest: task.digest.clone(),
        seed: plan.seed,
        // An agent that asks no model costs nothing.
        cost_usd: subject.backend.is_none().then_some(0.0),
        ..AttemptRecord::new(planned.seq, planned.id.clone(), subject.subject.clone())
    }
}
