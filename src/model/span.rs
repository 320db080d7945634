//! Where text lies: in a decoded message, and in the file that it came from.

/// A half-open range of bytes in a decoded message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Span {
    /// The range `start..end`.
    pub fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    /// Number of bytes.
    pub fn len(self) -> usize {
        self.end.saturating_sub(self.start)
    }

    /// Whether no byte is inside.
    pub fn is_empty(self) -> bool {
        self.end <= self.start
    }

    /// Whether `other` lies wholly inside.
    pub fn contains(self, other: Span) -> bool {
        self.start <= other.start && other.end <= self.end
    }

    /// The text under the span; empty if the span does not fit the text.
    pub fn text(self, of: &str) -> &str {
        of.get(self.start..self.end).unwrap_or("")
    }
}

/// Where the text of a message starts in the decompressed file.
///
/// With it and the file's bytes, an offset in the decoded message becomes a line and a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Place {
    /// Byte offset of the first byte of the text. For a JSON string: of the byte after its quote.
    pub offset: u64,
    /// Whether the text is written as a JSON string there, escapes included.
    pub json: bool,
    /// Whether each newline of the text is CR and LF there.
    pub crlf: bool,
    /// Whether `offset` is that of a JSON list of content parts; the text is that of its text parts, joined.
    pub parts: bool,
    /// Whether `offset` is that of a JSON value which is meant as a whole, as a native call is: no offset in a text
    /// leads into it.
    pub value: bool,
    /// Whether the JSON string is itself written inside of a JSON string, as where a format keeps JSON as text.
    pub nested: bool,
    /// Which file: 0 is the trajectory's own, `n` is entry `n - 1` of its origin's `files`.
    pub file: u32,
}
