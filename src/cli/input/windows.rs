//! A stream cut into windows of whole lines, in buffers that are used again.
//!
//! Invariant: however large the windows are, their lines are those of the file, in order and each once. A line over
//! the limit is never held: it is passed over and said.

use super::stream::{Stream, Trouble};
use memchr::{memchr, memrchr};
use std::collections::VecDeque;

/// Bytes that are read at once while a long line is looked through.
const STEP: usize = 1 << 18;

/// Cuts a stream.
pub(in crate::cli) struct Windows {
    stream: Stream,
    /// What was read of the line behind the last window.
    rest: Vec<u8>,
    offset: u64,
    number: u64,
    size: usize,
    limit: usize,
    ended: bool,
    trouble: Option<Trouble>,
    /// Where lines stand that were passed over and not yet told.
    passed: VecDeque<u64>,
}

/// Whole lines, or the news of one that is too long.
#[derive(Default)]
pub(in crate::cli) struct Window {
    /// Place among the windows, from 0.
    pub(in crate::cli) number: u64,
    /// Where it starts in the decompressed file.
    pub(in crate::cli) offset: u64,
    /// How the stream ended behind it, if not well.
    pub(in crate::cli) trouble: Option<Trouble>,
    /// Whether the window is one line over the limit, which was passed over.
    pub(in crate::cli) passed: bool,
    buffer: Vec<u8>,
    filled: usize,
}

impl Window {
    /// The lines; only the last one of the file may have no end.
    pub(in crate::cli) fn bytes(&self) -> &[u8] {
        &self.buffer[..self.filled]
    }
}

impl Windows {
    /// Windows of about `size` bytes; lines over `limit` bytes are passed over.
    pub(in crate::cli) fn new(stream: Stream, size: usize, limit: usize) -> Self {
        Self {
            stream,
            rest: Vec::new(),
            offset: 0,
            number: 0,
            size,
            limit,
            ended: false,
            trouble: None,
            passed: VecDeque::new(),
        }
    }

    /// The name of the file.
    pub(in crate::cli) fn name(&self) -> &str {
        self.stream.name()
    }

    /// Reads on to `at_least` bytes, and to where a second line begins, without giving anything out; whether that is
    /// all of the file.
    pub(in crate::cli) fn head(&mut self, at_least: usize) -> bool {
        loop {
            let second = memchr(b'\n', &self.rest)
                .is_some_and(|end| self.rest[end..].iter().any(|byte| !byte.is_ascii_whitespace()));
            if self.rest.len() > self.limit && memchr(b'\n', &self.rest).is_none() {
                self.passed.push_back(self.offset);
                let mut window = Window::default();
                std::mem::swap(&mut window.buffer, &mut self.rest);
                window.filled = window.buffer.len();
                self.pass(&mut window);
                continue;
            }
            if self.ended || (second && self.rest.len() >= at_least) || self.rest.len() > 2 * self.limit {
                return self.ended;
            }
            let from = self.rest.len();
            self.rest.resize(from + from.clamp(STEP, 16 * STEP), 0);
            let count = self.fill_rest(from);
            self.rest.truncate(from + count);
        }
    }

    fn fill_rest(&mut self, from: usize) -> usize {
        let count = self.stream.fill(&mut self.rest[from..]);
        self.ended = self.stream.ended();
        count.unwrap_or_else(|trouble| {
            self.trouble = Some(trouble);
            0
        })
    }

    /// What [`Windows::head`] read.
    pub(in crate::cli) fn read(&self) -> &[u8] {
        &self.rest
    }

    /// Whether the file begins with a line over the limit.
    pub(in crate::cli) fn has_passed(&self) -> bool {
        !self.passed.is_empty()
    }

    /// The rest as a stream, what was read of it before, and what went wrong with that.
    pub(in crate::cli) fn into_stream(self) -> (Stream, Vec<u8>, Option<Trouble>) {
        (self.stream, self.rest, self.trouble)
    }

    /// The next window; false behind the last one.
    pub(in crate::cli) fn next(&mut self, window: &mut Window) -> bool {
        window.trouble = None;
        window.passed = false;
        window.number = self.number;
        window.offset = self.offset;
        window.filled = 0;
        if let Some(offset) = self.passed.pop_front() {
            (window.offset, window.passed) = (offset, true);
            self.number += 1;
            return true;
        }
        self.take_rest(window);
        let mut seen = 0;
        let cut = loop {
            if window.filled >= self.size || self.ended {
                // A newline that was looked for in vain is not looked for again.
                if let Some(end) = memrchr(b'\n', &window.buffer[seen..window.filled]) {
                    break seen + end + 1;
                }
                seen = window.filled;
                if self.ended {
                    break window.filled;
                }
                if window.filled > self.limit {
                    self.pass(window);
                    self.number += 1;
                    return true;
                }
            }
            self.more(window);
        };
        self.rest.extend_from_slice(&window.buffer[cut..window.filled]);
        window.filled = cut;
        self.offset += cut as u64;
        self.number += 1;
        if self.ended && self.rest.is_empty() {
            window.trouble = self.trouble.take();
        }
        cut > 0 || window.trouble.is_some()
    }

    fn take_rest(&mut self, window: &mut Window) {
        if window.buffer.len() < self.rest.len() {
            window.buffer.resize(self.rest.len(), 0);
        }
        window.buffer[..self.rest.len()].copy_from_slice(&self.rest);
        window.filled = self.rest.len();
        self.rest.clear();
        // The head of a file with long lines is larger than any window needs to be.
        self.rest.shrink_to(4 * self.size);
    }

    /// Reads on behind what the window holds.
    fn more(&mut self, window: &mut Window) {
        let want = self.size.saturating_sub(window.filled).max(self.size.min(STEP)).max(1);
        if window.buffer.len() < window.filled + want {
            window.buffer.resize(window.filled + want, 0);
        }
        let target = &mut window.buffer[window.filled..window.filled + want];
        let count = self.stream.fill(target);
        self.ended = self.stream.ended();
        match count {
            Ok(count) => window.filled += count,
            Err(trouble) => self.trouble = Some(trouble),
        }
    }

    /// Goes behind the line that the window begins with, which is over the limit.
    fn pass(&mut self, window: &mut Window) {
        window.passed = true;
        let mut length = window.filled as u64;
        window.filled = 0;
        window.buffer.truncate(STEP.max(self.size));
        window.buffer.shrink_to_fit();
        while !self.ended {
            self.more(window);
            let chunk = &window.buffer[..window.filled];
            if let Some(end) = memchr(b'\n', chunk) {
                self.rest.extend_from_slice(&chunk[end + 1..]);
                length += end as u64 + 1;
                window.filled = 0;
                break;
            }
            length += window.filled as u64;
            window.filled = 0;
        }
        self.offset += length;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::{Cursor, Write};

    /// Windows of a text: their offsets and bytes; `None` for a line that was passed over.
    fn cut(text: &[u8], size: usize, limit: usize, head: usize) -> Vec<(u64, Option<Vec<u8>>)> {
        let stream = Stream::of("f".to_owned(), Box::new(Cursor::new(text.to_vec()))).expect("open");
        let mut windows = Windows::new(stream, size, limit);
        windows.head(head);
        let mut window = Window::default();
        let mut out = Vec::new();
        while windows.next(&mut window) {
            out.push((window.offset, (!window.passed).then(|| window.bytes().to_vec())));
        }
        assert!(!windows.next(&mut window));
        out
    }

    proptest! {
        #[test]
        fn the_lines_are_those_of_the_file(text in "[ab\n]{0,60}", size in 1_usize..80, head in 0_usize..80) {
            let windows = cut(text.as_bytes(), size, 1000, head);
            let mut at = 0;
            for (offset, bytes) in windows {
                let bytes = bytes.expect("no line is too long");
                prop_assert_eq!(offset, at as u64);
                prop_assert_eq!(&bytes, &text.as_bytes()[at..at + bytes.len()]);
                at += bytes.len();
                prop_assert!(bytes.ends_with(b"\n") || at == text.len());
            }
            prop_assert_eq!(at, text.len());
        }
    }

    #[test]
    fn a_line_over_the_limit_is_passed_over_and_never_held() {
        let long = "x".repeat(3 << 20);
        let text = format!("a\n{long}\nb\n{long}");
        let windows = cut(text.as_bytes(), 1000, 100_000, 0);
        let offset = 2 + long.len() as u64 + 1;
        assert_eq!(
            windows,
            [(0, Some(b"a\n".to_vec())), (2, None), (offset, Some(b"b\n".to_vec())), (offset + 2, None)]
        );
    }

    #[test]
    fn trouble_comes_behind_what_was_read() {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
        packed.write_all("abc\n".repeat(20_000).as_bytes()).expect("written");
        let mut packed = packed.finish().expect("packed");
        packed.truncate(50_000);
        let stream = Stream::of("f".to_owned(), Box::new(Cursor::new(packed))).expect("open");
        let mut windows = Windows::new(stream, 4096, 100_000);
        let mut window = Window::default();
        let (mut bytes, mut troubles) = (0, 0);
        while windows.next(&mut window) {
            bytes += window.bytes().len();
            troubles += usize::from(window.trouble.is_some());
        }
        assert!(bytes > 40_000 && troubles == 1, "{bytes} {troubles}");
    }
}
