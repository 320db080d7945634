//! Files whose trajectory is spread over many JSON values: a list of events, one a line, or one a file.

use super::fields;
use super::record::{LineCounter, long_line};
use super::source::{Refusal, scan, sentence};
use super::{LINE_LIMIT, ReadError, ReadOutput, Shape, Source};
use crate::model::{Place, ToolCall};
use crate::util::json::{self, Kind, Node, View};

/// The values of some files, ready to be looked at.
pub(super) struct Values {
    /// Each value with the index of its file.
    nodes: Vec<(usize, Node)>,
    errors: Vec<(usize, Refusal)>,
    warnings: Vec<(usize, Refusal)>,
}

/// One value: an event, as a rule.
#[derive(Clone, Copy)]
pub(super) struct Value<'a> {
    /// What it holds.
    pub view: View<'a>,
    /// Which file it stands in, as [`Place::file`] counts.
    pub file: u32,
}

impl Value<'_> {
    /// A place of this file.
    pub(super) fn at(self, place: Place) -> Place {
        Place { file: self.file, ..place }
    }

    /// A call inside the value, as [`fields::native_call`] reads it.
    pub(super) fn native_call(self, item: View<'_>) -> ToolCall {
        ToolCall { place: Some(self.at(item.value_place())), ..fields::native_call(item) }
    }
}

impl Values {
    /// Scans files: the elements of a list, the values of lines, or one value. What can't be read is an error, and
    /// the rest is read all the same.
    pub(super) fn scan(sources: &[Source<'_>]) -> Self {
        let mut values = Self { nodes: Vec::new(), errors: Vec::new(), warnings: Vec::new() };
        for (file, source) in sources.iter().enumerate() {
            match source.shape() {
                Shape::Document(_) => values.piece(source, file, source.start, source.bytes.len(), true),
                Shape::Lines => values.lines(source, file),
                Shape::Stream => values.stream(source, file),
                Shape::Broken(error) => {
                    values.salvage(source, file, error.offset);
                    values.errors.push((file, (error.offset, sentence(error))));
                }
                Shape::Text => {
                    values.errors.push((file, (source.start, "no JSON value begins here".to_owned())));
                }
            }
        }
        values
    }

    /// The values in the order of files and text.
    pub(super) fn iter<'a>(&'a self, sources: &'a [Source<'_>]) -> impl Iterator<Item = Value<'a>> {
        self.nodes
            .iter()
            .map(|(file, node)| Value { view: View::new(sources[*file].bytes, node), file: *file as u32 })
    }

    /// Adds remarks: the file, and offset and clause.
    pub(super) fn remark(&mut self, remarks: Vec<(u32, Refusal)>) {
        self.warnings.extend(remarks.into_iter().map(|(file, refusal)| (file as usize, refusal)));
    }

    /// Tells what could not be read and what was remarked.
    pub(super) fn tell(self, sources: &[Source<'_>], output: &mut ReadOutput) {
        output.errors.extend(told(sources, self.errors));
        output.warnings.extend(told(sources, self.warnings));
    }

    /// One value in `start..end`; of a list its elements, if `spread`.
    fn piece(&mut self, source: &Source<'_>, file: usize, start: usize, end: usize, spread: bool) {
        if source.bytes[start..end].len() > LINE_LIMIT && longest_line(&source.bytes[start..end]) > LINE_LIMIT
        {
            self.errors.push((file, (start, long_line(LINE_LIMIT))));
            return;
        }
        match scan(source.bytes, start, end) {
            Ok((parsed, behind)) => {
                let notes = parsed.notes.iter().map(|note| (note.offset, note.kind.text().to_owned()));
                self.warnings.extend(notes.map(|note| (file, note)));
                match parsed.node.kind {
                    Kind::Array(items) if spread => {
                        if items.is_empty() {
                            let what = "the list is empty: it holds no event".to_owned();
                            self.errors.push((file, (parsed.node.start, what)));
                        }
                        self.nodes.extend(items.into_iter().map(|item| (file, item)));
                    }
                    _ => self.nodes.push((file, parsed.node)),
                }
                if let Some(at) = behind {
                    self.errors.push((file, (at, "more text behind the record of this line".to_owned())));
                }
            }
            Err(refusal) => self.errors.push((file, refusal)),
        }
    }

    fn lines(&mut self, source: &Source<'_>, file: usize) {
        let mut start = source.start;
        let ends = memchr::memchr_iter(b'\n', source.text()).map(|at| source.start + at);
        for end in ends.chain([source.bytes.len()]) {
            if !source.bytes[start..end].iter().all(u8::is_ascii_whitespace) {
                self.piece(source, file, start, end, false);
            }
            start = end + 1;
        }
    }

    fn stream(&mut self, source: &Source<'_>, file: usize) {
        self.many(source, file, source.start, source.bytes.len(), false);
    }

    /// The good elements of a list that is cut or damaged further on.
    fn salvage(&mut self, source: &Source<'_>, file: usize, damage: usize) {
        let first = source.text().iter().position(|byte| !byte.is_ascii_whitespace());
        if let Some(first) = first.map(|at| source.start + at).filter(|at| source.bytes[*at] == b'[') {
            self.many(source, file, first + 1, damage, true);
        }
    }

    /// Values one after the other; commas stand between the elements of a list.
    fn many(&mut self, source: &Source<'_>, file: usize, start: usize, end: usize, list: bool) {
        let mut at = start;
        let between = |byte: &u8| byte.is_ascii_whitespace() || (list && *byte == b',');
        while let Some(skip) = source.bytes[at..end].iter().position(|byte| !between(byte)) {
            let mut notes = Vec::new();
            match json::parse_at(&source.bytes[..end], at + skip, &mut notes) {
                Ok(node) => {
                    at = node.end;
                    match std::str::from_utf8(&source.bytes[node.start..node.end]) {
                        Ok(_) => self.nodes.push((file, node)),
                        Err(error) => {
                            let offset = node.start + error.valid_up_to();
                            self.errors.push((file, (offset, "not valid UTF-8".to_owned())));
                        }
                    }
                    let notes = notes.iter().map(|note| (note.offset, note.kind.text().to_owned()));
                    self.warnings.extend(notes.map(|note| (file, note)));
                }
                // What ends a damaged list is told once, by whoever found the damage.
                Err(_) if list => break,
                Err(error) => {
                    self.errors.push((file, (error.offset, sentence(&error))));
                    break;
                }
            }
        }
    }
}

fn longest_line(bytes: &[u8]) -> usize {
    let mut start = 0;
    let ends = memchr::memchr_iter(b'\n', bytes).chain([bytes.len()]);
    ends.map(|end| end - std::mem::replace(&mut start, end + 1)).max().unwrap_or(0)
}

/// Refusals with their lines, each file counted once.
fn told(sources: &[Source<'_>], mut refusals: Vec<(usize, Refusal)>) -> Vec<ReadError> {
    refusals.sort_by_key(|(file, (offset, _))| (*file, *offset));
    let mut counters: Vec<LineCounter<'_>> =
        sources.iter().map(|source| LineCounter::new(source.bytes)).collect();
    let tell = |(file, (offset, message)): (usize, Refusal)| ReadError {
        path: sources[file].path.to_owned(),
        line: counters[file].line_of(offset),
        offset: offset as u64,
        message,
        hint: None,
    };
    refusals.into_iter().map(tell).collect()
}
