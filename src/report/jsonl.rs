//! One record a line, in plan order, as in the journal but without its checksum.

use super::{Options, Report};
use crate::model::AttemptRecord;
use crate::store::{RunView, record_value};
use serde_json::Value;
use std::io;

pub(super) static ITEM: Report = Report {
    name: "jsonl",
    file: None,
    about: "One attempt a line, in plan order, with all findings and scores",
    render,
};

fn render(view: &RunView, options: &Options, out: &mut dyn io::Write) -> io::Result<()> {
    for record in &view.records {
        serde_json::to_writer(&mut *out, &value(record, options))?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

/// A record as JSON.
///
/// Where its trajectory lies in the file depends on which attempt ended first: the offset is timing too.
pub(super) fn value(record: &AttemptRecord, options: &Options) -> Value {
    let mut value = record_value(record);
    if !options.timing
        && let Some(object) = value.as_object_mut()
    {
        object.shift_remove("timing");
        object.shift_remove("trajectory");
    }
    value
}
