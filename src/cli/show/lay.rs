//! Text in rows of a terminal: wrapped at words, harmless, without secrets, with carets under what was found.
//!
//! Invariant: every byte of the text is either shown, or counted in a row that says how much is not. Positions are
//! bytes of the text as it was written, whatever takes their place in a row.

use crate::model::Severity;
use crate::util::plural::plural;
use crate::util::redact::Redactor;
use crate::util::text::{visible, width};
use std::borrow::Cow;
use std::ops::Range;
use unicode_segmentation::UnicodeSegmentation as _;

/// Something to underline.
#[derive(Debug, Clone)]
pub(super) struct Mark {
    /// Bytes of the text.
    pub(super) span: Range<usize>,
    pub(super) tone: Severity,
    /// What is said below.
    pub(super) label: String,
}

/// How much of a text is shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    /// Columns.
    pub(super) width: usize,
    /// Rows from its beginning; `None`: all of it.
    pub(super) rows: Option<usize>,
    /// Lines from its end, where not all of it is shown.
    pub(super) tail: usize,
}

/// A row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Row {
    /// Pieces of text, each with the weight of what was found in it.
    Text(Vec<(String, Option<Severity>)>),
    /// Columns before the carets, their number, and whether what they are under goes on in the next row.
    Carets { before: usize, width: usize, more: bool, tone: Severity, label: String },
    /// How much is not shown.
    Cut(String),
}

/// Rows, and which marks stand in them.
#[derive(Debug, Default)]
pub(super) struct Laid {
    pub(super) rows: Vec<Row>,
    pub(super) told: Vec<bool>,
}

/// Bytes on either side of what is shown that are searched for secrets that reach into it.
const MARGIN: usize = 2048;
/// Bytes of the end that are shown at most.
const TAIL: usize = 4000;
/// Columns between the stops of tabs.
const STOP: usize = 4;

/// Lays a part of a text out; marks are of the whole text.
pub(super) fn lay(text: &str, part: Range<usize>, marks: &[Mark], room: Room) -> Laid {
    let columns = room.width.max(16);
    let mut layer = Layer {
        text,
        marks,
        columns,
        laid: Laid { rows: Vec::new(), told: vec![false; marks.len()] },
        row: Vec::new(),
        used: 0,
        order: (0..marks.len()).collect(),
        active: Vec::new(),
    };
    layer.order.sort_by_key(|index| std::cmp::Reverse((marks[*index].span.start, *index)));
    let most = room.rows.map_or(part.end, |rows| text.floor_char_boundary(part.start + rows * columns * 4));
    let end = layer.part(part.start..most.min(part.end), room.rows.unwrap_or(usize::MAX));
    if end < part.end {
        let tail = end + tail(&text[end..part.end], room.tail);
        if end < tail {
            layer.laid.rows.push(Row::Cut(cut(&text[end..tail])));
        }
        layer.part(tail..part.end, usize::MAX);
    }
    layer.laid
}

/// Where the last `lines` lines start; the end of the text if there are none, or they are too long.
fn tail(text: &str, lines: usize) -> usize {
    let body = text.strip_suffix('\n').unwrap_or(text);
    let starts = body.rmatch_indices('\n').map(|(at, _)| at + 1).chain([0]);
    let start = starts.take(lines).last().unwrap_or(text.len());
    if text.len() - start > TAIL { text.len() } else { start }
}

/// What is said of the part that is not shown.
fn cut(rest: &str) -> String {
    let lines = rest.lines().count();
    format!("… {} more ({}); --full shows all", plural(lines, "line"), size(rest.len()))
}

/// Bytes for people.
pub(super) fn size(bytes: usize) -> String {
    match bytes {
        0..1000 => plural(bytes, "byte"),
        1000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}

/// A character as it is shown, with all that combines with it.
struct Glyph<'a> {
    at: Range<usize>,
    shown: Cow<'a, str>,
    width: usize,
    /// Whether a row may end behind it.
    breaks: bool,
}

struct Layer<'a> {
    text: &'a str,
    marks: &'a [Mark],
    columns: usize,
    laid: Laid,
    row: Vec<Glyph<'a>>,
    used: usize,
    /// Marks that have not begun, the next one last.
    order: Vec<usize>,
    /// Marks that reach into the row.
    active: Vec<usize>,
}

impl<'a> Layer<'a> {
    /// Lays a part of the text out in up to `rows` rows; says where it stopped.
    fn part(&mut self, part: Range<usize>, rows: usize) -> usize {
        let secrets = secrets(self.text, &part);
        let mut left = rows;
        let mut at = part.start;
        while at < part.end {
            let rest = &self.text[at..part.end];
            let line = rest.find('\n').map_or(rest, |end| &rest[..end]);
            if left == 0 {
                return at;
            }
            for (offset, cluster) in line.grapheme_indices(true) {
                let start = at + offset;
                let hidden = holds(&secrets, start);
                if !self.push(start, cluster, hidden, &mut left) {
                    return self.stop();
                }
            }
            left -= 1;
            self.flush(self.row.len(), at + line.len());
            at += line.len() + 1;
        }
        at.min(part.end)
    }

    /// Adds a character, and makes a row of those before it that it does not fit behind; `false` if that was the
    /// last one.
    fn push(&mut self, at: usize, cluster: &'a str, hidden: bool, left: &mut usize) -> bool {
        let shown: Cow<'a, str> = if hidden {
            "*".repeat(cluster.chars().count()).into()
        } else if cluster == "\t" {
            " ".repeat(STOP - self.used % STOP).into()
        } else if matches!(cluster.as_bytes(), [b' '..=b'~']) {
            cluster.into()
        } else {
            visible(cluster)
        };
        let wide = width(&shown);
        let blank = cluster == " " || cluster == "\t";
        // A blank at the end of a row takes no room.
        if self.used + wide > self.columns && !self.row.is_empty() && !blank {
            *left -= 1;
            let end = self.row.iter().rposition(|glyph| glyph.breaks).map_or(self.row.len(), |at| at + 1);
            self.flush(end, at);
        }
        // Scripts that are written without blanks may be broken anywhere.
        let ideograph = wide == 2 && !cluster.is_ascii();
        self.used += wide;
        let breaks = blank || ideograph || cluster == "/" && self.used > self.columns / 2;
        self.row.push(Glyph { at: at..at + cluster.len(), shown, width: wide, breaks });
        *left > 0
    }

    /// Drops the row that was begun; says where it begins.
    fn stop(&mut self) -> usize {
        let at = self.row.first().map_or(self.text.len(), |glyph| glyph.at.start);
        self.row.clear();
        self.used = 0;
        at
    }

    /// The marks that begin in a row; those that reach into it become the active ones.
    fn begin(&mut self, bytes: &Range<usize>, end: usize) -> Vec<usize> {
        let marks = self.marks;
        // What begins behind the last character of a line belongs to it.
        let last = self.row.is_empty();
        let behind = |start: usize| start >= bytes.end && !(last && start <= end);
        self.active.retain(|index| marks[*index].span.end > bytes.start);
        let mut begun = Vec::new();
        while let Some(index) = self.order.last().copied().filter(|index| !behind(marks[*index].span.start)) {
            self.order.pop();
            // Or in a part that is not shown.
            if marks[index].span.start >= bytes.start {
                begun.push(index);
            }
            if marks[index].span.end > bytes.start {
                self.active.push(index);
            }
        }
        begun
    }

    /// Makes a row of the first `count` characters; `end` is the byte behind an empty one.
    fn flush(&mut self, count: usize, end: usize) {
        let rest = self.row.split_off(count);
        let row = std::mem::replace(&mut self.row, rest);
        self.used = self.row.iter().map(|glyph| glyph.width).sum();
        let bytes =
            row.first().map_or(end, |glyph| glyph.at.start)..row.last().map_or(end, |glyph| glyph.at.end);
        let begun = self.begin(&bytes, end);
        let marks = self.marks;
        let within = |at: &Range<usize>| {
            let here = self.active.iter().map(|index| &marks[*index]);
            here.filter(|mark| mark.span.start < at.end && at.start < mark.span.end)
                .map(|mark| mark.tone)
                .max()
        };
        let mut pieces: Vec<(String, Option<Severity>)> = Vec::new();
        for glyph in &row {
            let tone = within(&glyph.at);
            match pieces.last_mut() {
                Some((text, known)) if *known == tone => text.push_str(&glyph.shown),
                _ => pieces.push((glyph.shown.to_string(), tone)),
            }
        }
        self.laid.rows.push(Row::Text(pieces));
        for index in begun {
            let mark = &marks[index];
            self.laid.told[index] = true;
            let before: usize =
                row.iter().filter(|glyph| glyph.at.end <= mark.span.start).map(|glyph| glyph.width).sum();
            let under = row.iter().filter(|g| g.at.end > mark.span.start && g.at.start < mark.span.end);
            // A blank at the end of a row may lie beyond the last column.
            let more = mark.span.end > bytes.end + 1;
            let before = before.min(self.columns - 1 - usize::from(more));
            self.laid.rows.push(Row::Carets {
                before,
                width: under
                    .map(|glyph| glyph.width)
                    .sum::<usize>()
                    .clamp(1, (self.columns - before - usize::from(more)).max(1)),
                more,
                tone: mark.tone,
                label: mark.label.clone(),
            });
        }
    }
}

/// Where secrets stand that touch a part of the text.
fn secrets(text: &str, part: &Range<usize>) -> Vec<Range<usize>> {
    let from = text.floor_char_boundary(part.start.saturating_sub(MARGIN));
    let to = text.floor_char_boundary((part.end + MARGIN).min(text.len()));
    let hits = Redactor::default().scan(&text[from..to]).into_iter();
    hits.map(|hit| from + hit.span.start..from + hit.span.end).collect()
}

/// Whether a byte is in one of the ranges, which are in order and apart.
fn holds(ranges: &[Range<usize>], at: usize) -> bool {
    let next = ranges.partition_point(|range| range.end <= at);
    ranges.get(next).is_some_and(|range| range.start <= at)
}

/// `text` with `*` for every character of a secret.
pub(super) fn masked(text: &str) -> String {
    let secrets = secrets(text, &(0..text.len()));
    let mask = |(at, c)| if holds(&secrets, at) { '*' } else { c };
    text.char_indices().map(mask).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(width: usize) -> Room {
        Room { width, rows: None, tail: 0 }
    }

    fn whole(text: &str, marks: &[Mark], room: Room) -> Laid {
        lay(text, 0..text.len(), marks, room)
    }

    fn texts(laid: &Laid) -> Vec<String> {
        laid.rows
            .iter()
            .map(|row| match row {
                Row::Text(pieces) => pieces.iter().map(|(text, _)| text.as_str()).collect(),
                Row::Carets { before, width, more, label, .. } => {
                    format!(
                        "{}{}{} {label}",
                        " ".repeat(*before),
                        "^".repeat(*width),
                        if *more { "…" } else { "" }
                    )
                }
                Row::Cut(text) => text.clone(),
            })
            .collect()
    }

    fn mark(text: &str, part: &str) -> Mark {
        let start = text.find(part).expect("the part");
        Mark { span: start..start + part.len(), tone: Severity::Error, label: "X".to_owned() }
    }

    #[test]
    fn rows_end_at_words_and_fit() {
        let rows = texts(&whole("the quick brown fox jumps over\n\nthe lazy dog", &[], room(16)));
        assert_eq!(rows, ["the quick brown ", "fox jumps over", "", "the lazy dog"]);
        let long = "x".repeat(40);
        assert_eq!(texts(&whole(&long, &[], room(16))), ["x".repeat(16), "x".repeat(16), "x".repeat(8)]);
        for text in
            ["任务完成了没有人知道为什么会这样", "👩‍👩‍👧‍👦 family 🇩🇪 flags e\u{301}e\u{301}e\u{301} end of it"]
        {
            for row in texts(&whole(text, &[], room(16))) {
                assert!(width(row.trim_end()) <= 16, "{row}");
            }
        }
    }

    #[test]
    fn carets_stand_under_what_is_wide_or_combined() {
        for (text, part, before, wide) in [
            ("好的 <f> 好", "<f>", 5, 3),
            ("e\u{301}\u{1f600}x", "x", 3, 1),
            ("a\tb", "b", 4, 1),
            ("\x1b[31mred", "red", 5, 3),
            ("ab任务", "任", 2, 2),
        ] {
            let laid = whole(text, &[mark(text, part)], room(40));
            let Row::Carets { before: at, width, more, .. } = &laid.rows[1] else { panic!("{laid:?}") };
            assert_eq!((*at, *width, *more), (before, wide, false), "{text:?}");
        }
    }

    #[test]
    fn a_mark_over_rows_is_told_once() {
        let text = "one\ntwo\nthree";
        let laid = whole(text, &[mark(text, "ne\ntwo\nth")], room(40));
        assert_eq!(texts(&laid), ["one", " ^^… X", "two", "three"]);
        let end = Mark { span: 13..13, tone: Severity::Error, label: "X".to_owned() };
        assert_eq!(texts(&whole(text, &[end], room(40))), ["one", "two", "three", "     ^ X"]);
    }

    #[test]
    fn what_is_cut_is_counted() {
        let text: String = (1..=100).map(|n| format!("line {n}\n")).collect();
        let laid = whole(&text, &[mark(&text, "line 50")], Room { width: 40, rows: Some(3), tail: 2 });
        let wanted = [
            "line 1",
            "line 2",
            "line 3",
            "… 95 lines more (754 bytes); --full shows all",
            "line 99",
            "line 100",
        ];
        assert_eq!(texts(&laid), wanted);
        assert_eq!(laid.told, [false]);
        let one = "y".repeat(10_000_000);
        let rows = texts(&whole(&one, &[], Room { width: 20, rows: Some(2), tail: 5 }));
        assert_eq!(rows.len(), 3);
        assert_eq!(rows[2], "… 1 line more (10.0 MB); --full shows all");
        let short = "1\n2\n3\n4\n5\n6";
        assert_eq!(texts(&whole(short, &[], Room { width: 20, rows: Some(3), tail: 3 })).len(), 6);
    }

    #[test]
    fn a_secret_is_masked_where_it_is_cut_too() {
        let key = format!("sk-{}", "0".repeat(32));
        let text = format!("{} {key} end", "word ".repeat(7));
        let rows = texts(&whole(&text, &[], Room { width: 40, rows: Some(2), tail: 0 })).concat();
        assert!(!rows.contains("000"), "{rows}");
        assert!(masked(&text).contains(&"*".repeat(8)) && !masked(&text).contains("000"));
    }

    proptest::proptest! {
        #[test]
        fn nothing_is_lost_and_every_mark_is_told(
            text in "(word|任务|\u{1f600}|\u{1b}\\[1m|e\u{301}|[ a-z/\n-]){0,40}",
            cuts in proptest::collection::vec((0_usize..200, 0_usize..60), 0..6),
            columns in 16_usize..40,
        ) {
            let marks: Vec<Mark> = cuts
                .iter()
                .map(|(start, length)| {
                    let start = text.floor_char_boundary(*start);
                    let end = text.floor_char_boundary(start + length);
                    Mark { span: start..end, tone: Severity::Info, label: "X".to_owned() }
                })
                .collect();
            let laid = whole(&text, &marks, room(columns));
            let shown: String = laid.rows.iter().filter_map(|row| match row {
                Row::Text(pieces) => Some(pieces.iter().map(|(text, _)| text.as_str()).collect::<String>()),
                _ => None,
            }).collect();
            let one_line = text.replace('\n', "");
            proptest::prop_assert_eq!(shown, visible(&one_line));
            // Behind the last newline there is no row.
            let body = text.strip_suffix('\n').unwrap_or(&text).len();
            let told = marks.iter().zip(&laid.told).all(|(mark, told)| *told || mark.span.start > body);
            proptest::prop_assert!(text.is_empty() || told, "{:?}", laid);
            for row in texts(&laid) {
                let row = row.trim_end_matches([' ', 'X']);
                proptest::prop_assert!(width(row) <= columns, "{}", row);
            }
            let few = whole(&text, &marks, Room { width: columns, rows: Some(2), tail: 1 });
            proptest::prop_assert!(few.rows.len() <= laid.rows.len() + 1);
        }
    }
}
