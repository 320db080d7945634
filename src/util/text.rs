//! Text for people: width in columns, cutting, and harmless control characters.

use std::borrow::Cow;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Columns that `text` takes in a terminal.
pub fn width(text: &str) -> usize {
    text.width()
}

/// `text` cut to `columns`, with `…` as the last column where something was cut.
pub fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut used = 0;
    let mut out = String::new();
    for c in text.chars() {
        let w = c.width().unwrap_or(0);
        if used + w + 1 > columns {
            break;
        }
        used += w;
        out.push(c);
    }
    out.push('…');
    out
}

/// `text` with control characters, escapes and bidirectional overrides made visible, so that what a
/// model wrote can't steer the reader's terminal. Newlines and tabs are kept.
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if is_harmful(c) { '\u{fffd}' } else { c }).collect()
}

fn is_harmful(c: char) -> bool {
    let control = c.is_control() && c != '\n' && c != '\t';
    let bidi =
        matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{061c}');
    control || bidi
}

/// Text on one line, nothing in it that steers a terminal.
pub fn one_line(text: &str) -> String {
    one_line_of(text).into_owned()
}

/// [`one_line`] that borrows what need not change, as most names.
pub fn one_line_of(text: &str) -> Cow<'_, str> {
    let double_blank =
        || memchr::memchr_iter(b' ', text.as_bytes()).any(|at| text.as_bytes().get(at + 1) == Some(&b' '));
    if is_plain(text) && !text.starts_with(' ') && !text.ends_with(' ') && !double_blank() {
        return Cow::Borrowed(text);
    }
    Cow::Owned(visible(text).split_whitespace().collect::<Vec<_>>().join(" "))
}

/// Control characters as their pictures, bidirectional overrides as their numbers; newlines and tabs stay.
pub fn visible(text: &str) -> Cow<'_, str> {
    if is_plain(text) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => out.push(c),
            '\0'..='\x1f' => out.push(char::from_u32(0x2400 + c as u32).unwrap_or('\u{fffd}')),
            '\x7f' => out.push('\u{2421}'),
            c if is_unseen(c) => out.push_str(&format!("⟨U+{:04X}⟩", c as u32)),
            _ => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// A file name or an id: as [`visible`], and newlines and tabs as pictures too. No blank is lost, and a line
/// that begins with it is no command of a CI service, which would begin with `::`.
pub fn name(text: &str) -> String {
    let shown = visible(text).replace('\n', "\u{240a}").replace('\t', "\u{2409}");
    let shown = if shown.trim_start().starts_with("::") { format!("./{shown}") } else { shown };
    unmarked(&shown).into_owned()
}

/// `text` in which no CI service finds a command: GitHub runs lines that begin with `::`, and GitHub, Azure and
/// `TeamCity` run `##[…`, `##vso[…` and `##teamcity[…` wherever they stand in a line. One character of each is
/// replaced by one of the same width that looks like it. (`GitLab`'s sections need a carriage return and an
/// escape, which [`visible`] takes away.)
pub fn unmarked(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    if !memchr::memchr2_iter(b'#', b':', bytes).any(|at| bytes.get(at + 1) == Some(&bytes[at])) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let blank = line.len() - line.trim_start().len();
        let mut rest = line;
        if line[blank..].starts_with("::") {
            out.push_str(&line[..blank]);
            out.push_str(":\u{2236}");
            rest = &line[blank + 2..];
        }
        while let Some(at) = marker(rest) {
            out.push_str(&rest[..at]);
            out.push('\u{27e6}');
            rest = &rest[at + 1..];
        }
        out.push_str(rest);
    }
    Cow::Owned(out)
}

/// Where the bracket of the first `##[`, `##vso[` or `##teamcity[` stands.
fn marker(text: &str) -> Option<usize> {
    const WORDS: [&str; 3] = ["[", "vso[", "teamcity["];
    let starts =
        |rest: &str, word: &str| rest.get(..word.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(word));
    text.match_indices('#').filter(|(at, _)| text[..*at].ends_with('#')).find_map(|(at, _)| {
        let word = WORDS.iter().find(|word| starts(&text[at + 1..], word))?;
        Some(at + word.len())
    })
}

/// JSON text in which nothing steers a terminal or a CI service: the characters that could stand escaped, so that
/// a parser reads what was there before. `json` is whole JSON; outside of strings it has no such characters.
pub fn json_unmarked(json: &str) -> Cow<'_, str> {
    let harmful = |c: char| !c.is_ascii() && is_unseen(c) || c == '\x7f';
    // Nearly all is ASCII, which is told apart many bytes at a time.
    let unharmed = json.is_ascii() && memchr::memchr(b'\x7f', json.as_bytes()).is_none();
    if memchr::memmem::find(json.as_bytes(), b"##").is_none() && (unharmed || !json.contains(harmful)) {
        return Cow::Borrowed(json);
    }
    let mut out = String::with_capacity(json.len() + 64);
    for line in json.split_inclusive('\n') {
        let mut rest = line;
        while let Some(at) = marker(rest) {
            out.push_str(&rest[..at]);
            out.push_str("\\u005b");
            rest = &rest[at + 1..];
        }
        out.push_str(rest);
    }
    if !out.contains(harmful) {
        return Cow::Owned(out);
    }
    let escaped = |c: char| if harmful(c) { format!("\\u{:04x}", c as u32) } else { c.to_string() };
    Cow::Owned(out.chars().map(escaped).collect())
}

/// Characters beyond ASCII that steer (C1, bidirectional) or can't be seen.
fn is_unseen(c: char) -> bool {
    matches!(c, '\u{80}'..='\u{9f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}'
        | '\u{200b}'
        | '\u{200e}'
        | '\u{200f}'
        | '\u{061c}'
        | '\u{2028}'
        | '\u{2029}'
        | '\u{feff}'
        | '\u{fffe}'
        | '\u{ffff}')
}

/// Whether it is printable ASCII on one line. Without an early end, so that many bytes are looked at at a time.
fn is_plain(text: &str) -> bool {
    text.bytes().fold(true, |plain, byte| plain & matches!(byte, b' '..=b'~'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_is_shown_and_steers_nothing() {
        assert_eq!(one_line("a\x1b[31mb\r\n\u{202e}c"), "a␛[31mb␍ ⟨U+202E⟩c");
        assert_eq!(visible("\0\u{9b}中文\n"), "␀⟨U+009B⟩中文\n");
        assert_eq!(name("a\n b\t\x1b"), "a␊ b␉␛");
        assert_eq!(name("::error::x"), "./::error::x");
    }

    #[test]
    fn no_command_of_a_ci_service_is_left() {
        assert_eq!(unmarked("a ##vso[task.x] ###[b ## [c"), "a ##vso⟦task.x] ###⟦b ## [c");
        assert_eq!(unmarked("x\n  ::error::y :: z\n"), "x\n  :∶error::y :: z\n");
        assert_eq!(unmarked("##TeamCity[x ##other[y"), "##TeamCity⟦x ##other[y");
        assert_eq!(unmarked("::##[x"), ":∶##⟦x");
        assert!(matches!(unmarked("# nothing: here"), Cow::Borrowed(_)));
    }

    #[test]
    fn escaped_json_reads_as_it_was() {
        let text = "##[x] ###vso[ \u{9b}2J \u{202e}\x7f 中";
        let json = serde_json::to_string(text).expect("JSON");
        let safe = json_unmarked(&json);
        assert_eq!(serde_json::from_str::<String>(&safe).expect("JSON"), text);
        assert!(
            marker(&safe).is_none() && safe.contains("##") && !safe.contains(['\u{9b}', '\u{202e}', '\x7f']),
            "{safe}"
        );
    }
}
