//! A file with one record a line, converted window by window on all cores; what comes of it keeps the file's order.
//!
//! Invariant: the output does not depend on where windows are cut, nor on which lines were turned on their raw bytes.

use super::Plan;
use super::drive::{Made, Part, convert};
use super::told::Of;
use crate::cli::input::{Trouble, Window, Windows, in_order, long};
use crate::formats::raw_chat::{self, Turner};
use crate::formats::{self, Format};
use std::collections::BTreeMap;

/// Bytes of lines whose trajectories are held at once.
const EXACT: usize = 1 << 17;

/// What a window came to; lines, offsets and numbers are those of the window.
struct Piece {
    part: Part,
    lines: u64,
    offset: u64,
    length: u64,
    trouble: Option<Trouble>,
}

/// Converts all windows of a file; `take` gets what each came to, in order, until it says false.
pub(super) fn in_windows(
    windows: Windows,
    format: &'static Format,
    plan: &Plan,
    workers: usize,
    mut take: impl FnMut(Part) -> bool + Send,
) {
    let path = windows.name().to_owned();
    let job = Job { path: &path, format, plan };
    let (mut lines, mut number) = (0, 0);
    in_order(
        windows,
        workers,
        || job.worker(),
        |piece| {
            let before = lines;
            lines += piece.lines;
            take(moved(piece, &path, before, &mut number))
        },
    );
}

/// Places in the window become places in the file.
fn moved(piece: Piece, path: &str, lines: u64, number: &mut u64) -> Part {
    let Piece { mut part, offset, length, trouble, .. } = piece;
    for error in part.errors.iter_mut().chain(&mut part.warnings) {
        error.line += lines;
        error.offset += offset;
    }
    for (of, _) in &mut part.converted {
        *number += 1;
        of.number = *number;
        of.line += lines;
        of.places.values_mut().for_each(|(line, _)| *line += lines);
    }
    part.errors.extend(trouble.map(|trouble| trouble.error(path, lines + piece.lines + 1, offset + length)));
    part
}

struct Job<'a> {
    path: &'a str,
    format: &'static Format,
    plan: &'a Plan,
}

impl Job<'_> {
    /// What one core works with.
    fn worker(&self) -> impl FnMut(&mut Window) -> Piece {
        let mut turner = (self.format.name == raw_chat::FORMAT)
            .then(|| Turner::new(self.plan.to, self.plan.calls))
            .flatten();
        move |window| self.piece(window, turner.as_mut())
    }

    fn piece(&self, window: &mut Window, mut turner: Option<&mut Turner>) -> Piece {
        let bytes = window.bytes();
        let mut piece = Piece {
            part: Part::default(),
            lines: 0,
            offset: window.offset,
            length: bytes.len() as u64,
            trouble: None,
        };
        if window.passed {
            piece.lines = 1;
            piece.part.errors.push(long(self.path, self.plan.line_limit));
            return piece;
        }
        let mut start = if window.offset == 0 && bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        let mut left: Vec<(usize, usize)> = Vec::new();
        let mut waiting = 0;
        let ends = memchr::memchr_iter(b'\n', bytes);
        let tail = (!bytes.ends_with(b"\n") && !bytes.is_empty()).then_some(bytes.len());
        for end in ends.chain(tail) {
            piece.lines += 1;
            let line = &bytes[start..end];
            let known =
                turner.as_deref_mut().filter(|_| left.is_empty() && line.len() <= self.plan.line_limit);
            match known.and_then(|turner| turner.line(line, &mut piece.part.bytes)) {
                Some(turned) => {
                    piece.part.bytes.push(b'\n');
                    let of = Of {
                        path: self.path.to_owned(),
                        line: piece.lines,
                        number: 0,
                        id: turned.id,
                        name: String::new(),
                        places: BTreeMap::new(),
                    };
                    piece.part.converted.push((of, Made::Line(turned.loss)));
                }
                None => {
                    left.push((start, end));
                    waiting += line.len();
                }
            }
            // Where lines are turned on their bytes, the next one is tried again.
            if !left.is_empty() && (turner.is_some() || waiting > EXACT) {
                self.exact(bytes, &left, &mut piece.part);
                left.clear();
                waiting = 0;
            }
            start = end + 1;
        }
        self.exact(bytes, &left, &mut piece.part);
        if tail.is_some() {
            piece.lines -= 1;
        }
        piece.trouble = window.trouble.take();
        piece
    }

    /// Converts lines as every other format is converted.
    fn exact(&self, bytes: &[u8], lines: &[(usize, usize)], part: &mut Part) {
        if lines.is_empty() {
            return;
        }
        let mut output = formats::read_lines(self.format, self.path, bytes, lines, self.plan.line_limit);
        part.errors.append(&mut output.errors);
        part.warnings.append(&mut output.warnings);
        for trajectory in output.trajectories {
            let files = [(self.path, bytes)];
            convert((0, trajectory), &files, self.plan, part);
        }
    }
}
