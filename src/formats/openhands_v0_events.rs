//! `openhands-v0-events`: the events of an OpenHands V0 conversation: a list, one a line, or one a file.
//!
//! Source of the shape: `openhands/events/serialization` of OpenHands 0.62 and earlier. See [`conversation`] for how
//! events become steps.

pub(super) mod conversation;
mod kinds;

use super::events::Values;
use super::{Folder, Format, Group, ReadOutput, Reader, Sniff, Source};
use crate::model::{Origin, Trajectory};
use crate::util::json::View;
use conversation::Conversation;
use std::collections::BTreeMap;

const NAME: &str = "openhands-v0-events";

pub(super) static ITEM: Format = Format {
    name: NAME,
    about: "events of OpenHands V0: a list, one a line, or a folder events/ with one a file",
    sniff,
    marks: &[&[
        "action|observation=*",
        "args|extras",
        "source=user|agent|environment",
        "id",
        "timestamp",
        "message",
    ]],
    read: Reader::Whole(|source| read(std::slice::from_ref(source))),
    folder: Some(Folder { claim, confirm, read }),
    write: None,
};

fn sniff(source: &Source<'_>) -> Sniff {
    let Some(record) = source.first() else { return Sniff::new(0, "holds no JSON object") };
    let listed = record.get("trajectory").and_then(|list| list.items().next());
    sniff_event(listed.unwrap_or(record))
}

fn sniff_event(event: View<'_>) -> Sniff {
    let text = |key: &str| event.get(key).is_some_and(|value| value.text().is_some());
    if !text("action") && !text("observation") {
        return Sniff::new(0, "has no event with an \"action\" or an \"observation\"");
    }
    if event.get("action").is_some() && event.get("observation").is_some() {
        return Sniff::new(0, "has actions and observations in one record");
    }
    let body = ["args", "extras", "content"].iter().any(|key| event.get(key).is_some());
    let head = ["id", "source", "timestamp", "cause"].iter().filter(|key| event.get(key).is_some()).count();
    match (body, head) {
        (true, 2..) => Sniff::new(95, ""),
        (true, _) => Sniff::new(60, "has events without an \"id\" and a \"source\""),
        (false, 2..) => Sniff::new(60, "has events without \"args\" or \"content\""),
        (false, _) => Sniff::new(20, "has events of neither \"args\" nor \"content\""),
    }
}

/// `FOLDER/events/N.json`: the folder, the part of its name, and the number.
fn event_name(path: &str) -> Option<(&str, &str, u64)> {
    let (folder, name) = path.rsplit_once('/')?;
    let stem = name.strip_suffix(".json")?;
    let part = folder.rsplit('/').next()?;
    let digits = stem.split('-').next()?;
    let number = digits.parse().ok()?;
    let known = (part == "events" && digits == stem) || part == "event_cache";
    known.then_some((&folder[..folder.len() - part.len()], part, number))
}

fn claim(paths: &[&str]) -> Vec<Group> {
    let mut folders: BTreeMap<&str, (Vec<(u64, usize)>, Vec<usize>)> = BTreeMap::new();
    for (index, path) in paths.iter().enumerate() {
        match event_name(path) {
            Some((folder, "events", number)) => folders.entry(folder).or_default().0.push((number, index)),
            // The cache repeats the events, many in a file.
            Some((folder, ..)) => folders.entry(folder).or_default().1.push(index),
            None => {}
        }
    }
    let groups = folders.into_values().filter(|(files, _)| !files.is_empty());
    groups
        .map(|(mut files, beside)| {
            files.sort_unstable();
            Group { files: files.into_iter().map(|(_, index)| index).collect(), beside }
        })
        .collect()
}

fn confirm(sources: &[Source<'_>]) -> bool {
    sources.iter().any(|source| sniff(source).confidence >= 60)
}

fn read(sources: &[Source<'_>]) -> ReadOutput {
    let mut output = ReadOutput { format: NAME, ..ReadOutput::default() };
    let mut values = Values::scan(sources);
    let mut conversation = Conversation::new();
    for value in values.iter(sources) {
        match value.view.get("trajectory").filter(|list| list.is_array()) {
            Some(list) => conversation.wrapped(value, list),
            None => conversation.add(value),
        }
    }
    let (trajectory, remarks) = conversation.finish();
    values.remark(remarks);
    if trajectory != Trajectory::default() {
        output.trajectories.push(with_origin(trajectory, NAME, sources));
    }
    values.tell(sources, &mut output);
    none_at_all(sources, &mut output);
    output
}

/// Says so where files held no event and nothing else was wrong.
pub(super) fn none_at_all(sources: &[Source<'_>], output: &mut ReadOutput) {
    if let (true, true, Some(first)) =
        (output.trajectories.is_empty(), output.errors.is_empty(), sources.first())
    {
        output.errors.push(first.error(first.start, "holds no event"));
    }
}

/// The trajectory of some files: its own is the first one.
pub(super) fn with_origin(mut trajectory: Trajectory, format: &str, sources: &[Source<'_>]) -> Trajectory {
    let mut paths = sources.iter().map(|source| source.path.to_owned());
    trajectory.origin = Origin {
        format: format.to_owned(),
        path: paths.next().unwrap_or_default(),
        line: 1,
        files: paths.collect(),
        ..Origin::default()
    };
    trajectory
}
