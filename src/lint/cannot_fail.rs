//! SL012 cannot-fail: a scorer passes whatever it is shown, or an empty text.

use super::{Check, Found, Lint, Look};
use crate::model::Severity;
use crate::score::{Compiled, Evidence, Probe, ProbeResult};
use crate::suite::ScorerSpec;

pub(super) static ITEM: Lint = Lint {
    id: "SL012",
    name: "cannot-fail",
    about: "a scorer passes whatever it is shown, or an empty text",
    since: "0.1.0",
    severity: Severity::Error,
    manual: include_str!("cannot_fail.md"),
    check: Check::Suite(check),
};

/// Scorers that judge a text.
const TEXTUAL: [&str; 5] = ["includes", "equals", "regex", "json", "number"];
/// Commands that end with 0 whatever there is.
const ALWAYS: [&str; 4] = ["true", ":", "exit 0", "/bin/true"];
/// Texts that no task can want, of one line and of several.
const NONSENSE: [&str; 2] = ["\u{a7}zq\u{a7}", "\u{b6}\u{b6}\n\u{a7}vx\u{a7}\n"];

fn check(look: &Look<'_>, found: &mut Found) {
    for (task, scorers) in look.suite.tasks.iter().zip(look.scorers) {
        for (spec, compiled) in task.score.iter().zip(scorers) {
            if let Some(why) = why(spec, compiled) {
                let text = format!("the scorer '{}' {why}", spec.name);
                found.add(Some(&task.id), look.scorer(spec), text);
            }
        }
    }
}

fn why(spec: &ScorerSpec, compiled: &Compiled) -> Option<&'static str> {
    if spec.kind == "command" {
        let run = spec.options.get("run").and_then(serde_json::Value::as_str)?.trim().trim_end_matches(';');
        let expects_zero = spec.options.get("exit").is_none_or(|exit| exit.as_u64() == Some(0));
        return (expects_zero && ALWAYS.contains(&run)).then_some("runs a command that never fails");
    }
    if !TEXTUAL.contains(&spec.kind.as_str()) {
        return None;
    }
    if NONSENSE.iter().all(|text| passes(compiled, text)) {
        return Some("passes whatever it is shown");
    }
    let on_answer = spec.options.get("on").is_none_or(|on| on.as_str() == Some("answer"));
    (on_answer && passes(compiled, "")).then_some("passes on an empty answer")
}

/// Whether a text passes, wherever the scorer looks for it.
fn passes(compiled: &Compiled, text: &str) -> bool {
    let probes = compiled.probes.iter().map(|probe| match probe {
        Probe::File { .. } => ProbeResult::File { bytes: Some(text.as_bytes().to_vec()), reason: None },
        Probe::Run { .. } => ProbeResult::run(Some(0), text, "", Vec::new(), None),
    });
    let evidence =
        Evidence { answer: Some(text.to_owned()), probes: probes.collect(), ..Evidence::default() };
    (compiled.judge)(&evidence).0.is_some_and(|value| value > 0.0)
}
