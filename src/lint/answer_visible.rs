//! SL023 answer-visible: the expected answer stands in the prompt or in a file that the agent sees.

use super::{Check, Found, Lint, Look, lines};
use crate::model::Severity;
use crate::suite::ScorerSpec;
use serde_json::Value;

pub(super) static ITEM: Lint = Lint {
    id: "SL023",
    name: "answer-visible",
    about: "the expected answer stands in the prompt or in a file that the agent sees",
    since: "0.1.0",
    severity: Severity::Warning,
    manual: include_str!("answer_visible.md"),
    check: Check::Suite(check),
};

/// Characters of an answer that may stand somewhere by chance.
const SHORT: usize = 3;

fn check(look: &Look<'_>, found: &mut Found) {
    for task in &look.suite.tasks {
        for spec in &task.score {
            for answer in answers(spec) {
                let who = format!("of the scorer '{}'", spec.name);
                if lines::stands_alone(answer, &task.prompt) {
                    let text = format!("the prompt holds the answer '{answer}' {who}");
                    found.add(Some(&task.id), look.prompt(task), text);
                }
                for (path, file) in &task.files {
                    if lines::stands_alone(answer, &String::from_utf8_lossy(&file.bytes)) {
                        let text = format!("the agent finds the answer '{answer}' {who} in '{path}'");
                        found.add(Some(&task.id), look.visible(task, path), text);
                    }
                }
            }
        }
    }
}

/// Texts that the agent's answer is compared with.
fn answers(spec: &ScorerSpec) -> Vec<&str> {
    let on_answer = spec.options.get("on").is_none_or(|on| on.as_str() == Some("answer"));
    if !on_answer || !["includes", "equals"].contains(&spec.kind.as_str()) {
        return Vec::new();
    }
    let texts = match spec.options.get("text") {
        Some(Value::String(text)) => vec![text.as_str()],
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let texts = texts.into_iter().map(str::trim);
    texts.filter(|text| text.chars().count() >= SHORT).collect()
}
