//! `command`: hidden tests run in a fresh sandbox; the harness judges their exit code from outside.

use super::options::Options;
use super::{Compiled, Evidence, NONCE, OptionError, Probe, ProbeResult, Scorer};
use crate::model::Object;
use crate::suite::{ScorerSpec, Task};

pub(super) static ITEM: Scorer = Scorer {
    name: "command",
    about: "a command in a fresh sandbox, judged by its exit code, and with verdict = true by what it says with $ROLLTAPE_NONCE on $ROLLTAPE_VERDICT_FD; hidden tests lie under $ROLLTAPE_TESTS and run the agent's program with $ROLLTAPE_AS_AGENT before it",
    compile,
};

/// Time limit if the suite names none, in milliseconds.
pub(super) const TIMEOUT_MS: u64 = 60_000;

fn compile(spec: &ScorerSpec, _: &Task) -> Result<Compiled, Vec<OptionError>> {
    let mut options = Options::new(&spec.options, "");
    let mut probe = probe(&mut options, "add run = \"bash \\\"$ROLLTAPE_TESTS/test.sh\\\"\"");
    let spoken = options.flag("verdict").unwrap_or(false);
    if spoken && let Probe::Run { spoken, .. } = &mut probe {
        *spoken = true;
    }
    let wanted = options.whole("exit").unwrap_or(0) as i32;
    let errors = options.finish();
    if !errors.is_empty() {
        return Err(errors);
    }
    let judge = Box::new(move |evidence: &Evidence| match evidence.probes.first() {
        Some(ProbeResult::Run { exit_code: None, .. }) => {
            (Some(0.0), "the command ran out of time".to_owned())
        }
        // An exit code alone may be that of what the tests run: only who knows the nonce can have come to their end.
        Some(ProbeResult::Run { exit_code: Some(code), verdict, .. }) if spoken && *code == wanted => {
            match verdict.as_deref().and_then(|said| said.lines().rev().find_map(word)) {
                Some("passed") => (Some(1.0), "the tests said 'passed'".to_owned()),
                Some(other) => (Some(0.0), format!("the tests said '{other}'")),
                None => (Some(0.0), unsaid(*code)),
            }
        }
        Some(ProbeResult::Run { exit_code: Some(code), .. }) => {
            let value = if *code == wanted { 1.0 } else { 0.0 };
            (Some(value), format!("the command ended with exit code {code}"))
        }
        Some(ProbeResult::Unavailable { reason }) => (None, reason.clone()),
        Some(ProbeResult::File { .. }) | None => (None, "the command was not run".to_owned()),
    });
    Ok(Compiled { probes: vec![probe], judge })
}

/// The word of a line that names the nonce.
fn word(line: &str) -> Option<&str> {
    line.strip_prefix(NONCE).map(str::trim)
}

fn unsaid(code: i32) -> String {
    format!(
        "the command ended with exit code {code} and without a verdict: the tests did not come to their end, or what \
         they judge ended them"
    )
}

/// The command that is run with the hidden tests.
pub(super) fn probe(options: &mut Options<'_>, hint: &str) -> Probe {
    Probe::Run {
        command: options.required("run", hint),
        env: options.env("env"),
        stdin: options.string("stdin").unwrap_or_default(),
        carry: carried(options),
        hidden: true,
        spoken: false,
        service: None,
        service_options: Object::new(),
        wrong_key: false,
        timeout_ms: options.millis("timeout", TIMEOUT_MS),
    }
}

/// The list `carry`: relative paths without `..`.
pub(super) fn carried(options: &mut Options<'_>) -> Vec<String> {
    let carry = options.strings("carry").unwrap_or_default();
    for path in &carry {
        if path.split('/').any(|part| matches!(part, "" | "..")) {
            options.error(format!("'carry' holds \"{path}\", which is no path inside the workspace"), None);
        }
    }
    carry
}
