//! JSON that knows where it stands.
//!
//! A reader of other people's logs needs what serde_json does not give: the byte offset of every
//! string, tolerance for what Python writers emit (lone surrogates, `NaN`), and notice of repeated
//! keys. Numbers stay as they are written, digit by digit. So text is scanned once into a tree of spans;
//! values are decoded only where they are asked for, and become [`serde_json::Value`]s on the way
//! out. Everything that rolltape writes goes through serde_json.
//!
//! Invariant: linear time, nesting bounded by [`MAX_DEPTH`] (also when a tree is dropped), and what
//! is read here without a [`Note`] is exactly what serde_json accepts.

mod decode;
mod scan;
mod view;

pub use decode::{advance, advance_from, inside, unescape};
pub use scan::parse_at;
pub use view::View;

/// Deepest nesting that is read.
pub const MAX_DEPTH: usize = 128;

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// What it is.
    pub kind: Kind,
}

/// Kinds of values.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number; its text is under the span.
    Number,
    /// `NaN`, `Infinity` or `-Infinity`.
    NotFinite,
    /// A string, quotes under the span; whether it has escapes.
    Text(bool),
    /// An array.
    Array(Vec<Node>),
    /// An object: keys and values in order, repeated keys included.
    Object(Vec<(Node, Node)>),
}

/// Why text is not JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonError {
    /// Byte offset.
    pub offset: usize,
    /// What was wrong, for example `expected ',' or '}'`.
    pub message: &'static str,
    /// Whether the text just ended too early.
    pub torn: bool,
}

/// Something that was read although it is not clean JSON, or can't be kept as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NoteKind {
    /// A key stands twice in one object; the last one counts.
    RepeatedKey,
    /// Half a surrogate pair; read as U+FFFD.
    LoneSurrogate,
    /// `NaN` or an infinity; read as null.
    NotFinite,
}

impl NoteKind {
    /// What to tell the user.
    pub fn text(self) -> &'static str {
        match self {
            NoteKind::RepeatedKey => "a key stands twice in one object, and the last one counts",
            NoteKind::LoneSurrogate => "half a surrogate pair is read as U+FFFD",
            NoteKind::NotFinite => "a number that is not finite is read as null",
        }
    }
}

/// A note and its byte offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Note {
    /// Byte offset.
    pub offset: usize,
    /// What it is.
    pub kind: NoteKind,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<(Node, Vec<Note>), JsonError> {
        let mut notes = Vec::new();
        let node = parse_at(text.as_bytes(), 0, &mut notes)?;
        match text.as_bytes()[node.end..].iter().position(|byte| !b" \n\r\t".contains(byte)) {
            Some(at) => Err(JsonError { offset: node.end + at, message: "trailing text", torn: false }),
            None => Ok((node, notes)),
        }
    }

    fn agrees(text: &str) {
        let ours = parse(text);
        let theirs = serde_json::from_str::<serde_json::Value>(text);
        match (&ours, &theirs) {
            (Ok((node, notes)), Ok(value)) if notes.is_empty() => {
                assert_eq!(&View::new(text.as_bytes(), node).value(), value, "{text}");
            }
            (Ok((_, notes)), _) => assert!(!notes.is_empty(), "only we accept {text:?}"),
            (Err(error), Ok(_)) => panic!("only serde_json accepts {text:?}: {error:?}"),
            (Err(_), Err(_)) => {}
        }
    }

    #[test]
    fn what_is_clean_is_what_serde_json_reads() {
        for text in [
            "",
            " ",
            "{",
            "[1,]",
            "[1 2]",
            "{\"a\":1,}",
            "01",
            "-",
            "-0",
            "1.",
            "1.5e3",
            "1e",
            "tru",
            "nul",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\ud83d\\ude00\"",
            "\"a\tb\"",
            "[\"\u{7f}\"]",
            "{\"a\":{\"b\":[null,true]}}",
            "{\"\\u0061\":1}",
            "\"\\ud83d\"",
            "[1]x",
            "\u{feff}1",
            "0.1000000000000000055",
            "18446744073709551615",
        ] {
            agrees(text);
        }
    }

    #[test]
    fn notes_name_what_is_not_clean() {
        let kinds =
            |text: &str| parse(text).expect("read").1.iter().map(|note| note.kind).collect::<Vec<_>>();
        assert_eq!(kinds("{\"a\":1,\"a\":2}"), [NoteKind::RepeatedKey]);
        assert_eq!(kinds("[NaN,-Infinity]"), [NoteKind::NotFinite]);
        assert_eq!(kinds("\"\\ud800 \\udc00\""), [NoteKind::LoneSurrogate]);
        assert_eq!(kinds("[18446744073709551617,1e400]"), []);
        let deep = "[".repeat(200_000);
        assert_eq!(parse(&deep).expect_err("deep").message, "nested deeper than 128 levels");
    }

    proptest! {
        #[test]
        fn any_text_agrees_with_serde_json(text in r#"[\[\]{}:,"\\a-fnrtu0-9.eE+\- ]{0,24}"#) {
            agrees(&text);
        }

        #[test]
        fn decoded_offsets_lead_back(text in r#"(\\n|\\u00e9|\\ud83d\\ude00|é|x|\\"){0,12}"#) {
            let decoded = unescape(&text);
            for (at, _) in decoded.char_indices() {
                let raw = advance(text.as_bytes(), at);
                prop_assert_eq!(&decoded[at..], unescape(&text[raw..]));
            }
        }
    }
}
