//! `rolltape report RUN`: makes a report of a stored run again.

use super::{CliError, Context, Exit, Verb, Verbosity};
use crate::report::{self, Options};
use crate::store::{self, StoreError, StoreErrorKind};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use std::path::PathBuf;

pub(super) static ITEM: Verb =
    Verb { name: "report", about: "Makes a report of a stored run again", augment, run };

fn augment(command: Command) -> Command {
    let names: Vec<&'static str> = report::ALL.iter().map(|report| report.name).collect();
    command
        .arg(
            Arg::new("run")
                .value_name("RUN")
                .required(true)
                .value_parser(value_parser!(PathBuf))
                .help("Folder of the run, or its name under ./reports"),
        )
        .arg(
            Arg::new("format")
                .long("format")
                .value_name("FORMAT")
                .default_value("table")
                .help(format!("One of: {}", names.join(", "))),
        )
        .arg(
            Arg::new("output")
                .short('o')
                .long("output")
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help("Write to FILE, whole or not at all, instead of stdout"),
        )
        .arg(
            Arg::new("no-timing")
                .long("no-timing")
                .action(ArgAction::SetTrue)
                .help("Leave out everything that depends on the clock"),
        )
}

fn run(matches: &ArgMatches, context: &Context) -> Result<Exit, CliError> {
    let report = named(matches.get_one::<String>("format").map_or("table", String::as_str))?;
    let Some(run) = matches.get_one::<PathBuf>("run") else {
        return Err(CliError::usage("no run was named"));
    };
    let view = open(&find(run, context), context)?;
    let output = matches.get_one::<PathBuf>("output");
    let options = Options {
        timing: !matches.get_flag("no-timing"),
        color: context.color_out && output.is_none(),
        width: columns(context),
    };
    if let Some(path) = output {
        report::write_file(report, &report::Shown::new(&view), &options, path)?;
    } else {
        let bytes = report::render(report, &report::Shown::new(&view), &options).map_err(|error| {
            CliError::harness(format!("can't render the report: {}", store::io_text(&error)))
        })?;
        context.data(&String::from_utf8_lossy(&bytes));
    }
    Ok(Exit::Fine)
}

/// The report of that name, or a did-you-mean.
pub(super) fn named(name: &str) -> Result<&'static report::Report, CliError> {
    report::find(name)
        .ok_or_else(|| CliError::unknown("report format", name, report::ALL.iter().map(|report| report.name)))
}

/// A run as the user names it: a folder, or a name under `./reports`.
pub(super) fn find(run: &std::path::Path, context: &Context) -> PathBuf {
    let named = PathBuf::from("reports").join(run);
    if !context.cwd.join(run).exists() && store::is_run(&context.cwd.join(&named)) {
        return named;
    }
    run.to_owned()
}

/// Warnings that are told one by one.
const WARNINGS: usize = 20;

/// Opens a stored run and says on stderr what is wrong with its files.
pub(super) fn open(run: &std::path::Path, context: &Context) -> Result<store::RunView, CliError> {
    let view = store::open(run)?;
    if context.verbosity > Verbosity::Quiet {
        for warning in view.warnings.iter().take(WARNINGS) {
            context.say(&format!("warning: {warning}"));
        }
        if view.warnings.len() > WARNINGS {
            context.say(&format!("warning: and {} more", view.warnings.len() - WARNINGS));
        }
    }
    Ok(view)
}

/// Columns of the terminal: as the environment or the terminal says, 120 otherwise.
pub(super) fn columns(context: &Context) -> usize {
    let told = context.var("COLUMNS").and_then(|text| text.parse().ok());
    let asked = || rustix::termios::tcgetwinsize(std::io::stdout()).ok().map(|size| usize::from(size.ws_col));
    told.or_else(asked).filter(|columns| *columns > 0).unwrap_or(120)
}

impl From<StoreError> for CliError {
    fn from(error: StoreError) -> Self {
        let exit = match error.kind {
            StoreErrorKind::Input | StoreErrorKind::Locked => Exit::Usage,
            StoreErrorKind::Disk => Exit::Harness,
            StoreErrorKind::Bug => Exit::Bug,
        };
        CliError { exit, message: error.message, hints: error.hint.into_iter().collect() }
    }
}
