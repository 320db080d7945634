//! The exit code of a run (DESIGN 6): the first of 70, 130/143, 3, 2, 1 that applies.

use crate::cli::Exit;
use crate::model::{AttemptRecord, ErrorClass, Outcome};
use crate::stats::Rate;
use std::collections::BTreeMap;

/// What the process saw besides the records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Seen {
    /// The signal that stopped the run, as its exit.
    pub(super) signal: Option<Exit>,
    /// Whether records could not be kept.
    pub(super) store_failed: bool,
    /// Whether it ended as its money or its tokens were used up: what was not begun is no success.
    pub(super) spent: bool,
}

/// The verdict over all records of a run.
pub(super) fn verdict(records: &[AttemptRecord], fail_under: Option<f64>, seen: Seen) -> Exit {
    let internal = |record: &AttemptRecord| matches!(&record.outcome, Outcome::Error(error) if error.class == ErrorClass::Internal);
    if records.iter().any(internal) {
        return Exit::Bug;
    }
    if let Some(signal) = seen.signal {
        return signal;
    }
    let executed =
        records.iter().any(|record| !matches!(record.outcome, Outcome::Skipped(_) | Outcome::Cancelled));
    let errors = records.iter().any(|record| matches!(record.outcome, Outcome::Error(_)));
    if seen.store_failed || errors || !executed {
        return Exit::Harness;
    }
    let says_no = match fail_under {
        Some(bound) => shares(records).values().any(|rate| rate.share().is_some_and(|share| share < bound)),
        None => records
            .iter()
            .any(|record| matches!(record.outcome, Outcome::Failed | Outcome::Invalid | Outcome::Limit(_))),
    };
    if says_no || seen.spent { Exit::No } else { Exit::Fine }
}

/// Successes over scored attempts, by subject.
fn shares(records: &[AttemptRecord]) -> BTreeMap<&str, Rate> {
    let mut shares: BTreeMap<&str, Rate> = BTreeMap::new();
    for record in records.iter().filter(|record| record.outcome.is_scored()) {
        let share = shares.entry(record.subject.id.as_str()).or_default();
        share.hits += u64::from(record.success == Some(true));
        share.of += 1;
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AttemptId, LimitKind, Object, RunError, Subject};

    fn record(subject: &str, outcome: Outcome, success: Option<bool>) -> AttemptRecord {
        let id = AttemptId { suite: "s".into(), task: "t".into(), subject: subject.into(), n: 1 };
        let subject = Subject {
            id: subject.into(),
            agent: "codeact".into(),
            backend: String::new(),
            model: None,
            params: Object::new(),
        };
        AttemptRecord { outcome, success, ..AttemptRecord::new(0, id, subject) }
    }

    fn error(class: ErrorClass) -> Outcome {
        Outcome::Error(RunError::new(class, "x"))
    }

    #[test]
    fn the_first_that_applies() {
        let passed = record("a", Outcome::Passed, Some(true));
        let failed = record("a", Outcome::Failed, Some(false));
        let none = Seen::default();
        let judge = |records: &[AttemptRecord], seen| verdict(records, None, seen);
        assert_eq!(judge(std::slice::from_ref(&passed), none), Exit::Fine);
        assert_eq!(judge(&[passed.clone(), failed.clone()], none), Exit::No);
        assert_eq!(judge(&[record("a", Outcome::Limit(LimitKind::Wall), Some(true))], none), Exit::No);
        assert_eq!(
            judge(&[failed.clone(), record("a", error(ErrorClass::Sandbox), None)], none),
            Exit::Harness
        );
        assert_eq!(judge(&[record("a", Outcome::Skipped("x".into()), None)], none), Exit::Harness);
        assert_eq!(
            judge(&[passed.clone(), record("a", Outcome::Skipped("x".into()), None)], none),
            Exit::Fine
        );
        let interrupted = Seen { signal: Some(Exit::Interrupted), ..Seen::default() };
        assert_eq!(
            judge(&[failed, record("a", error(ErrorClass::Sandbox), None)], interrupted),
            Exit::Interrupted
        );
        assert_eq!(judge(&[record("a", error(ErrorClass::Internal), None)], interrupted), Exit::Bug);
        assert_eq!(judge(std::slice::from_ref(&passed), Seen { store_failed: true, ..none }), Exit::Harness);
        assert_eq!(judge(std::slice::from_ref(&passed), Seen { spent: true, ..none }), Exit::No);
    }

    #[test]
    fn a_rate_is_asked_of_each_subject() {
        let records = [
            record("a", Outcome::Passed, Some(true)),
            record("a", Outcome::Failed, Some(false)),
            record("b", Outcome::Passed, Some(true)),
            // A limit attempt is scored, and may have succeeded.
            record("b", Outcome::Limit(LimitKind::Turns), Some(true)),
        ];
        assert_eq!(verdict(&records, Some(0.5), Seen::default()), Exit::Fine);
        assert_eq!(verdict(&records, Some(0.6), Seen::default()), Exit::No);
    }
}
