//! Server-sent events out of bytes, however they are cut (WHATWG HTML, section 9.2).
//!
//! Invariant: the same bytes give the same events whatever the pieces they come in. Only `data` counts: `event`,
//! `id`, `retry` and comments are passed over. What stands at the end without its blank line is given by `finish`,
//! as servers forget it; whether it is whole is for the reader of its JSON to say.

/// Bytes that one event may have.
const MAX_EVENT: usize = 16 << 20;

/// Why a stream of events is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SseError {
    /// One event is larger than anything that a model says.
    TooLong,
    /// An event is not UTF-8.
    NotUtf8,
}

impl SseError {
    /// A clause that follows the name of the server.
    pub(super) fn why(self) -> &'static str {
        match self {
            SseError::TooLong => "sent a stream that is none: an event has more than 16 MiB",
            SseError::NotUtf8 => "sent a stream that is none: an event is not UTF-8",
        }
    }
}

/// A stream that is being read.
#[derive(Debug, Default)]
pub(super) struct Parser {
    line: Vec<u8>,
    data: Option<Vec<u8>>,
    after_cr: bool,
    begun: bool,
}

impl Parser {
    /// Takes the next bytes and adds the events that are complete now.
    pub(super) fn feed(&mut self, bytes: &[u8], out: &mut Vec<String>) -> Result<(), SseError> {
        for byte in bytes {
            if std::mem::take(&mut self.after_cr) && *byte == b'\n' {
                continue;
            }
            match byte {
                b'\r' | b'\n' => {
                    self.after_cr = *byte == b'\r';
                    self.end_line(out)?;
                }
                other => {
                    self.line.push(*other);
                    if self.line.len() + self.data.as_ref().map_or(0, Vec::len) > MAX_EVENT {
                        return Err(SseError::TooLong);
                    }
                }
            }
        }
        Ok(())
    }

    /// The stream is over: what was not ended yet.
    pub(super) fn finish(mut self, out: &mut Vec<String>) -> Result<(), SseError> {
        if !self.line.is_empty() {
            self.end_line(out)?;
        }
        self.dispatch(out)
    }

    fn end_line(&mut self, out: &mut Vec<String>) -> Result<(), SseError> {
        let mut line = std::mem::take(&mut self.line);
        if !std::mem::replace(&mut self.begun, true) && line.starts_with(b"\xef\xbb\xbf") {
            line.drain(..3);
        }
        if line.is_empty() {
            return self.dispatch(out);
        }
        let Some(value) = line.strip_prefix(b"data") else { return Ok(()) };
        let value = match value {
            [] => value,
            [b':', b' ', value @ ..] | [b':', value @ ..] => value,
            // A field of another name that only begins so.
            _ => return Ok(()),
        };
        match &mut self.data {
            Some(data) => {
                data.push(b'\n');
                data.extend_from_slice(value);
            }
            None => self.data = Some(value.to_vec()),
        }
        Ok(())
    }

    fn dispatch(&mut self, out: &mut Vec<String>) -> Result<(), SseError> {
        if let Some(data) = self.data.take() {
            out.push(String::from_utf8(data).map_err(|_| SseError::NotUtf8)?);
        }
        Ok(())
    }
}

/// All events of a text that came as a whole.
pub(super) fn events(bytes: &[u8]) -> Result<Vec<String>, SseError> {
    let mut parser = Parser::default();
    let mut out = Vec::new();
    parser.feed(bytes, &mut out)?;
    parser.finish(&mut out)?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_forms_of_the_standard() {
        for (bytes, want) in [
            (&b"data: a\n\ndata:b\r\n\r\ndata:  c\r\r"[..], &["a", "b", " c"][..]),
            (b"\xef\xbb\xbfdata: bom\n\n", &["bom"]),
            (b": keep-alive\n\nevent: x\nid: 1\nretry: 5\ndata: y\n\n", &["y"]),
            (b"data: one\ndata: two\ndata\n\n", &["one\ntwo\n"]),
            (b"database: no\ndata-x: no\n\n\n\n", &[]),
            (b"data: no blank line", &["no blank line"]),
            (b"data: \xd8\xa7\n\n", &["\u{627}"]),
            (b"data:\n\n", &[""]),
            (b"", &[]),
        ] {
            assert_eq!(events(bytes).unwrap(), want, "{}", bytes.escape_ascii());
        }
        assert_eq!(events(b"data: \xff\n\n"), Err(SseError::NotUtf8));
        assert_eq!(events(&vec![b'x'; MAX_EVENT + 1]), Err(SseError::TooLong));
        let many = "data: 0123456789abcdef\n".repeat(MAX_EVENT / 16);
        assert_eq!(events(many.as_bytes()), Err(SseError::TooLong));
    }

    /// Pieces of streams, so that line ends and fields of all kinds meet.
    fn stream() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            Just(b"\n".to_vec()),
            Just(b"\r".to_vec()),
            Just(b"\r\n".to_vec()),
            Just(b"data: ".to_vec()),
            Just(b"data".to_vec()),
            Just(b": note".to_vec()),
            Just(b"\xef\xbb\xbf".to_vec()),
            Just("{\"x\": \"\u{1f600}\u{644}\"}".as_bytes().to_vec()),
            proptest::collection::vec(any::<u8>(), 0..4),
        ];
        proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn where_the_bytes_are_cut_does_not_count(
            bytes in stream(),
            cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            at.extend([0, bytes.len()]);
            at.sort_unstable();
            let cut = || {
                let (mut parser, mut out) = (Parser::default(), Vec::new());
                for pair in at.windows(2) {
                    parser.feed(&bytes[pair[0]..pair[1]], &mut out)?;
                }
                parser.finish(&mut out)?;
                Ok(out)
            };
            prop_assert_eq!(cut(), events(&bytes));
        }
    }
}
