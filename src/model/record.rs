//! The journal's record of an attempt, and the manifest of a run.

use super::{AttemptId, Finding, Object, Outcome, RunId, Score, Usage};

/// Agent, back end and parameters that are judged together.
#[derive(Debug, Clone, PartialEq)]
pub struct Subject {
    /// Id without a slash, for example `codeact@cassette`.
    pub id: String,
    /// Agent name.
    pub agent: String,
    /// Back end as named by the user, credentials never included.
    pub backend: String,
    /// Model as asked for, if the back end has one.
    pub model: Option<String>,
    /// Parameters as sent.
    pub params: Object,
}

/// A replayed observation that differs from the tape.
#[derive(Debug, Clone, PartialEq)]
pub struct Drift {
    /// Turn whose prompt differed, from 1.
    pub turn: u32,
    /// Unified diff, tape against now; cut to a size that is said in it.
    pub diff: String,
}

/// A stored piece of evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// Name inside the attempt, for example `file:/workspace/out.txt`.
    pub name: String,
    /// Digest, lower-case hexadecimal: the name of the file under `artefacts/`.
    pub sha256: String,
}

/// Where a trajectory lies in `trajectories.jsonl`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrajectoryRef {
    /// Byte offset of its line.
    pub offset: u64,
    /// Bytes of the line without the newline.
    pub len: u64,
    /// Digest of those bytes.
    pub sha256: String,
}

/// From which attempt and step a fork went on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parent {
    /// The attempt.
    pub attempt: String,
    /// The last step that was kept.
    pub step: u64,
}

/// One finished attempt.
#[derive(Debug, Clone, PartialEq)]
pub struct AttemptRecord {
    /// Position in the plan, from 0.
    pub seq: u64,
    /// Who it is.
    pub id: AttemptId,
    /// Number of this try of the same attempt, from 1.
    pub try_n: u32,
    /// Digest of the task as it was run.
    pub task_digest: String,
    /// The subject.
    pub subject: Subject,
    /// Seed from which keys and nonces were derived.
    pub seed: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// Verdict of the scorers; `None` if nothing was scored.
    pub success: Option<bool>,
    /// Verdict of the FC rules in the counting reading; `None` without a judged message.
    pub format_ok: Option<bool>,
    /// Weighted mean of the scores, unless the task says otherwise.
    pub reward: Option<f64>,
    /// Scores in the order of the task.
    pub scores: Vec<Score>,
    /// Findings in the order of the messages.
    pub findings: Vec<Finding>,
    /// Judged assistant messages.
    pub messages: u64,
    /// Tool calls in the counting reading.
    pub calls: u64,
    /// Turns of the agent loop.
    pub turns: u64,
    /// Tokens.
    pub usage: Usage,
    /// Cost as recorded; `None` is unknown.
    pub cost_usd: Option<f64>,
    /// Money really spent in this run: 0 on tape.
    pub spent_usd: f64,
    /// Observations that differed from the tape.
    pub drift: Vec<Drift>,
    /// Fork point.
    pub parent: Option<Parent>,
    /// Kept evidence.
    pub evidence: Vec<Evidence>,
    /// Where its trajectory lies; filled in by the store.
    pub trajectory: Option<TrajectoryRef>,
    /// The file in the run's folder that holds the state of its sandbox, if that was kept.
    pub kept: Option<String>,
    /// All that depends on the clock or the machine's state: `started`, `duration_ms`, and others.
    pub timing: Object,
}

impl AttemptRecord {
    /// The record of an attempt of which nothing is known yet but who it is.
    pub fn new(seq: u64, id: AttemptId, subject: Subject) -> Self {
        Self {
            seq,
            id,
            try_n: 1,
            task_digest: String::new(),
            subject,
            seed: 0,
            outcome: Outcome::Cancelled,
            success: None,
            format_ok: None,
            reward: None,
            scores: Vec::new(),
            findings: Vec::new(),
            messages: 0,
            calls: 0,
            turns: 0,
            usage: Usage::zero(),
            cost_usd: None,
            spent_usd: 0.0,
            drift: Vec::new(),
            parent: None,
            evidence: Vec::new(),
            trajectory: None,
            kept: None,
            timing: Object::new(),
        }
    }
}

/// Names of the sandbox's layers (DESIGN 9), in the order of records.
pub const LAYERS: [&str; 13] = [
    "userns",
    "idmap",
    "overlay",
    "mountns",
    "pidns",
    "netns",
    "ipcns",
    "seccomp",
    "landlock",
    "cgroup-memory",
    "cgroup-pids",
    "cgroup-cpu",
    "disk-quota",
];

/// One sandbox layer and whether it was on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerState {
    /// Name from the closed list of DESIGN 9, for example `netns`.
    pub name: String,
    /// Whether it was on.
    pub on: bool,
    /// Why not, when it was off.
    pub reason: Option<String>,
}

/// What `run.json` holds.
#[derive(Debug, Clone, PartialEq)]
pub struct RunManifest {
    /// Id of the run.
    pub id: RunId,
    /// Suites in order: name and digest of all their files.
    pub suites: Vec<(String, String)>,
    /// Tasks in plan order: `suite/task` and digest.
    pub tasks: Vec<(String, String)>,
    /// Subjects in order.
    pub subjects: Vec<Subject>,
    /// Attempts of each task and subject.
    pub attempts: u32,
    /// Number of planned attempts in all.
    pub planned: u64,
    /// Base seed.
    pub seed: u64,
    /// Sandbox back end and level, for example `namespaces:overlay`.
    pub sandbox: String,
    /// Layers that were on and off.
    pub layers: Vec<LayerState>,
    /// Policy that counts: `exactly-one` …, for each suite in order.
    pub policy: String,
    /// Reading that counts.
    pub reading: String,
    /// Version of rolltape, and the git commit it was built from if known.
    pub versions: Object,
    /// Everything needed to go on with the run: arguments, paths, limits.
    pub invocation: Object,
    /// What depends on the clock.
    pub timing: Object,
}
