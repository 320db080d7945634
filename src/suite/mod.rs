//! Suites and tasks: from files to plain data.
//!
//! Invariant: parsing takes a map of files and an environment that are passed in and gives all
//! errors at once, each with file, line and column. Must not know: how anything is run.

mod check_config;
mod config;
mod dataset;
mod digest;
mod folder;
mod hosts;
mod network;
mod parse;
mod reader;
mod settings;
mod units;

use crate::model::{Object, Policy};
use std::collections::BTreeMap;
use std::time::Duration;

pub use check_config::{CheckConfig, Told};
pub use config::{BackendProfile, BackendSettings, Config, Timeouts, parse_config};
pub(crate) use config::{MAX_RETRIES, OWN_HEADERS, OWN_PARAMS};
pub(crate) use dataset::ENDINGS as DATASET_ENDINGS;
pub(crate) use dataset::few;
pub use network::{Allowed, FORMS as ALLOW_FORMS, Network, Way, may_connect, way};
pub use parse::{parse, read, sort_errors};
pub(crate) use reader::did_you_mean;
pub(crate) use units::duration as parse_duration;
pub(crate) use units::size as parse_size;

/// A suite, ready to be planned.
#[derive(Debug, Clone, PartialEq)]
pub struct Suite {
    /// Name, without a slash.
    pub name: String,
    /// Folder as the user gave it; only names things and resolves relative back-end paths.
    pub root: String,
    /// SHA-256 over all files of the suite, hidden checks included.
    pub digest: String,
    /// Agent if the command line names none.
    pub default_agent: Option<String>,
    /// Back end if the command line names none, `NAME[:ARG]`; relative paths are from `root`.
    pub default_backend: Option<String>,
    /// Tasks in file order.
    pub tasks: Vec<Task>,
}

/// One task: prompt, environment, scorers, limits.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// Id inside the suite, without a slash.
    pub id: String,
    /// SHA-256 over everything that defines the task.
    pub digest: String,
    /// What the agent is asked.
    pub prompt: String,
    /// Turns that are shown to the model before the prompt: part of the frame, never judged.
    pub examples: Vec<Example>,
    /// Call policy of this task.
    pub policy: Policy,
    /// Limits.
    pub limits: Limits,
    /// The sandbox it wants.
    pub sandbox: SandboxSpec,
    /// How scores become the reward.
    pub reward: RewardRule,
    /// Services, started afresh for every attempt.
    pub services: Vec<ServiceSpec>,
    /// Tools (`curl`) or powers (`private-net`) that must be there.
    pub needs: Vec<String>,
    /// Read-only mounts from host folders named by environment variables.
    pub mounts: Vec<MountSpec>,
    /// Files put into `/workspace` before the agent starts: relative path, content, mode.
    pub files: BTreeMap<String, FileSpec>,
    /// Hidden files, put in only for the probes, by relative path under `/tests`.
    pub hidden: BTreeMap<String, FileSpec>,
    /// The reference solution: a bash script, and the files beside it.
    pub solution: Option<Script>,
    /// Cheats by name; each must score 0.
    pub cheats: BTreeMap<String, Script>,
    /// Scorers in order.
    pub score: Vec<ScorerSpec>,
}

/// A turn that shows the model how it is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// What the user says in it.
    pub user: String,
    /// What the model is to say to that.
    pub assistant: String,
}

/// How the scores of a task become its reward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RewardRule {
    /// Weighted mean: the default.
    #[default]
    Mean,
    /// The weighted mean if every scorer passes, else 0: for scorers that mean nothing alone.
    All,
}

impl RewardRule {
    /// The word of suite files.
    pub fn as_str(self) -> &'static str {
        match self {
            RewardRule::Mean => "mean",
            RewardRule::All => "all",
        }
    }
}

/// A file of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSpec {
    /// Content.
    pub bytes: Vec<u8>,
    /// Whether it is executable.
    pub executable: bool,
}

/// A script that runs with bash in the workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// The script's text.
    pub text: String,
}

/// Limits of one attempt. `None` is no limit.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Limits {
    /// Turns of the agent loop.
    pub turns: Option<u32>,
    /// Wall clock of the attempt, scoring excluded.
    pub wall: Option<Duration>,
    /// Prompt and completion tokens together.
    pub tokens: Option<u64>,
    /// US dollars.
    pub usd: Option<f64>,
    /// CPU time of all programs of the attempt.
    pub cpu: Option<Duration>,
    /// Wall clock of one bash command or one cell of Python.
    pub command: Option<Duration>,
    /// CPU time of all programs while one of these runs.
    pub command_cpu: Option<Duration>,
}

/// What a task wants of its sandbox.
#[derive(Debug, Clone, PartialEq)]
pub struct SandboxSpec {
    /// `host`: the host's system directories.
    pub root: String,
    /// What it reaches.
    pub network: Network,
    /// Memory in bytes.
    pub memory: Option<u64>,
    /// CPUs.
    pub cpus: Option<f64>,
    /// Processes.
    pub pids: Option<u64>,
    /// Disk in bytes.
    pub disk: Option<u64>,
    /// Files, folders and links.
    pub inodes: Option<u64>,
    /// Open files of one process.
    pub open_files: Option<u64>,
    /// Bytes that all programs together may print.
    pub output: Option<u64>,
    /// Layers that must be on.
    pub require: Vec<String>,
}

impl Default for SandboxSpec {
    fn default() -> Self {
        Self {
            root: "host".to_owned(),
            network: Network::None,
            memory: Some(1 << 30),
            cpus: Some(1.0),
            pids: Some(256),
            disk: Some(1 << 30),
            inodes: Some(500_000),
            open_files: None,
            output: Some(1 << 30),
            require: Vec::new(),
        }
    }
}

/// A service of a task.
#[derive(Debug, Clone, PartialEq)]
pub struct ServiceSpec {
    /// Name, which also names the variable `ROLLTAPE_SERVICE_<NAME>_URL`.
    pub name: String,
    /// Kind, for example `llm`.
    pub kind: String,
    /// Host names that resolve to it inside the sandbox.
    pub hosts: Vec<String>,
    /// Port inside the sandbox, if the task fixes one.
    pub port: Option<u16>,
    /// Variable in which the agent finds its key.
    pub key_env: Option<String>,
    /// Options of that kind, for example `fault = "429-once"`.
    pub options: Object,
}

/// A read-only mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountSpec {
    /// Variable that names the host folder.
    pub env: String,
    /// Path inside.
    pub at: String,
}

/// A scorer as written in the suite; `score` compiles it.
#[derive(Debug, Clone, PartialEq)]
pub struct ScorerSpec {
    /// Kind, for example `regex`.
    pub kind: String,
    /// Name inside the task; the kind, numbered when it repeats.
    pub name: String,
    /// Weight in the reward.
    pub weight: f64,
    /// All other keys.
    pub options: Object,
    /// File of the suite in which it stands.
    pub file: String,
    /// Line, from 1.
    pub line: u64,
    /// Column, from 1, in characters.
    pub column: u64,
}

/// An error in a suite file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SuiteError {
    /// File, as path from the suite's folder joined to the folder the user gave.
    pub file: String,
    /// Line, from 1; 0 when the file as a whole is meant.
    pub line: u64,
    /// Column, from 1, in characters.
    pub column: u64,
    /// One lower-case sentence.
    pub message: String,
    /// What the user may do.
    pub hint: Option<String>,
}
