//! `rolltape schema NAME`: a JSON Schema, to stdout.

use super::{CliError, Context, Exit, Verb};
use crate::schema;
use clap::{Arg, ArgMatches, Command};

pub(super) static ITEM: Verb =
    Verb { name: "schema", about: "Prints the JSON Schema of a file that is read or written", augment, run };

fn augment(command: Command) -> Command {
    let names: Vec<String> =
        schema::ALL.iter().map(|item| format!("{} ({})", item.name, item.about)).collect();
    command
        .arg(Arg::new("name").value_name("NAME").required(true).help(format!("One of: {}", names.join("; "))))
}

fn run(matches: &ArgMatches, context: &Context) -> Result<Exit, CliError> {
    let name = matches.get_one::<String>("name").map_or("", String::as_str);
    let found = schema::find(name)
        .ok_or_else(|| CliError::unknown("schema", name, schema::ALL.iter().map(|item| item.name)))?;
    let text = serde_json::to_string_pretty(&found.value())
        .map_err(|error| CliError::harness(format!("can't write the schema: {error}")))?;
    context.data(&(text + "\n"));
    Ok(Exit::Fine)
}
