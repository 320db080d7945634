//! `rolltape compare RUN[:SUBJECT]…`: subjects side by side, paired by task.

use super::report::{columns, find, open};
use super::{CliError, Context, Exit, Verb};
use crate::compare::{self, Settings, Side};
use crate::report::Options;
use crate::report::compare::{FORMS, Form, render};
use crate::store::{self, RunView, disk::Disk};
use crate::util::suggest::nearest;
use crate::util::text::printable;
use clap::{Args as _, FromArgMatches as _};
use std::path::{Path, PathBuf};

pub(super) static ITEM: Verb = Verb {
    name: "compare",
    about: "Compares the subjects of a run, or runs with each other, paired by task",
    augment: Args::augment_args,
    run: |matches, context| {
        let args = Args::from_arg_matches(matches).map_err(|error| CliError::usage(error.to_string()))?;
        run(&args, context)
    },
};

/// Arguments of `compare`.
#[derive(Debug, clap::Args)]
struct Args {
    /// One run (its subjects against its first), or several (each against the first run); with :SUBJECT only that one
    #[arg(value_name = "RUN[:SUBJECT]", required = true)]
    runs: Vec<String>,
    /// Subject of the first run that the others are held against [default: its first]
    #[arg(long, value_name = "SUBJECT")]
    baseline: Option<String>,
    /// One of: table, json, csv, markdown
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    format: String,
    /// Write to FILE, whole or not at all, instead of stdout
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Leave out everything that depends on the clock
    #[arg(long)]
    no_timing: bool,
    /// Pair a task also if it was changed between the runs
    #[arg(long)]
    allow_changed: bool,
}

/// A run and the subjects of it that were asked for.
struct Wanted {
    view: usize,
    subjects: Vec<String>,
}

fn run(args: &Args, context: &Context) -> Result<Exit, CliError> {
    let form = form(&args.format)?;
    let (views, wanted) = gather(&args.runs, context)?;
    let (sides, baselines) = line_up(&views, wanted, args)?;
    let borrowed: Vec<Side<'_>> =
        sides.iter().map(|(view, subject)| Side { run: &views[*view], id: subject }).collect();
    let settings = Settings { allow_changed: args.allow_changed };
    let comparison = compare::compare(&borrowed, &baselines, settings);
    if comparison.pairs.iter().all(|pair| pair.common == 0) {
        return Err(CliError::usage("the runs have no task in common")
            .hint("compare runs of one suite; a task is the same if suite and id are"));
    }
    let options = Options {
        timing: !args.no_timing,
        color: context.color_out && args.output.is_none(),
        width: if args.output.is_some() { 120 } else { columns(context) },
    };
    let bytes = render(form, &comparison, &options).map_err(|error| {
        CliError::harness(format!("can't render the comparison: {}", store::io_text(&error)))
    })?;
    match &args.output {
        None => context.data(&String::from_utf8_lossy(&bytes)),
        Some(path) => Disk::real().replace(path, &bytes).map_err(|error| {
            CliError::from(store::StoreError::disk("write", path, &error))
                .hint("name a file that can be written with '-o FILE'")
        })?,
    }
    Ok(Exit::Fine)
}

fn form(name: &str) -> Result<&'static Form, CliError> {
    FORMS
        .iter()
        .find(|form| form.name == name)
        .ok_or_else(|| CliError::unknown("form of a comparison", name, FORMS.iter().map(|form| form.name)))
}

/// Opens each run once, in the order of the arguments.
fn gather(runs: &[String], context: &Context) -> Result<(Vec<RunView>, Vec<Wanted>), CliError> {
    let mut views: Vec<RunView> = Vec::new();
    let mut wanted: Vec<Wanted> = Vec::new();
    for argument in runs {
        let (dir, subject) = split(argument, context);
        let real = context.cwd.join(&dir).canonicalize().unwrap_or_else(|_| dir.clone());
        let same =
            |view: &RunView| context.cwd.join(&view.dir).canonicalize().is_ok_and(|other| other == real);
        let at = match views.iter().position(same) {
            Some(at) => at,
            None => {
                views.push(opened(&dir, argument, context)?);
                views.len() - 1
            }
        };
        let known = compare::subjects(&views[at]);
        let subjects = match &subject {
            None => known.iter().map(|id| (*id).to_owned()).collect(),
            Some(subject) if known.contains(&subject.as_str()) => vec![subject.clone()],
            Some(subject) => return Err(no_subject(subject, &views[at])),
        };
        wanted.push(Wanted { view: at, subjects });
    }
    Ok((views, wanted))
}

fn no_subject(subject: &str, view: &RunView) -> CliError {
    let what = printable(&format!("subject of the run '{}'", view.manifest.id));
    let known: Vec<String> = compare::subjects(view).into_iter().map(printable).collect();
    CliError::unknown(&what, subject, known.iter().map(String::as_str))
}

fn opened(dir: &Path, argument: &str, context: &Context) -> Result<RunView, CliError> {
    open(dir, context).map_err(|error| {
        let names: Vec<String> = store::runs(&context.cwd.join("reports"))
            .iter()
            .filter_map(|run| Some(run.file_name()?.to_str()?.to_owned()))
            .collect();
        // A folder that is there and no run is no slip of the finger.
        match nearest(argument, names.iter().map(String::as_str)).filter(|_| !context.cwd.join(dir).exists())
        {
            Some(name) => error.hint(format!("did you mean '{name}'?")),
            None => error,
        }
    })
}

/// `RUN` or `RUN:SUBJECT`, divided at the first colon that has a run before it: both may hold colons.
fn split(argument: &str, context: &Context) -> (PathBuf, Option<String>) {
    let run = |text: &str| {
        let dir = find(Path::new(text), context);
        store::is_run(&context.cwd.join(&dir)).then_some(dir)
    };
    if let Some(dir) = run(argument) {
        return (dir, None);
    }
    for (at, _) in argument.match_indices(':') {
        if let Some(dir) = run(&argument[..at]) {
            return (dir, Some(argument[at + 1..].to_owned()));
        }
    }
    let exists = context.cwd.join(argument).exists();
    let head = argument.split(':').next().filter(|head| !head.is_empty() && !exists).unwrap_or(argument);
    (find(Path::new(head), context), None)
}

type Sides = Vec<(usize, String)>;

/// All sides in order, and for each the index of its baseline.
fn line_up(
    views: &[RunView],
    wanted: Vec<Wanted>,
    args: &Args,
) -> Result<(Sides, Vec<Option<usize>>), CliError> {
    let mut sides: Sides = Vec::new();
    for each in wanted {
        for subject in each.subjects {
            let side = (each.view, subject);
            if !sides.contains(&side) {
                sides.push(side);
            }
        }
    }
    if let Some(name) = &args.baseline {
        let first = &views[0];
        if !compare::subjects(first).contains(&name.as_str()) {
            return Err(no_subject(name, first));
        }
        let chosen = (0, name.clone());
        sides.retain(|side| *side != chosen && (views.len() == 1 || side.0 != 0));
        sides.insert(0, chosen);
    }
    if sides.len() < 2 {
        let one = sides.first().map_or("", |(_, subject)| subject.as_str());
        return Err(CliError::usage(format!(
            "there is one subject only, '{one}': nothing to compare it with"
        ))
        .hint("name a second run, or run with two back ends: rolltape run SUITE --backend A --backend B"));
    }
    let firsts: Vec<usize> = (0..sides.len()).filter(|at| sides[*at].0 == 0).collect();
    let baselines = (0..sides.len())
        .map(|at| match &sides[at] {
            (0, _) if views.len() > 1 => None,
            _ if at == 0 => None,
            (_, subject) if views.len() > 1 => {
                // The same subject of the first run, if it is there.
                Some(firsts.iter().copied().find(|first| sides[*first].1 == *subject).unwrap_or(0))
            }
            _ => Some(0),
        })
        .collect();
    Ok((sides, baselines))
}
