//! One record a line, in plan order, as in the journal but without its checksum.

use super::{Options, Report, Shown, text};
use crate::store::RecordJson;
use std::io::{self, Write as _};

pub(super) static ITEM: Report = Report {
    name: "jsonl",
    file: None,
    about: "One attempt a line, in plan order, with all findings and scores",
    render,
};

fn render(view: &Shown<'_>, options: &Options, out: &mut Vec<u8>) -> io::Result<()> {
    // A line at a time: the serialiser gives single letters, and a writer takes them one call each.
    let mut line = Vec::new();
    for record in &view.records {
        line.clear();
        serde_json::to_writer(&mut line, &RecordJson { record, timing: options.timing })?;
        line.push(b'\n');
        out.write_all(&text::json(&line))?;
    }
    Ok(())
}
