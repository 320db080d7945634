//! What holds for any bytes: used by quick property tests here and by the fuzz targets under `fuzz/`.
//!
//! No panic and no hang are found by running them; the rest is asserted.

#![allow(dead_code, reason = "the fuzz targets and the tests each use a part")]

use rolltape::dialects::{self, Dialect, Markup};
use rolltape::formats::{self, Locator, ReadOutput, atif_lines, facts};
use rolltape::model::{Policy, Span, Trajectory};
use rolltape::rules;
use rolltape::util::json::{View, parse_at};
use rolltape::util::redact::Redactor;

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
    for trajectory in &output.trajectories {
        judged(trajectory, bytes);
        comes_back(trajectory);
    }
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
pub(crate) fn message(dialect: &Dialect, text: &str) {
    let markup = (dialect.parse)(text);
    spans(&markup, text);
    for runtime in dialect.runtimes {
        let _ = (runtime.read)(text, &[], 1);
    }
    for result in (dialect.read_observations)(text) {
        inside(result.content, text);
    }
}

/// Any message in any dialect.
pub(crate) fn any_message(text: &str) {
    for dialect in dialects::ALL {
        message(dialect, text);
    }
    if let Some(dialect) = dialects::detect(text) {
        assert!(!dialect.markers.is_empty());
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
