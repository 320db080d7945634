//! The source line of a finding, harmless and without secrets, and the carets below it.

use crate::util::redact::Redactor;
use crate::util::text::printable;
use unicode_width::UnicodeWidthChar;

/// A line as it is shown.
pub(super) struct Excerpt {
    /// Number of the line in the file.
    pub(super) line: u64,
    /// The line, or a part of it.
    pub(super) text: String,
    /// Columns before the first caret.
    pub(super) before: usize,
    /// Carets.
    pub(super) width: usize,
}

/// Bytes shown before the span at most.
const LEAD: usize = 60;
/// Columns of a line at most.
const COLUMNS: usize = 110;
/// Bytes on either side that are searched for secrets that reach into what is shown.
const MARGIN: usize = 2048;

/// Cuts the line around `start..end` (bytes of the file) out. `hide` masks the span itself; `redactor` finds what else
/// must not be shown.
pub(super) fn excerpt(
    bytes: &[u8],
    line: u64,
    (start, end): (usize, usize),
    hide: bool,
    redactor: &Redactor,
) -> Excerpt {
    let start = start.min(bytes.len());
    let floor = boundary(bytes, start.saturating_sub(LEAD));
    let low = memchr::memrchr(b'\n', &bytes[floor..start]).map_or(floor, |at| floor + at + 1);
    let far = (start + 4 * COLUMNS).min(bytes.len());
    let high = memchr::memchr(b'\n', &bytes[start..far]).map_or(boundary(bytes, far), |at| start + at);
    let cut_before = low > 0 && bytes[low - 1] != b'\n';
    let masked = secrets(bytes, low, high, redactor);
    let mut text = String::new();
    let mut columns = 0;
    let mut before = 0;
    let mut width = 0;
    if cut_before {
        text.push('…');
        columns = 1;
        before = 1;
    }
    let mut at = low;
    let shown = String::from_utf8_lossy(bytes.get(low..high).unwrap_or(&[]));
    for c in shown.chars() {
        let inside = start <= at && at < end;
        let hidden = (hide && inside) || masked.iter().any(|(from, to)| *from <= at && at < *to);
        // What was not UTF-8 is one byte in the file and three in the text; the rest keeps step.
        at +=
            if c == '\u{fffd}' && !bytes[at..].starts_with("\u{fffd}".as_bytes()) { 1 } else { c.len_utf8() };
        if c == '\r' && at >= high {
            break;
        }
        let piece = if hidden {
            "*".to_owned()
        } else if c == '\t' {
            "    ".to_owned()
        } else {
            printable(&c.to_string())
        };
        let wide: usize = piece.chars().map(|c| c.width().unwrap_or(0)).sum();
        if columns + wide > COLUMNS {
            text.push('…');
            break;
        }
        columns += wide;
        if inside {
            width += wide;
        } else if at <= start {
            before += wide;
        }
        text.push_str(&piece);
    }
    Excerpt { line, text, before, width: width.max(1) }
}

/// Where secrets stand that touch `low..high`.
fn secrets(bytes: &[u8], low: usize, high: usize, redactor: &Redactor) -> Vec<(usize, usize)> {
    let from = boundary(bytes, low.saturating_sub(MARGIN));
    let to = boundary(bytes, (high + MARGIN).min(bytes.len()));
    // Where bytes are not UTF-8, offsets in a decoded text would be off: each good run is searched alone.
    let mut found = Vec::new();
    let mut at = from;
    for chunk in bytes.get(from..to).unwrap_or(&[]).utf8_chunks() {
        let hits = redactor.scan(chunk.valid());
        found.extend(hits.into_iter().map(|hit| (at + hit.span.start, at + hit.span.end)));
        at += chunk.valid().len() + chunk.invalid().len();
    }
    found.retain(|(start, end)| *start < high && low < *end);
    found
}

/// The nearest byte at or before `at` that begins a character.
fn boundary(bytes: &[u8], at: usize) -> usize {
    let at = at.min(bytes.len());
    (at.saturating_sub(3)..=at)
        .rev()
        .find(|&at| bytes.get(at).is_none_or(|byte| byte & 0xc0 != 0x80))
        .unwrap_or(at)
}
