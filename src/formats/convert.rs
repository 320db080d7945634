//! One trajectory into another format: the calls turned, the target written, and what was written read back.
//!
//! Invariant: what is told as kept was read back out of the very bytes that go to the user.

use super::calls_as::{CallForm, as_objects, calls_as};
use super::{Changes, Format, Loss, ReadOutput, Reader, Source, Writer, Written, loss, record};
use crate::model::Trajectory;
use std::borrow::Cow;

/// What a conversion made.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// A line, without its end.
    Line(Vec<u8>),
    /// A file with that ending.
    Document(&'static str, Vec<u8>),
    /// Files of a folder.
    Folder(Vec<Written>),
}

/// Converts one trajectory; what was lost is found by reading the output. `None` if the format can't be written one
/// by one: see [`convert_all`].
pub fn convert(
    trajectory: Cow<'_, Trajectory>,
    to: &Format,
    calls: Option<CallForm>,
) -> Option<(Output, Loss)> {
    let mut changes = Changes::default();
    // The source is needed once more where its calls become text; otherwise it is turned where it stands.
    let before = matches!(calls, Some(CallForm::Text(_))).then(|| trajectory.clone());
    let turned = turned(trajectory, calls, &mut changes);
    let (output, read) = match to.write? {
        Writer::Lines(write) => {
            let line = write(&turned, &mut changes);
            let read = read_record(to, &line);
            (Output::Line(line), read)
        }
        Writer::Document { extension, write } => {
            let bytes = write(&turned, &mut changes);
            let read = read_record(to, &bytes);
            (Output::Document(extension, bytes), read)
        }
        Writer::Folder(write) => {
            let files = write(&turned, &mut changes);
            let read = read_folder(to, &files);
            (Output::Folder(files), read)
        }
        Writer::Collection { .. } => return None,
    };
    let loss = compare(before, &turned, read.trajectories.into_iter().next(), calls, &changes);
    Some((output, loss))
}

/// Converts trajectories into a format that has all of them in one file: its ending, its bytes, and one report for
/// each. `None` if the format is written one by one.
pub fn convert_all(
    trajectories: &[Trajectory],
    to: &Format,
    calls: Option<CallForm>,
) -> Option<(&'static str, Vec<u8>, Vec<Loss>)> {
    let Some(Writer::Collection { extension, write }) = to.write else { return None };
    let mut changes = vec![Changes::default(); trajectories.len()];
    let turned: Vec<Trajectory> = trajectories
        .iter()
        .zip(&mut changes)
        .map(|(trajectory, changes)| turned(Cow::Borrowed(trajectory), calls, changes).into_owned())
        .collect();
    let bytes = write(&turned, &mut changes);
    let mut read = to.read(&Source::new("", &bytes)).trajectories.into_iter();
    let losses = trajectories.iter().zip(&turned).zip(&changes);
    let losses = losses
        .map(|((before, turned), changes)| {
            compare(Some(Cow::Borrowed(before)), turned, read.next(), calls, changes)
        })
        .collect();
    Some((extension, bytes, losses))
}

fn turned<'a>(
    trajectory: Cow<'a, Trajectory>,
    calls: Option<CallForm>,
    changes: &mut Changes,
) -> Cow<'a, Trajectory> {
    let Some(form) = calls else { return trajectory };
    let mut turned = trajectory.into_owned();
    calls_as(&mut turned, form, changes);
    Cow::Owned(turned)
}

fn compare(
    before: Option<Cow<'_, Trajectory>>,
    turned: &Trajectory,
    after: Option<Trajectory>,
    calls: Option<CallForm>,
    changes: &Changes,
) -> Loss {
    let mut after = after.unwrap_or_default();
    match (calls, before) {
        // What was asked for has another form than before: both are compared as objects.
        (Some(CallForm::Text(_)), Some(before)) => {
            let mut before = before.into_owned();
            as_objects(&mut before, None);
            as_objects(&mut after, before.agent.tools.as_deref());
            loss(&before, &after, changes)
        }
        _ => loss(turned, &after, changes),
    }
}

fn read_record(format: &Format, bytes: &[u8]) -> ReadOutput {
    let source = Source::new("", bytes);
    match format.read {
        Reader::Records(convert) => record::one(&source, format.name, convert),
        Reader::Whole(read) => read(&source),
    }
}

fn read_folder(format: &Format, files: &[Written]) -> ReadOutput {
    let Some(folder) = &format.folder else { return ReadOutput::default() };
    // The reader gets what a walk over the folder would give it, in the order of the paths.
    let mut files: Vec<&Written> = files.iter().collect();
    files.sort_by(|a, b| a.name.cmp(&b.name));
    let paths: Vec<String> = files.iter().map(|file| format!("t/{}", file.name)).collect();
    let names: Vec<&str> = paths.iter().map(String::as_str).collect();
    let Some(group) = (folder.claim)(&names).into_iter().next() else { return ReadOutput::default() };
    let sources: Vec<Source<'_>> =
        group.files.iter().map(|&index| Source::new(names[index], &files[index].bytes)).collect();
    if (folder.confirm)(&sources) { (folder.read)(&sources) } else { ReadOutput::default() }
}
