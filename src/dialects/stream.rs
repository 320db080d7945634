//! A reply that still comes in: text as soon as it can be no call, calls as soon as they are complete.
//!
//! Invariant: however the bytes are split, the events say the same in the same order, and the markup is that of the
//! whole text. Work is linear in the bytes that came and the number of pieces: what could be a call is read again only
//! as long as that costs no more than a fixed number of looks at each byte, and else waits for the end.

use super::{Dialect, Incremental, Markup, Resume, TextCall};
use crate::model::Span;
use aho_corasick::{AhoCorasick, Input, MatchKind};

/// What is known of a reply. Offsets are those of the whole text.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// Text that belongs to no call.
    Text(Span),
    /// A call.
    Call(Box<TextCall>),
}

/// A reply that has ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Finished {
    /// What was not known before.
    pub events: Vec<Event>,
    /// The text, each sequence of bytes that was no UTF-8 replaced by U+FFFD.
    pub text: String,
    /// How many were replaced.
    pub replaced: usize,
    /// The strict parse of the text.
    pub markup: Markup,
    /// How many bytes were looked at in all, as often as they were.
    pub looked_at: u64,
}

/// How often each byte may be read for calls before the end.
const LOOKS: u64 = 8;

/// Reads a reply piece by piece.
pub struct Stream {
    dialect: &'static Dialect,
    /// Marks before the first of which no call begins, and the longest one.
    marks: Option<AhoCorasick>,
    longest_mark: usize,
    ends: Option<AhoCorasick>,
    longest_end: usize,
    text: String,
    /// The first bytes of a character.
    torn: Vec<u8>,
    replaced: usize,
    /// Up to here all is told.
    told: usize,
    /// Where the first mark behind that begins.
    held: Option<usize>,
    /// Up to here was looked for marks, and for ends.
    seen: usize,
    ends_seen: usize,
    /// Whether an end was met that no reading has seen.
    end_waits: bool,
    resume: Resume,
    /// Bytes that may still be read.
    credit: u64,
    calls: usize,
    looked_at: u64,
}

impl Stream {
    /// A reply of which nothing has come yet.
    pub fn new(dialect: &'static Dialect) -> Self {
        let build = |texts: &[&str]| {
            let leftmost = AhoCorasick::builder().match_kind(MatchKind::LeftmostFirst).build(texts);
            leftmost.ok().filter(|_| !texts.is_empty())
        };
        let longest = |texts: &[&str]| texts.iter().map(|text| text.len()).max().unwrap_or(0);
        let ends = dialect.incremental.as_ref().map_or(&[] as &[&str], |incremental| incremental.ends);
        Self {
            dialect,
            marks: build(dialect.markers),
            longest_mark: longest(dialect.markers),
            ends: build(ends),
            longest_end: longest(ends),
            text: String::new(),
            torn: Vec::new(),
            replaced: 0,
            told: 0,
            held: None,
            seen: 0,
            ends_seen: 0,
            end_waits: false,
            resume: Resume::default(),
            credit: 0,
            calls: 0,
            looked_at: 0,
        }
    }

    /// The text that has come so far.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Takes the next bytes; a character may be split. Gives what is known by them.
    pub fn push(&mut self, bytes: impl AsRef<[u8]>) -> Vec<Event> {
        let before = self.text.len();
        self.decode(bytes.as_ref());
        self.credit += LOOKS * (self.text.len() - before) as u64;
        let mut events = Vec::new();
        self.release_text(&mut events);
        if let Some(incremental) = &self.dialect.incremental
            && self.end_came()
        {
            self.release_calls(incremental, &mut events);
        }
        events
    }

    /// The reply is over.
    pub fn finish(mut self) -> Finished {
        if !self.torn.is_empty() {
            self.torn.clear();
            self.replace();
        }
        self.looked_at += self.text.len() as u64;
        let markup = (self.dialect.parse)(&self.text);
        let mut events = Vec::new();
        for call in markup.calls.iter().skip(self.calls) {
            self.tell(call.clone(), &mut events);
        }
        self.tell_text(self.text.len(), &mut events);
        let Self { text, replaced, looked_at, .. } = self;
        Finished { events, text, replaced, markup, looked_at }
    }

    fn replace(&mut self) {
        self.text.push(char::REPLACEMENT_CHARACTER);
        self.replaced += 1;
    }

    /// Adds bytes to the text, in the way that a whole text is decoded.
    fn decode(&mut self, bytes: &[u8]) {
        let joined;
        let mut rest = if self.torn.is_empty() {
            bytes
        } else {
            let mut torn = std::mem::take(&mut self.torn);
            torn.extend_from_slice(bytes);
            joined = torn;
            joined.as_slice()
        };
        loop {
            match std::str::from_utf8(rest) {
                Ok(text) => {
                    self.text.push_str(text);
                    return;
                }
                Err(error) => {
                    let (good, bad) = rest.split_at(error.valid_up_to());
                    self.text.push_str(&String::from_utf8_lossy(good));
                    let Some(len) = error.error_len() else {
                        self.torn = bad.to_vec();
                        return;
                    };
                    self.replace();
                    rest = &bad[len..];
                }
            }
        }
    }

    /// Looks for the first mark that is not told yet; text before it, or before what may be one, is released.
    fn release_text(&mut self, events: &mut Vec<Event>) {
        if self.held.is_some() {
            return;
        }
        // Where only the end tells what is a call, only the end tells what is none.
        let Some(marks) = self.marks.as_ref().filter(|_| self.dialect.incremental.is_some()) else { return };
        // In a section, the next call may begin with no mark.
        if self.resume.section.is_some() {
            self.held = Some(self.told);
            return;
        }
        let from = self.told.max(self.seen.saturating_sub(self.longest_mark));
        self.looked_at += (self.text.len() - from) as u64;
        let found = marks.find(Input::new(self.text.as_bytes()).range(from..self.text.len()));
        self.seen = self.text.len();
        self.held = found.map(|found| found.start());
        // A longer mark may begin before one that is whole.
        let safe = self.held.map_or_else(|| self.partial_mark(), |held| held.min(self.partial_mark()));
        self.tell_text(safe, events);
    }

    /// Where a mark may have begun at the end of the text.
    fn partial_mark(&self) -> usize {
        let near = self.text.len().saturating_sub(self.longest_mark.saturating_sub(1)).max(self.told);
        let near = self.text.ceil_char_boundary(near);
        let tails = self.text[near..].char_indices().map(|(at, _)| near + at);
        let begins = |at: &usize| self.dialect.markers.iter().any(|mark| mark.starts_with(&self.text[*at..]));
        tails.into_iter().find(begins).unwrap_or(self.text.len())
    }

    /// Whether an end has come that no reading has seen, and another reading can be paid for.
    fn end_came(&mut self) -> bool {
        let (Some(ends), Some(held)) = (&self.ends, self.held) else { return false };
        let from = held.max(self.ends_seen.saturating_sub(self.longest_end));
        self.looked_at += (self.text.len() - from) as u64;
        let range = Input::new(self.text.as_bytes()).range(from..self.text.len());
        let last = ends.find_iter(range).map(|found| found.end()).last();
        self.end_waits |= last.is_some_and(|end| end > self.ends_seen);
        self.ends_seen = self.text.len();
        let cost = (self.text.len() - self.resume.at.max(self.told)) as u64;
        self.end_waits && cost <= self.credit
    }

    fn release_calls(&mut self, incremental: &Incremental, events: &mut Vec<Event>) {
        // No call begins in text that was told.
        let from = Resume { at: self.resume.at.max(self.told), ..self.resume };
        let cost = (self.text.len() - from.at) as u64;
        self.credit = self.credit.saturating_sub(cost);
        self.looked_at += cost;
        let (calls, next) = (incremental.read_on)(&self.text, from);
        self.resume = next;
        self.end_waits = false;
        if calls.is_empty() {
            return;
        }
        for call in calls {
            self.tell(call, events);
        }
        self.held = None;
        self.seen = self.told;
        self.release_text(events);
    }

    fn tell(&mut self, call: TextCall, events: &mut Vec<Event>) {
        self.tell_text(call.span.start, events);
        self.told = self.told.max(call.span.end);
        self.calls += 1;
        events.push(Event::Call(Box::new(call)));
    }

    fn tell_text(&mut self, end: usize, events: &mut Vec<Event>) {
        if end > self.told {
            events.push(Event::Text(Span::new(self.told, end)));
            self.told = end;
        }
    }
}
