//! What came out of the terminal, cut into commands by the marks that the shell prints.
//!
//! A mark holds a nonce that is fresh for each command, so no output can forge it; and a mark alone ends
//! nothing: the status pipe does. Pure: bytes in, text out.

use crate::tools::clip::Clip;

/// The mark before (`B`) or after (`E`) the output of a command, as the shell prints it.
pub(in crate::tools) fn mark(kind: char, nonce: &str) -> Vec<u8> {
    format!("\x1b_{kind}{nonce}\x1b\\").into_bytes()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// No command runs: what comes is late output of background jobs.
    Idle,
    /// A command was handed over and has not begun.
    Waiting,
    /// Its output comes.
    Running,
}

/// The output of one shell, kept in flat memory.
#[derive(Debug)]
pub(in crate::tools) struct Screen {
    phase: Phase,
    nonce: String,
    /// The line that was typed, to be recognised when the terminal echoes it.
    typed: Vec<u8>,
    /// A beginning of the awaited mark at the end of what came.
    held: Vec<u8>,
    /// Before the command.
    late: Clip,
    /// Of the command, since it was last taken.
    output: Clip,
    /// Bytes that ever came.
    pub(in crate::tools) received: u64,
}

impl Screen {
    pub(in crate::tools) fn new(max_output: usize) -> Self {
        Self {
            phase: Phase::Idle,
            nonce: String::new(),
            typed: Vec::new(),
            held: Vec::new(),
            late: Clip::new(max_output),
            output: Clip::new(max_output),
            received: 0,
        }
    }

    /// A command is about to be handed over by typing this line.
    pub(in crate::tools) fn expect(&mut self, nonce: &str, typed: &[u8]) {
        self.release();
        nonce.clone_into(&mut self.nonce);
        self.typed = typed.to_vec();
        self.phase = Phase::Waiting;
    }

    /// Only the mark after the output is awaited: the shell's own start has none before it.
    pub(in crate::tools) fn expect_end(&mut self, nonce: &str) {
        self.release();
        nonce.clone_into(&mut self.nonce);
        self.phase = Phase::Running;
    }

    /// Whether the mark after the output came.
    pub(in crate::tools) fn ended(&self) -> bool {
        self.phase == Phase::Idle
    }

    /// Whether the mark before the output came.
    pub(in crate::tools) fn begun(&self) -> bool {
        self.phase != Phase::Waiting
    }

    /// The command is over, whether its mark came or not.
    pub(in crate::tools) fn end(&mut self) {
        self.release();
        self.phase = Phase::Idle;
    }

    /// Forgets everything so far: what a shell says at its start is nobody's output.
    pub(in crate::tools) fn clear(&mut self) {
        self.end();
        self.late.clear();
        self.output.clear();
    }

    pub(in crate::tools) fn push(&mut self, bytes: &[u8]) {
        self.received += bytes.len() as u64;
        let mut data = std::mem::take(&mut self.held);
        data.extend_from_slice(bytes);
        let mut rest = data.as_slice();
        loop {
            let awaited = match self.phase {
                Phase::Idle => return self.store(rest),
                Phase::Waiting => mark('B', &self.nonce),
                Phase::Running => mark('E', &self.nonce),
            };
            if let Some(at) = memchr::memmem::find(rest, &awaited) {
                let (before, after) = (&rest[..at], &rest[at + awaited.len()..]);
                rest = after;
                if self.phase == Phase::Waiting {
                    self.late.push(&without(before, &self.typed));
                    self.phase = Phase::Running;
                } else {
                    self.output.push(before);
                    self.phase = Phase::Idle;
                }
                continue;
            }
            // While waiting, the echo of the line may still be incomplete: little comes then, so it is held.
            let kept = if self.phase == Phase::Waiting && rest.len() < 1 << 16 {
                rest.len()
            } else {
                overlap(rest, &awaited)
            };
            let (certain, maybe) = rest.split_at(rest.len() - kept);
            self.store(certain);
            self.held = maybe.to_vec();
            return;
        }
    }

    fn store(&mut self, bytes: &[u8]) {
        match self.phase {
            Phase::Running => self.output.push(bytes),
            Phase::Idle | Phase::Waiting => self.late.push(bytes),
        }
    }

    fn release(&mut self) {
        let held = std::mem::take(&mut self.held);
        self.store(&held);
    }

    /// Output of the command since the last time.
    pub(in crate::tools) fn take_output(&mut self, max: usize) -> String {
        self.output.render(max)
    }

    /// Output of background jobs since the last time; `None` if there was none.
    pub(in crate::tools) fn take_late(&mut self, max: usize) -> Option<String> {
        (!self.late.is_empty()).then(|| self.late.render(max))
    }
}

/// Bytes at the end of `data` that are a beginning of `mark`.
fn overlap(data: &[u8], mark: &[u8]) -> usize {
    let longest = data.len().min(mark.len().saturating_sub(1));
    (1..=longest).rev().find(|count| data.ends_with(&mark[..*count])).unwrap_or(0)
}

/// `data` without the echo of a typed line. A terminal shows control characters as `^X` and a newline as
/// one or two bytes, so the text of the line is what is looked for.
fn without(data: &[u8], typed: &[u8]) -> Vec<u8> {
    let line = typed.trim_ascii();
    if line.is_empty() {
        return data.to_vec();
    }
    match memchr::memmem::find(data, line) {
        None => data.to_vec(),
        Some(at) => {
            let mut before = &data[..at];
            // The line is typed as newline, space, text, newline: all of it was echoed.
            before = before.strip_suffix(b" ").unwrap_or(before);
            before = before.strip_suffix(b"\n").unwrap_or(before);
            before = before.strip_suffix(b"\r").unwrap_or(before);
            let mut after = &data[at + line.len()..];
            after = after.strip_prefix(b"\r").unwrap_or(after);
            after = after.strip_prefix(b"\n").unwrap_or(after);
            [before, after].concat()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds a whole exchange in pieces of every size.
    fn exchange(stream: &[u8], check: impl Fn(&mut Screen)) {
        for size in 1..=stream.len() {
            let mut screen = Screen::new(100);
            screen.expect("n1", b"\n run it\n");
            for piece in stream.chunks(size) {
                screen.push(piece);
            }
            check(&mut screen);
        }
    }

    #[test]
    fn marks_cut_the_stream_however_it_arrives() {
        exchange(b"job done\n\x1b_Bn1\x1b\\hello\n\x1b_En1\x1b\\later", |screen| {
            assert!(screen.ended());
            assert_eq!(screen.take_output(100), "hello\n");
            assert_eq!(screen.take_late(100).as_deref(), Some("job done\nlater"));
            assert_eq!(screen.take_late(100), None);
        });
    }

    #[test]
    fn other_marks_are_output() {
        exchange(b"\x1b_Bn1\x1b\\\x1b_En0\x1b\\ \x1b_Bn1\x1b\\\x1b_En", |screen| {
            assert!(!screen.ended() && screen.begun());
            // The beginning of a mark is held back until it is clear what it is.
            assert_eq!(screen.take_output(100), "\x1b_En0\x1b\\ \x1b_Bn1\x1b\\");
            screen.end();
            assert_eq!(screen.take_output(100), "\x1b_En");
        });
    }

    #[test]
    fn the_echo_of_the_line_is_not_output() {
        exchange(b"late\n\r\n run it\r\n\x1b_Bn1\x1b\\out\x1b_En1\x1b\\", |screen| {
            assert_eq!(screen.take_output(100), "out");
            assert_eq!(screen.take_late(100).as_deref(), Some("late\n"));
        });
    }
}
