//! `rolltape explain ID`: the manual of a rule or of a lint.

use super::check::no_rule;
use super::lint::no_lint;
use super::{CliError, Context, Exit, Verb};
use crate::model::Severity;
use crate::{lint, rules};
use clap::{Arg, ArgMatches, Command};

pub(super) static ITEM: Verb =
    Verb { name: "explain", about: "Prints the manual of a rule or of a lint", augment, run };

fn augment(command: Command) -> Command {
    command.arg(
        Arg::new("rule")
            .value_name("RULE")
            .required(true)
            .help("Id or name of a rule, such as FC002, or of a lint, such as SL005"),
    )
}

fn run(matches: &ArgMatches, context: &Context) -> Result<Exit, CliError> {
    let word = matches.get_one::<String>("rule").map_or("", String::as_str);
    if let Some(lint) = lint::find(word) {
        tell((lint.id, lint.name, lint.severity, lint.since), lint.manual, context);
        return Ok(Exit::Fine);
    }
    let of_lint = word.to_ascii_uppercase().starts_with("SL");
    let rule = rules::find(word).ok_or_else(|| if of_lint { no_lint(word) } else { no_rule(word) })?;
    tell((rule.id, rule.name, rule.severity, rule.since), rule.manual, context);
    Ok(Exit::Fine)
}

fn tell((id, name, severity, since): (&str, &str, Severity, &str), manual: &str, context: &Context) {
    let head = format!("{id} {name} ({}, since {since})\n", severity.as_str());
    context.data(&format!("{head}{}", manual.split_once('\n').map_or("", |(_, rest)| rest)));
}
