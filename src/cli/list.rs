//! `rolltape list KIND`: what is built in, and the runs on disk.

mod runs;

use super::{CliError, Context, Exit, Verb};
use crate::util::suggest::nearest;
use crate::{
    agent, backend, dialects, export, formats, lint, report, rules, sandbox, schema, score, service, tools,
};
use clap::{Arg, ArgMatches, Command, value_parser};
use serde_json::json;
use std::path::PathBuf;

pub(super) static ITEM: Verb =
    Verb { name: "list", about: "Lists what is built in, or the runs on disk", augment, run };

/// One kind: its name and its rows of name and description.
type Kind = (&'static str, fn() -> Vec<(&'static str, String)>);

static KINDS: &[Kind] = &[
    ("formats", || formats::ALL.iter().map(|item| (item.name, format_row(item))).collect()),
    ("rules", || {
        let row =
            |rule: &rules::Rule| format!("{:<20}  {:<7}  {}", rule.name, rule.severity.as_str(), rule.about);
        rules::ALL.iter().map(|rule| (rule.id, row(rule))).collect()
    }),
    ("lints", || {
        let row =
            |lint: &lint::Lint| format!("{:<20}  {:<7}  {}", lint.name, lint.severity.as_str(), lint.about);
        lint::ALL.iter().map(|lint| (lint.id, row(lint))).collect()
    }),
    ("dialects", || dialects::ALL.iter().map(|item| (item.name, item.about.to_owned())).collect()),
    ("scorers", || score::ALL.iter().map(|item| (item.name, item.about.to_owned())).collect()),
    ("reports", || report::ALL.iter().map(|item| (item.name, item.about.to_owned())).collect()),
    ("targets", || export::ALL.iter().map(|item| (item.name, target(item))).collect()),
    ("agents", || agent::ALL.iter().map(|item| (item.name, item.about.to_owned())).collect()),
    ("backends", || {
        let kinds = backend::ALL.iter().map(|item| (item.name, item.about.to_owned()));
        let known = |name: &str| backend::ALL.iter().any(|kind| kind.name == name);
        let presets = backend::PRESETS.iter().filter(|preset| !known(preset.name));
        kinds.chain(presets.map(|preset| (preset.name, preset.about()))).collect()
    }),
    ("schemas", || schema::ALL.iter().map(|item| (item.name, item.about.to_owned())).collect()),
    ("services", || service::ALL.iter().map(|item| (item.name, item.about.to_owned())).collect()),
    ("sandboxes", || sandbox::BACKENDS.iter().map(|(name, about)| (*name, (*about).to_owned())).collect()),
    ("tools", || tools::ALL.iter().map(|item| (item.name, item.about.to_owned())).collect()),
    // Not built in but on disk: told by `runs`.
    ("runs", Vec::new),
];

/// Whether a format can be written as well, and what it is.
fn format_row(format: &formats::Format) -> String {
    let ways = if format.write.is_some() { "read, written" } else { "read" };
    format!("{ways:<13}  {}", format.about)
}

/// What a target takes, in one line.
fn target(target: &export::Target) -> String {
    let export::Target { about, arguments, roles, ends, container, .. } = target;
    format!("{about}; columns: {container}; arguments: {arguments}; roles: {roles}; ends with: {ends}")
}

fn augment(command: Command) -> Command {
    let kinds: Vec<&str> = KINDS.iter().map(|(name, _)| *name).collect();
    command
        .arg(Arg::new("kind").value_name("KIND").required(true).help(format!("One of: {}", kinds.join(", "))))
        .arg(
            Arg::new("dir")
                .long("dir")
                .value_name("DIR")
                .value_parser(value_parser!(PathBuf))
                .help("Folder that holds the runs, for 'list runs' [default: reports]"),
        )
        .arg(
            Arg::new("format")
                .long("format")
                .value_name("FORMAT")
                .default_value("table")
                .help("One of: table, json"),
        )
}

fn run(matches: &ArgMatches, context: &Context) -> Result<Exit, CliError> {
    let wanted = matches.get_one::<String>("kind").map_or("", String::as_str);
    let Some((_, rows)) = KINDS.iter().find(|(name, _)| *name == wanted) else {
        let names = || KINDS.iter().map(|(name, _)| *name);
        let error = CliError::usage(format!("nothing of the kind '{wanted}' can be listed"));
        return Err(match nearest(wanted, names()) {
            Some(name) => error.hint(format!("did you mean '{name}'?")),
            None => error.hint(format!("it is one of {}", names().collect::<Vec<_>>().join(", "))),
        });
    };
    let format = matches.get_one::<String>("format").map_or("table", String::as_str);
    if !["table", "json"].contains(&format) {
        return Err(CliError::unknown("format of a list", format, ["table", "json"].into_iter()));
    }
    let as_json = format == "json";
    let dir = matches.get_one::<PathBuf>("dir");
    if wanted == "runs" {
        return runs_in(dir, as_json, context);
    }
    if dir.is_some() {
        return Err(CliError::usage(format!("'--dir' says nothing about {wanted}"))
            .hint("it is for 'rolltape list runs'"));
    }
    let rows = rows();
    if as_json {
        let values: Vec<_> = rows
            .iter()
            .map(|(name, about)| {
                let about = about.split_whitespace().collect::<Vec<_>>().join(" ");
                json!({"name": name, "about": about})
            })
            .collect();
        context.data(&(serde_json::to_string_pretty(&values).unwrap_or_default() + "\n"));
        return Ok(Exit::Fine);
    }
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let text: String = rows.iter().map(|(name, about)| format!("{name:width$}  {about}\n")).collect();
    context.data(&text);
    Ok(Exit::Fine)
}

fn runs_in(dir: Option<&PathBuf>, as_json: bool, context: &Context) -> Result<Exit, CliError> {
    if let Some(dir) = dir.filter(|dir| !context.cwd.join(dir).is_dir()) {
        return Err(CliError::usage(format!("there is no folder '{}'", dir.display()))
            .hint("name the folder that holds the runs' folders"));
    }
    let dir = dir.cloned().unwrap_or_else(|| PathBuf::from("reports"));
    let text = runs::list(&dir, as_json, context);
    if text.is_empty() && context.verbosity > super::Verbosity::Quiet {
        context.say(&format!("no run lies under {}", dir.display()));
        context.say("hint: 'rolltape run SUITE' makes one");
    }
    context.data(&text);
    Ok(Exit::Fine)
}
