//! `rolltape completions SHELL`: a completion script for a shell, to stdout.

use super::{CliError, Context, Exit, Verb};
use clap::{Arg, ArgMatches, Command, ValueEnum as _};
use clap_complete::{Shell, generate};

pub(super) static ITEM: Verb =
    Verb { name: "completions", about: "Writes a completion script for a shell", augment, run };

const HELP: &str = "One of: bash, zsh, fish, elvish, powershell. For bash, put this into ~/.bashrc: \
    source <(rolltape completions bash)";

fn augment(command: Command) -> Command {
    command.arg(Arg::new("shell").value_name("SHELL").required(true).help(HELP))
}

fn run(matches: &ArgMatches, context: &Context) -> Result<Exit, CliError> {
    let wanted = matches.get_one::<String>("shell").map_or("", String::as_str);
    let names: Vec<String> = Shell::value_variants().iter().map(ToString::to_string).collect();
    let shell: Shell = wanted
        .parse()
        .map_err(|_| CliError::unknown("shell with completions", wanted, names.iter().map(String::as_str)))?;
    let mut script = Vec::new();
    generate(shell, &mut super::command(), "rolltape", &mut script);
    context.data(&String::from_utf8_lossy(&script));
    Ok(Exit::Fine)
}
