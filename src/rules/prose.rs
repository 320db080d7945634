//! What of a message is prose: not code, not a call, not a quotation.

use crate::model::Span;

/// Longest text in back quotes or quotation marks on one line that is taken for a quotation.
const QUOTED: usize = 240;

/// Tells the pieces of a text that are prose, each with where it starts. Left out: fenced code blocks, inline code,
/// what stands in `skip` (calls; in order, without overlaps), and, with `quotes`, short quotations.
pub(super) fn pieces<'a>(text: &'a str, skip: &[Span], quotes: bool, tell: &mut dyn FnMut(usize, &'a str)) {
    let mut at = 0;
    for span in skip.iter().copied().chain([Span::new(text.len(), text.len())]) {
        if at < span.start {
            stretch(text, at, span.start, quotes, tell);
        }
        at = at.max(span.end);
    }
}

fn stretch<'a>(text: &'a str, start: usize, end: usize, quotes: bool, tell: &mut dyn FnMut(usize, &'a str)) {
    let Some(part) = text.get(start..end) else { return };
    let mut from = 0;
    let mut at = 0;
    let mut say = |from: usize, to: usize| {
        if from < to {
            tell(start + from, &part[from..to]);
        }
    };
    while let Some((open, close)) = next_quote(part, at, quotes) {
        let Some(close) = close else {
            at = open + part[open..].chars().next().map_or(1, char::len_utf8);
            continue;
        };
        say(from, open);
        from = close;
        at = close;
    }
    say(from, part.len());
}

/// The next code block, inline code or quotation from `at` on, and where it ends; no end where it is none.
fn next_quote(part: &str, at: usize, quotes: bool) -> Option<(usize, Option<usize>)> {
    let bytes = part.as_bytes();
    let code = memchr::memchr(b'`', &bytes[at..]).map(|found| at + found);
    let marks = [("\u{201c}", "\u{201d}"), ("\u{300c}", "\u{300d}"), ("\u{300e}", "\u{300f}"), ("\"", "\"")];
    let mut best: Option<(usize, Option<usize>)> = None;
    if quotes {
        for (open, close) in marks {
            let Some(found) = memchr::memmem::find(&bytes[at..], open.as_bytes()).map(|found| at + found)
            else {
                continue;
            };
            if best.is_none_or(|(first, _)| found < first) {
                let inside = found + open.len();
                let end = part.floor_char_boundary(part.len().min(inside + QUOTED));
                let line = &part[inside..end];
                let line = line.split('\n').next().unwrap_or("");
                best = Some((found, line.find(close).map(|len| inside + len + close.len())));
            }
        }
    }
    match (code, best) {
        (Some(code), best) if best.is_none_or(|(first, _)| code < first) => {
            if part[code..].starts_with("```") {
                let inside = code + 3;
                let close = part[inside..].find("```").map_or(part.len(), |len| inside + len + 3);
                return Some((code, Some(close)));
            }
            let inside = code + 1;
            let end = part.floor_char_boundary(part.len().min(inside + QUOTED));
            let line = part[inside..end].split('\n').next().unwrap_or("");
            Some((code, line.find('`').map(|len| inside + len + 1)))
        }
        (_, best) => best,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, skip: &[Span], quotes: bool) -> String {
        let mut out = Vec::new();
        pieces(text, skip, quotes, &mut |at, piece| {
            assert_eq!(&text[at..at + piece.len()], piece);
            out.push(piece);
        });
        out.join("|")
    }

    #[test]
    fn code_calls_and_quotations_are_left_out() {
        assert_eq!(shown("a `b` c", &[], false), "a | c");
        assert_eq!(shown("a\n```py\nb\n```\nc", &[], false), "a\n|\nc");
        assert_eq!(shown("a ```open", &[], false), "a ");
        assert_eq!(shown("it's ` alone\nnext ` one", &[], false), "it's ` alone\nnext ` one");
        assert_eq!(shown("say \"b c\" \u{201c}d\u{201d} e", &[], true), "say | | e");
        assert_eq!(shown("say \"b\" e", &[], false), "say \"b\" e");
        assert_eq!(shown("abcdef", &[Span::new(2, 4)], false), "ab|ef");
        assert_eq!(shown("", &[], true), "");
    }
}
