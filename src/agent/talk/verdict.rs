//! What to do with one message of the model: the rules decide.

use super::Speech;
use crate::dialects;
use crate::model::{CallPolicy, Policy, Reading, Severity, Step, ToolDef, Trajectory};
use crate::rules;
use std::sync::LazyLock;

/// Rules that look at more than the message itself.
const WHOLE: &[&str] = &["FC018", "FC019", "FC021", "FC022", "FC023"];

/// Rules that say nothing of a message alone, or nothing of its format.
static OFF: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let off = rules::ALL.iter().filter(|rule| rule.family() != "FC" || WHOLE.contains(&rule.id));
    off.map(|rule| rule.id).collect()
});

/// What a message is.
pub(super) enum Verdict {
    /// Its calls run.
    Calls,
    /// It breaks the format: rule id and sentence of each violation.
    Violation(Vec<(&'static str, String)>),
    /// It makes no call, and the policy lets it ask.
    Question,
    /// It makes no call, and the policy does not want one.
    Done,
}

/// Judges the step of a reply in the strict reading under the task's policy.
pub(super) fn of(
    step: &Step,
    earlier: &[Step],
    speech: &dyn Speech,
    tools: &[ToolDef],
    policy: &Policy,
) -> Verdict {
    let policy =
        Policy { reading: Reading::Strict, dialect: Some(speech.dialect().to_owned()), ..policy.clone() };
    let mut steps = same_ids(step, earlier);
    for (id, other) in (1..).zip(&mut steps) {
        other.id = id;
    }
    let judged = steps.len() as u64 + 1;
    steps.push(Step { id: judged, ..step.clone() });
    let trajectory = Trajectory { steps, ..Trajectory::default() };
    let options =
        rules::Options { tools: Some(tools), off: &OFF, strict_only: true, ..rules::Options::default() };
    let judgement = rules::judge_with(&trajectory, &policy, &options);
    let errors: Vec<(&'static str, String)> = judgement
        .findings
        .into_iter()
        .filter(|finding| finding.severity == Severity::Error && finding.step == Some(judged))
        .map(|finding| (finding.rule, finding.text))
        .collect();
    if !errors.is_empty() {
        return Verdict::Violation(errors);
    }
    if makes_a_call(step, speech) {
        return Verdict::Calls;
    }
    if matches!(policy.calls, CallPolicy::ExactlyOne | CallPolicy::AtLeastOne) {
        Verdict::Question
    } else {
        Verdict::Done
    }
}

/// The earlier steps that hold a call with an id of `step`.
fn same_ids(step: &Step, earlier: &[Step]) -> Vec<Step> {
    let used = |other: &&Step| {
        other.calls.iter().any(|call| step.calls.iter().any(|new| !new.id.is_empty() && new.id == call.id))
    };
    earlier.iter().filter(used).cloned().collect()
}

fn makes_a_call(step: &Step, speech: &dyn Speech) -> bool {
    if speech.native() {
        return !step.calls.is_empty();
    }
    let Some(dialect) = dialects::find(speech.dialect()) else { return false };
    let markup = (dialect.parse)(&step.judged_text());
    markup.calls.iter().any(|call| !markup.reasoning.iter().any(|block| block.contains(call.span)))
}
