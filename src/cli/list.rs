//! `rolltape list KIND`: what is built in.

use super::{CliError, Context, Exit, Verb};
use crate::util::suggest::nearest;
use crate::util::text::printable;
use crate::{
    agent, backend, dialects, export, formats, report, rules, sandbox, score, service, store, tools,
};
use clap::{Arg, ArgMatches, Command};

pub(super) static ITEM: Verb = Verb { name: "list", about: "Lists what is built in", augment, run };

/// One kind: its name and its rows of name and description.
type Kind = (&'static str, fn() -> Vec<(&'static str, String)>);

static KINDS: &[Kind] = &[
    ("formats", || formats::ALL.iter().map(|item| (item.name, item.about.to_owned())).collect()),
    ("rules", || {
        let row =
            |rule: &rules::Rule| format!("{:<20}  {:<7}  {}", rule.name, rule.severity.as_str(), rule.about);
        rules::ALL.iter().map(|rule| (rule.id, row(rule))).collect()
    }),
    ("dialects", || dialects::ALL.iter().map(|item| (item.name, item.about.to_owned())).collect()),
    ("scorers", || score::ALL.iter().map(|item| (item.name, item.about.to_owned())).collect()),
    ("reports", || report::ALL.iter().map(|item| (item.name, item.about.to_owned())).collect()),
    ("targets", || export::ALL.iter().map(|item| (item.name, target(item))).collect()),
    ("agents", || agent::ALL.iter().map(|item| (item.name, item.about.to_owned())).collect()),
    ("backends", || backend::ALL.iter().map(|item| (item.name, item.about.to_owned())).collect()),
    ("services", || service::ALL.iter().map(|item| (item.name, item.about.to_owned())).collect()),
    ("sandboxes", || sandbox::BACKENDS.iter().map(|(name, about)| (*name, (*about).to_owned())).collect()),
    ("tools", || tools::ALL.iter().map(|item| (item.name, item.about.to_owned())).collect()),
    // Not built in but on disk: told by `runs`.
    ("runs", Vec::new),
];

/// What a target takes, in one line.
fn target(target: &export::Target) -> String {
    let export::Target { about, arguments, roles, ends, container, .. } = target;
    format!("{about}; columns: {container}; arguments: {arguments}; roles: {roles}; ends with: {ends}")
}

fn augment(command: Command) -> Command {
    let kinds: Vec<&str> = KINDS.iter().map(|(name, _)| *name).collect();
    command
        .arg(Arg::new("kind").value_name("KIND").required(true).help(format!("One of: {}", kinds.join(", "))))
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
    if wanted == "runs" {
        runs(context);
        return Ok(Exit::Fine);
    }
    let rows = rows();
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let text: String = rows.iter().map(|(name, about)| format!("{name:width$}  {about}\n")).collect();
    context.data(&text);
    Ok(Exit::Fine)
}

/// The runs under `./reports`, oldest first: name, finished of planned, success.
fn runs(context: &Context) {
    let mut text = String::new();
    for path in store::runs(&context.cwd.join("reports")) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match store::open(&path) {
            Ok(view) => {
                let stats = report::totals(&view);
                let (ended, planned) = (stats.attempts, view.manifest.planned);
                let line =
                    format!("{name}  {ended}/{planned} ended, success {}/{}", stats.success, stats.scored);
                text.push_str(&printable(&line));
                text.push('\n');
            }
            Err(error) => context.say(&format!("warning: {error}")),
        }
    }
    if text.is_empty() && context.verbosity > super::Verbosity::Quiet {
        context.say("no run lies under ./reports");
    }
    context.data(&text);
}
