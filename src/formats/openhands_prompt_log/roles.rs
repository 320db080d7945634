//! Blocks of a prompt log and who speaks in them.
//!
//! The log holds no roles. The first block is the system's, the second the user's; then the model
//! and the environment take turns. A tool's output may itself hold a line of ten dashes: that
//! breaks the turns, and is reported instead of being guessed over.

use super::{decode, is_crlf};
use crate::dialects;
use crate::model::Place;
use std::borrow::Cow;

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// System prompt.
    System,
    /// The user.
    User,
    /// The model.
    Assistant,
    /// The environment: an observation.
    Observation,
}

/// One block.
#[derive(Debug, Clone, PartialEq)]
pub struct Block<'a> {
    /// Who speaks.
    pub role: Role,
    /// Byte offset of its text in the file.
    pub start: usize,
    /// Its text.
    pub text: Cow<'a, str>,
    /// Whether newlines are CR and LF in the file.
    pub crlf: bool,
    /// Why the role is not certain.
    pub doubt: Option<&'static str>,
    /// Damage: offset and sentence.
    pub damage: Option<(usize, String)>,
}

impl Block<'_> {
    /// Where the text starts.
    pub fn place(&self) -> Place {
        Place { offset: self.start as u64, crlf: self.crlf, ..Place::default() }
    }

    fn is_observation(&self) -> bool {
        self.text.starts_with("EXECUTION RESULT of [") || self.text.starts_with("OBSERVATION:")
    }

    fn is_blank(&self) -> bool {
        self.text.trim().is_empty()
    }
}

/// Lines that are exactly ten dashes: start of the line, and start of the next one.
pub(super) fn dividers(bytes: &[u8]) -> impl Iterator<Item = (usize, usize)> {
    memchr::memmem::find_iter(bytes, b"----------").filter_map(|at| {
        let rest = &bytes[at + 10..];
        let end = match rest {
            [] => at + 10,
            [b'\n', ..] => at + 11,
            [b'\r', b'\n', ..] => at + 12,
            _ => return None,
        };
        (at == 0 || bytes[at - 1] == b'\n').then_some((at, end))
    })
}

/// Divides a prompt log and tells roles.
pub fn blocks(bytes: &[u8]) -> Vec<Block<'_>> {
    let start = if bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    let crlf = is_crlf(bytes);
    let mut spans = Vec::new();
    let mut from = start;
    for (line, next) in dividers(&bytes[start..]) {
        spans.push((from, start + line));
        from = start + next;
    }
    if from < bytes.len() {
        spans.push((from, bytes.len()));
    }
    assign(bytes, spans.into_iter().map(|(from, to)| block(bytes, from, to, crlf)).collect())
}

/// The text between two dividers: one newline belongs to the line before, and an empty line on
/// each side to the divider.
fn block(bytes: &[u8], from: usize, to: usize, crlf: bool) -> Block<'_> {
    let newline = |at: usize| -> Option<usize> {
        match &bytes[at..to] {
            [b'\n', ..] => Some(at + 1),
            [b'\r', b'\n', ..] => Some(at + 2),
            _ => None,
        }
    };
    let start = newline(from).unwrap_or(from);
    let mut end = to;
    for _ in 0..2 {
        if end > start && bytes[end - 1] == b'\n' {
            end -= 1;
            if end > start && bytes[end - 1] == b'\r' {
                end -= 1;
            }
        }
    }
    let (text, damage) = decode(&bytes[start..end], start, crlf);
    Block { role: Role::User, start, text, crlf, doubt: None, damage }
}

/// Whether the block holds a call, also in the older syntax.
fn has_call(text: &str) -> bool {
    dialects::find("openhands").is_some_and(|dialect| {
        let markup = (dialect.parse)(text);
        !markup.calls.is_empty()
            || !markup.fragments.is_empty()
            || markup.foreign.iter().any(|(name, _)| *name == "codeact-legacy")
    })
}

fn assign<'a>(bytes: &'a [u8], blocks: Vec<Block<'a>>) -> Vec<Block<'a>> {
    // An empty first message was logged by some versions; the system prompt follows it.
    let head = usize::from(blocks.first().is_some_and(Block::is_blank)) + 1;
    let calls: Vec<bool> = blocks.iter().map(|block| has_call(&block.text)).collect();
    let observations: Vec<bool> = blocks.iter().map(Block::is_observation).collect();
    let mut out: Vec<Block<'a>> = Vec::with_capacity(blocks.len());
    let mut previous = (Role::User, false);
    for (at, mut block) in blocks.into_iter().enumerate() {
        if at <= head {
            block.role = if at < head { Role::System } else { Role::User };
            out.push(block);
            continue;
        }
        let next_calls = calls.get(at + 1).is_some_and(|&call| call) && !observations[at + 1];
        let (role, doubt) = if observations[at] {
            let doubt =
                (previous != (Role::Assistant, true)).then_some("an observation without a call before it");
            (Role::Observation, doubt)
        } else if calls[at] {
            let doubt = (previous.0 == Role::Assistant).then_some("two assistant messages in a row");
            (Role::Assistant, doubt)
        } else if previous.0 == Role::Observation && next_calls {
            // Two assistant messages can't follow each other: the divider was part of the output.
            if let Some(observation) = out.last_mut() {
                merge(bytes, observation, &block);
            }
            continue;
        } else if previous.0 == Role::Assistant {
            let doubt = previous.1.then_some("no observation after the call: taken as a user message");
            (Role::User, doubt)
        } else {
            (Role::Assistant, None)
        };
        block.role = role;
        block.doubt = doubt;
        previous = (role, calls[at]);
        out.push(block);
    }
    out
}

/// Joins a block to the one before, divider included.
fn merge(bytes: &[u8], head: &mut Block<'_>, tail: &Block<'_>) {
    let newlines = if tail.crlf { tail.text.matches('\n').count() } else { 0 };
    let end = bytes.len().min(tail.start + tail.text.len() + newlines);
    let (text, damage) = decode(&bytes[head.start..end], head.start, head.crlf);
    head.text = Cow::Owned(text.into_owned());
    head.damage = head.damage.take().or(damage);
    head.doubt = Some("a line of ten dashes inside the observation is taken as its own text");
}
