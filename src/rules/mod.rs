//! Rules: what can be said of a trajectory by reading it. One file a rule, one manual a rule.
//!
//! Every message is read twice: strictly, as the model wrote it, and as a runtime's parser would take
//! it, repairs included. A rule says with what weight it holds in each reading; the policy says which
//! reading counts. Must not know: files, runs, scores. Invariant: `format_ok` depends on the FC family alone.

mod acts;
mod arguments;
mod conduct;
mod found;
mod prose;
pub mod quick;
mod schema;
mod script;
mod shell;
mod think;
mod turns;
mod view;

use crate::model::{Finding, Place, Policy, ReadingKind, Severity, Span, ToolDef, Trajectory};
use crate::util::redact::{Hit, Redactor};
use found::{At, Found, Weight};
use std::collections::BTreeSet;
use view::{Message, View};

/// A rule.
pub struct Rule {
    /// Id, for example `FC002`; the letters are the family.
    pub id: &'static str,
    /// Name, for example `multiple-calls`.
    pub name: &'static str,
    /// One line for `list rules`.
    pub about: &'static str,
    /// Version that brought it.
    pub since: &'static str,
    /// Weight in the usual case; the manual tells the others.
    pub severity: Severity,
    /// The manual that `explain` prints and a test runs, in Markdown.
    pub manual: &'static str,
    check: Check,
}

/// What a rule looks at.
enum Check {
    /// One judged message.
    Message(fn(&View, &Message, &mut Found)),
    /// The whole trajectory.
    Trajectory(fn(&View, &mut Found)),
}

registry! {
    /// All rules, by id.
    Rule: no_call, multiple_calls, text_after_call, unterminated, truncated_by_length, unknown_function,
    unknown_parameter, missing_parameter, bad_type, bad_enum, duplicate_parameter, malformed_tag,
    invented_observation, call_in_reasoning, wrong_dialect, nested_or_crossed, bad_arguments_json,
    orphan_result, unanswered_call, duplicate_id, id_mismatch_name, role_order, no_finish,
    repeated_call, ping_pong, no_progress, repeated_message,
    language_mix, think_tags, no_answer, reasoning_leak, repetition, reflection,
    test_files_read, test_files_edited, reward_path, git_history, success_marker, checker_edited,
    answer_fetched, tests_disabled,
    secret_leak
}

impl Rule {
    /// The letters of the id: `FC`, `TR`, `RE`, `CO`, `SE`.
    pub fn family(&self) -> &'static str {
        self.id.trim_end_matches(|c: char| c.is_ascii_digit())
    }
}

/// The rule of that id or name, in any case of letters.
pub fn find(word: &str) -> Option<&'static Rule> {
    ALL.iter()
        .copied()
        .find(|rule| rule.id.eq_ignore_ascii_case(word) || rule.name.eq_ignore_ascii_case(word))
}

/// The verdict over one trajectory.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Judgement {
    /// Findings in message order; locations not yet filled in.
    pub findings: Vec<Finding>,
    /// For each finding, where the text that its span indexes starts in the file, if that is known.
    pub places: Vec<Option<Place>>,
    /// Judged assistant messages.
    pub messages: u64,
    /// Messages without an FC error in the counting reading.
    pub compliant: u64,
    /// Calls in the counting reading.
    pub calls: u64,
}

impl Judgement {
    /// Whether no message has an FC error; `None` without a judged message.
    pub fn format_ok(&self) -> Option<bool> {
        (self.messages > 0).then_some(self.compliant == self.messages)
    }
}

/// What a judge is told beside the policy.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options<'a> {
    /// Tool list that takes the place of the trajectory's own.
    pub tools: Option<&'a [ToolDef]>,
    /// Ids of rules that are off: they find nothing and count for nothing.
    pub off: &'a [&'static str],
    /// Severities that take the place of the rules' own, by id, in the reading that counts.
    pub severities: &'a [(&'static str, Severity)],
    /// What finds secrets; `None` finds their shapes alone.
    pub redactor: Option<&'a Redactor>,
    /// Values, or placeholders of values, that are known to be no secret.
    pub allowed: Option<&'a BTreeSet<String>>,
    /// Leaves the reading of a runtime out, for who asks only what the model wrote: findings are those of the strict
    /// reading, which must be the one that counts.
    pub strict_only: bool,
}

/// Judges one trajectory with every rule.
pub fn judge(trajectory: &Trajectory, policy: &Policy) -> Judgement {
    judge_with(trajectory, policy, &Options::default())
}

/// Judges one trajectory.
pub fn judge_with(trajectory: &Trajectory, policy: &Policy, options: &Options) -> Judgement {
    let view = View::new(trajectory, policy, options);
    let mut found = Found::default();
    for rule in ALL.iter().filter(|rule| !options.off.contains(&rule.id)) {
        found.rule = Some(rule);
        match rule.check {
            Check::Message(check) => {
                view.messages.iter().for_each(|message| check(&view, message, &mut found));
            }
            Check::Trajectory(check) => check(&view, &mut found),
        }
    }
    found.into_judgement(&view, options.severities)
}

/// Whether a tool's parameters are a JSON Schema; the error says why not, without a final period.
pub fn check_schema(parameters: &serde_json::Value) -> Result<(), String> {
    if parameters.is_null() { Ok(()) } else { arguments::compile(parameters).map(|_| ()) }
}

/// Turns secrets that were redacted away into SE001 findings; spans index the redacted text.
///
/// `step` is the step's id, `message` the index of the judged assistant message if it is one.
pub fn secret_findings(step: u64, message: Option<u64>, hits: &[Hit]) -> Vec<Finding> {
    let reading = ReadingKind::Strict;
    hits.iter()
        .map(|hit| Finding {
            rule: secret_leak::ITEM.id,
            name: secret_leak::ITEM.name,
            severity: secret_leak::ITEM.severity,
            readings: vec![reading.clone()],
            step: Some(step),
            message,
            span: Some(hit.span),
            location: None,
            text: secret_leak::sentence(&hit.kind),
        })
        .collect()
}

/// The first line of `text` that is not blank, as a span; the whole text may be too long to underline.
fn first_line(text: &str) -> Span {
    let start = text.len() - text.trim_start().len();
    let line = text[start..].lines().next().unwrap_or("").trim_end();
    Span::new(start, start + line.len())
}

/// `text` for a sentence: one line, short, without secrets.
fn quote(text: &str) -> String {
    let line: String = text.chars().take(60).map(|c| if c.is_control() { ' ' } else { c }).collect();
    let line = Redactor::default().redact(&line).into_owned();
    if text.chars().nth(60).is_some() { format!("'{line}…'") } else { format!("'{line}'") }
}
