//! Escapes: decoding strings, and finding the way back from decoded text to bytes.

/// Decodes the inside of a JSON string (without quotes). Half a surrogate pair becomes U+FFFD.
pub fn unescape(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        out.push_str(&rest[..at]);
        let (character, len) = escape(&rest.as_bytes()[at..]);
        out.push(character);
        rest = rest.get(at + len..).unwrap_or("");
    }
    out.push_str(rest);
    out
}

/// What the inside of a JSON string says, from `raw` on up to its closing quote.
pub fn inside(raw: &[u8]) -> Vec<u8> {
    let mut end = 0;
    while let Some(next) =
        raw.get(end..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)).map(|len| end + len)
    {
        end = next;
        if raw[next] == b'"' {
            break;
        }
        end = next + 2;
    }
    let end = if raw.get(end) == Some(&b'"') { end } else { raw.len() };
    unescape(&String::from_utf8_lossy(&raw[..end])).into_bytes()
}

/// The character that an escape stands for, and how many bytes it takes. Text that is no escape
/// counts as one U+FFFD, so that a caller always gets on.
fn escape(bytes: &[u8]) -> (char, usize) {
    let simple = |c| (c, 2);
    match bytes.get(1) {
        Some(b'"') => simple('"'),
        Some(b'\\') => simple('\\'),
        Some(b'/') => simple('/'),
        Some(b'b') => simple('\u{8}'),
        Some(b'f') => simple('\u{c}'),
        Some(b'n') => simple('\n'),
        Some(b'r') => simple('\r'),
        Some(b't') => simple('\t'),
        Some(b'u') => {
            let Some(first) = unit(bytes) else { return (char::REPLACEMENT_CHARACTER, bytes.len().min(2)) };
            if (0xd800..0xdc00).contains(&first)
                && let Some(second) = bytes.get(6..).and_then(unit)
                && (0xdc00..0xe000).contains(&second)
            {
                let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                return (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), 12);
            }
            (char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER), 6)
        }
        _ => (char::REPLACEMENT_CHARACTER, bytes.len().min(2)),
    }
}

fn unit(bytes: &[u8]) -> Option<u32> {
    let digits = bytes.strip_prefix(b"\\u")?.get(..4)?;
    digits.iter().try_fold(0, |value, digit| Some(value * 16 + char::from(*digit).to_digit(16)?))
}

/// Walks over the inside of a JSON string until `decoded` bytes of the decoded text lie behind;
/// gives how many raw bytes that took. Stops at the closing quote.
pub fn advance(raw: &[u8], decoded: usize) -> usize {
    advance_from(raw, (0, 0), decoded).0
}

/// [`advance`] that goes on from where an earlier walk ended: raw and decoded bytes that lie behind, which are
/// given back in the same way. An escape is never cut, so more than `decoded` bytes may lie behind.
pub fn advance_from(raw: &[u8], (mut at, mut done): (usize, usize), decoded: usize) -> (usize, usize) {
    while done < decoded && at < raw.len() {
        match raw[at] {
            b'"' => break,
            b'\\' => {
                let (character, len) = escape(&raw[at..]);
                at += len;
                done += character.len_utf8();
            }
            _ => {
                // A run without escapes is as long decoded as it is raw.
                let left = raw.len().min(at + (decoded - done));
                let run = memchr::memchr2(b'\\', b'"', &raw[at..left]).unwrap_or(left - at);
                at += run;
                done += run;
            }
        }
    }
    (at, done)
}
