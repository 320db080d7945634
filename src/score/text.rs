//! What text scorers look at: the answer, a kept file, or what a command prints.

use super::command;
use super::options::Options;
use super::{Compiled, Evidence, Judge, OptionError, Probe, ProbeResult};

/// Size cap of a file that is looked at as text.
pub(super) const MAX_FILE: u64 = 4 << 20;

/// A text, or why there is none.
pub(super) enum Found {
    Text(String),
    /// The agent left none: a zero.
    Nothing(String),
    /// The harness has none: no verdict.
    Unknown(String),
}

/// Reads `on` (`answer`, the default, `file:PATH`, or `output` with the options of the scorer `command`), and
/// builds the scorer around a verdict over the text. The verdict gives whether it passes and why.
pub(super) fn compile(
    mut options: Options<'_>,
    verdict: Option<impl Fn(&str) -> (bool, String) + Send + Sync + 'static>,
) -> Result<Compiled, Vec<OptionError>> {
    let on = options.string("on").unwrap_or_else(|| "answer".to_owned());
    let path = on.strip_prefix("file:").map(str::to_owned);
    let output = on == "output";
    let run =
        output.then(|| command::probe(&mut options, "add run = \"bash app.sh\"; its output is looked at"));
    if !output && on != "answer" && path.as_deref().is_none_or(str::is_empty) {
        let hint = "it is \"answer\", \"file:PATH\", or \"output\" of a command: run = \"…\"".to_owned();
        options.error(format!("'on' can't be \"{on}\""), Some(hint));
    }
    let errors = options.finish();
    let Some(verdict) = verdict.filter(|_| errors.is_empty()) else { return Err(errors) };
    let file_probe = path.iter().map(|path| Probe::File { path: path.clone(), max_bytes: MAX_FILE });
    let probes = file_probe.chain(run).collect();
    let judge: Box<Judge> = Box::new(move |evidence| {
        let found = match &path {
            Some(path) => file(evidence, path),
            None if output => printed(evidence),
            None => answer(evidence),
        };
        match found {
            Found::Text(text) => {
                let (passes, reason) = verdict(&text);
                (Some(if passes { 1.0 } else { 0.0 }), reason)
            }
            Found::Nothing(reason) => (Some(0.0), reason),
            Found::Unknown(reason) => (None, reason),
        }
    });
    Ok(Compiled { probes, judge })
}

fn answer(evidence: &Evidence) -> Found {
    match &evidence.answer {
        Some(text) => Found::Text(text.clone()),
        None => Found::Nothing("the agent gave no answer".to_owned()),
    }
}

/// What the command of the first probe printed; one that fails has nothing to say.
fn printed(evidence: &Evidence) -> Found {
    match evidence.probes.first() {
        Some(ProbeResult::Run { exit_code: Some(0), stdout, .. }) => Found::Text(stdout.clone()),
        Some(ProbeResult::Run { exit_code: Some(code), .. }) => {
            Found::Nothing(format!("the command ended with exit code {code}"))
        }
        Some(ProbeResult::Run { exit_code: None, .. }) => {
            Found::Nothing("the command ran out of time".to_owned())
        }
        Some(ProbeResult::Unavailable { reason }) => Found::Unknown(reason.clone()),
        Some(ProbeResult::File { .. }) | None => Found::Unknown("the command was not run".to_owned()),
    }
}

/// The text of the first probe, a file.
pub(super) fn file(evidence: &Evidence, path: &str) -> Found {
    match evidence.probes.first() {
        Some(ProbeResult::File { bytes: Some(bytes), .. }) => {
            Found::Text(String::from_utf8_lossy(bytes).into_owned())
        }
        Some(ProbeResult::File { reason: Some(reason), .. }) => {
            Found::Nothing(format!("'{path}' was not kept: {reason}"))
        }
        Some(ProbeResult::File { .. }) => Found::Nothing(format!("there is no file '{path}'")),
        Some(ProbeResult::Unavailable { reason }) => Found::Unknown(reason.clone()),
        Some(ProbeResult::Run { .. }) | None => Found::Unknown(format!("'{path}' was not looked for")),
    }
}
