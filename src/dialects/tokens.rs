//! Calls between tokens, most often in a section of their own.
//!
//! A grammar names its tokens and reads what stands between them; this walks over a message and keeps the account
//! of sections, calls and what was begun in vain. The same walk reads a whole message and goes on with one that
//! still comes in.
//!
//! Invariant: linear in the length of the text. A call is told by the tokens alone, never by what a value says, and
//! a token right between two backticks opens nothing.

use super::common::{self, Next};
use super::{Flaw, FlawKind, Markup, Resume, TextArguments, TextCall, TextParam};
use crate::model::{Arguments, Span};
use crate::util::json::{NoteKind, View, parse_at};
use aho_corasick::{AhoCorasick, Input, MatchKind};
use std::sync::LazyLock;

/// What a token stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token {
    /// Opens a section of calls.
    SectionOpen,
    /// Closes it.
    SectionClose,
    /// Opens a call.
    Open,
    /// Closes it.
    Close,
    /// Stands between the name of a call and its arguments, or opens a parameter.
    Inner,
}

/// Tokens and what they stand for.
pub(super) type Tokens = [(&'static str, Token)];

/// What a call outside of a section is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sections {
    /// The grammar has no sections.
    None,
    /// A call without a section is one all the same, and a flaw.
    Expected,
    /// Without a section the tokens mean something else.
    Required,
}

/// How what stands in a call is read.
pub(super) enum Body {
    /// Head, a token between, one value.
    Value(fn(text: &str, region: &Region) -> TextCall),
    /// Parameters, each with an opening and a closing tag.
    Params(Params),
}

/// A call that is written as head and value.
pub(super) struct Region {
    /// From the opening token to the token between.
    pub(super) head: Span,
    /// From there to where the value ends.
    pub(super) value: Span,
    /// Whether the call is closed.
    pub(super) closed: bool,
}

/// A call that is written with parameters.
pub(super) struct Params {
    /// Reads the rest of the opening tag of a call, whose token is given.
    pub(super) head: fn(text: &str, open: Span) -> Option<Head>,
    /// Reads the rest of the opening tag of a parameter.
    pub(super) param: fn(text: &str, open: Span) -> Option<Head>,
    /// Looks at the finished call; `body` is what stands between its tags.
    pub(super) finish: fn(text: &str, body: Span, call: &mut TextCall),
}

/// An opening tag.
pub(super) struct Head {
    /// Where the name stands.
    pub(super) name: Span,
    /// Where the tag ends.
    pub(super) end: usize,
    /// What opens a parameter, closes one, closes the call.
    pub(super) tags: [&'static str; 3],
    /// Whether nothing follows: the tag closes itself.
    pub(super) whole: bool,
    /// Whether it is written as the grammar has it.
    pub(super) plain: bool,
}

/// A grammar.
pub(super) struct Grammar {
    pub(super) name: &'static str,
    pub(super) tokens: &'static Tokens,
    pub(super) automaton: &'static LazyLock<Option<AhoCorasick>>,
    pub(super) sections: Sections,
    pub(super) body: Body,
    /// What results begin with, which no reply should hold.
    pub(super) results: &'static [(&'static str, common::Place)],
}

/// What finds the tokens of a grammar.
pub(super) fn automaton(tokens: &Tokens) -> Option<AhoCorasick> {
    let texts = tokens.iter().map(|(text, _)| text);
    AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(texts).ok()
}

/// Parses one assistant message.
pub(super) fn parse(grammar: &Grammar, text: &str) -> Markup {
    let mut walk = Walk::new(grammar, text, Resume::default());
    walk.run();
    walk.markup.fragments.sort_unstable();
    common::observations(text, grammar.results, &mut walk.markup);
    common::around(text, grammar.name, walk.markup)
}

/// Goes on with a message that still comes in.
pub(super) fn read_on(grammar: &Grammar, text: &str, from: Resume) -> (Vec<TextCall>, Resume) {
    let mut walk = Walk::new(grammar, text, from);
    walk.run();
    let mut calls = walk.markup.calls;
    let complete = calls.iter().take_while(|call| is_complete(call)).count();
    calls.truncate(complete);
    let next = match calls.last() {
        Some(last) => Resume { at: last.span.end, section: walk.sections[complete - 1] },
        None => from,
    };
    (calls, next)
}

/// Whether all tags of a call are closed.
pub(super) fn is_complete(call: &TextCall) -> bool {
    call.closed && call.params.iter().all(|param| param.closed)
}

struct Section {
    open: Span,
    /// Whether a call has taken the opening tag in.
    taken: bool,
    /// Its last call so far, if that is known to this walk.
    last: Option<usize>,
}

struct Walk<'a> {
    grammar: &'a Grammar,
    text: &'a str,
    ahead: Ahead<'a>,
    at: usize,
    section: Option<Section>,
    markup: Markup,
    /// For each call the section that is open behind it.
    sections: Vec<Option<Span>>,
}

impl<'a> Walk<'a> {
    fn new(grammar: &'a Grammar, text: &'a str, from: Resume) -> Self {
        let section = from.section.map(|open| Section { open, taken: true, last: None });
        let ahead = Ahead { text: text.as_bytes(), known: Vec::new() };
        let markup = Markup::default();
        Self { grammar, text, ahead, at: from.at, section, markup, sections: Vec::new() }
    }

    /// The next token at or after a place.
    fn next(&self, from: usize) -> Option<(Token, Span)> {
        let found =
            self.grammar.automaton.as_ref()?.find(Input::new(self.text).range(from..self.text.len()))?;
        let token = self.grammar.tokens[found.pattern().as_usize()].1;
        Some((token, Span::new(found.start(), found.end())))
    }

    fn run(&mut self) {
        while let Some((token, span)) = self.next(self.at) {
            self.at = span.end;
            match token {
                Token::SectionOpen | Token::Open if quoted(self.text, span) => {}
                Token::SectionOpen => {
                    self.leave_section();
                    self.section = Some(Section { open: span, taken: false, last: None });
                }
                Token::SectionClose => self.close_section(span),
                Token::Open => self.open_call(span),
                Token::Close | Token::Inner
                    if self.section.is_none() && self.grammar.sections == Sections::Required => {}
                Token::Close | Token::Inner => self.markup.fragments.push(span),
            }
        }
        self.leave_section();
    }

    /// The section ends without its closing tag.
    fn leave_section(&mut self) {
        let Some(section) = self.section.take() else { return };
        if !section.taken {
            self.markup.fragments.push(section.open);
        } else if let Some(last) = section.last {
            self.markup.calls[last].closed = false;
        }
    }

    fn close_section(&mut self, close: Span) {
        let Some(section) = self.section.take() else {
            self.markup.fragments.push(close);
            return;
        };
        let Some(last) = section.last else {
            let start = if section.taken { close.start } else { section.open.start };
            self.markup.fragments.push(Span::new(start, close.end));
            return;
        };
        let call = &mut self.markup.calls[last];
        common::stray(self.text, call.span.end, close.start, &mut call.flaws);
        call.span.end = close.end;
        self.sections[last] = None;
    }

    fn open_call(&mut self, open: Span) {
        if self.section.is_none() && self.grammar.sections == Sections::Required {
            return;
        }
        let read = match &self.grammar.body {
            Body::Value(read) => self.value(open, *read),
            Body::Params(params) => self.params(open, params),
        };
        let Some(mut call) = read else { return };
        call.span.start = open.start;
        match &mut self.section {
            Some(section) => {
                if !section.taken {
                    common::stray(self.text, section.open.end, open.start, &mut call.flaws);
                    call.span.start = section.open.start;
                }
                section.taken = true;
                section.last = Some(self.markup.calls.len());
                self.sections.push(Some(section.open));
            }
            None => {
                if self.grammar.sections == Sections::Expected {
                    call.flaws.push(Flaw { kind: FlawKind::MissingWrapper, span: open });
                }
                self.sections.push(None);
            }
        }
        call.flaws.sort_by_key(|flaw| flaw.span.start);
        self.markup.calls.push(call);
    }

    /// Reads a call of head and value; `None` without the token between the two.
    fn value(&mut self, open: Span, read: fn(&str, &Region) -> TextCall) -> Option<TextCall> {
        let mut between = None;
        let mut nested = Vec::new();
        let mut end = None;
        let closed = loop {
            match self.next(self.at) {
                Some((Token::Inner, span)) => {
                    self.at = span.end;
                    if nested.is_empty() {
                        between = between.or(Some(span));
                    }
                }
                Some((Token::Open, span)) => {
                    if between.is_none() {
                        // Nothing of a call was here yet: the other one is the call.
                        self.markup.fragments.push(open);
                        return None;
                    }
                    self.at = span.end;
                    end = end.or(Some(span.start));
                    nested.push(span);
                }
                Some((Token::Close, span)) => {
                    self.at = span.end;
                    end = end.or(Some(span.start));
                    break true;
                }
                Some((Token::SectionOpen | Token::SectionClose, span)) => {
                    self.at = span.start;
                    end = end.or(Some(span.start));
                    break false;
                }
                None => {
                    self.at = self.text.len();
                    break false;
                }
            }
        };
        let cut =
            if end.is_none() { self.cut_token(between.map_or(open.end, |span| span.end)) } else { None };
        let end = end.or(cut).unwrap_or(self.text.len());
        let region = between.map(|between| Region {
            head: Span::new(open.end, between.start),
            value: Span::new(between.end, end),
            closed,
        });
        let read = region.map(|region| read(self.text, &region));
        let Some(mut call) = read else {
            self.markup.fragments.push(Span::new(open.start, self.at));
            return None;
        };
        call.span.end = self.at;
        call.closed = closed;
        call.nested = nested;
        if let Some(cut) = cut {
            call.flaws
                .push(Flaw { kind: FlawKind::PartialClosingTag, span: Span::new(cut, self.text.len()) });
        }
        Some(call)
    }

    /// Where a token begins that the end of the text cuts.
    fn cut_token(&self, from: usize) -> Option<usize> {
        let longest = self.grammar.tokens.iter().map(|(token, _)| token.len()).max()?;
        let start = self.text.ceil_char_boundary(from.max(self.text.len().saturating_sub(longest)));
        let tails = self.text[start..].char_indices().map(|(at, _)| start + at);
        tails.into_iter().find(|at| {
            let tail = &self.text[*at..];
            self.grammar.tokens.iter().any(|(token, kind)| {
                matches!(kind, Token::Close | Token::SectionClose) && token.starts_with(tail)
            })
        })
    }

    /// Reads a call with parameters; `None` if the opening tag is none.
    fn params(&mut self, open: Span, params: &Params) -> Option<TextCall> {
        let Some(head) = (params.head)(self.text, open) else {
            self.markup.fragments.push(common::line_from(self.text, open.start));
            return None;
        };
        let mut call = common::call(Span::new(open.start, head.end), head.name.text(self.text), head.name);
        if !head.plain {
            call.flaws.push(Flaw { kind: FlawKind::BadHeader, span: Span::new(open.start, head.end) });
        }
        self.at = head.end;
        let mut body = Span::new(head.end, head.end);
        if head.whole {
            call.closed = true;
        } else {
            body.end = self.body(&mut call, head.end, params);
        }
        (params.finish)(self.text, body, &mut call);
        Some(call)
    }

    /// Reads up to the end of a call; gives where what stands between its tags ends.
    fn body(&mut self, call: &mut TextCall, from: usize, params: &Params) -> usize {
        let mut gap = from;
        loop {
            let Some((token, span)) = self.next(self.at) else {
                if let Some(cut) = self.cut_token(gap) {
                    common::stray(self.text, gap, cut, &mut call.flaws);
                    let span = Span::new(cut, self.text.len());
                    call.flaws.push(Flaw { kind: FlawKind::PartialClosingTag, span });
                    call.span.end = self.text.len();
                }
                self.at = self.text.len();
                return self.text.len();
            };
            match token {
                Token::Inner => match (params.param)(self.text, span) {
                    Some(head) => {
                        common::stray(self.text, gap, span.start, &mut call.flaws);
                        gap = self.param(call, span, &head);
                        self.at = gap;
                        call.span.end = gap;
                    }
                    // It opens nothing and is told with the text around it.
                    None => self.at = span.end,
                },
                Token::Open => {
                    common::stray(self.text, gap, span.start, &mut call.flaws);
                    call.nested.push(span);
                    call.span.end = span.end;
                    self.at = span.end;
                    gap = span.end;
                }
                Token::Close => {
                    common::stray(self.text, gap, span.start, &mut call.flaws);
                    call.closed = true;
                    call.span.end = span.end;
                    self.at = span.end;
                    return span.start;
                }
                Token::SectionOpen | Token::SectionClose => {
                    common::stray(self.text, gap, span.start, &mut call.flaws);
                    call.span.end = span.start;
                    self.at = span.start;
                    return span.start;
                }
            }
        }
    }

    /// Reads a parameter; gives where it ends.
    ///
    /// A value runs to the first closing tag. If its call closes before that, and a parameter opens in between,
    /// then that closing tag belongs to the later parameter, and this one was never closed.
    fn param(&mut self, call: &mut TextCall, open: Span, head: &Head) -> usize {
        let [param_open, param_close, call_close] = head.tags;
        let close = self.ahead.next(param_close, head.end);
        let limit = close.unwrap_or(self.text.len());
        let leaves = self.ahead.next(call_close, head.end).filter(|at| *at < limit);
        let reopened = |ahead: &mut Ahead<'a>, at| ahead.next(param_open, at).is_some_and(|at| at < limit);
        let (value_end, end, closed) = match (close, leaves) {
            (None, Some(leaves)) => (leaves, leaves, false),
            (Some(_), Some(leaves)) if reopened(&mut self.ahead, leaves) => (leaves, leaves, false),
            (Some(close), _) => (close, close + param_close.len(), true),
            (None, None) => (self.text.len(), self.text.len(), false),
        };
        if !head.plain {
            call.flaws.push(Flaw { kind: FlawKind::BadHeader, span: Span::new(open.start, head.end) });
        }
        call.params.push(TextParam {
            name: head.name.text(self.text).to_owned(),
            name_span: head.name,
            value: Span::new(head.end, value_end),
            closed,
        });
        end
    }
}

/// Whether a token stands alone between two backticks: a mention, not a use.
fn quoted(text: &str, token: Span) -> bool {
    let bytes = text.as_bytes();
    token.start > 0 && bytes[token.start - 1] == b'`' && bytes.get(token.end) == Some(&b'`')
}

/// A [`common::Finder`] of tags that come up on the way.
struct Ahead<'a> {
    text: &'a [u8],
    known: Vec<(&'static str, Next)>,
}

impl Ahead<'_> {
    /// First occurrence at or after `from`.
    fn next(&mut self, needle: &'static str, from: usize) -> Option<usize> {
        let index = self.known.iter().position(|(known, _)| *known == needle).unwrap_or_else(|| {
            self.known.push((needle, Next::UNASKED));
            self.known.len() - 1
        });
        self.known[index].1.at(self.text, needle, from)
    }
}

/// Arguments that are one JSON value: kept as written, blanks around it aside, and as an object if they are one.
/// What a double can't hold and keys that stand twice stay in the text as written; the latter are also a flaw.
pub(super) fn json_arguments(text: &str, span: Span, flaws: &mut Vec<Flaw>) -> Option<TextArguments> {
    let span = common::trimmed(text, span);
    if span.is_empty() {
        return None;
    }
    let raw = span.text(text);
    let mut notes = Vec::new();
    let node = parse_at(raw.as_bytes(), 0, &mut notes).ok().filter(|node| node.end == raw.len());
    let strict = notes.iter().all(|note| note.kind != NoteKind::NotFinite);
    let parsed = node.as_ref().filter(|_| strict).and_then(|node| {
        let view = View::new(raw.as_bytes(), node);
        view.is_object().then(|| view.object())
    });
    if node.is_some() {
        for note in notes.iter().filter(|note| note.kind == NoteKind::RepeatedKey) {
            let start = span.start + note.offset;
            flaws.push(Flaw { kind: FlawKind::RepeatedKey, span: Span::new(start, start + 1) });
        }
    }
    Some(TextArguments { span, value: Arguments { raw: Some(raw.to_owned()), parsed } })
}

/// A JSON object in which none of the tokens stands: JSON can write their first character in another way.
pub(super) fn json_without(tokens: &[&str], object: &crate::model::Object) -> String {
    let mut json = serde_json::Value::Object(object.clone()).to_string();
    for token in tokens {
        if let Some(first) = token.chars().next()
            && json.contains(token)
        {
            let other = format!("\\u{:04x}{}", u32::from(first), &token[first.len_utf8()..]);
            json = json.replace(token, &other);
        }
    }
    json
}

/// `name="…"` behind an opening token: the name, and where its quote ends. Blanks must come before it.
pub(super) fn name_attribute(text: &str, from: usize) -> Option<(Span, usize)> {
    let window = &text[from..text.floor_char_boundary(text.len().min(from + common::TAG_LIMIT))];
    let rest = window.trim_start();
    let start = from + (window.len() - rest.len());
    let quoted = rest.strip_prefix("name=\"").filter(|_| start > from)?;
    let name = start + "name=\"".len();
    // A name never reaches over another tag.
    let end = name + quoted.find(['"', '\n', '<'])?;
    (end > name && text.as_bytes()[end] == b'"').then(|| (Span::new(name, end), end + 1))
}

/// `json.loads(text)`: one value with nothing but blanks around it.
pub(super) fn load(text: &str) -> Option<serde_json::Value> {
    let node = parse_at(text.as_bytes(), 0, &mut Vec::new()).ok()?;
    text[node.end..].trim().is_empty().then(|| View::new(text.as_bytes(), &node).value())
}

/// A name that is read back as it was from between quotes.
pub(super) fn attribute(what: &str, name: &str) -> Result<(), String> {
    if name.is_empty() || name.len() > common::TAG_LIMIT / 2 || name.contains(['"', '\n', '<']) {
        return Err(format!("{what} is empty, too long or holds a quote, a bracket or a newline"));
    }
    Ok(())
}
