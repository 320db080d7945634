//! `rolltape export PATH… --target T -o DIR`: data sets for training; `--verify` proves them.

mod args;
mod proof;
mod sources;

use super::{CliError, Context, Exit, Verb, Verbosity};
use crate::export::{self, Built, ExportError, Facts, Intake, Stage};
use args::Args;
use clap::{ArgMatches, Command};
use std::path::Path;

pub(super) static ITEM: Verb = Verb {
    name: "export",
    about: "Makes data sets for training from runs and recorded trajectories",
    augment,
    run,
};

fn augment(command: Command) -> Command {
    args::augment(command)
}

fn run(matches: &ArgMatches, context: &Context) -> Result<Exit, CliError> {
    let args = Args::read(matches, context)?;
    let Some(out) = &args.out else {
        // Without a folder to make there is only a folder to prove.
        return proof::of_folders(&args, context);
    };
    let stage = Stage::new(out)?;
    let mut intake = Intake::new(
        args.plan.target,
        args.only,
        args.min_reward,
        args.ask,
        args.guard.clone(),
        stage.path(),
    )?;
    let told = sources::each(&args.paths, &args.reading, context, &mut |entries| intake.take(entries))?;
    told.say(context);
    let facts = Facts {
        sources: told.sources.clone(),
        runs: told.runs.clone(),
        license: args.license.clone(),
        options: args.options(),
    };
    let exit = if told.errors.is_empty() { Exit::Fine } else { Exit::Usage };
    let built = match export::build(intake, &args.plan, &facts, &stage) {
        Ok(built) => built,
        // What could not be read comes first: it may be all there was.
        Err(ExportError::No(text, hints)) if exit == Exit::Usage => {
            return Err(CliError { exit, message: text, hints });
        }
        Err(error) => return Err(error.into()),
    };
    if args.verify {
        let proof = proof::of(stage.path(), &args.guard, context)?;
        proof::say(out, &proof, context)?;
    }
    stage.finish()?;
    let elsewhere = args.says_all && told.sources.iter().any(|source| source.format != sources::RUN);
    say(out, &built, elsewhere, context);
    Ok(exit)
}

/// Tells what was made: files on stdout, the rest on stderr.
fn say(out: &Path, built: &Built, elsewhere: bool, context: &Context) {
    let files: Vec<String> =
        built.files.iter().map(|(name, rows)| format!("{}\t{rows}\n", out.join(name).display())).collect();
    context.data(&files.concat());
    if context.verbosity == Verbosity::Quiet {
        return;
    }
    if !built.rejected.is_empty() {
        let told: Vec<String> =
            built.rejected.iter().map(|(reason, n)| format!("{} {n}", reason.as_str())).collect();
        context.say(&format!(
            "rejected: {}; each stands in {}",
            told.join(", "),
            out.join("rejected.jsonl").display()
        ));
    }
    if built.redacted > 0 {
        context.say(&format!("secrets replaced by placeholders: {}", built.redacted));
    }
    if elsewhere {
        context.say("what comes from elsewhere has no verdict: all of it was taken");
    }
    for remark in &built.remarks {
        context.say(&format!("note: {remark}"));
    }
}

impl From<ExportError> for CliError {
    fn from(error: ExportError) -> Self {
        match error {
            ExportError::Usage(message, hint) => {
                CliError { exit: Exit::Usage, message, hints: hint.into_iter().collect() }
            }
            ExportError::No(message, hints) => CliError { exit: Exit::No, message, hints },
            ExportError::Disk(message) => CliError::harness(message),
        }
    }
}
