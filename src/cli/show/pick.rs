//! Finds the one trajectory that was asked for among those behind a path.

use super::super::input::{self, Gathered};
use super::super::report::{columns, find};
use super::super::{CliError, Context};
use super::lay::masked;
use crate::formats::{self, ReadError};
use crate::model::{AttemptRecord, RunManifest, Source, Trajectory};
use crate::store;
use crate::util::suggest::nearest;
use crate::util::text::{cut, name, one_line, unmarked, width};
use std::path::{Path, PathBuf};
use tabled::builder::Builder;
use tabled::settings::Style;
use tabled::settings::style::HorizontalLine;

/// A trajectory and what is known of it besides.
pub(super) struct Picked {
    pub(super) trajectory: Trajectory,
    /// Its record, if it is an attempt of a run.
    pub(super) record: Option<AttemptRecord>,
    /// Policy and reading of that run.
    pub(super) run: Option<(String, String)>,
}

/// What was read.
#[derive(Default)]
pub(super) struct Read {
    all: Vec<Picked>,
    pub(super) errors: Vec<ReadError>,
    pub(super) warnings: Vec<String>,
    /// Files of the folder that no reader knows.
    pub(super) foreign: usize,
}

/// Bytes of a message that its first words are taken from.
const WORDS: usize = 1000;
/// Trajectories that are listed before the rest is only counted.
const LISTED: usize = 40;

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

/// Reads everything behind the path.
///
/// # Errors
/// There is no trajectory in it.
pub(super) fn read(path: &Path, from: Option<&'static str>, context: &Context) -> Result<Read, CliError> {
    let path = find(path, context);
    let Gathered { files, errors } = input::gather(std::slice::from_ref(&path), context);
    let names: Vec<String> = files.iter().map(|file| file.name.clone()).collect();
    let mut read = Read { errors, ..Read::default() };
    for input in formats::plan(&names) {
        let mut together = Vec::new();
        for file in input.files.iter().map(|&index| &files[index]) {
            match input::read(file) {
                Ok((bytes, trouble)) => {
                    together.push((file.name.clone(), bytes));
                    read.errors.extend(trouble);
                }
                Err(error) => read.errors.push(error),
            }
        }
        let output = match together.as_slice() {
            [] => continue,
            [(name, bytes)] if input.files.len() == 1 && input.format != Some("openhands-prompt-log") => {
                formats::read_bytes(name, bytes, from.or(input.format))
            }
            several => formats::read_files(several, from),
        };
        match output {
            Ok(output) => {
                read.errors.extend(output.errors);
                read.warnings.extend(output.warnings.iter().map(ToString::to_string));
                let run = (input.format == Some("rolltape-run")).then(|| run_of(&together[0].0)).flatten();
                read.all.extend(
                    output.trajectories.into_iter().map(|trajectory| attach(trajectory, run.as_ref())),
                );
            }
            // A folder may hold other things too.
            Err(error) if error.foreign && files.len() > 1 && from.is_none() => read.foreign += 1,
            Err(error) => read.errors.push(input::problem(error.path, error.message, error.hint)),
        }
    }
    if !read.all.is_empty() {
        return Ok(read);
    }
    let path = name(&path.to_string_lossy());
    let (message, hint) = match read.errors.first() {
        Some(error) => {
            let line = if error.line > 0 { format!(":{}", error.line) } else { String::new() };
            (format!("{}{line}: {}", name(&error.path), unmarked(&error.message)), error.hint.clone())
        }
        None if read.foreign > 0 => (format!("{path}: holds no transcript of a known format"), None),
        None => (format!("{path}: holds no trajectory"), None),
    };
    let hint = hint.unwrap_or_else(|| "rolltape list formats shows what can be read".to_owned());
    Err(CliError::usage(message).hint(hint))
}

/// The run that a file of trajectories belongs to.
fn run_of(file: &str) -> Option<(RunManifest, Vec<AttemptRecord>)> {
    let view = store::open(Path::new(file).parent()?).ok()?;
    Some((view.manifest, view.records))
}

fn attach(trajectory: Trajectory, run: Option<&(RunManifest, Vec<AttemptRecord>)>) -> Picked {
    let own = |record: &&AttemptRecord| {
        record.trajectory.as_ref().is_some_and(|at| at.offset == trajectory.origin.offset)
    };
    let record = run.and_then(|(_, records)| records.iter().find(own)).cloned();
    let run =
        record.as_ref().and(run).map(|(manifest, _)| (manifest.policy.clone(), manifest.reading.clone()));
    Picked { trajectory, record, run }
}

impl Picked {
    /// The names that it answers to.
    fn ids(&self) -> impl Iterator<Item = String> + '_ {
        let attempt = self.record.as_ref().map(|record| record.id.to_string());
        let own = [self.trajectory.id.clone(), self.trajectory.session_id.clone()];
        attempt.into_iter().chain(own.into_iter().flatten())
    }
}

/// The one that is meant.
///
/// # Errors
/// It is not there; or several are, and none is named: then a table of them is said first.
pub(super) fn pick(
    mut read: Read,
    which: Option<&str>,
    path: &Path,
    context: &Context,
) -> Result<(Picked, Read), CliError> {
    let count = read.all.len();
    let path = name(&path.to_string_lossy());
    let index = match which {
        None if count == 1 => 0,
        None => {
            context.say(&table(&read.all, columns(context)));
            let id = read.all[0].ids().next();
            let id = id.map_or(String::new(), |id| format!(" or --trajectory {}", word(&id)));
            return Err(CliError::usage(format!("{path}: holds {count} trajectories, and none is named"))
                .hint(format!("name one by its number or id: --trajectory 1{id}")));
        }
        Some(which) => match which.parse::<usize>() {
            Ok(number) if (1..=count).contains(&number) => number - 1,
            Ok(number) => {
                return Err(CliError::usage(format!("{path}: there is no trajectory {number}")).hint(
                    format!(
                        "it holds {}",
                        if count == 1 { "one".to_owned() } else { format!("1 to {count}") }
                    ),
                ));
            }
            Err(_) => by_id(&read.all, which, &path)?,
        },
    };
    Ok((read.all.swap_remove(index), read))
}

/// A name in a sentence.
fn word(text: &str) -> String {
    unmarked(&one_line(text)).into_owned()
}

fn by_id(all: &[Picked], which: &str, path: &str) -> Result<usize, CliError> {
    if let Some(index) = all.iter().position(|picked| picked.ids().any(|id| id == which)) {
        return Ok(index);
    }
    let ids: Vec<String> = all.iter().flat_map(Picked::ids).collect();
    let error = CliError::usage(format!("{path}: no trajectory is named '{}'", word(which)));
    Err(match nearest(which, ids.iter().map(String::as_str)) {
        Some(near) => error.hint(format!("did you mean '{}'?", word(near))),
        None => error.hint("without --trajectory the names are listed"),
    })
}

/// Number, name, outcome, steps, agent and first words of each.
fn table(all: &[Picked], columns: usize) -> String {
    let run = all.iter().any(|picked| picked.record.is_some());
    // The id of an attempt says what it is about.
    let (id_room, text_room) = match columns.saturating_sub(36).max(40) {
        room if run => (room, 0),
        room => (room / 2, room / 2),
    };
    let mut builder = Builder::default();
    let last = if run { "outcome" } else { "begins with" };
    builder.push_record(["#", "trajectory", "steps", "agent", last]);
    for (index, picked) in all.iter().take(LISTED).enumerate() {
        let trajectory = &picked.trajectory;
        let origin = &trajectory.origin;
        let id = match picked.ids().next() {
            Some(id) => cut(&name(&masked(&id)), id_room),
            // Files of a folder differ at the end of their paths.
            None => cut_front(&format!("{}:{}", name(&origin.path), origin.line.max(1)), id_room),
        };
        let last = match &picked.record {
            Some(record) => record.outcome.word().to_owned(),
            // Of a try that was made again, or of a record that was lost.
            None if run => "no record".to_owned(),
            None => cut(&begins(trajectory), text_room),
        };
        builder.push_record([
            (index + 1).to_string(),
            id,
            trajectory.steps.len().to_string(),
            match trajectory.agent.name.as_str() {
                "" => "unknown".to_owned(),
                agent => cut(&name(&masked(agent)), 16),
            },
            last,
        ]);
    }
    let mut table = builder.build();
    let line = HorizontalLine::inherit(Style::modern());
    table.with(Style::modern_rounded().remove_horizontal().horizontals([(1, line)]));
    let more = all.len().saturating_sub(LISTED);
    let rest = if more > 0 { format!("\nand {more} more") } else { String::new() };
    unmarked(&format!("{table}{rest}")).into_owned()
}

/// The end of a text, with `…` as its first column where something was cut.
fn cut_front(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let at = text.char_indices().map(|(at, _)| at).find(|at| width(&text[*at..]) < columns);
    format!("…{}", &text[at.unwrap_or(text.len())..])
}

/// The first words that the user says, or anybody.
fn begins(trajectory: &Trajectory) -> String {
    let user = trajectory.steps.iter().find(|step| step.source == Source::User && !step.frame);
    let Some(step) = user.or(trajectory.steps.first()) else { return String::new() };
    let text = step.message.text();
    one_line(&masked(&text[..text.floor_char_boundary(WORDS)]))
}
