//! The command line: one file a verb, and the only place that prints, reads the environment or exits.
//!
//! stdout is data, stderr is talk. A verb returns its [`Exit`] or a [`CliError`]; only [`main`] maps
//! them to a number.

mod config;
mod context;
mod error;
mod image_store;
mod input;
mod progress;
pub mod suite_files;

use clap::error::ErrorKind;
use clap::{ArgMatches, Command};
use std::io::Write as _;
use std::process::ExitCode;

pub use context::{Context, Verbosity};
pub use error::{CliError, Exit};

/// A verb of the command line.
pub struct Verb {
    /// Name.
    pub name: &'static str,
    /// One line for `--help`.
    pub about: &'static str,
    /// Adds the verb's arguments (usually `Args::augment_args` of a derived struct).
    pub augment: fn(Command) -> Command,
    /// Runs it.
    pub run: fn(&ArgMatches, &Context) -> Result<Exit, CliError>,
}

registry! {
    /// All verbs, in the order of `--help`.
    Verb: run, resume, lint, sandbox, check, show, convert, report, compare, export, explain, list, init, schema, completions, doctor, images
}

/// The whole command line, from the registry.
pub fn command() -> Command {
    let mut command = Command::new("rolltape")
        .version(env!("CARGO_PKG_VERSION"))
        .about(
            "Runs or replays agent tasks in parallel sandboxes, checks the call format, scores and reports.",
        )
        .subcommand_required(true)
        .arg_required_else_help(true)
        .disable_help_subcommand(true)
        .max_term_width(100)
        .args(context::global_args());
    for verb in ALL {
        command =
            command.subcommand((verb.augment)(Command::new(verb.name)).about(verb.about).long_about(None));
    }
    command
}

/// Parses the arguments, runs the verb and tells the exit code.
pub fn main() -> ExitCode {
    let matches = match command().try_get_matches() {
        Ok(matches) => matches,
        Err(error) => {
            // Help and version go to stdout and are fine; everything else is wrong usage.
            let wrong = error.use_stderr();
            if !wrong || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
                let _ = error.print();
            } else {
                let _ = writeln!(std::io::stderr(), "{}", wrong_usage(&error.render().to_string()));
            }
            return ExitCode::from(if wrong { Exit::Usage.code() } else { 0 });
        }
    };
    let context = Context::from_process(&matches);
    let exit = match dispatch(&matches, &context) {
        Ok(exit) => exit,
        Err(error) => {
            context.say(&error.to_string());
            error.exit
        }
    };
    ExitCode::from(exit.code())
}

/// The parser's complaint with what it tells besides as hints, as all errors of the program are shown.
fn wrong_usage(text: &str) -> String {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let mut shown = lines.next().unwrap_or("error: wrong usage").to_owned();
    for line in lines {
        if let Some(usage) = line.strip_prefix("Usage: ") {
            shown.push_str(&format!("\nhint: usage: {usage}"));
        } else if let Some(tip) = line.strip_prefix("tip: ") {
            shown.push_str(&format!("\nhint: {tip}"));
        } else if let Some(values) = line.strip_prefix("[possible values: ") {
            shown.push_str(&format!("\nhint: it is one of {}", values.trim_end_matches(']')));
        } else if line.starts_with("For more information") {
            shown.push_str("\nhint: '--help' tells all options");
        } else {
            shown.push_str(&format!(" {line}"));
        }
    }
    shown
}

fn dispatch(matches: &ArgMatches, context: &Context) -> Result<Exit, CliError> {
    let Some((name, arguments)) = matches.subcommand() else {
        return Err(CliError::usage("no verb was given"));
    };
    match ALL.iter().find(|verb| verb.name == name) {
        Some(verb) => (verb.run)(arguments, context),
        None => Err(CliError::usage(format!("no verb is named '{name}'"))),
    }
}
