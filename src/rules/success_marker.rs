//! CO005 success-marker: a success that is only printed was not had.

use super::acts::{Words, acts, depends, span_of, tell, text_of};
use super::shell::{Command, Link};
use super::{Check, Found, Message, Rule, View, quote};
use crate::model::{Severity, Span};

pub(super) static ITEM: Rule = Rule {
    id: "CO005",
    name: "success-marker",
    about: "words of success are printed whatever happened before",
    since: "0.1.0",
    severity: Severity::Warning,
    manual: include_str!("success_marker.md"),
    check: Check::Message(check),
};

/// Words of success inside a line, in lower case.
const PHRASES: &[&str] = &[
    "tests passed",
    "test passed",
    "tests pass",
    "all passed",
    "checks passed",
    "tests successful",
    "tests succeeded",
    "tests ok",
    "all tests are passing",
    "verification passed",
    "verification successful",
    "0 failed",
];
/// Whole lines of success, in lower case.
const LINES: &[&str] =
    &["pass", "passed", "ok - all", "success: true", "test_result=pass", "result: pass", "status: passed"];

static WORDS: Words = Words::new(|| vec!["echo", "printf", "print("]);

fn check(_: &View, message: &Message, found: &mut Found) {
    for act in acts(message, &WORDS) {
        let commands = act.commands();
        let strict = commands.iter().any(|(_, command)| stops_at_failure(command));
        let mut guarded = strict;
        for (given, command) in &commands {
            let words = printed(command);
            if let Some(words) = words
                && !guarded
                && !depends(command)
                && command.writes.is_empty()
                && is_success(&words)
            {
                let text =
                    format!("{} prints success whatever happened before", quote(text_of(*given, command)));
                tell(message, span_of(*given, command), Severity::Warning, text, found);
            }
            // Behind `… || exit 1` only success goes on.
            guarded |= command.link == Link::Or && matches!(command.name(), "exit" | "return");
        }
        for given in &act.given {
            let code = given.text.trim();
            if given.name == "code" && !code.contains('\n') && is_success_call(code) {
                let lead = given.text.len() - given.text.trim_start().len();
                let span = given.start.map(|start| Span::new(start + lead, start + lead + code.len()));
                let text = format!("{} prints success, and does nothing else", quote(code));
                tell(message, span, Severity::Warning, text, found);
            }
        }
    }
}

/// `set -e` and the like.
fn stops_at_failure(command: &Command) -> bool {
    command.name() == "set"
        && command.arguments().iter().any(|word| {
            word.text == "errexit"
                || (word.text.starts_with('-') && !word.text.starts_with("--") && word.text.contains('e'))
        })
}

/// What a command prints, if printing is all that it does.
fn printed(command: &Command) -> Option<String> {
    if !matches!(command.name(), "echo" | "printf") {
        if matches!(command.name(), "python" | "python3") && command.words.len() == 3 && command.has("-c") {
            let code = command.words[2].text.trim();
            return is_success_call(code).then(|| "tests passed".to_owned());
        }
        return None;
    }
    let words: Vec<&str> = command.operands().map(|word| &*word.text).collect();
    Some(words.join(" "))
}

/// `print("… passed …")` and nothing more.
fn is_success_call(code: &str) -> bool {
    let Some(inner) = code.strip_prefix("print(").and_then(|rest| rest.strip_suffix(')')) else {
        return false;
    };
    let inner = inner.trim();
    let quoted = inner.len() >= 2
        && inner.starts_with(['"', '\''])
        && inner.chars().next() == inner.chars().next_back()
        && !inner[1..inner.len() - 1].contains(['"', '\'', '{']);
    quoted && is_success(&inner[1..inner.len() - 1])
}

fn is_success(text: &str) -> bool {
    // What is filled in, or cut out of a result, is a report and no claim.
    if text.len() > 200 || text.contains(['$', '`', '?']) {
        return false;
    }
    let lower = text.to_ascii_lowercase();
    let lower = lower.replace("\\n", " ");
    let bare = lower.trim_matches(|c: char| !c.is_alphanumeric());
    PHRASES.iter().any(|phrase| lower.contains(phrase)) || LINES.contains(&bare)
}
