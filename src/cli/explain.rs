//! `rolltape explain ID`: the manual of a rule.

use super::check::no_rule;
use super::{CliError, Context, Exit, Verb};
use crate::rules;
use clap::{Arg, ArgMatches, Command};

pub(super) static ITEM: Verb = Verb { name: "explain", about: "Prints the manual of a rule", augment, run };

fn augment(command: Command) -> Command {
    command
        .arg(Arg::new("rule").value_name("RULE").required(true).help("Id or name of a rule, such as FC002"))
}

fn run(matches: &ArgMatches, context: &Context) -> Result<Exit, CliError> {
    let word = matches.get_one::<String>("rule").map_or("", String::as_str);
    let rule = rules::find(word).ok_or_else(|| no_rule(word))?;
    let head = format!("{} {} ({}, since {})\n", rule.id, rule.name, rule.severity.as_str(), rule.since);
    context.data(&format!("{head}{}", rule.manual.split_once('\n').map_or("", |(_, rest)| rest)));
    Ok(Exit::Fine)
}
