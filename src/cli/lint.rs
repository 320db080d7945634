//! `rolltape lint SUITE`: proves a suite, and reads it for what would make its scores worth nothing.
//!
//! Invariant: a proof that could not be made is told as such and ends with exit code 3; it is never taken for a score of 0.

mod git_files;
mod output;
mod prove;

use super::run::{self, suite_errors};
use super::{CliError, Context, Exit, Verb, suite_files};
use crate::lint::{self, Lint, Look, Role};
use crate::model::{ErrorClass, Outcome, Severity};
use crate::suite::parse_duration;
use crate::util::suggest::nearest;
use clap::{Args as _, FromArgMatches as _};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

pub(super) static ITEM: Verb = Verb {
    name: "lint",
    about: "Proves a suite: solutions score 1, cheats and doing nothing 0; and looks for leaks of the answer",
    augment: Args::augment_args,
    run: |matches, context| {
        let args = Args::from_arg_matches(matches).map_err(|error| CliError::usage(error.to_string()))?;
        run(&args, context)
    },
};

/// Arguments of `lint`.
#[derive(Debug, Clone, clap::Args)]
struct Args {
    /// Folder with a suite.toml
    #[arg(value_name = "SUITE", required = true)]
    suite: PathBuf,
    /// Only tasks whose id matches; may be repeated
    #[arg(long, value_name = "GLOB")]
    task: Vec<String>,
    /// Only these lints: ids, names or beginnings of ids, with commas between them
    #[arg(long, value_name = "LINTS", value_delimiter = ',')]
    select: Vec<String>,
    /// All but these lints
    #[arg(long, value_name = "LINTS", value_delimiter = ',')]
    ignore: Vec<String>,
    /// Only read the suite, run nothing
    #[arg(long)]
    no_run: bool,
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = duration,
        help = "Longest time of one proof, where the task's own limit is not shorter")]
    wall: Duration,
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000),
        help = "Proofs at once [default: twice the processors, at least 4]")]
    jobs: Option<u32>,
    /// Where proofs run: namespaces, oci:IMAGE, or none (trusted code only)
    #[arg(long, value_name = "BACKEND", default_value = "namespaces")]
    sandbox: String,
    /// Isolation level of namespaces
    #[arg(long, value_name = "LEVEL", default_value = "auto", value_parser = ["auto", "overlay", "user", "process"])]
    level: String,
    /// Sandbox layer that must be on; may be repeated
    #[arg(long, value_name = "LAYER")]
    require: Vec<String>,
    /// Weakest severity that fails
    #[arg(long, value_name = "SEVERITY", default_value = "error", value_parser = ["error", "warning", "info"])]
    fail_on: String,
    #[arg(long, value_name = "FORMAT", default_value = "text", help = output::help())]
    format: String,
}

fn duration(text: &str) -> Result<Duration, String> {
    match parse_duration(text) {
        Some(wall) if !wall.is_zero() => Ok(wall),
        _ => Err("a duration is a number with a unit, such as 30s or 10m".to_owned()),
    }
}

/// What a lint came to.
struct Linted {
    suite: String,
    tasks: usize,
    findings: Vec<lint::Finding>,
    /// Proofs that came to a score.
    proven: usize,
    /// Proofs that were left out for a reason that stands among the findings.
    skipped: usize,
    /// Proofs that could not be made: task, agent and why.
    errors: Vec<(String, String, String)>,
    fail_on: Severity,
}

impl Linted {
    fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }
}

fn run(args: &Args, context: &Context) -> Result<Exit, CliError> {
    let format = output::named(&args.format)?;
    let lints = chosen(args)?;
    let (suite, files) = suite_files::load_with_files(&args.suite).map_err(|errors| suite_errors(&errors))?;
    let prepared = run::prepare(&run_args(args, &suite), context)?;
    let roles: BTreeSet<Role> = lints.iter().filter_map(|lint| lint.role()).collect();
    let roles = if roles.is_empty() && lints.iter().any(|lint| lint.is_proof()) {
        // Whether anything is skipped is seen by trying what costs least.
        BTreeSet::from([Role::Nop])
    } else {
        roles
    };
    let Some(plan) = prepared.suites.into_iter().next() else {
        return Err(CliError::usage("no suite was given"));
    };
    let (kept, scorers) = (plan.suite.clone(), plan.scorers.clone());
    let proved = if roles.is_empty() {
        prove::Proved::default()
    } else {
        prove::prove(plan, &roles, &run_args(args, &suite), args.wall, context)?
    };
    let git = git_files::read(&args.suite, &kept);
    let look = Look {
        suite: &kept,
        files: &files,
        git: &git.files,
        unread: &git.unread,
        scorers: &scorers,
        proofs: &proved.proofs,
    };
    let outcomes = || proved.proofs.iter().map(|proof| &proof.record.outcome);
    let linted = Linted {
        suite: kept.name.clone(),
        tasks: kept.tasks.len(),
        findings: lint::judge(&look, &lints),
        proven: outcomes().filter(|outcome| outcome.is_scored()).count(),
        skipped: outcomes().filter(|outcome| matches!(outcome, Outcome::Skipped(_))).count(),
        errors: proved
            .proofs
            .iter()
            .filter_map(|proof| match &proof.record.outcome {
                Outcome::Error(error) => {
                    Some((proof.record.id.task.clone(), proof.agent.clone(), error.to_string()))
                }
                _ => None,
            })
            .collect(),
        fail_on: severity(&args.fail_on),
    };
    context.data(&(format.render)(&linted, context)?);
    for (task, agent, why) in &linted.errors {
        context.say(
            &CliError::harness(format!("the proof of task '{task}' with '{agent}' can't be made: {why}"))
                .hint("what is not proven is neither 0 nor 1; `rolltape run` with this --agent and --task shows more")
                .to_string(),
        );
    }
    Ok(verdict(&linted, &proved))
}

/// The first of 70, 130/143, 3, 1 that applies.
fn verdict(linted: &Linted, proved: &prove::Proved) -> Exit {
    let internal = proved.proofs.iter().any(
        |proof| matches!(&proof.record.outcome, Outcome::Error(error) if error.class == ErrorClass::Internal),
    );
    if internal {
        return Exit::Bug;
    }
    if let Some(signal) = proved.signal {
        return signal;
    }
    let nothing = !proved.proofs.is_empty() && linted.proven == 0;
    if !linted.errors.is_empty() || nothing {
        return Exit::Harness;
    }
    let no = linted.findings.iter().any(|finding| finding.severity >= linted.fail_on);
    if no { Exit::No } else { Exit::Fine }
}

fn severity(word: &str) -> Severity {
    let all = [Severity::Error, Severity::Warning, Severity::Info];
    all.into_iter().find(|severity| severity.as_str() == word).unwrap_or(Severity::Error)
}

/// The lints that were asked for, in the order of their ids.
fn chosen(args: &Args) -> Result<Vec<&'static Lint>, CliError> {
    let matching = |words: &[String]| {
        let mut found = BTreeSet::new();
        for word in words.iter().map(|word| word.trim()).filter(|word| !word.is_empty()) {
            let upper = word.to_ascii_uppercase();
            let some: Vec<&str> = match lint::find(word) {
                Some(lint) => vec![lint.id],
                None => lint::ALL.iter().map(|lint| lint.id).filter(|id| id.starts_with(&upper)).collect(),
            };
            if some.is_empty() {
                return Err(no_lint(word));
            }
            found.extend(some);
        }
        Ok(found)
    };
    let (selected, ignored) = (matching(&args.select)?, matching(&args.ignore)?);
    let wanted = |lint: &&Lint| {
        (selected.is_empty() || selected.contains(lint.id))
            && !ignored.contains(lint.id)
            && !(args.no_run && lint.is_proof())
    };
    let lints: Vec<&'static Lint> = lint::ALL.iter().copied().filter(wanted).collect();
    if lints.is_empty() {
        return Err(CliError::usage("no lint is left to look for")
            .hint("name fewer in --ignore, or more in --select; proofs need a run without --no-run"));
    }
    Ok(lints)
}

/// The error for a lint that does not exist.
pub(super) fn no_lint(word: &str) -> CliError {
    let error = CliError::usage(format!("no lint is named '{word}'"));
    let near = nearest(&word.to_ascii_lowercase(), lint::ALL.iter().map(|lint| lint.name));
    match near.or_else(|| nearest(&word.to_ascii_uppercase(), lint::ALL.iter().map(|lint| lint.id))) {
        Some(near) => error.hint(format!("did you mean '{near}'?")),
        None => error.hint("rolltape list lints shows all of them"),
    }
}

/// What `run` would be told to make all proofs.
fn run_args(args: &Args, suite: &crate::suite::Suite) -> run::Args {
    let cheats: BTreeSet<&str> =
        suite.tasks.iter().flat_map(|task| task.cheats.keys()).map(String::as_str).collect();
    let agents = prove::AGENTS.iter().map(|(agent, _)| (*agent).to_owned());
    run::Args {
        suites: vec![args.suite.clone()],
        backend: Vec::new(),
        agent: agents.chain(cheats.into_iter().map(|cheat| format!("cheat:{cheat}"))).collect(),
        mount: Vec::new(),
        task: args.task.clone(),
        attempts: 1,
        jobs: args.jobs,
        sandbox: args.sandbox.clone(),
        level: args.level.clone(),
        require: args.require.clone(),
        seed: 0,
        fail_under: None,
        max_fail: None,
        max_usd: None,
        max_tokens: None,
        dry_run: false,
        keep_sandbox: "none".to_owned(),
        out: None,
        format: "table".to_owned(),
    }
}
