//! `rolltape check PATH…`: findings of recorded trajectories.

mod items;
mod judge;
mod output;
mod spool;
mod stream;
mod text;
mod tools;

use super::input::{self, Gathered};
use super::{CliError, Context, Exit, Verb};
use crate::model::{CallPolicy, Policy, Reading, Severity, ToolDef};
use crate::suite::parse_size;
use crate::util::suggest::nearest;
use crate::util::text::{unmarked, visible};
use crate::{dialects, formats, rules};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use std::io::{BufWriter, ErrorKind, Write as _};
use std::path::PathBuf;

pub(super) static ITEM: Verb =
    Verb { name: "check", about: "Judges the call format of recorded trajectories", augment, run };

/// What was asked for, names resolved.
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
}

impl Plan {
    /// What the rules are told.
    fn options(&self) -> rules::Options<'_> {
        rules::Options { tools: self.tools.as_deref(), off: &self.off }
    }
}

fn augment(command: Command) -> Command {
    let word = |name: &'static str, value: &'static str, help: String| {
        Arg::new(name).long(name).value_name(value).help(help)
    };
    let policies: Vec<&str> = CallPolicy::ALL.iter().map(|policy| policy.as_str()).collect();
    let file = value_parser!(PathBuf);
    command
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
                "JSON file of tool definitions that takes the place of the log's own".to_owned(),
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
            word(
                "fail-on",
                "SEVERITY",
                "Weakest finding that makes the exit code 1: error, warning, info".to_owned(),
            )
            .default_value("error"),
        )
        .arg(
            word(
                "line-limit",
                "SIZE",
                "Longest record of a file with one record a line; a longer one is an error".to_owned(),
            )
            .default_value("64MiB"),
        )
        .arg(
            // For tests: the output must not depend on it.
            word("window", "SIZE", "Bytes of a file that are judged at once".to_owned())
                .hide(true)
                .default_value("1MiB"),
        )
        .arg(word("format", "FORMAT", output::help()).default_value("text"))
        .arg(
            Arg::new("output")
                .short('o')
                .long("output")
                .value_name("FILE")
                .value_parser(file)
                .help("Write to FILE, whole or not at all, instead of stdout"),
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
    let plan = plan(matches)?;
    let format = output::named(text(matches, "format"))?;
    let paths: Vec<PathBuf> = matches.get_many::<PathBuf>("paths").into_iter().flatten().cloned().collect();
    let Gathered { files, errors } = input::gather(&paths, context);
    let first = paths.first().map_or_else(String::new, |path| path.to_string_lossy().into_owned());
    let result = judge::judge(&first, &files, errors, &plan).map_err(|error| aside(&error))?;
    for warning in result.warnings.iter() {
        let warning = warning.map_err(|error| aside(&error))?.to_string();
        context.say(&format!("warning: {}", unmarked(&visible(&warning))));
    }
    if result.foreign > 0 {
        let noun = if result.foreign == 1 { "file" } else { "files" };
        context.say(&format!("passed by: {} {noun} of no known format", result.foreign));
    }
    let output = matches.get_one::<PathBuf>("output");
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
    } else if result.any(plan.fail_on) {
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

fn text<'a>(matches: &'a ArgMatches, name: &str) -> &'a str {
    matches.get_one::<String>(name).map_or("", String::as_str)
}

fn plan(matches: &ArgMatches) -> Result<Plan, CliError> {
    let calls = text(matches, "policy");
    let words: Vec<&str> = CallPolicy::ALL.iter().map(|policy| policy.as_str()).collect();
    let calls = CallPolicy::parse(calls).ok_or_else(|| unknown("policy", calls, &words))?;
    let ask = match text(matches, "ask") {
        "allow" => true,
        "deny" => false,
        other => return Err(unknown("value of --ask", other, &["allow", "deny"])),
    };
    let reading = reading(text(matches, "reading"))?;
    let dialect = matches.get_one::<String>("dialect").cloned();
    if let Some(name) = dialect.as_deref()
        && name != "native"
        && dialects::find(name).is_none()
    {
        let mut names: Vec<&str> = dialects::ALL.iter().map(|dialect| dialect.name).collect();
        names.push("native");
        return Err(unknown("dialect", name, &names));
    }
    let from = match matches.get_one::<String>("from") {
        None => None,
        Some(name) => Some(formats::find(name).map(|format| format.name).ok_or_else(|| {
            let names: Vec<&str> = formats::ALL.iter().map(|format| format.name).collect();
            unknown("format", name, &names)
        })?),
    };
    let fail_on = match text(matches, "fail-on") {
        "error" => Severity::Error,
        "warning" => Severity::Warning,
        "info" => Severity::Info,
        other => return Err(unknown("severity", other, &["error", "warning", "info"])),
    };
    Ok(Plan {
        policy: Policy { calls, ask, reading, dialect },
        from,
        tools: matches.get_one::<PathBuf>("tools").map(|path| tools::read(path)).transpose()?,
        off: off(matches)?,
        fail_on,
        line_limit: size(matches, "line-limit")?,
        window: size(matches, "window")?,
        excerpts: text(matches, "format") == "text",
    })
}

/// A size such as `64MiB`.
fn size(matches: &ArgMatches, name: &str) -> Result<usize, CliError> {
    let word = text(matches, name);
    let size = parse_size(word).and_then(|size| usize::try_from(size).ok());
    size.filter(|size| *size <= isize::MAX as usize / 4).ok_or_else(|| {
        CliError::usage(format!("the value of --{name}, '{word}', is no size"))
            .hint("write a number and a unit: 512KiB, 64MiB, 1GiB")
    })
}

fn reading(word: &str) -> Result<Reading, CliError> {
    match word.split_once(':') {
        None if word == "strict" => Ok(Reading::Strict),
        None if word == "runtime" => Ok(Reading::Runtime(None)),
        Some(("runtime", name)) if dialects::find_runtime(name).is_some() => {
            Ok(Reading::Runtime(Some(name.to_owned())))
        }
        Some(("runtime", name)) => Err(unknown("runtime", name, &runtimes().collect::<Vec<_>>())),
        _ => Err(unknown("reading", word, &["strict", "runtime"])),
    }
}

/// Ids of the rules that are off.
fn off(matches: &ArgMatches) -> Result<Vec<&'static str>, CliError> {
    let list = |name: &str| -> Result<Vec<&'static str>, CliError> {
        let words = matches.get_many::<String>(name).into_iter().flatten();
        let ids: Result<Vec<_>, _> = words.map(|word| ids(word.trim())).collect();
        Ok(ids?.concat())
    };
    let (selected, ignored) = (list("select")?, list("ignore")?);
    let all = rules::ALL.iter().map(|rule| rule.id);
    Ok(all.filter(|id| (!selected.is_empty() && !selected.contains(id)) || ignored.contains(id)).collect())
}

/// Ids behind an id, a name or a family.
fn ids(word: &str) -> Result<Vec<&'static str>, CliError> {
    if let Some(rule) = rules::find(word) {
        return Ok(vec![rule.id]);
    }
    let family: Vec<&'static str> = rules::ALL
        .iter()
        .filter(|rule| rule.family().eq_ignore_ascii_case(word))
        .map(|rule| rule.id)
        .collect();
    if family.is_empty() { Err(no_rule(word)) } else { Ok(family) }
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
