//! `rolltape run SUITE…`: plans, runs, scores, reports.

mod drive;
mod labels;
mod money;
mod setup;
mod verdict;

use super::{CliError, Context, Exit, Verb};
use crate::engine::Matrix;
use crate::model::Object;
use crate::sandbox::Level;
use clap::{Args as _, FromArgMatches as _};
use serde_json::json;
use std::path::PathBuf;

pub(super) use drive::{Started, drive, launch, manifest, one_user, runtime, watch_signals};
pub(super) use setup::{add_skips, prepare, suite_errors};

pub(super) static ITEM: Verb = Verb {
    name: "run",
    about: "Runs suites: every task with every subject, in parallel sandboxes",
    augment: Args::augment_args,
    run: |matches, context| {
        let args = Args::from_arg_matches(matches).map_err(|error| CliError::usage(error.to_string()))?;
        run(&args, context)
    },
};

/// Arguments of `run`; a resumed run gets them from its manifest.
#[derive(Debug, Clone, PartialEq, clap::Args)]
pub(super) struct Args {
    /// Folders with a suite.toml
    #[arg(value_name = "SUITE", required = true)]
    pub(super) suites: Vec<PathBuf>,
    /// Back end, NAME[:MODEL or PATH]; more than one makes one subject each [default: ROLLTAPE_BACKEND, else the suite's]
    #[arg(long, value_name = "NAME[:ARG]")]
    pub(super) backend: Vec<String>,
    /// Agent, NAME or NAME:ARG of `list agents`; each makes one subject with each back end [default: the suite's]
    #[arg(long, value_name = "NAME[:ARG]")]
    pub(super) agent: Vec<String>,
    /// Folder that agents see read-only under its own path; may be repeated
    #[arg(long, value_name = "DIR")]
    pub(super) mount: Vec<PathBuf>,
    /// Only tasks whose id matches; may be repeated
    #[arg(long, value_name = "GLOB")]
    pub(super) task: Vec<String>,
    /// Attempts of each task with each subject
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(super) attempts: u32,
    /// Attempts at once [default: twice the processors, at least 4]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(super) jobs: Option<u32>,
    /// Where agents run: namespaces, oci:IMAGE (the same on an image of containers), container:IMAGE (docker or
    /// podman), or none (trusted code only)
    #[arg(long, value_name = "BACKEND", default_value = "namespaces")]
    pub(super) sandbox: String,
    /// Isolation level of namespaces
    #[arg(long, value_name = "LEVEL", default_value = "auto", value_parser = ["auto", "overlay", "user", "process"])]
    pub(super) level: String,
    /// Sandbox layer that must be on; may be repeated
    #[arg(long, value_name = "LAYER")]
    pub(super) require: Vec<String>,
    /// Keep the files of sandboxes in the run's folder, for `sandbox --from`: of attempts that did not pass, all, or none.
    /// They may hold the keys that attempts were given, never those of back ends
    #[arg(long, value_name = "WHICH", default_value = "none", value_parser = ["failed", "all", "none"])]
    pub(super) keep_sandbox: String,
    /// Seed from which keys and nonces of the agents derive
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) seed: u64,
    /// Pass if each subject's success rate is at least R (0 to 1), instead of judging each attempt
    #[arg(long, value_name = "R", value_parser = rate, allow_negative_numbers = true)]
    pub(super) fail_under: Option<f64>,
    /// Start nothing more after N attempts that did not pass
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) max_fail: Option<u64>,
    /// Spend at most X US dollars on back ends that are not on tape
    #[arg(long, value_name = "X", value_parser = dollars, allow_negative_numbers = true)]
    pub(super) max_usd: Option<f64>,
    /// Use at most N tokens of back ends that are not on tape
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) max_tokens: Option<u64>,
    /// Show what would run, what would be skipped and why; run nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    /// The run's folder [default: reports/RUN-ID]
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
    /// What is written to stdout at the end: a report format
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub(super) format: String,
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if (0.0..=1.0).contains(&rate) => Ok(rate),
        _ => Err("a rate is a number from 0 to 1".to_owned()),
    }
}

/// A sum of money that can be spent.
pub(super) fn dollars(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(usd) if usd.is_finite() && usd > 0.0 => Ok(usd),
        _ => Err("a sum of US dollars is a number above 0".to_owned()),
    }
}

impl Args {
    /// What a resume needs to know.
    pub(super) fn to_invocation(&self) -> Result<Object, CliError> {
        let mut suites = Vec::new();
        for suite in &self.suites {
            suites.push(suite.to_str().ok_or_else(|| not_text(suite))?);
        }
        let mut mounts = Vec::new();
        for folder in &self.mount {
            let whole = std::path::absolute(folder).unwrap_or_else(|_| folder.clone());
            mounts.push(whole.to_str().map(str::to_owned).ok_or_else(|| not_text(folder))?);
        }
        let value = json!({
            "suites": suites,
            "backends": self.backend,
            "agents": self.agent,
            "mounts": mounts,
            "tasks": self.task,
            "attempts": self.attempts,
            "jobs": self.jobs,
            "sandbox": self.sandbox,
            "level": self.level,
            "require": self.require,
            "keep_sandbox": self.keep_sandbox,
            "seed": self.seed,
            "fail_under": self.fail_under,
            "max_fail": self.max_fail,
            "max_usd": self.max_usd,
            "max_tokens": self.max_tokens,
        });
        match value {
            serde_json::Value::Object(object) => Ok(object),
            _ => Ok(Object::new()),
        }
    }

    /// The arguments that a manifest was made of; `None` if it holds something else.
    pub(super) fn from_invocation(invocation: &Object) -> Option<Self> {
        let texts = |key: &str| -> Option<Vec<String>> {
            let items = invocation.get(key)?.as_array()?;
            items.iter().map(|item| item.as_str().map(str::to_owned)).collect()
        };
        let text = |key: &str| invocation.get(key)?.as_str().map(str::to_owned);
        let number = |key: &str| invocation.get(key)?.as_u64();
        Some(Self {
            suites: texts("suites")?.into_iter().map(PathBuf::from).collect(),
            backend: texts("backends")?,
            // Version 0.1 knew one agent.
            agent: texts("agents").unwrap_or_else(|| text("agent").into_iter().collect()),
            mount: texts("mounts").unwrap_or_default().into_iter().map(PathBuf::from).collect(),
            task: texts("tasks")?,
            attempts: u32::try_from(number("attempts")?).ok()?,
            jobs: number("jobs").and_then(|jobs| u32::try_from(jobs).ok()),
            sandbox: text("sandbox")?,
            level: text("level")?,
            require: texts("require")?,
            // Version 0.1 kept none at first.
            keep_sandbox: text("keep_sandbox").unwrap_or_else(|| "none".to_owned()),
            seed: number("seed")?,
            fail_under: invocation.get("fail_under").and_then(serde_json::Value::as_f64),
            max_fail: number("max_fail"),
            max_usd: invocation.get("max_usd").and_then(serde_json::Value::as_f64),
            max_tokens: number("max_tokens"),
            dry_run: false,
            out: None,
            format: "table".to_owned(),
        })
    }

    /// The back ends of `ROLLTAPE_BACKEND` (commas between them), if the command line names none. They go into the
    /// invocation, so that a resume asks the same ones.
    fn with_environment(mut self, context: &Context) -> Self {
        if let Some(names) = context.var("ROLLTAPE_BACKEND").filter(|_| self.backend.is_empty()) {
            let names = names.split(',').map(str::trim).filter(|name| !name.is_empty());
            self.backend = names.map(str::to_owned).collect();
        }
        self
    }

    /// The level asked for; `None` takes the best.
    pub(super) fn level(&self) -> Option<Level> {
        [Level::Overlay, Level::User, Level::Process].into_iter().find(|level| level.as_str() == self.level)
    }

    /// Attempts at once.
    pub(super) fn jobs(&self) -> usize {
        let processors = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        self.jobs.map_or((processors * 2).max(4), |jobs| jobs as usize)
    }
}

fn not_text(path: &std::path::Path) -> CliError {
    CliError::usage(format!("the path '{}' is not UTF-8", path.display()))
        .hint("rename the folder: a run's manifest keeps paths as text")
}

fn run(args: &Args, context: &Context) -> Result<Exit, CliError> {
    let args = &args.clone().with_environment(context);
    let report = super::report::named(&args.format)?;
    let prepared = prepare(args, context)?;
    let matrix = Matrix { attempts: args.attempts, seed: args.seed };
    if args.dry_run {
        return drive::dry_run(prepared, matrix, args, context);
    }
    drive(Started::Fresh { out: args.out.clone() }, prepared, matrix, args, report, context)
}
