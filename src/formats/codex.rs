//! `codex`: sessions of Codex CLI, `rollout-*.jsonl`, with and without the envelope of newer versions.
//!
//! A line is `{timestamp, type, payload}`; older files hold the payloads alone behind a first line about the session.
//! Items of one response do not say so. What the model wrote in a row belongs to one step, up to the first result,
//! message of the user, turn or count of tokens: a response ends with a count, and results come after all calls of a
//! response. `token_count` gives the last call's usage and a running total; only the first is used. Source: Codex's
//! `codex-rs/protocol/src/{protocol,models}.rs`.

mod items;

use super::events::Values;
use super::{Format, ReadOutput, Reader, Sniff, Source};
use crate::model::Trajectory;
use crate::util::json::View;

const NAME: &str = "codex";

pub(super) static ITEM: Format = Format {
    name: NAME,
    about: "sessions of Codex CLI (rollout-*.jsonl), old ones too",
    sniff,
    marks: &[
        &[
            "type=session_meta|turn_context|response_item|event_msg|compacted",
            "payload",
            "payload.type",
            "timestamp",
        ],
        &["id", "timestamp", "instructions", "git"],
    ],
    read: Reader::Whole(read),
    folder: None,
    write: None,
};

fn sniff(source: &Source<'_>) -> Sniff {
    let Some(record) = source.first().filter(|record| record.is_object()) else {
        return Sniff::new(0, "holds no JSON object");
    };
    let kind = record.text_at("type").unwrap_or_default();
    if items::ENVELOPES.contains(&&*kind) && record.get("payload").is_some_and(View::is_object) {
        return Sniff::new(96, "");
    }
    if is_old_header(record) {
        return Sniff::new(91, "");
    }
    Sniff::new(0, "has no \"type\" and \"payload\" of a session's line")
}

/// The first line of files without the envelope.
fn is_old_header(record: View<'_>) -> bool {
    let has = |key: &str| record.get(key).is_some();
    has("id") && has("timestamp") && has("instructions") && !has("type") && !has("messages")
}

fn read(source: &Source<'_>) -> ReadOutput {
    let mut output = ReadOutput { format: NAME, ..ReadOutput::default() };
    let sources = std::slice::from_ref(source);
    let mut values = Values::scan(sources);
    let mut remarks = Vec::new();
    let mut session = items::Session::new(&mut remarks);
    let mut empty = true;
    let mut start = None;
    for value in values.iter(sources) {
        empty = false;
        start.get_or_insert(value.view.offset());
        session.line(value.view);
    }
    if !empty {
        let mut trajectory: Trajectory = session.finish();
        let offset = start.unwrap_or(0);
        source.path.clone_into(&mut trajectory.origin.path);
        NAME.clone_into(&mut trajectory.origin.format);
        trajectory.origin.offset = offset as u64;
        trajectory.origin.line = source.error(offset, "").line;
        output.trajectories.push(trajectory);
    }
    values.remark(remarks.into_iter().map(|remark| (0, remark)).collect());
    values.tell(sources, &mut output);
    output
}
