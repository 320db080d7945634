//! What to do with one message of the model: the rules decide.

use super::arguments;
use crate::backend::ModelReply;
use crate::dialects::Dialect;
use crate::model::{
    Arguments, CallPolicy, Object, Policy, Reading, Severity, Span, ToolCall, ToolDef, Trajectory,
};
use crate::rules;
use crate::util::text::cut;

/// Rules that look at more than the message itself.
const WHOLE: &[&str] = &["FC018", "FC019", "FC020", "FC021", "FC022", "FC023"];

/// A call that may run.
pub(super) struct Call {
    pub(super) name: String,
    arguments: Object,
}

impl Call {
    /// One short line.
    pub(super) fn summary(&self) -> String {
        let first = self.arguments.values().find_map(|value| value.as_str()?.lines().next());
        match first {
            Some(first) => format!("{} {}", self.name, cut(first, 60)),
            None => self.name.clone(),
        }
    }

    pub(super) fn into_tool_call(self, number: u64) -> ToolCall {
        ToolCall {
            id: format!("call_{number}"),
            name: self.name,
            arguments: Arguments::object(self.arguments),
            extra: Object::new(),
        }
    }
}

/// What a message is.
pub(super) enum Verdict {
    /// It runs these calls; the text before the first one is kept apart.
    Calls { before: String, calls: Vec<Call> },
    /// It breaks the format: rule id and sentence of each violation.
    Violation(Vec<(&'static str, String)>),
    /// It makes no call, and the policy lets it ask.
    Question,
    /// It makes no call, and the policy does not want one.
    Done,
}

/// Judges a reply in the strict reading under the task's policy.
pub(super) fn of(reply: &ModelReply, dialect: &Dialect, tools: &[ToolDef], policy: &Policy) -> Verdict {
    let policy =
        Policy { reading: Reading::Strict, dialect: Some(dialect.name.to_owned()), ..policy.clone() };
    let mut step = super::step(reply, reply.text.clone());
    step.id = 1;
    let trajectory = Trajectory { steps: vec![step], ..Trajectory::default() };
    let off: Vec<&'static str> = rules::ALL
        .iter()
        .filter(|rule| rule.family() != "FC" || WHOLE.contains(&rule.id))
        .map(|rule| rule.id)
        .collect();
    let options = rules::Options { tools: Some(tools), off: &off };
    let judgement = rules::judge_with(&trajectory, &policy, &options);
    let errors: Vec<(&'static str, String)> = judgement
        .findings
        .into_iter()
        .filter(|finding| finding.severity == Severity::Error)
        .map(|finding| (finding.rule, finding.text))
        .collect();
    if !errors.is_empty() {
        return Verdict::Violation(errors);
    }
    let markup = (dialect.parse)(&reply.text);
    let thought =
        |call: &&crate::dialects::TextCall| !markup.reasoning.iter().any(|block| block.contains(call.span));
    let found: Vec<_> = markup.calls.iter().filter(thought).collect();
    let Some(first) = found.first() else {
        let wants_one = matches!(policy.calls, CallPolicy::ExactlyOne | CallPolicy::AtLeastOne);
        return if wants_one { Verdict::Question } else { Verdict::Done };
    };
    let before = Span::new(0, first.span.start).text(&reply.text).trim().to_owned();
    let calls = found
        .iter()
        .map(|call| Call { name: call.name.clone(), arguments: arguments::of(call, &reply.text, tools) })
        .collect();
    Verdict::Calls { before, calls }
}
