//! Formats whose unit is a JSON value: a document, a list of them, or one a line.

use super::source::{Parsed, Refusal, is_record_list, scan, sentence};
use super::{LINE_LIMIT, ReadError, ReadOutput, Shape, Source};
use crate::model::{Origin, Trajectory};
use crate::util::json::{Note, View};
use rayon::prelude::*;

/// Turns one JSON value into one trajectory. Warnings go to the second argument.
pub(super) trait Convert:
    Fn(View<'_>, &mut Vec<Refusal>) -> Result<Trajectory, Refusal> + Sync
{
}

impl<T: Fn(View<'_>, &mut Vec<Refusal>) -> Result<Trajectory, Refusal> + Sync> Convert for T {}

/// Reads a whole file record by record.
pub(super) fn read(source: &Source<'_>, format: &'static str, convert: impl Convert) -> ReadOutput {
    let mut output = match source.shape() {
        Shape::Document(_) => document(source, format, &convert),
        Shape::Lines => lines(source, format, &convert),
        Shape::Stream => stream(source, format, &convert),
        Shape::Broken(error) => source.refuse(source.error(error.offset, sentence(error))),
        Shape::Text => source.refuse(source.error(source.start, "no JSON value begins here")),
    };
    output.format = format;
    output
}

/// Reads text that is known to be one record: it is scanned once, not first for its shape. Whatever is wrong with
/// it is told as [`read`] tells it.
pub(super) fn one(source: &Source<'_>, format: &'static str, convert: impl Convert) -> ReadOutput {
    match scan(source.bytes, source.start, source.bytes.len()) {
        Ok((parsed, None)) if source.bytes.len() <= LINE_LIMIT => {
            let view = View::new(source.bytes, &parsed.node);
            let part = convert_one(view, &parsed.notes, format, &convert);
            ReadOutput { format, ..gather(source, vec![part]) }
        }
        _ => read(source, format, convert),
    }
}

/// One record's share of the output.
#[derive(Default)]
struct Part {
    trajectory: Option<Trajectory>,
    errors: Vec<Refusal>,
    warnings: Vec<Refusal>,
}

fn convert_one(view: View<'_>, notes: &[Note], format: &'static str, convert: &impl Convert) -> Part {
    let mut part = Part::default();
    part.warnings.extend(notes.iter().map(|note| (note.offset, note.kind.text().to_owned())));
    match convert(view, &mut part.warnings) {
        Ok(mut trajectory) => {
            trajectory.origin =
                Origin { format: format.to_owned(), offset: view.offset() as u64, ..Origin::default() };
            part.trajectory = Some(trajectory);
        }
        Err(refusal) => part.errors.push(refusal),
    }
    part
}

fn document(source: &Source<'_>, format: &'static str, convert: &impl Convert) -> ReadOutput {
    if let Some(at) = source.too_long() {
        return source.refuse(too_long(source.error(at, "")));
    }
    let (start, end) = (source.start, source.bytes.len());
    let (parsed, _) = match scan(source.bytes, start, end) {
        Ok(found) => found,
        Err((at, message)) => return source.refuse(source.error(at, message)),
    };
    let whole = View::new(source.bytes, &parsed.node);
    if whole.is_array() && whole.items().next().is_none() {
        return source.refuse(source.error(whole.offset(), "the list is empty: it holds no trajectory"));
    }
    let parts: Vec<Part> = if is_record_list(whole) {
        let mut parts: Vec<Part> =
            whole.items().map(|item| convert_one(item, &[], format, convert)).collect();
        if let Some(first) = parts.first_mut() {
            let notes = parsed.notes.iter().map(|note| (note.offset, note.kind.text().to_owned()));
            first.warnings.extend(notes);
        }
        parts
    } else {
        vec![convert_one(whole, &parsed.notes, format, convert)]
    };
    gather(source, parts)
}

/// Reads one document whose records stand in the list `key` inside it; `convert` gets the document and a record.
pub(super) fn inside(
    source: &Source<'_>,
    format: &'static str,
    key: &str,
    convert: impl Fn(View<'_>, View<'_>, &mut Vec<Refusal>) -> Result<Trajectory, Refusal> + Sync,
) -> ReadOutput {
    let refuse = |at, message| ReadOutput { format, ..source.refuse(source.error(at, message)) };
    if let Some(at) = source.too_long() {
        return ReadOutput { format, ..source.refuse(too_long(source.error(at, ""))) };
    }
    let (parsed, _) = match scan(source.bytes, source.start, source.bytes.len()) {
        Ok(found) => found,
        Err((at, message)) => return refuse(at, message),
    };
    let whole = View::new(source.bytes, &parsed.node);
    let Some(list) = whole.get(key) else { return refuse(whole.offset(), format!("has no \"{key}\"")) };
    if !list.is_array() {
        return refuse(list.offset(), format!("\"{key}\" must be a list, not {}", list.type_name()));
    }
    if list.items().next().is_none() {
        return refuse(list.offset(), format!("the list \"{key}\" is empty: it holds no trajectory"));
    }
    let one = |item| {
        convert_one(item, &[], format, &|record: View<'_>, warnings: &mut Vec<Refusal>| {
            convert(whole, record, warnings)
        })
    };
    let mut parts: Vec<Part> = list.items().map(one).collect();
    let notes = parsed.notes.iter().map(|note| (note.offset, note.kind.text().to_owned()));
    parts.insert(0, Part { warnings: notes.collect(), ..Part::default() });
    ReadOutput { format, ..gather(source, parts) }
}

fn stream(source: &Source<'_>, format: &'static str, convert: &impl Convert) -> ReadOutput {
    let mut parts = Vec::new();
    let mut at = source.start;
    while let Some(start) = source.bytes[at..].iter().position(|byte| !byte.is_ascii_whitespace()) {
        let mut notes = Vec::new();
        match crate::util::json::parse_at(source.bytes, at + start, &mut notes) {
            Ok(node) => {
                at = node.end;
                let parsed = Parsed { node, notes };
                let text = std::str::from_utf8(&source.bytes[parsed.node.start..parsed.node.end]);
                if let Err(error) = text {
                    let offset = parsed.node.start + error.valid_up_to();
                    parts.push(Part {
                        errors: vec![(offset, "not valid UTF-8".to_owned())],
                        ..Part::default()
                    });
                    continue;
                }
                let view = View::new(source.bytes, &parsed.node);
                parts.push(convert_one(view, &parsed.notes, format, convert));
            }
            Err(error) => {
                parts.push(Part { errors: vec![(error.offset, sentence(&error))], ..Part::default() });
                break;
            }
        }
    }
    gather(source, parts)
}

fn lines(source: &Source<'_>, format: &'static str, convert: &impl Convert) -> ReadOutput {
    let (mut start, end) = (source.start, source.bytes.len());
    let mut spans = Vec::new();
    let from = start;
    for stop in memchr::memchr_iter(b'\n', &source.bytes[from..end]).map(|at| from + at) {
        spans.push((start, stop));
        start = stop + 1;
    }
    if start < end {
        spans.push((start, end));
    }
    let parts =
        spans.into_par_iter().with_min_len(16).map(|span| line(source, span, LINE_LIMIT, format, convert));
    gather(source, parts.collect())
}

/// Reads some lines, one after the other.
pub(super) fn spans(
    source: &Source<'_>,
    spans: &[(usize, usize)],
    limit: usize,
    format: &'static str,
    convert: impl Convert,
) -> ReadOutput {
    let parts = spans.iter().map(|span| line(source, *span, limit, format, &convert));
    ReadOutput { format, ..gather(source, parts.collect()) }
}

fn line(
    source: &Source<'_>,
    (start, end): (usize, usize),
    limit: usize,
    format: &'static str,
    convert: &impl Convert,
) -> Part {
    let bytes = source.bytes;
    if bytes[start..end].iter().all(u8::is_ascii_whitespace) {
        return Part::default();
    }
    if end - start > limit {
        return Part { errors: vec![(start, long_line(limit))], ..Part::default() };
    }
    match scan(bytes, start, end) {
        Ok((parsed, behind)) => {
            let mut part = convert_one(View::new(bytes, &parsed.node), &parsed.notes, format, convert);
            if let Some(at) = behind {
                part.errors.push((at, "more text behind the record of this line".to_owned()));
            }
            part
        }
        Err(refusal) => Part { errors: vec![refusal], ..Part::default() },
    }
}

/// What is said of a line over the limit.
pub(super) fn long_line(limit: usize) -> String {
    if limit.is_multiple_of(1 << 20) {
        format!("a line is longer than the limit of {} MiB", limit >> 20)
    } else {
        format!("a line is longer than the limit of {limit} bytes")
    }
}

/// The error for a line over the limit.
pub(super) fn too_long(mut error: ReadError) -> ReadError {
    error.message = long_line(LINE_LIMIT);
    error.hint = Some("write one record a line, or split the record".to_owned());
    error
}

/// Puts the parts together; lines are counted once, from the start of the file to its end.
fn gather(source: &Source<'_>, parts: Vec<Part>) -> ReadOutput {
    let mut counter = LineCounter::new(source.bytes);
    let mut output = ReadOutput::default();
    for part in parts {
        if let Some(mut trajectory) = part.trajectory {
            let offset = trajectory.origin.offset;
            source.path.clone_into(&mut trajectory.origin.path);
            trajectory.origin.line = counter.line_of(offset as usize);
            output.trajectories.push(trajectory);
        }
        let mut say = |(offset, message): Refusal| ReadError {
            path: source.path.to_owned(),
            line: counter.line_of(offset),
            offset: offset as u64,
            message,
            hint: None,
        };
        output.errors.extend(part.errors.into_iter().map(&mut say));
        output.warnings.extend(part.warnings.into_iter().map(&mut say));
    }
    output
}

/// Reads one document that holds several records. `convert` gets the document and gives the records, each with the
/// offset that it set as its origin's.
pub(super) fn spread(
    source: &Source<'_>,
    format: &'static str,
    convert: impl FnOnce(View<'_>, &mut Vec<Refusal>) -> Result<Vec<Result<Trajectory, Refusal>>, Refusal>,
) -> ReadOutput {
    let refuse = |error| ReadOutput { format, ..source.refuse(error) };
    if let Some(at) = source.too_long() {
        return refuse(too_long(source.error(at, "")));
    }
    let (parsed, behind) = match scan(source.bytes, source.start, source.bytes.len()) {
        Ok(found) => found,
        Err((at, message)) => return refuse(source.error(at, message)),
    };
    let mut head = Part::default();
    head.warnings.extend(parsed.notes.iter().map(|note| (note.offset, note.kind.text().to_owned())));
    head.errors.extend(behind.map(|at| (at, "more text behind the document".to_owned())));
    let whole = View::new(source.bytes, &parsed.node);
    let mut parts = match convert(whole, &mut head.warnings) {
        Ok(records) => records,
        Err(refusal) => vec![Err(refusal)],
    };
    let mut all = vec![head];
    all.extend(parts.drain(..).map(|part| match part {
        Ok(mut trajectory) => {
            format.clone_into(&mut trajectory.origin.format);
            Part { trajectory: Some(trajectory), ..Part::default() }
        }
        Err(refusal) => Part { errors: vec![refusal], ..Part::default() },
    }));
    ReadOutput { format, ..gather(source, all) }
}

/// Counts lines forward; a step back starts again from the top of the file.
pub(super) struct LineCounter<'a> {
    bytes: &'a [u8],
    at: usize,
    line: u64,
}

impl<'a> LineCounter<'a> {
    /// A counter at the top of a file.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, line: 1 }
    }

    /// The line of a byte, from 1.
    pub(super) fn line_of(&mut self, offset: usize) -> u64 {
        let offset = offset.min(self.bytes.len());
        if offset >= self.at {
            self.line += memchr::memchr_iter(b'\n', &self.bytes[self.at..offset]).count() as u64;
        } else {
            self.line -= memchr::memchr_iter(b'\n', &self.bytes[offset..self.at]).count() as u64;
        }
        self.at = offset;
        self.line
    }
}
