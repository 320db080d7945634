//! `openhands-v1-events`: a conversation of the OpenHands SDK (V1): a folder with `base_state.json` and
//! `events/event-NNNNN-ID.json`, a list of events, or one event a line.
//!
//! Source of the shape: `openhands-sdk` 1.58, `openhands/sdk/event` and `openhands/sdk/conversation`. See
//! [`conversation`] for how events become steps, [mod@write] for the way back.

mod conversation;
mod tools;
mod write;

use super::events::Values;
use super::openhands_v0_events::{none_at_all, with_origin};
use super::{Folder, Format, Group, ReadOutput, Reader, Sniff, Source, Writer};
use crate::model::Trajectory;
use crate::util::json::View;
use conversation::Conversation;
use std::collections::BTreeMap;

const NAME: &str = "openhands-v1-events";

/// The file of a folder that holds what is no event.
const BASE: &str = "base_state.json";

pub(super) static ITEM: Format = Format {
    name: NAME,
    about: "conversation of the OpenHands SDK (V1): a folder with base_state.json and events/, a list, or one event a line",
    sniff,
    marks: &[&[
        "kind",
        "source=user|agent|environment",
        "id",
        "timestamp",
        "llm_message|system_prompt|tool_name|key",
    ]],
    read: Reader::Whole(|source| read(std::slice::from_ref(source))),
    folder: Some(Folder { claim, confirm, read }),
    write: Some(Writer::Folder(write::write)),
};

fn sniff(source: &Source<'_>) -> Sniff {
    let Some(event) = source.first().filter(|event| event.is_object()) else {
        return Sniff::new(0, "holds no JSON object");
    };
    let Some(kind) = event.text_at("kind") else { return Sniff::new(0, "has no event with a \"kind\"") };
    let head = ["id", "timestamp", "source"].iter().filter(|key| event.get(key).is_some()).count();
    match (conversation::is_kind(&kind), head) {
        (true, 1..) => Sniff::new(95, ""),
        (true, 0) => Sniff::new(60, "has events without \"id\", \"timestamp\" and \"source\""),
        (false, 2..) => Sniff::new(55, format!("has an event of the unknown kind '{kind}'")),
        (false, _) => Sniff::new(0, format!("has the \"kind\" '{kind}'")),
    }
}

/// The folder of a file of a conversation, and the number of its event; `None` for a file that is no event.
fn file_name(path: &str) -> Option<(&str, Option<u64>)> {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    if matches!(name, BASE | "meta.json") {
        return Some((&path[..path.len() - name.len()], None));
    }
    let outer = folder.strip_suffix("events").filter(|outer| outer.is_empty() || outer.ends_with('/'))?;
    if name.starts_with(".eventlog") {
        return Some((outer, None));
    }
    let (number, _) = name.strip_prefix("event-")?.strip_suffix(".json")?.split_once('-')?;
    number.parse().ok().map(|number| (outer, Some(number)))
}

fn claim(paths: &[&str]) -> Vec<Group> {
    let mut folders: BTreeMap<&str, (Vec<(u64, usize)>, Vec<usize>)> = BTreeMap::new();
    for (index, path) in paths.iter().enumerate() {
        match file_name(path) {
            Some((folder, Some(number))) => folders.entry(folder).or_default().0.push((number, index)),
            Some((folder, None)) => folders.entry(folder).or_default().1.push(index),
            None => {}
        }
    }
    let groups = folders.into_values().filter(|(events, _)| !events.is_empty());
    groups
        .map(|(mut events, others)| {
            events.sort_unstable();
            let (base, beside): (Vec<usize>, Vec<usize>) =
                others.into_iter().partition(|&index| paths[index].ends_with(BASE));
            let files = base.into_iter().chain(events.into_iter().map(|(_, index)| index));
            Group { files: files.collect(), beside }
        })
        .collect()
}

fn confirm(sources: &[Source<'_>]) -> bool {
    sources.iter().any(|source| sniff(source).confidence >= 50)
}

/// Whether a value is the state of a conversation rather than an event.
fn is_base(path: &str, view: View<'_>) -> bool {
    path.rsplit('/').next() == Some(BASE) && view.is_object() && view.get("kind").is_none()
}

fn read(sources: &[Source<'_>]) -> ReadOutput {
    let mut output = ReadOutput { format: NAME, ..ReadOutput::default() };
    let mut values = Values::scan(sources);
    let mut conversation = Conversation::new();
    for value in values.iter(sources) {
        if is_base(sources[value.file as usize].path, value.view) {
            conversation.base(value.view);
        } else {
            conversation.add(value);
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
