//! A decompressed file as readers see it: its text, and what shape its JSON has.

use super::{ReadError, ReadOutput};
use crate::util::json::{self, JsonError, Node, Note, View};
use std::sync::OnceLock;

/// Longest line that is read, in bytes.
pub const LINE_LIMIT: usize = 64 << 20;

/// How far the shape is looked for when the first record is damaged.
const PROBE: usize = 1 << 20;

/// What a file's JSON looks like.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// One value.
    Document(Node),
    /// One value a line.
    Lines,
    /// Values one after the other, not bound to lines.
    Stream,
    /// JSON was begun, but the first value can't be read.
    Broken(JsonError),
    /// Not JSON at all.
    Text,
}

/// A decompressed file.
pub struct Source<'a> {
    /// Path as the user gave it; it only names things.
    pub path: &'a str,
    /// All bytes, a byte order mark included.
    pub bytes: &'a [u8],
    /// Where the text starts: 3 behind a byte order mark, else 0.
    pub start: usize,
    shape: OnceLock<Shape>,
    first: OnceLock<Option<Node>>,
}

impl<'a> Source<'a> {
    /// A source named `path`.
    pub fn new(path: &'a str, bytes: &'a [u8]) -> Self {
        let start = if bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        Self { path, bytes, start, shape: OnceLock::new(), first: OnceLock::new() }
    }

    /// A piece out of a file: it has no byte order mark, and is of lines.
    pub fn piece(path: &'a str, bytes: &'a [u8]) -> Self {
        let source = Self { path, bytes, start: 0, shape: OnceLock::new(), first: OnceLock::new() };
        source.shape.get_or_init(|| Shape::Lines);
        source
    }

    /// The text behind a byte order mark.
    pub fn text(&self) -> &'a [u8] {
        &self.bytes[self.start..]
    }

    /// The shape, found once.
    pub fn shape(&self) -> &Shape {
        self.shape.get_or_init(|| find_shape(self.bytes, self.start))
    }

    /// The first record that can be read: the document (or the first element, if it is a list of
    /// records), or the first good line.
    pub fn first(&self) -> Option<View<'_>> {
        if let Shape::Document(node) = self.shape() {
            let whole = View::new(self.bytes, node);
            return if is_record_list(whole) {
                whole.items().find(|item| item.is_object())
            } else {
                Some(whole)
            };
        }
        let node = self.first.get_or_init(|| match self.shape() {
            Shape::Lines => good_line(self.bytes, self.start),
            Shape::Stream => json::parse_at(self.bytes, self.start, &mut Vec::new()).ok(),
            _ => None,
        });
        node.as_ref().map(|node| View::new(self.bytes, node))
    }

    /// An error at a byte of the file; the line is counted.
    pub fn error(&self, offset: usize, message: impl Into<String>) -> ReadError {
        let offset = offset.min(self.bytes.len());
        let line = memchr::memchr_iter(b'\n', &self.bytes[..offset]).count() as u64 + 1;
        ReadError {
            path: self.path.to_owned(),
            line,
            offset: offset as u64,
            message: message.into(),
            hint: None,
        }
    }

    /// An output of nothing but one error.
    pub fn refuse(&self, error: ReadError) -> ReadOutput {
        ReadOutput { errors: vec![error], ..ReadOutput::default() }
    }

    /// The first line over the limit: its offset.
    pub fn too_long(&self) -> Option<usize> {
        let mut start = self.start;
        for end in memchr::memchr_iter(b'\n', self.text()).map(|at| self.start + at) {
            if end - start > LINE_LIMIT {
                return Some(start);
            }
            start = end + 1;
        }
        (self.bytes.len() - start > LINE_LIMIT).then_some(start)
    }
}

/// Whether a document is a list of records rather than one list of messages.
pub(super) fn is_record_list(whole: View<'_>) -> bool {
    whole.is_array() && !whole.items().any(|item| item.get("role").is_some())
}

fn blank(bytes: &[u8]) -> bool {
    bytes.iter().all(u8::is_ascii_whitespace)
}

fn line_end(bytes: &[u8], from: usize) -> usize {
    memchr::memchr(b'\n', &bytes[from..]).map_or(bytes.len(), |at| from + at)
}

fn find_shape(bytes: &[u8], start: usize) -> Shape {
    let Some(first) = bytes[start..].iter().position(|byte| !byte.is_ascii_whitespace()).map(|at| start + at)
    else {
        return Shape::Text;
    };
    if !matches!(bytes[first], b'{' | b'[') {
        // The first line may be the damaged one.
        return if good_line(bytes, start).is_some() { Shape::Lines } else { Shape::Text };
    }
    match json::parse_at(bytes, first, &mut Vec::new()) {
        Ok(node) if blank(&bytes[node.end..]) => Shape::Document(node),
        Ok(node) if memchr::memchr(b'\n', &bytes[node.start..node.end]).is_none() => Shape::Lines,
        Ok(_) => Shape::Stream,
        Err(error) => {
            let next = line_end(bytes, first);
            let next_text =
                bytes[next..].iter().position(|byte| !byte.is_ascii_whitespace()).map(|at| next + at);
            // A document in many lines fails later than on its first one.
            let on_first_line = error.offset <= next_text.unwrap_or(bytes.len());
            let rest = (next < bytes.len()).then_some(next);
            match rest.filter(|_| on_first_line).and_then(|rest| good_line(bytes, rest)) {
                Some(_) => Shape::Lines,
                None => Shape::Broken(error),
            }
        }
    }
}

/// The first line that is one whole object or array.
fn good_line(bytes: &[u8], from: usize) -> Option<Node> {
    let limit = bytes.len().min(from.saturating_add(PROBE));
    let mut at = from;
    while at < limit {
        let end = line_end(bytes, at);
        let line = &bytes[at..end];
        if line
            .iter()
            .find(|byte| !byte.is_ascii_whitespace())
            .is_some_and(|byte| matches!(byte, b'{' | b'['))
            && let Ok(node) = json::parse_at(&bytes[..end], at, &mut Vec::new())
            && blank(&bytes[node.end..end])
        {
            return Some(node);
        }
        at = end + 1;
    }
    None
}

/// What stood in the way of a record: offset and sentence.
pub(super) type Refusal = (usize, String);

/// A tree and its notes, ready to be converted.
pub(super) struct Parsed {
    pub node: Node,
    pub notes: Vec<Note>,
}

/// Scans the record in `start..end`; text behind it is given back as an offset.
pub(super) fn scan(bytes: &[u8], start: usize, end: usize) -> Result<(Parsed, Option<usize>), Refusal> {
    let line = &bytes[start..end];
    if let Some(hole) = memchr::memchr(0, line) {
        let length = line[hole..].iter().take_while(|&&byte| byte == 0).count();
        let what =
            if length == 1 { "a NUL byte".to_owned() } else { format!("a block of {length} NUL bytes") };
        return Err((start + hole, format!("{what} instead of text")));
    }
    if let Err(error) = simdutf8::compat::from_utf8(line) {
        return Err((start + error.valid_up_to(), "not valid UTF-8".to_owned()));
    }
    let mut notes = Vec::new();
    let node =
        json::parse_at(&bytes[..end], start, &mut notes).map_err(|error| (error.offset, sentence(&error)))?;
    let behind = bytes[node.end..end].iter().position(|byte| !byte.is_ascii_whitespace());
    let behind = behind.map(|at| node.end + at);
    Ok((Parsed { node, notes }, behind))
}

/// The sentence for a damaged record.
pub(super) fn sentence(error: &JsonError) -> String {
    if error.torn { format!("torn JSON: {}", error.message) } else { format!("not JSON: {}", error.message) }
}
