//! `export --verify`: reads a folder back and compares it with its sources.

use super::super::{CliError, Context, Exit, Verbosity};
use super::args::{Args, reading};
use super::sources;
use crate::export::{self, Guard, Recorded, Verified};
use crate::util::plural::plural;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Proves folders that were made before; the first one that fails ends it.
pub(super) fn of_folders(args: &Args, context: &Context) -> Result<Exit, CliError> {
    for dir in &args.paths {
        let verified = of(dir, &args.guard, context)?;
        say(dir, &verified, context)?;
    }
    Ok(Exit::Fine)
}

/// Proves one folder.
pub(super) fn of(dir: &Path, guard: &Guard, context: &Context) -> Result<Verified, CliError> {
    let mut recorded = export::open(dir, guard)?;
    let word = |key: &str| recorded.options.get(key).and_then(Value::as_str).map(str::to_owned);
    let reading = reading(word("policy").as_deref().unwrap_or("exactly-one"), word("from").as_deref())?;
    let named = recorded.options.get("paths").and_then(Value::as_array).cloned().unwrap_or_default();
    let paths: Vec<PathBuf> = named.iter().filter_map(Value::as_str).map(PathBuf::from).collect();
    // Stdin can't be read a second time, and a source that went away is told with what is missing.
    let there = paths.iter().all(|path| path.as_os_str() != "-" && path.exists());
    if there {
        let quiet = Context { verbosity: Verbosity::Quiet, ..context.clone() };
        let told = sources::each(&paths, &reading, &quiet, &mut |entries| {
            recorded.compare(entries, guard);
            Ok(())
        })?;
        changed(&mut recorded, &told.sources);
    }
    Ok(recorded.end())
}

/// Sources whose bytes are not those that were exported.
fn changed(recorded: &mut Recorded, now: &[export::SourceFacts]) {
    let problems: Vec<String> = recorded
        .sources
        .iter()
        .filter_map(|source| match now.iter().find(|other| other.path == source.path) {
            Some(other) if other.sha256 != source.sha256 => {
                Some(format!("the source '{}' was changed since", source.path))
            }
            _ => None,
        })
        .collect();
    problems.into_iter().for_each(|problem| recorded.problem(problem));
}

/// Tells what came of a proof.
///
/// # Errors
/// Something is wrong with the folder.
pub(super) fn say(dir: &Path, verified: &Verified, context: &Context) -> Result<(), CliError> {
    if !verified.problems.is_empty() {
        let message =
            format!("'{}' does not stand the proof:\n  {}", dir.display(), verified.problems.join("\n  "));
        return Err(CliError { exit: Exit::No, message, hints: Vec::new() }
            .hint("export again: a folder is never set right in place"));
    }
    if context.verbosity > Verbosity::Quiet {
        let rows = plural(verified.rows as usize, "row");
        context.say(&format!(
            "verified: {}: {rows}, {} compared with the sources",
            dir.display(),
            verified.compared
        ));
        if verified.missing > 0 {
            context
                .say(&format!("warning: not compared, as the sources are not there: {}", verified.missing));
        }
    }
    Ok(())
}
