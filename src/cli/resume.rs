//! `rolltape resume RUN`: goes on with an unfinished run.

use super::run::{Args as RunArgs, Started, drive, prepare};
use super::{CliError, Context, Exit, Verb};
use crate::engine::Matrix;
use crate::model::Outcome;
use crate::store;
use clap::{Args as _, FromArgMatches as _};
use std::collections::BTreeMap;
use std::path::PathBuf;

pub(super) static ITEM: Verb = Verb {
    name: "resume",
    about: "Goes on with an unfinished run; what is finished is kept",
    augment: Args::augment_args,
    run: |matches, context| {
        let args = Args::from_arg_matches(matches).map_err(|error| CliError::usage(error.to_string()))?;
        run(&args, context)
    },
};

#[derive(Debug, clap::Args)]
struct Args {
    /// The run's folder
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// Run again what ended in an error, too
    #[arg(long)]
    retry_errors: bool,
    /// Attempts at once [default: as the run was started]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    jobs: Option<u32>,
    /// Spend at most X US dollars in all, what was spent before included [default: as the run was started]
    #[arg(long, value_name = "X", value_parser = super::run::dollars, allow_negative_numbers = true)]
    max_usd: Option<f64>,
    /// Use at most N tokens in all [default: as the run was started]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    max_tokens: Option<u64>,
    /// What is written to stdout at the end: a report format
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    format: String,
}

fn run(args: &Args, context: &Context) -> Result<Exit, CliError> {
    let report = super::report::named(&args.format)?;
    let resumed = store::resume(&args.run).map_err(CliError::from)?;
    let manifest = resumed.manifest;
    let Some(mut run_args) = RunArgs::from_invocation(&manifest.invocation) else {
        return Err(CliError::usage(format!("{} does not say how the run was started", args.run.display()))
            .hint("start it anew with `rolltape run`"));
    };
    run_args.jobs = args.jobs.or(run_args.jobs);
    run_args.max_usd = args.max_usd.or(run_args.max_usd);
    run_args.max_tokens = args.max_tokens.or(run_args.max_tokens);
    let prepared = prepare(&run_args, context)?;
    for plan in &prepared.suites {
        let digest =
            manifest.suites.iter().find(|(name, _)| *name == plan.suite.name).map(|(_, digest)| digest);
        if digest != Some(&plan.suite.digest) {
            return Err(CliError::usage(format!(
                "suite '{}' has changed since the run began",
                plan.suite.name
            ))
            .hint("put it back as it was, or start a new run"));
        }
    }
    let again = |outcome: &Outcome| match outcome {
        Outcome::Cancelled => true,
        Outcome::Error(_) => args.retry_errors,
        _ => false,
    };
    let tries: BTreeMap<String, u32> = resumed
        .finished
        .iter()
        .filter(|record| again(&record.outcome))
        .map(|record| (record.id.to_string(), record.try_n))
        .collect();
    let kept = resumed.finished.into_iter().filter(|record| !again(&record.outcome)).collect();
    for warning in &resumed.warnings {
        context.say(&format!("warning: {warning}"));
    }
    let matrix = Matrix { attempts: run_args.attempts, seed: run_args.seed };
    let started = Started::Resumed {
        manifest: Box::new(manifest),
        kept,
        tries,
        used: resumed.used,
        recorder: Box::new(resumed.recorder),
    };
    drive(started, prepared, matrix, &run_args, report, context)
}
