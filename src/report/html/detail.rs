//! One attempt for the page: its facts, scores with their evidence, findings, drift and steps.
//!
//! Invariant: an attempt never weighs more than about [`ATTEMPT`]: long texts are cut harder, then steps from
//! the middle are left out, and the page says how many.

use super::super::text;
use super::parts::Parts;
use super::step;
use crate::model::{AttemptRecord, Finding, Outcome, Step};
use crate::store::{RunView, Trajectories};

/// Bytes of one piece of evidence that are shown.
const EVIDENCE: usize = 4_000;
/// Bytes of one text that are shown, the first that keeps an attempt small enough.
pub(super) const CAPS: [usize; 3] = [100_000, 20_000, 4_000];
/// Findings of one attempt that are shown.
const FINDINGS: usize = 500;
/// Differences from the tape that are shown.
const DRIFTS: usize = 50;
/// Bytes of the steps of one attempt.
const ATTEMPT: usize = 2_000_000;

/// An attempt as the page shows it.
pub(super) struct Detail {
    /// Nested arrays; `page/data.js` names the fields in this order.
    pub(super) parts: Parts,
    /// When each step was made, as written.
    pub(super) times: Vec<Option<String>>,
    /// After how many bytes texts are cut; `None` if not all steps are there.
    pub(super) cap: Option<usize>,
}

/// Reads an attempt.
pub(super) fn read(view: &RunView, tape: &Trajectories<'_>, record: &AttemptRecord) -> Detail {
    let mut out = Parts::default();
    let (mut times, mut whole) = (Vec::new(), None);
    out.array(|out| {
        out.array(|out| facts(out, record));
        match &record.outcome {
            Outcome::Error(error) => out.sentence(&error.message),
            _ => out.sentence(&text::reason(record)),
        }
        out.array(|out| scores(out, record));
        out.array(|out| evidence(out, view, record));
        out.array(|out| findings(out, record));
        out.array(|out| {
            for drift in record.drift.iter().take(DRIFTS) {
                out.array(|out| {
                    out.value(Some(drift.turn));
                    out.sentence(&drift.diff);
                });
            }
        });
        match tape.read(record) {
            Ok(trajectory) => {
                let (shown, cap) = fitting(record, &trajectory.steps);
                whole = shown.iter().all(Option::is_some).then_some(cap);
                times = trajectory.steps.iter().map(|step| step.timestamp.clone()).collect();
                out.array(|out| shown.into_iter().flatten().for_each(|step| out.append(step)));
                out.value(Some(trajectory.steps.len()));
                out.value(Some(cap));
                out.value(None::<u8>);
            }
            Err(error) => {
                out.array(|_| {});
                out.value(Some(0));
                out.value(Some(0));
                out.name(&error.message);
            }
        }
        out.value(Some(record.drift.len()));
    });
    Detail { parts: out, times, cap: whole }
}

/// The steps that are shown, and after how many bytes their texts are cut.
fn fitting(record: &AttemptRecord, steps: &[Step]) -> (Vec<Option<Parts>>, usize) {
    for cap in CAPS {
        if let Some(shown) = all(record, steps, cap) {
            return (shown, cap);
        }
    }
    // Beginning and end are what a reader needs most.
    let cap = CAPS[CAPS.len() - 1];
    let mut shown: Vec<Option<Parts>> = steps.iter().map(|_| None).collect();
    let (mut head, mut tail) = (0, steps.len());
    let mut bytes = 0;
    while head < tail {
        let next = if head <= steps.len() - tail { head } else { tail - 1 };
        let parts = step::parts(found(record), &steps[next], cap);
        bytes += parts.len();
        if bytes > ATTEMPT {
            break;
        }
        shown[next] = Some(parts);
        if next == head {
            head += 1;
        } else {
            tail -= 1;
        }
    }
    (shown, cap)
}

/// All steps with texts cut after `cap` bytes, if they fit.
fn all(record: &AttemptRecord, steps: &[Step], cap: usize) -> Option<Vec<Option<Parts>>> {
    let mut room = ATTEMPT;
    let fits = |step| {
        let parts = step::parts(found(record), step, cap);
        room = room.checked_sub(parts.len())?;
        Some(Some(parts))
    };
    steps.iter().map(fits).collect()
}

fn found(record: &AttemptRecord) -> &[Finding] {
    &record.findings[..record.findings.len().min(FINDINGS)]
}

fn facts(out: &mut Parts, record: &AttemptRecord) {
    let mut fact = |name: &str, value: &str| {
        out.array(|out| {
            out.name(name);
            out.name(value);
        });
    };
    fact("agent", &record.subject.agent);
    fact("back end", &record.subject.backend);
    if let Some(model) = &record.subject.model {
        fact("model", model);
    }
    if !record.subject.params.is_empty() {
        fact("parameters", &serde_json::Value::from(record.subject.params.clone()).to_string());
    }
    fact("seed", &record.seed.to_string());
    if record.try_n > 1 {
        fact("try", &record.try_n.to_string());
    }
    if let Some(parent) = &record.parent {
        fact("forked from", &format!("{}, step {}", parent.attempt, parent.step));
    }
    fact("spent in this run", &text::usd(Some(record.spent_usd)));
    fact("task digest", &record.task_digest);
}

fn scores(out: &mut Parts, record: &AttemptRecord) {
    for score in &record.scores {
        out.array(|out| {
            out.name(&score.scorer);
            out.float(score.value);
            out.float(Some(score.weight));
            out.value(Some(score.passed()));
            out.sentence(&score.reason);
        });
    }
}

fn evidence(out: &mut Parts, view: &RunView, record: &AttemptRecord) {
    for item in &record.evidence {
        out.array(|out| {
            out.name(&item.name);
            out.name(&item.sha256);
            match view.artefact(&item.sha256) {
                Ok(bytes) => match std::str::from_utf8(&bytes) {
                    Ok(content) => out.capped(content, EVIDENCE),
                    Err(_) => {
                        out.value(None::<u8>);
                        out.name(&format!(
                            "{} bytes that are not text",
                            text::count(Some(bytes.len() as u64))
                        ));
                    }
                },
                Err(error) => {
                    out.value(None::<u8>);
                    out.name(&error.message);
                }
            }
        });
    }
}

fn findings(out: &mut Parts, record: &AttemptRecord) {
    for finding in found(record) {
        out.array(|out| {
            out.name(finding.rule);
            out.name(finding.name);
            out.name(finding.severity.as_str());
            out.sentence(&finding.text);
            out.value(finding.step);
            out.value(Some(finding.span.is_some()));
            let readings: Vec<String> = finding.readings.iter().map(ToString::to_string).collect();
            out.name(&readings.join(", "));
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::parts::Parts;
    use super::{ATTEMPT, CAPS, fitting};
    use crate::model::{AttemptId, AttemptRecord, Object, Source, Step, Subject};

    fn record() -> AttemptRecord {
        let id = AttemptId { suite: "s".into(), task: "t".into(), subject: "a@b".into(), n: 1 };
        let subject = Subject {
            id: "a@b".into(),
            agent: "a".into(),
            backend: "b".into(),
            model: None,
            params: Object::new(),
        };
        AttemptRecord::new(0, id, subject)
    }

    #[test]
    fn a_long_attempt_is_cut_harder_and_then_loses_its_middle() {
        let steps = |count: u64, bytes: usize| {
            (1..=count).map(|id| Step::new(id, Source::User, "x".repeat(bytes))).collect::<Vec<_>>()
        };
        let told = |count, bytes| {
            let (shown, cap) = fitting(&record(), &steps(count, bytes));
            assert!(shown.iter().flatten().map(Parts::len).sum::<usize>() <= ATTEMPT);
            (shown.iter().map(|step| u8::from(step.is_some())).collect::<Vec<_>>(), cap)
        };
        assert_eq!(told(3, 10_000_000), (vec![1; 3], CAPS[0]), "each is cut to what one text may have");
        assert_eq!(told(60, 30_000), (vec![1; 60], CAPS[0]));
        assert_eq!(told(90, 30_000), (vec![1; 90], CAPS[1]));
        let (shown, cap) = told(2_000, 30_000);
        let gone = shown.iter().filter(|step| **step == 0).count();
        assert!(cap == CAPS[2] && shown[..200] == [1; 200] && shown[1_800..] == [1; 200], "{gone}");
        assert!((1_400..1_600).contains(&gone), "{gone}");
    }
}
