//! `rolltape check PATH…`: findings of recorded trajectories.

mod baseline;
mod items;
mod judge;
mod output;
mod redact;
mod settings;
mod spool;
mod statistics;
mod stream;
mod text;
mod tools;

use super::input::{self, Gathered};
use super::{CliError, Context, Exit, Verb};
use crate::model::{CallPolicy, Policy, Severity, ToolDef};
use crate::util::plural::plural;
use crate::util::redact::Redactor;
use crate::util::suggest::nearest;
use crate::util::text::{name, one_line, unmarked, visible};
use crate::{dialects, formats, rules};
use baseline::Baseline;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use std::collections::BTreeSet;
use std::io::{BufWriter, ErrorKind, Write as _};
use std::path::PathBuf;

pub(super) static ITEM: Verb =
    Verb { name: "check", about: "Judges the call format of recorded trajectories", augment, run };

/// What was asked for, names resolved.
#[derive(Clone)]
struct Plan {
    policy: Policy,
    from: Option<&'static str>,
    tools: Option<Vec<ToolDef>>,
    off: Vec<&'static str>,
    fail_on: Severity,
    /// Longest line of a file of lines, in bytes.
    line_limit: usize,
    /// Bytes of a file that are judged at once.
    window: usize,
    /// Whether the output shows source lines.
    excerpts: bool,
    /// Severities in the place of the rules' own.
    severities: Vec<(&'static str, Severity)>,
    /// What finds secrets: shapes, and the keys that are set here.
    redactor: Redactor,
    /// What is known to be no secret.
    allowed: BTreeSet<String>,
    statistics: bool,
    baseline: Option<Baseline>,
    write_baseline: Option<PathBuf>,
    redact: bool,
    /// Whether it is kept how the format of each file was told.
    tell: bool,
}

impl Plan {
    /// Whether findings are known by the message around them.
    fn has_baseline(&self) -> bool {
        self.baseline.is_some() || self.write_baseline.is_some()
    }

    /// What the rules are told.
    fn options(&self) -> rules::Options<'_> {
        rules::Options {
            tools: self.tools.as_deref(),
            off: &self.off,
            severities: &self.severities,
            redactor: Some(&self.redactor),
            allowed: Some(&self.allowed),
            strict_only: false,
        }
    }
}

fn word(name: &'static str, value: &'static str, help: String) -> Arg {
    Arg::new(name).long(name).value_name(value).help(help)
}

fn augment(command: Command) -> Command {
    let policies: Vec<&str> = CallPolicy::ALL.iter().map(|policy| policy.as_str()).collect();
    let file = value_parser!(PathBuf);
    let command = command
        .arg(
            Arg::new("paths")
                .value_name("PATH")
                .required(true)
                .action(ArgAction::Append)
                .value_parser(file.clone())
                .help("Files, folders (walked) or - for stdin; .gz and .zst are read"),
        )
        .arg(word(
            "from",
            "FORMAT",
            format!("Format of the files instead of telling it by content: {}", formats_list()),
        ))
        .arg(word("dialect", "DIALECT", format!("How calls are written: native, {}", dialects_list())))
        .arg(
            word("policy", "POLICY", format!("Calls a message: {}", policies.join(", ")))
                .default_value("exactly-one"),
        )
        .arg(
            word("ask", "WORD", "Whether a message without a call may ask the user: allow, deny".to_owned())
                .default_value("deny"),
        )
        .arg(
            word("reading", "READING", format!("Which reading counts: strict, runtime, {}", runtimes_list()))
                .default_value("strict"),
        )
        .arg(
            word(
                "tools",
                "FILE",
                "Tool definitions that take the place of the log's own: JSON of OpenAI, Anthropic, Gemini or MCP, or a prompt of OpenHands".to_owned(),
            )
            .value_parser(file.clone()),
        )
        .arg(
            word("select", "RULES", "Only these rules: ids, names or families, divided by commas".to_owned())
                .value_delimiter(',')
                .action(ArgAction::Append),
        )
        .arg(
            word("ignore", "RULES", "All but these rules".to_owned())
                .value_delimiter(',')
                .action(ArgAction::Append),
        )
        .arg(
            word("baseline", "FILE", "Findings that are accepted: they are counted, not told".to_owned())
                .value_parser(file.clone()),
        )
        .arg(
            word("write-baseline", "FILE", "Write what is found as a baseline, and accept it".to_owned())
                .value_parser(file.clone())
                .conflicts_with("baseline"),
        )
        .arg(
            word("allow-secrets", "FILE", "Values or placeholders that are no secrets, one a line".to_owned())
                .value_parser(file.clone()),
        )
        .arg(
            Arg::new("redact")
                .long("redact")
                .action(ArgAction::SetTrue)
                .help("Write copies without secrets to the folder that -o names"),
        )
        .arg(
            Arg::new("statistics")
                .long("statistics")
                .action(ArgAction::SetTrue)
                .help("Rates by rule, model and tool, with 95 % intervals; for the formats text and json"),
        );
    ways(command)
}

/// How much is read at once, and what becomes of the findings.
fn ways(command: Command) -> Command {
    command
        .arg(
            word(
                "fail-on",
                "SEVERITY",
                "Weakest finding that makes the exit code 1: error, warning, info".to_owned(),
            )
            .default_value("error"),
        )
        .args(super::input::size_args())
        .arg(word("format", "FORMAT", output::help()).default_value("text"))
        .arg(
            Arg::new("output")
                .short('o')
                .long("output")
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help("Write to FILE, whole or not at all, instead of stdout; with --redact the folder of the copies"),
        )
}

fn formats_list() -> String {
    formats::ALL.iter().map(|format| format.name).collect::<Vec<_>>().join(", ")
}

fn dialects_list() -> String {
    dialects::ALL.iter().map(|dialect| dialect.name).collect::<Vec<_>>().join(", ")
}

fn runtimes_list() -> String {
    runtimes().map(|name| format!("runtime:{name}")).collect::<Vec<_>>().join(", ")
}

fn runtimes() -> impl Iterator<Item = &'static str> {
    dialects::ALL.iter().flat_map(|dialect| dialect.runtimes).map(|runtime| runtime.name)
}

fn run(matches: &ArgMatches, context: &Context) -> Result<Exit, CliError> {
    let plan = settings::plan(matches, context)?;
    let format = output::named(text(matches, "format"))?;
    let paths: Vec<PathBuf> = matches.get_many::<PathBuf>("paths").into_iter().flatten().cloned().collect();
    let Gathered { files, errors } = input::gather(&paths, context);
    let first = paths.first().map_or_else(String::new, |path| path.to_string_lossy().into_owned());
    let output = matches.get_one::<PathBuf>("output");
    if plan.redact {
        redact::run(&paths, &files, &plan, output, context)?;
    }
    let output = output.filter(|_| !plan.redact);
    let mut result = judge::judge(&first, &files, errors, &plan).map_err(|error| aside(&error))?;
    if let Some(path) = &plan.write_baseline {
        let text = Baseline::write(&result.items).map_err(|error| aside(&error))?;
        output::write(path, |out| out.write_all(text.as_bytes()))?;
        let found = plural(result.items.len(), "finding");
        context.say(&format!("baseline: {found} written to {}", name(&path.to_string_lossy())));
        result.items = items::Items::default();
    }
    if let Some(baseline) = &plan.baseline {
        let applied = baseline.apply(&mut result, &plan.off).map_err(|error| aside(&error))?;
        say_applied(&applied, context);
    }
    for told in &result.told {
        say_format(told, context);
    }
    for warning in result.warnings.iter() {
        let warning = warning.map_err(|error| aside(&error))?.to_string();
        context.say(&format!("warning: {}", unmarked(&visible(&warning))));
    }
    if result.foreign > 0 {
        let noun = if result.foreign == 1 { "file" } else { "files" };
        context.say(&format!("passed by: {} {noun} of no known format", result.foreign));
    }
    let look = output::Look { color: context.color_out && output.is_none(), cwd: &context.cwd };
    match output {
        Some(path) => output::write(path, |out| (format.render)(&result, &plan, &look, out))?,
        None => {
            // A reader that went away (`| head`) is success.
            let mut out = BufWriter::new(std::io::stdout().lock());
            let done = (format.render)(&result, &plan, &look, &mut out).and_then(|()| out.flush());
            done.or_else(|error| if error.kind() == ErrorKind::Other { Err(aside(&error)) } else { Ok(()) })?;
        }
    }
    for error in result.errors.iter() {
        context.say(&output::error_text(&error.map_err(|error| aside(&error))?));
    }
    Ok(if !result.errors.is_empty() {
        Exit::Usage
    } else if baseline::fails(&result, plan.fail_on) {
        Exit::No
    } else {
        Exit::Fine
    })
}

/// The error for findings that waited in a file and can't be had back.
fn aside(error: &std::io::Error) -> CliError {
    CliError::usage(format!("the findings can't be read back: {error}"))
        .hint("they wait in a file of the folder for temporary files; look at its disk")
}

/// Tells what a baseline accepted, and which of its entries nothing was found for.
fn say_applied(applied: &baseline::Applied, context: &Context) {
    context.say(&format!("baseline: {} accepted", plural(applied.accepted as usize, "finding")));
    for (entry, missing) in &applied.stale {
        let often = if *missing == 1 { String::new() } else { format!(" ({missing} times)") };
        context.say(&format!("baseline: no longer found{often}: {}", unmarked(&one_line(entry))));
    }
}

fn text<'a>(matches: &'a ArgMatches, name: &str) -> &'a str {
    matches.get_one::<String>(name).map_or("", String::as_str)
}

/// Says what a file was read as, and how sure that is.
pub(super) fn say_format(told: &formats::Told, context: &Context) {
    context.say(&unmarked(&format!("{}: {told}", name(&told.path))));
}

/// An error of a source as it is told.
pub(super) fn error_text(error: &crate::formats::ReadError) -> String {
    output::error_text(error)
}

/// The error for a rule that does not exist.
pub(super) fn no_rule(word: &str) -> CliError {
    let error = CliError::usage(format!("no rule is named '{word}'"));
    let upper = word.to_ascii_uppercase();
    let id = rules::ALL.iter().map(|rule| rule.id);
    let near = nearest(&word.to_ascii_lowercase(), rules::ALL.iter().map(|rule| rule.name));
    match near.or_else(|| nearest(&upper, id)) {
        Some(near) => error.hint(format!("did you mean '{near}'?")),
        None => error.hint("rolltape list rules shows all of them"),
    }
}

fn unknown(what: &str, word: &str, known: &[&str]) -> CliError {
    let error = CliError::usage(format!("no {what} is named '{word}'"));
    match nearest(word, known.iter().copied()) {
        Some(near) => error.hint(format!("did you mean '{near}'?")),
        None => error.hint(format!("it is one of {}", known.join(", "))),
    }
}
