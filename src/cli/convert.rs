//! `rolltape convert PATH… --to FORMAT`: trajectories into another format, with a report of what was lost.
//!
//! Everything is read back out of the very bytes that are written. Output is whole or not there: it gets its name
//! when all of it is on disk.

mod drive;
mod lines;
mod names;
mod place;
mod told;

use super::{CliError, Context, Exit, Verb, input};
use crate::formats::{self, CallForm, Format, Writer};
use crate::{dialects, util::plural::plural};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use std::path::PathBuf;

pub(super) static ITEM: Verb = Verb {
    name: "convert",
    about: "Converts trajectories into another format and tells what was lost",
    augment,
    run,
};

/// What was asked for, names resolved.
struct Plan {
    paths: Vec<PathBuf>,
    from: Option<&'static str>,
    to: &'static Format,
    writer: Writer,
    calls: Option<CallForm>,
    output: Option<PathBuf>,
    force: bool,
    report: Option<PathBuf>,
    deny: bool,
    line_limit: usize,
    window: usize,
}

/// Names of the formats that can be written.
fn writable() -> impl Iterator<Item = &'static str> + Clone {
    formats::ALL.iter().filter(|format| format.write.is_some()).map(|format| format.name)
}

fn augment(command: Command) -> Command {
    let word = |name: &'static str, value: &'static str, help: String| {
        Arg::new(name).long(name).value_name(value).help(help)
    };
    let flag = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
    };
    let list = |names: &mut dyn Iterator<Item = &'static str>| names.collect::<Vec<_>>().join(", ");
    command
        .arg(
            Arg::new("paths")
                .value_name("PATH")
                .required(true)
                .action(ArgAction::Append)
                .value_parser(value_parser!(PathBuf))
                .help("Files, folders (walked) or - for stdin; .gz and .zst are read"),
        )
        .arg(
            word("to", "FORMAT", format!("Format to write: {}", list(&mut writable())))
                .short('t')
                .required(true),
        )
        .arg(word("from", "FORMAT", "Format of the files instead of telling it by content".to_owned()))
        .arg(word(
            "calls-as",
            "FORM",
            format!(
                "How calls are written [default: as they are]: native (objects), or as text: {}",
                list(&mut dialects::ALL.iter().map(|dialect| dialect.name))
            ),
        ))
        .arg(
            word(
                "output",
                "PATH",
                "Write to PATH, whole or not at all, instead of stdout: a file, or a folder where each trajectory \
                 gets a file or a folder of its own"
                    .to_owned(),
            )
            .short('o')
            .value_parser(value_parser!(PathBuf)),
        )
        .arg(flag("force", "Write into a folder that is not empty; files of the same names are replaced"))
        .arg(
            word("loss-report", "FILE", "Write what was lost, changed and made, as JSON".to_owned())
                .value_parser(value_parser!(PathBuf)),
        )
        .arg(flag("deny-loss", "Write nothing and exit with 1 if anything would be lost or changed"))
        .args(input::size_args())
}

fn run(matches: &ArgMatches, context: &Context) -> Result<Exit, CliError> {
    let plan = plan(matches)?;
    drive::run(&plan, context)
}

fn plan(matches: &ArgMatches) -> Result<Plan, CliError> {
    let word = |name: &str| matches.get_one::<String>(name).map(String::as_str);
    let path = |name: &str| matches.get_one::<PathBuf>(name).cloned();
    let all = || formats::ALL.iter().map(|format| format.name);
    let name = word("to").unwrap_or_default();
    let to = formats::find(name).ok_or_else(|| CliError::unknown("format", name, all()))?;
    let Some(writer) = to.write else {
        return Err(CliError::usage(format!("'{name}' can be read but not written"))
            .hint(format!("'--to' is one of {}", writable().collect::<Vec<_>>().join(", "))));
    };
    let from = match word("from") {
        None => None,
        Some(name) => Some(formats::find(name).ok_or_else(|| CliError::unknown("format", name, all()))?.name),
    };
    let forms = std::iter::once("native").chain(dialects::ALL.iter().map(|dialect| dialect.name));
    let calls = match word("calls-as") {
        None => None,
        Some(name) => {
            Some(CallForm::find(name).ok_or_else(|| CliError::unknown("form of calls", name, forms))?)
        }
    };
    Ok(Plan {
        paths: matches.get_many::<PathBuf>("paths").into_iter().flatten().cloned().collect(),
        from,
        to,
        writer,
        calls,
        output: path("output"),
        force: matches.get_flag("force"),
        report: path("loss-report"),
        deny: matches.get_flag("deny-loss"),
        line_limit: input::size(matches, "line-limit")?,
        window: input::size(matches, "window")?,
    })
}

/// `1 trajectory`, `2 trajectories`
fn trajectories(count: u64) -> String {
    match count {
        1 => "1 trajectory".to_owned(),
        n => plural(n as usize, "trajectory").replace("trajectorys", "trajectories"),
    }
}
