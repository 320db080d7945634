//! `gemini-cli`: sessions of Gemini CLI, one JSON object or, from version 0.38 on, one record a line.
//!
//! Lines are messages, `{"$set": …}` (members of the session, or all messages anew), `{"$rewindTo": id}` and updates of
//! messages. A message that comes again takes the place of the one with its id; messages that were taken back are an
//! embedded trajectory. Source: `@google/gemini-cli-core` 0.61, `services/chatRecordingService`.

mod record;
mod steps;

use super::events::Values;
use super::{Format, ReadOutput, Reader, Shape, Sniff, Source};
use crate::model::Trajectory;
use crate::util::json::View;
use record::Record;

const NAME: &str = "gemini-cli";

pub(super) static ITEM: Format = Format {
    name: NAME,
    about: "sessions of Gemini CLI, JSON and JSONL",
    sniff,
    marks: &[
        &["sessionId", "projectHash", "messages", "messages[].type=user|gemini", "startTime|lastUpdated"],
        &["$set|$rewindTo"],
    ],
    read: Reader::Whole(read),
    folder: None,
    write: None,
};

fn sniff(source: &Source<'_>) -> Sniff {
    let Some(record) = source.first().filter(|record| record.is_object()) else {
        return Sniff::new(0, "holds no JSON object");
    };
    let has = |key: &str| record.get(key).is_some();
    if has("sessionId") && has("projectHash") {
        return Sniff::new(97, "");
    }
    if has("$set") || has("$rewindTo") {
        return Sniff::new(91, "");
    }
    Sniff::new(0, "has no \"sessionId\" and \"projectHash\"")
}

fn read(source: &Source<'_>) -> ReadOutput {
    let mut output = ReadOutput { format: NAME, ..ReadOutput::default() };
    let sources = std::slice::from_ref(source);
    let mut values = Values::scan(sources);
    let mut remarks = Vec::new();
    let mut found = Vec::new();
    {
        let views: Vec<View<'_>> = values.iter(sources).map(|value| value.view).collect();
        // A document, or a list of them, holds whole sessions; lines are one session.
        let groups: Vec<&[View<'_>]> = match source.shape() {
            Shape::Document(_) => views.chunks(1).collect(),
            _ if views.is_empty() => Vec::new(),
            _ => vec![&views],
        };
        for group in groups {
            let record = Record::of(group, &mut remarks);
            let mut trajectory = steps::trajectory(&record, &mut remarks);
            let offset = group.first().map_or(0, |view| view.offset());
            place(&mut trajectory, source, offset);
            found.push(trajectory);
        }
    }
    output.trajectories = found;
    values.remark(remarks.into_iter().map(|remark| (0, remark)).collect());
    values.tell(sources, &mut output);
    output
}

fn place(trajectory: &mut Trajectory, source: &Source<'_>, offset: usize) {
    source.path.clone_into(&mut trajectory.origin.path);
    NAME.clone_into(&mut trajectory.origin.format);
    trajectory.origin.offset = offset as u64;
    trajectory.origin.line = source.error(offset, "").line;
    trajectory.subagents.iter_mut().for_each(|inner| place(inner, source, offset));
}
