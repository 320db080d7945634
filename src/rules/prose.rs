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
    // Where each mark stands next; a mark is only searched for again when it lies behind.
    let mut next = [0; MARKS.len()];
    let used = if quotes { MARKS.len() } else { 1 };
    for (place, (open, _)) in next.iter_mut().zip(MARKS).take(used) {
        *place = position(part, 0, open);
    }
    loop {
        for (place, (open, _)) in next.iter_mut().zip(MARKS).take(used) {
            if *place < at {
                *place = position(part, at, open);
            }
        }
        let first = (0..used).min_by_key(|index| next[*index]).unwrap_or(0);
        let open = next[first];
        if open >= part.len() {
            break;
        }
        match closing(part, open, MARKS[first]) {
            Some(close) => {
                say(from, open);
                (from, at) = (close, close);
            }
            None => at = open + MARKS[first].0.len(),
        }
    }
    say(from, part.len());
}

/// What opens code and quotations, each with what closes it; code comes first.
const MARKS: [(&str, &str); 5] =
    [("`", "`"), ("\"", "\""), ("\u{201c}", "\u{201d}"), ("\u{300c}", "\u{300d}"), ("\u{300e}", "\u{300f}")];

fn position(part: &str, at: usize, mark: &str) -> usize {
    let found = memchr::memmem::find(&part.as_bytes()[at..], mark.as_bytes());
    found.map_or(usize::MAX, |found| at + found)
}

/// Where the code block, inline code or quotation that opens at `open` ends; `None` where it is none.
fn closing(part: &str, open: usize, (mark, end): (&str, &str)) -> Option<usize> {
    if part[open..].starts_with("```") {
        let inside = open + 3;
        return Some(part[inside..].find("```").map_or(part.len(), |len| inside + len + 3));
    }
    let inside = open + mark.len();
    let stop = part.floor_char_boundary(part.len().min(inside + QUOTED));
    let line = part[inside..stop].split('\n').next().unwrap_or("");
    line.find(end).map(|len| inside + len + end.len())
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
