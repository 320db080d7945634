//! Scorers: what must be probed (`plan`), and what the evidence says (`judge`). One file a scorer.
//!
//! Scorers are pure: the engine runs the probes, in the order of DESIGN 10, after everything of
//! the agent is dead. Must not know: sandboxes, services, processes.

use crate::model::{Object, Score};
use crate::suite::{ScorerSpec, Task};
use serde_json::json;
use std::collections::BTreeMap;

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
        /// Files of the agent's workspace that are copied in first.
        carry: Vec<String>,
        /// Whether the hidden files of the task are put under `/tests`.
        hidden: bool,
        /// Name of the service to start afresh with a fresh secret key and nonce, if any.
        service: Option<String>,
        /// Options that replace those of the task's service in this probe.
        service_options: Object,
        /// Time limit in milliseconds.
        timeout_ms: u64,
    },
}

/// What came of a probe, as scorers see it and as it is kept.
///
/// The engine puts `<key>` and `<nonce>` in the place of the probe's secret values before anybody looks;
/// what the program itself printed in that shape is broken first (a zero-width space after `<`), so that a
/// scorer may trust `<nonce>` in an output, now and when it judges the kept evidence again.
#[derive(Debug, Clone, PartialEq)]
pub enum ProbeResult {
    /// A kept file; `None` when it is not there, is not a regular file or is too large.
    File {
        /// Content.
        bytes: Option<Vec<u8>>,
        /// Why not, if not.
        reason: Option<String>,
    },
    /// A finished command.
    Run {
        /// Exit code; 128 + signal for a signal; `None` when it ran out of time.
        exit_code: Option<i32>,
        /// Standard output, lossy UTF-8, cut at 1 MiB.
        stdout: String,
        /// Standard error, the same.
        stderr: String,
        /// What the service saw: one object a request (see `service::llm`).
        requests: Vec<Object>,
    },
}

impl ProbeResult {
    /// The evidence that is kept: `{"probe": "file"|"run", …}`. File content is text, or `base16` if it is no UTF-8.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            ProbeResult::File { bytes: Some(bytes), .. } => match std::str::from_utf8(bytes) {
                Ok(text) => json!({"probe": "file", "text": text}),
                Err(_) => json!({"probe": "file", "base16": crate::util::digest::hex(bytes)}),
            },
            ProbeResult::File { bytes: None, reason } => json!({"probe": "file", "missing": reason}),
            ProbeResult::Run { exit_code, stdout, stderr, requests } => json!({
                "probe": "run",
                "exit_code": exit_code,
                "stdout": stdout,
                "stderr": stderr,
                "requests": requests,
            }),
        }
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
