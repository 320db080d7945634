//! Replies that come in pieces: the same as the whole, as early as it can be known, at a cost that stays linear.

use proptest::prelude::*;
use rolltape::dialects::{ALL, Call, Dialect, Event, Finished, Stream, TextCall, find};
use rolltape::model::Object;
use serde_json::json;

fn dialect(name: &str) -> &'static Dialect {
    find(name).expect("a dialect")
}

/// All events of a reply in pieces, and what its end told.
fn fed<'a>(dialect: &'static Dialect, pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Event>, Finished) {
    let mut stream = Stream::new(dialect);
    let mut events = Vec::new();
    for piece in pieces {
        events.extend(stream.push(piece));
    }
    let finished = stream.finish();
    events.extend(finished.events.iter().cloned());
    (events, finished)
}

/// Texts that touch are one.
fn joined(events: Vec<Event>) -> Vec<Event> {
    let mut out: Vec<Event> = Vec::new();
    for event in events {
        if let (Some(Event::Text(last)), Event::Text(next)) = (out.last_mut(), &event)
            && last.end == next.start
        {
            last.end = next.end;
            continue;
        }
        out.push(event);
    }
    out
}

/// Events in order cover the text, calls are those of the strict parse.
fn check(dialect: &'static Dialect, text: &str, events: &[Event], finished: &Finished) {
    let name = dialect.name;
    assert_eq!(finished.text, text, "{name}");
    assert_eq!(finished.markup, (dialect.parse)(text), "{name}: {text:?}");
    let calls: Vec<&TextCall> = events
        .iter()
        .filter_map(|event| if let Event::Call(call) = event { Some(&**call) } else { None })
        .collect();
    assert_eq!(calls, finished.markup.calls.iter().collect::<Vec<_>>(), "{name}: {text:?}");
    let mut at = 0;
    for event in events {
        let span = match event {
            Event::Text(span) => *span,
            Event::Call(call) => call.span,
        };
        assert_eq!(span.start, at, "{name}: {text:?}");
        assert!(text.get(span.start..span.end).is_some(), "{name}: {text:?}");
        at = span.end;
    }
    assert_eq!(at, text.len(), "{name}: {text:?}");
}

/// Tokens and words of all dialects.
fn parts() -> Vec<String> {
    let mut parts: Vec<String> =
        ALL.iter().flat_map(|dialect| dialect.markers).map(|mark| (*mark).to_owned()).collect();
    let words = [
        "<function=f>\n",
        "<parameter=p>",
        "</parameter>",
        "</function>",
        "<think>",
        "</think>",
        "EXECUTION RESULT of [f]:\n",
        "<tool_call>\n<function=f>\n",
        "</function>\n</tool_call>",
        "</execute_bash>",
        "</execute_ipython>",
        "<execute_bash>ls</execute_bash>",
        "[TOOL_CALLS] [",
        "{\"name\": \"f\", \"arguments\": {}}",
        ", ",
        "]",
        "<｜tool▁calls▁begin｜>",
        "<｜tool▁calls▁end｜>",
        "<｜tool▁call▁begin｜>",
        "<｜tool▁call▁end｜>",
        "<｜tool▁sep｜>",
        "function<｜tool▁sep｜>f\n```json\n",
        "\n```",
        "<｜DSML｜function_calls>",
        "</｜DSML｜function_calls>",
        "<｜DSML｜ calls>",
        "<｜DSML｜invoke name=\"f\">",
        "<｜DSML｜ invoke name=\"f\">",
        "<｜DSML｜invoke name=\"f\"/>",
        "</｜DSML｜invoke>",
        "</｜DSML｜ invoke>",
        "<｜DSML｜parameter name=\"p\" string=\"true\">",
        "</｜DSML｜parameter>",
        "<|tool_calls_section_begin|>",
        "<|tool_calls_section_end|>",
        "<|tool_call_begin|>",
        "<|tool_call_end|>",
        "functions.f:0",
        "<|tool_call_argument_begin|>",
        "<tool_call>f\n",
        "</tool_call>",
        "<arg_key>",
        "</arg_key>",
        "<arg_value>",
        "</arg_value>",
        "<minimax:tool_call>",
        "</minimax:tool_call>",
        "<invoke name=\"f\">",
        "</invoke>",
        "<parameter name=\"p\">",
        "<|start|>",
        "assistant",
        "<|channel|>",
        "commentary to=functions.f ",
        "analysis",
        "<|message|>",
        "<|constrain|>json",
        "<|end|>",
        "<|call|>",
        "<|return|>",
        "{\"a\": 1}",
        "{\"a\":",
        "é",
        "\u{1f600}",
        " ",
        "\n",
        "`",
        "<",
        "</",
        "f",
        "x\"",
        ">",
        "<parameter name=\"",
        "<invoke name=\"",
    ];
    parts.extend(words.iter().map(|word| (*word).to_owned()));
    parts
}

fn text() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(parts()), 0..20).prop_map(|parts| parts.concat())
}

/// What a dialect itself writes, text around it.
fn written() -> impl Strategy<Value = (usize, String)> {
    let value = prop_oneof![
        "[a-z é<|{}\"\\\\>\n]{0,12}".prop_map(|text| json!(text)),
        any::<i64>().prop_map(|number| json!(number)),
        prop::collection::vec(any::<bool>(), 0..3).prop_map(|list| json!(list)),
    ];
    let call = prop::collection::vec(("[a-z]{1,5}", value), 0..3);
    (0..ALL.len(), prop::collection::vec(call, 0..3), "[a-z <|\n]{0,10}", "[a-z <|`\n]{0,10}").prop_map(
        |(which, calls, before, after)| {
            let objects: Vec<Object> = calls.into_iter().map(|pairs| pairs.into_iter().collect()).collect();
            let calls: Vec<Call> =
                objects.iter().map(|arguments| Call { id: "functions.f:7", name: "f", arguments }).collect();
            let text = (ALL[which].render)(&before, &calls).unwrap_or(before);
            (which, text + &after)
        },
    )
}

fn split(bytes: &[u8], mut cuts: Vec<usize>) -> Vec<&[u8]> {
    for cut in &mut cuts {
        *cut %= bytes.len() + 1;
    }
    cuts.sort_unstable();
    let mut at = 0;
    let mut pieces = Vec::new();
    for cut in cuts.into_iter().chain([bytes.len()]) {
        pieces.push(&bytes[at..cut]);
        at = cut;
    }
    pieces
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_split_gives_the_same(text in text(), cuts in prop::collection::vec(any::<usize>(), 0..12)) {
        for dialect in ALL {
            let (events, finished) = fed(dialect, [text.as_bytes()]);
            let whole = joined(events);
            check(dialect, &text, &whole, &finished);
            let (events, finished) = fed(dialect, split(text.as_bytes(), cuts.clone()));
            let pieces = joined(events);
            check(dialect, &text, &pieces, &finished);
            prop_assert_eq!(&pieces, &whole);
            let (events, _) = fed(dialect, text.as_bytes().chunks(1));
            prop_assert_eq!(&joined(events), &whole);
        }
    }

    #[test]
    fn what_a_dialect_writes_is_read_in_pieces((which, text) in written(), cuts in prop::collection::vec(any::<usize>(), 0..12)) {
        let dialect = ALL[which];
        let (events, finished) = fed(dialect, split(text.as_bytes(), cuts));
        check(dialect, &text, &joined(events), &finished);
        let (events, _) = fed(dialect, text.as_bytes().chunks(1));
        check(dialect, &text, &joined(events), &finished);
    }

    #[test]
    fn bytes_that_are_no_text_are_read_as_in_one_piece(bytes in prop::collection::vec(any::<u8>(), 0..64), cuts in prop::collection::vec(any::<usize>(), 0..8)) {
        let (_, finished) = fed(ALL[0], split(&bytes, cuts));
        let whole = String::from_utf8_lossy(&bytes);
        prop_assert_eq!(&finished.text, &whole);
        let marks = |text: &str| text.matches('\u{fffd}').count();
        let own = String::from_utf8(bytes.clone()).map_or(0, |text| marks(&text));
        prop_assert!(finished.replaced <= marks(&whole) && (own > 0 || finished.replaced == marks(&whole) || bytes.windows(3).any(|w| w == [0xef, 0xbf, 0xbd])));
    }

    /// What is complete in a beginning of a text is complete in the text, and the same.
    #[test]
    fn a_complete_call_stays_what_it_is(text in text(), cut in any::<usize>()) {
        let cut = text.floor_char_boundary(cut % (text.len() + 1));
        for dialect in ALL {
            let Some(incremental) = &dialect.incremental else { continue };
            let (calls, _) = (incremental.read_on)(&text[..cut], rolltape::dialects::Resume::default());
            let whole = (dialect.parse)(&text).calls;
            prop_assert_eq!(&whole[..calls.len()], &calls[..], "{}: {:?} | {:?}", dialect.name, &text[..cut], &text[cut..]);
        }
    }
}

/// Two calls and text around them, as the dialect writes them.
fn two_calls(dialect: &Dialect) -> Option<String> {
    let arguments: Object =
        [("text".to_owned(), json!("é < b")), ("n".to_owned(), json!(3))].into_iter().collect();
    let command: Object = [("command".to_owned(), json!("é < b"))].into_iter().collect();
    let call = |id| Call { id, name: "f", arguments: &arguments };
    let bash = Call { id: "1", name: "execute_bash", arguments: &command };
    let write = |calls: &[Call<'_>]| (dialect.render)("a < b", calls);
    write(&[call("1"), call("2")])
        .or_else(|_| write(&[call("a1B2c3D4e"), call("a1B2c3D4f")]))
        .or_else(|_| write(&[call("1")]))
        .or_else(|_| write(&[bash]))
        .ok()
}

#[test]
fn a_call_is_told_with_its_last_byte_and_text_at_once() {
    for dialect in ALL.iter().filter(|dialect| dialect.incremental.is_some()) {
        let text = two_calls(dialect).expect("text and calls");
        let calls = (dialect.parse)(&text).calls;
        assert!(!calls.is_empty(), "{}", dialect.name);
        let mut stream = Stream::new(dialect);
        let mut told = 0;
        let mut known = 0;
        for (at, byte) in text.bytes().enumerate() {
            for event in stream.push([byte]) {
                match event {
                    Event::Call(call) => {
                        // A call in a section is over when the next one is, at the latest, or the section.
                        let next = calls.get(known + 1);
                        let latest = next.map_or(call.span.end, |next| next.span.end);
                        assert!(at < latest, "{}: {at} after {:?}", dialect.name, call.span);
                        known += 1;
                    }
                    Event::Text(span) => told = span.end,
                }
            }
            if at < calls[0].span.start && !text[..=at].contains('<') && text.is_char_boundary(at + 1) {
                assert_eq!(told, at + 1, "{}: text is held back", dialect.name);
            }
        }
        assert_eq!(known, calls.len(), "{}: {text}", dialect.name);
    }
    let hermes = Stream::new(dialect("kimi-k2")).push("a <| b");
    assert_eq!(hermes.len(), 1, "what can't begin a mark is no reason to wait");
}

/// Bytes looked at, for texts that would be slow to read again with each piece.
#[test]
fn work_is_linear_in_what_came() {
    for dialect in ALL {
        let one = two_calls(dialect).unwrap_or_else(|| "text".to_owned());
        let mut texts = vec![one.repeat(200), "x".repeat(40_000), format!("{one}{}", "<".repeat(20_000))];
        texts.extend(dialect.markers.iter().map(|mark| mark.repeat(20_000 / mark.len())));
        let ends = dialect.incremental.as_ref().map_or(&[] as &[&str], |incremental| incremental.ends);
        texts.extend(ends.iter().flat_map(|end| {
            let many = end.repeat(20_000 / end.len());
            let inside = one.rfind("é").map(|at| format!("{}{many}", &one[..at]));
            dialect.markers.iter().map(move |mark| format!("{mark}{many}")).chain(inside)
        }));
        for text in texts {
            for size in [1, 7, 1000] {
                let (_, finished) = fed(dialect, text.as_bytes().chunks(size));
                let pieces = text.len().div_ceil(size) as u64;
                let most = 16 * text.len() as u64 + 128 * pieces;
                let start = &text[..text.floor_char_boundary(60.min(text.len()))];
                assert!(
                    finished.looked_at <= most,
                    "{} {size} {start:?}: {}",
                    dialect.name,
                    finished.looked_at
                );
            }
        }
    }
}
