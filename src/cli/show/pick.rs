//! Finds the one trajectory that was asked for among those behind a path.

use super::super::input::{self, Found, Gathered};
use super::super::report::{columns, find};
use super::super::{CliError, Context, Verbosity, check};
use super::read::{Read, Wanted};
use super::table::table;
use crate::formats;
use crate::model::{AttemptRecord, Trajectory};
use crate::util::text::{name, one_line, unmarked};
use std::path::{Path, PathBuf};

/// A trajectory and what is known of it besides.
pub(super) struct Picked {
    pub(super) trajectory: Trajectory,
    /// Its record, if it is an attempt of a run.
    pub(super) record: Option<AttemptRecord>,
    /// Policy and reading of that run.
    pub(super) run: Option<(String, String)>,
}

/// A path and the trajectory that is named behind a `#`; a file whose own name has one comes first.
pub(super) fn split(path: &Path, context: &Context) -> (PathBuf, Option<String>) {
    let whole = path.to_string_lossy();
    if !context.cwd.join(path).exists()
        && let Some((file, which)) = whole.split_once('#')
        && !which.is_empty()
    {
        return (PathBuf::from(file), Some(which.to_owned()));
    }
    (path.to_owned(), None)
}

/// Reads what is behind the path, up to the trajectory that is meant: what stands behind it is of no interest.
///
/// # Errors
/// There is no trajectory in it; the one that is named is not there; several are, and none is named: then a table of
/// them is said first.
pub(super) fn pick(
    path: &Path,
    which: Option<&str>,
    from: Option<&'static str>,
    context: &Context,
) -> Result<(Picked, Read), CliError> {
    let shown = name(&path.to_string_lossy());
    let path = find(path, context);
    let Gathered { files, errors } = input::gather(std::slice::from_ref(&path), context);
    let names: Vec<String> = files.iter().map(|file| file.name.clone()).collect();
    let mut read = Read::of(which);
    for error in errors {
        read.error(error);
    }
    for group in formats::plan(&names) {
        let together: Vec<&Found> = group.files.iter().map(|&index| &files[index]).collect();
        read.group(&together, group.format, from, files.len() > 1);
        if read.is_found() {
            break;
        }
    }
    if context.verbosity == Verbosity::Verbose {
        read.told.iter().for_each(|told| check::say_format(told, context));
    }
    if read.count == 0 {
        return Err(read.nothing(&shown));
    }
    match read.picked.take() {
        Some(picked) if which.is_some() || read.count == 1 => Ok((picked, read)),
        _ => Err(read.not_one(which, &shown, context)),
    }
}

impl Read {
    /// The error for a path without a trajectory.
    fn nothing(&self, path: &str) -> CliError {
        let (message, hint) = match self.errors.first() {
            Some(error) => {
                let line = if error.line > 0 { format!(":{}", error.line) } else { String::new() };
                (format!("{}{line}: {}", name(&error.path), unmarked(&error.message)), error.hint.clone())
            }
            None if self.foreign > 0 => (format!("{path}: holds no transcript of a known format"), None),
            None => (format!("{path}: holds no trajectory"), None),
        };
        let hint = hint.unwrap_or_else(|| "rolltape list formats shows what can be read".to_owned());
        CliError::usage(message).hint(hint)
    }

    /// The error where none is named, or none has that name.
    fn not_one(&self, which: Option<&str>, path: &str, context: &Context) -> CliError {
        let count = self.count;
        match &self.wanted {
            Wanted::Any => {
                context.say(&table(&self.rows, count, columns(context)));
                let id = self.rows.first().and_then(|row| row.id.as_deref());
                let id = id.map_or(String::new(), |id| format!(" or --trajectory {}", word(id)));
                CliError::usage(format!("{path}: holds {count} trajectories, and none is named"))
                    .hint(format!("name one by its number or id: --trajectory 1{id}"))
            }
            Wanted::Number(number) => {
                let all = if count == 1 { "one".to_owned() } else { format!("1 to {count}") };
                CliError::usage(format!("{path}: there is no trajectory {number}"))
                    .hint(format!("it holds {all}"))
            }
            Wanted::Id(_) => {
                let which = word(which.unwrap_or_default());
                let error = CliError::usage(format!("{path}: no trajectory is named '{which}'"));
                match &self.near {
                    Some(near) => error.hint(format!("did you mean '{}'?", word(near))),
                    None => error.hint("without --trajectory the names are listed"),
                }
            }
        }
    }
}

impl Picked {
    /// The names that it answers to.
    pub(super) fn ids(&self) -> impl Iterator<Item = String> + '_ {
        let attempt = self.record.as_ref().map(|record| record.id.to_string());
        let own = [self.trajectory.id.clone(), self.trajectory.session_id.clone()];
        attempt.into_iter().chain(own.into_iter().flatten())
    }
}

/// A name in a sentence.
fn word(text: &str) -> String {
    unmarked(&one_line(text)).into_owned()
}
