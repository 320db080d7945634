//! What holds for any bytes: used by quick property tests here and by the fuzz targets under `fuzz/`.
//!
//! No panic and no hang are found by running them; the rest is asserted.

#![allow(dead_code, reason = "the fuzz targets and the tests each use a part")]

use rolltape::dialects::{self, Dialect, Event, Markup, Stream};
use rolltape::formats::{self, CallForm, Locator, ReadOutput, atif_lines, facts};
use rolltape::model::{Policy, Span, Trajectory};
use rolltape::rules;
use rolltape::util::json::{View, parse_at};
use rolltape::util::redact::Redactor;
use std::borrow::Cow;

/// What may be put into a file or a message.
const PIECES: &[&str] = &[
    "\"",
    "\\",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "null",
    "true",
    "-1",
    "1e999",
    "NaN",
    "\"\"",
    "\n",
    "\r\n",
    "\0",
    "\u{feff}",
    "\\ud800",
    "\\u003c",
    "<function=",
    "</function>",
    "<tool_call>",
    "EXECUTION RESULT of [",
    "{\"role\":\"assistant\"}",
    "\u{1f600}",
    "----------",
    "\"id\":",
    "\"tool_calls\":[{}],",
    "```",
    "```json",
    "<think>",
    "</think>",
    "</",
    ">",
    "=",
    "f",
    "(x=1)",
    "{\"name\":\"f\",\"arguments\":{}}",
    " ",
    "\u{e9}",
];

/// Scraps of JSON and prose, and the marks of every dialect.
pub(crate) fn pieces() -> Vec<&'static str> {
    let marks = dialects::ALL.iter().flat_map(|dialect| dialect.markers.iter().copied());
    PIECES.iter().copied().chain(marks).collect()
}

/// The text is JSON for the scanner if it is for serde_json; without a note they agree on the value.
pub(crate) fn json(bytes: &[u8]) {
    let mut notes = Vec::new();
    let ours = parse_at(bytes, 0, &mut notes).ok().filter(|node| {
        std::str::from_utf8(bytes).is_ok() && bytes[node.end..].iter().all(|byte| b" \n\r\t".contains(byte))
    });
    let theirs = serde_json::from_slice::<serde_json::Value>(bytes);
    match (ours, theirs) {
        (Some(node), Ok(value)) if notes.is_empty() => assert_eq!(View::new(bytes, &node).value(), value),
        (Some(_), _) => assert!(!notes.is_empty(), "only the scanner accepts it"),
        (None, theirs) => assert!(theirs.is_err(), "only serde_json accepts it"),
    }
}

/// Any file in any format, or in the one that it looks like.
pub(crate) fn file(bytes: &[u8], from: Option<&str>) {
    let Ok(output) = formats::read_bytes("x", bytes, from) else { return };
    let unpacked = formats::decompress(bytes);
    read(&output, &unpacked.bytes);
}

fn read(output: &ReadOutput, bytes: &[u8]) {
    for said in output.errors.iter().chain(&output.warnings) {
        assert!(!said.message.is_empty());
    }
    for (n, trajectory) in output.trajectories.iter().enumerate() {
        judged(trajectory, bytes);
        comes_back(trajectory);
        if n < CONVERTED {
            converted(trajectory, bytes.len() + n);
        }
    }
}

/// Trajectories of one file that are written in another format.
const CONVERTED: usize = 3;

/// What can be read can be written, in any format and dialect, and what is written can be read.
fn converted(trajectory: &Trajectory, chosen: usize) {
    let writers: Vec<_> = formats::ALL.iter().filter(|format| format.write.is_some()).collect();
    let format = writers[chosen % writers.len()];
    let form = match chosen / writers.len() % (dialects::ALL.len() + 2) {
        0 => None,
        1 => Some(CallForm::Native),
        n => Some(CallForm::Text(dialects::ALL[n - 2])),
    };
    let one = formats::convert(Cow::Borrowed(trajectory), format, form).is_some();
    let all = formats::convert_all(std::slice::from_ref(trajectory), format, form).is_some();
    assert!(one != all, "{}: written one by one or all together", format.name);
}

/// Rules may say what they like, but only about places that are there.
fn judged(trajectory: &Trajectory, bytes: &[u8]) {
    let judgement = rules::judge(trajectory, &Policy::default());
    assert!(judgement.compliant <= judgement.messages);
    let locator = Locator::new(bytes);
    for (finding, place) in judgement.findings.iter().zip(&judgement.places) {
        if let Some(place) = place.filter(|place| place.value && place.file == 0) {
            let (start, end) = (locator.byte(place, 0), locator.value_end(place).expect("a call ends"));
            assert!(
                parse_at(&bytes[start..end], 0, &mut Vec::new()).is_ok_and(|call| call.end == end - start)
            );
            assert_eq!(finding.span, None, "an offset in a text leads into no call");
        }
        let (Some(span), Some(place)) = (finding.span, place) else { continue };
        if place.file == 0 {
            let (start, end) = (locator.byte(*place, span.start), locator.end_byte(*place, span.end));
            assert!(
                start <= end && end <= bytes.len(),
                "{}: {start}..{end} of {}",
                finding.rule,
                bytes.len()
            );
        }
    }
    for step in trajectory.judged() {
        let text = step.judged_text();
        let own = judgement.findings.iter().zip(&judgement.places).filter(|(finding, place)| {
            finding.step == Some(step.id) && **place == step.judged_place() && place.is_some()
        });
        for span in own.filter_map(|(finding, _)| finding.span) {
            assert!(text.get(span.start..span.end).is_some(), "{span:?} is not in {text:?}");
        }
    }
}

fn comes_back(trajectory: &Trajectory) {
    let line = atif_lines::line(trajectory);
    let again = atif_lines::read_line(line.as_bytes(), "x").expect("what we write is read");
    let bare = |trajectory| -> Vec<(String, String)> {
        let facts = facts(trajectory).into_iter();
        facts.map(|fact| (fact.field.into_owned(), fact.value.into_owned())).collect()
    };
    assert_eq!(bare(trajectory), bare(&again));
}

/// Any message in a dialect.
pub(crate) fn message(dialect: &'static Dialect, text: &str) {
    let markup = (dialect.parse)(text);
    spans(&markup, text);
    for runtime in dialect.runtimes {
        let _ = (runtime.read)(text, &[], 1);
    }
    for result in (dialect.read_observations)(text) {
        inside(result.content, text);
    }
    streamed(dialect, text, &markup);
}

/// A reply that comes in pieces says the same as the whole, and its events cover the text in order.
fn streamed(dialect: &'static Dialect, text: &str, markup: &Markup) {
    let mut stream = Stream::new(dialect);
    let step = 1 + text.len() % 13 + text.len() / 64;
    let mut events: Vec<Event> = text.as_bytes().chunks(step).flat_map(|piece| stream.push(piece)).collect();
    let finished = stream.finish();
    events.extend(finished.events);
    assert_eq!((finished.text.as_str(), &finished.markup), (text, markup), "{}", dialect.name);
    let (mut at, mut calls) = (0, markup.calls.iter());
    for event in &events {
        let span = match event {
            Event::Text(span) => *span,
            Event::Call(call) => {
                assert_eq!(Some(&**call), calls.next(), "{}", dialect.name);
                call.span
            }
        };
        assert_eq!(span.start, at, "{}", dialect.name);
        inside(span, text);
        at = span.end;
    }
    assert_eq!((at, calls.next()), (text.len(), None), "{}", dialect.name);
}

/// Any message in any dialect.
pub(crate) fn any_message(text: &str) {
    for dialect in dialects::ALL {
        message(dialect, text);
    }
    if let Some(dialect) = dialects::detect(text) {
        // What is found can be asked for by its name.
        assert!(dialects::find(dialect.name).is_some());
    }
}

fn inside(span: Span, text: &str) {
    assert!(span.start <= span.end && text.get(span.start..span.end).is_some(), "{span:?}");
}

fn spans(markup: &Markup, text: &str) {
    let lists = [&markup.fragments, &markup.observations, &markup.reasoning];
    lists.into_iter().flatten().for_each(|span| inside(*span, text));
    markup.foreign.iter().for_each(|(_, span)| inside(*span, text));
    markup.after_first.iter().for_each(|span| inside(*span, text));
    let mut before = 0;
    for call in &markup.calls {
        inside(call.span, text);
        inside(call.name_span, text);
        assert!(before <= call.span.start, "calls come in order and do not overlap");
        before = call.span.end;
        for param in &call.params {
            inside(param.value, text);
            inside(param.name_span, text);
        }
        call.arguments.iter().for_each(|arguments| inside(arguments.span, text));
        call.flaws.iter().for_each(|flaw| inside(flaw.span, text));
        call.nested.iter().for_each(|span| inside(*span, text));
    }
}

/// A redacted text holds no secret, and redacting it again changes nothing.
pub(crate) fn redacted(text: &str) {
    let redactor = Redactor::default();
    let clean = redactor.redact(text).into_owned();
    assert_eq!(redactor.scan(&clean), [], "{clean}");
    assert_eq!(redactor.redact(&clean), clean);
}
