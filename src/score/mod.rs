//! Scorers: what must be probed (`plan`), and what the evidence says (`judge`). One file a scorer.
//!
//! Scorers are pure: the engine runs the probes, in the order of DESIGN 10, after everything of
//! the agent is dead. Must not know: sandboxes, services, processes.

mod options;
mod requests;
mod seal;
mod text;
mod wire;

use crate::model::{Object, Score};
use crate::suite::{ScorerSpec, Suite, SuiteError, Task, did_you_mean, few};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) use number::PICKS;
pub(crate) use requests::AUTHS;
pub use seal::{KEY, KEY_PART, NONCE, Seal};
pub(crate) use service::KEYS;

registry! {
    /// All kinds of scorers.
    Scorer: service, command, file, includes, equals, regex, json, number
}

/// Something that the engine does after the agent is dead, so that a scorer can judge.
#[derive(Debug, Clone, PartialEq)]
pub enum Probe {
    /// Keeps a regular file of the agent's sandbox as evidence.
    File {
        /// Absolute path inside, or relative to `/workspace`.
        path: String,
        /// Size cap in bytes.
        max_bytes: u64,
    },
    /// Runs a command in a fresh sandbox, as an unprivileged child.
    Run {
        /// The command, run by `bash -c` in `/workspace`.
        command: String,
        /// Extra environment.
        env: BTreeMap<String, String>,
        /// Text on standard input.
        stdin: String,
        /// Files of the agent's workspace that are copied in first; one that is not there is left out.
        carry: Vec<String>,
        /// Whether the hidden files of the task are put in, and `ROLLTAPE_TESTS` names their folder.
        hidden: bool,
        /// Whether the command says its verdict itself: it gets a nonce and a private descriptor.
        spoken: bool,
        /// Name of the service to start afresh with a fresh secret key and nonce, if any.
        service: Option<String>,
        /// Options laid over those of the task's service in this probe.
        service_options: Object,
        /// Whether the program gets another fresh secret key than the one that the service accepts.
        wrong_key: bool,
        /// Time limit in milliseconds.
        timeout_ms: u64,
    },
}

/// What came of a probe.
#[derive(Debug, Clone, PartialEq)]
pub enum ProbeResult {
    /// What became of a file.
    File {
        /// Content, if it was kept.
        bytes: Option<Vec<u8>>,
        /// Why it was not kept although something is there (a link, too large); `None` without
        /// content means that nothing is there.
        reason: Option<String>,
    },
    /// A finished command; made by [`ProbeResult::run`], which seals the text.
    Run {
        /// Exit code; 128 + signal for a signal; `None` when it ran out of time.
        exit_code: Option<i32>,
        /// Standard output, lossy UTF-8, cut at 1 MiB, sealed.
        stdout: String,
        /// Standard error, the same.
        stderr: String,
        /// What the service saw: one object a request (see `service::llm`), sealed.
        requests: Vec<Object>,
        /// What was written to the private descriptor, sealed; `None` where there was none.
        verdict: Option<String>,
    },
    /// The probe could not be made; who needs it can't judge.
    Unavailable {
        /// One lower-case sentence.
        reason: String,
    },
}

impl ProbeResult {
    /// A finished command. `secrets` are the key that the program was given and the nonce; both are
    /// replaced by [`KEY`] and [`NONCE`], so that judging now and judging the stored evidence later
    /// are the same thing, and so that a program which prints the placeholder gains nothing.
    pub fn run(
        exit_code: Option<i32>,
        stdout: &str,
        stderr: &str,
        requests: Vec<Object>,
        secrets: Option<(&str, &str)>,
    ) -> Self {
        let seal = Seal::new(secrets);
        let requests = requests.into_iter().map(|request| seal.object(request)).collect();
        let (stdout, stderr) = (seal.text(stdout), seal.text(stderr));
        ProbeResult::Run { exit_code, stdout, stderr, requests, verdict: None }
    }

    /// The same with what was written to the private descriptor of the verdict. [`NONCE`] stands for `nonce` in it, so
    /// that a program which writes the placeholder says nothing.
    #[must_use]
    pub fn said(mut self, text: &str, nonce: &str) -> Self {
        if let ProbeResult::Run { verdict, .. } = &mut self {
            *verdict = Some(Seal::new(Some(("", nonce))).text(text));
        }
        self
    }
}

/// All that a scorer may look at.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Evidence {
    /// What the agent said last: the message of `finish`, else the last message without a call.
    pub answer: Option<String>,
    /// Results of the scorer's own probes, in the order of its plan.
    pub probes: Vec<ProbeResult>,
    /// Requests that the agent's own services saw, by service name.
    pub requests: BTreeMap<String, Vec<Object>>,
}

/// An error in a scorer's options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptionError {
    /// One lower-case sentence that names the key.
    pub message: String,
    /// What the user may do.
    pub hint: Option<String>,
}

/// A verdict: value 0 to 1 (or `None`: could not judge) and the reason.
pub type Judge = dyn Fn(&Evidence) -> (Option<f64>, String) + Send + Sync;

/// A scorer whose options were read.
pub struct Compiled {
    /// What must be probed.
    pub probes: Vec<Probe>,
    /// The verdict over the evidence.
    pub judge: Box<Judge>,
}

/// A kind of scorer.
pub struct Scorer {
    /// Kind, as in `kind = "regex"`.
    pub name: &'static str,
    /// One line for `list scorers`.
    pub about: &'static str,
    /// Reads the options; all errors at once.
    pub compile: fn(spec: &ScorerSpec, task: &Task) -> Result<Compiled, Vec<OptionError>>,
}

/// Judges and wraps the verdict.
pub fn judge(spec: &ScorerSpec, compiled: &Compiled, evidence: &Evidence) -> Score {
    let (value, reason) = (compiled.judge)(evidence);
    Score { scorer: spec.name.clone(), value, weight: spec.weight, reason }
}

/// Reads a scorer's options; an unknown kind is an error too. All errors at once.
pub fn compile(spec: &ScorerSpec, task: &Task) -> Result<Compiled, Vec<OptionError>> {
    match ALL.iter().find(|scorer| scorer.name == spec.kind) {
        Some(scorer) => (scorer.compile)(spec, task),
        None => {
            let names: Vec<&str> = ALL.iter().map(|scorer| scorer.name).collect();
            Err(vec![OptionError {
                message: format!("no scorer is of the kind '{}'", spec.kind),
                hint: Some(did_you_mean(&spec.kind, &names)),
            }])
        }
    }
}

/// Compiles every scorer of a suite, task by task; the errors have the place of their scorer. Tasks that say the
/// same, as the rows of a data set do, share one.
pub fn compile_all(suite: &Suite) -> Result<Vec<Vec<Arc<Compiled>>>, Vec<SuiteError>> {
    let mut errors: BTreeMap<(&str, u64, u64), Vec<SuiteError>> = BTreeMap::new();
    let mut tasks: Vec<Vec<Arc<Compiled>>> = Vec::new();
    let mut before: Option<(&Task, Vec<Option<Arc<Compiled>>>)> = None;
    for task in &suite.tasks {
        let mut scorers = Vec::new();
        for (index, spec) in task.score.iter().enumerate() {
            let same = before.as_ref().and_then(|(other, scorers)| {
                same(task, other, index).then(|| scorers.get(index).cloned().flatten()).flatten()
            });
            if same.is_some() {
                scorers.push(same);
                continue;
            }
            match compile(spec, task) {
                Ok(compiled) => scorers.push(Some(Arc::new(compiled))),
                Err(found) => {
                    scorers.push(None);
                    let told = errors.entry((&spec.file, spec.line, spec.column)).or_default();
                    told.extend(found.into_iter().map(|error| SuiteError {
                        file: spec.file.clone(),
                        line: spec.line,
                        column: spec.column,
                        message: format!("scorer '{}' of task '{}': {}", spec.name, task.id, error.message),
                        hint: error.hint,
                    }));
                }
            }
        }
        tasks.push(scorers.iter().flatten().cloned().collect());
        before = Some((task, scorers));
    }
    if errors.is_empty() { Ok(tasks) } else { Err(errors.into_values().flat_map(few).collect()) }
}

/// Whether a scorer of two tasks is compiled to the same.
fn same(task: &Task, other: &Task, index: usize) -> bool {
    let (Some(spec), Some(old)) = (task.score.get(index), other.score.get(index)) else { return false };
    (&spec.kind, &spec.options) == (&old.kind, &old.options)
        && task.services == other.services
        && task.hidden == other.hidden
}
