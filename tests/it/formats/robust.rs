//! Damaged, wrong and strange input.

use super::logs::places_hold;
use rolltape::formats::{self, DetectError, ReadOutput};
use std::io::Write as _;

fn read(bytes: &[u8]) -> Result<ReadOutput, DetectError> {
    formats::read_bytes("x", bytes, None)
}

fn chat(text: &str) -> String {
    serde_json::json!({"messages": [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": text},
    ]})
    .to_string()
}

const LOG: &str = "system\n\n----------\n\ntask\n\n----------\n\nlook\n<function=execute_bash>\n\
    <parameter=command>ls</parameter>\n</function>\n\n----------\n\nEXECUTION RESULT of [execute_bash]:\nx\n";

fn samples() -> Vec<(&'static str, String)> {
    let atif = formats::atif_lines::line(
        &read(chat("\u{e9}\n<function=f>\n</function>").as_bytes()).unwrap().trajectories[0],
    );
    vec![
        ("openai-chat", chat("a \u{e9} \u{1f600}\n<function=f>\n<parameter=p>v</parameter>\n</function>")),
        ("openhands-prompt-log", LOG.to_owned()),
        ("atif", atif),
        (
            "openhands-completion-log",
            r#"{"messages":[{"role":"user","content":"u"}],"kwargs":{},"raw_response":{"choices":[{"finish_reason":"stop","message":{"role":"assistant","content":"<function=f>\n"}}]}}"#.to_owned(),
        ),
    ]
}

#[test]
fn every_format_is_told_by_its_content() {
    for (format, text) in samples() {
        let output = read(text.as_bytes()).expect(format);
        assert_eq!(output.format, format);
        assert_eq!(output.trajectories.len(), 1, "{format}");
        assert_eq!(output.trajectories[0].judged().count(), 1, "{format}");
        assert_eq!(output.trajectories[0].judged().next().map(|step| step.calls.len()), Some(1), "{format}");
        places_hold(&output.trajectories[0], text.as_bytes());
    }
}

#[test]
fn a_sample_cut_anywhere_is_read_or_refused() {
    for (format, text) in samples() {
        for cut in 0..text.len() {
            for from in [None, Some(format)] {
                // Whatever comes out, it comes out: no panic, and never silence.
                match formats::read_bytes("x", &text.as_bytes()[..cut], from) {
                    Ok(output) => assert!(
                        !output.trajectories.is_empty() || !output.errors.is_empty(),
                        "{format} {cut}"
                    ),
                    Err(error) => assert!(!error.message.is_empty()),
                }
            }
        }
    }
}

#[test]
fn a_byte_changed_anywhere_is_read_or_refused() {
    for (format, text) in samples() {
        for at in 0..text.len() {
            for byte in [0, b'"', b'{', b'\n', 0xff] {
                let mut bytes = text.clone().into_bytes();
                bytes[at] = byte;
                for from in [None, Some(format)] {
                    let _ = formats::read_bytes("x", &bytes, from);
                }
            }
        }
    }
}

#[test]
fn good_lines_survive_bad_ones() {
    let good = chat("fine");
    let bad: [(&[u8], &str); 5] = [
        (b"{\"messages\":[{\"role\":\"user\",\"content\":\"\xff\"}]}", "not valid UTF-8"),
        (&[0; 64], "a block of 64 NUL bytes instead of text"),
        (b"{\"messages\":{}}", "\"messages\" must be a list, not an object"),
        (b"{\"messages\":[{\"role\":\"us", "torn JSON: the text ends too early"),
        (b"{\"messages\":[{\"role\":5}]}", "\"role\" must be a string, not a number"),
    ];
    for (bytes, message) in bad {
        for position in 0..3 {
            let mut lines: Vec<&[u8]> = vec![good.as_bytes(), good.as_bytes()];
            lines.insert(position, bytes);
            let file = lines.join(&b'\n');
            let output = read(&file).unwrap_or_else(|error| panic!("{message} at {position}: {error}"));
            assert_eq!(output.trajectories.len(), 2, "{message} at {position}");
            let [error] = output.errors.as_slice() else {
                panic!("one error for {message}: {:?}", output.errors)
            };
            assert_eq!((error.message.as_str(), error.line), (message, position as u64 + 1));
            let start = lines[..position].iter().map(|line| line.len() + 1).sum::<usize>();
            assert!((start..=start + bytes.len()).contains(&(error.offset as usize)));
        }
    }
}

#[test]
fn compressed_files_are_read_and_damage_is_said() {
    let text = (0..2000).map(|n| chat(&format!("message {n}")) + "\n").collect::<String>();
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gz.write_all(text.as_bytes()).unwrap();
    let gz = gz.finish().unwrap();
    // Each write is a frame of its own, so that the first ones can be read without the last.
    let half = text.len() / 2;
    let mut zst = zstd::encode_all(&text.as_bytes()[..half], 3).unwrap();
    zst.extend(zstd::encode_all(&text.as_bytes()[half..], 3).unwrap());
    for packed in [gz, zst] {
        assert_eq!(read(&packed).expect("read").trajectories.len(), 2000);
        let cut = read(&packed[..packed.len() - 12]);
        let output = cut.expect("what was there before the cut");
        assert!(!output.errors.is_empty());
    }
}

#[test]
fn a_mark_and_windows_line_ends_are_simply_read() {
    let text = format!("\u{feff}{}\r\n\r\n{}\r\n", chat("a"), chat("b"));
    let output = read(text.as_bytes()).expect("read");
    assert_eq!((output.trajectories.len(), output.errors.len()), (2, 0));
    assert_eq!(output.trajectories[1].origin.line, 3);
}

#[test]
fn a_list_of_trajectories_is_several() {
    let text = format!("[{},\n{}, 7]", chat("a"), chat("b"));
    let output = read(text.as_bytes()).expect("read");
    assert_eq!(output.trajectories.len(), 2);
    assert_eq!(output.errors.len(), 1);
    assert_eq!(output.errors[0].line, 2);
}

#[test]
fn refusals_name_what_was_looked_for() {
    let say = |bytes: &[u8]| {
        let error = read(bytes).expect_err("refused");
        format!("{error}\nhint: {}", error.hint.as_deref().unwrap_or_default())
    };
    insta::assert_snapshot!(
        [
            say(b""),
            say(b"\xff\xfeh\0"),
            say(b"\x7fELF\0\0\0\0"),
            say(b"just a note\n"),
            say(b"{\"a\": 1}"),
            say(b"{\"messages\": ["),
            say("[".repeat(100_000).as_bytes()),
            formats::read_bytes("x", b"{}", Some("openai-chatt")).expect_err("name").to_string(),
        ]
        .join("\n\n"),
        @r#"
    x: is empty
    hint: a transcript has one message at least

    x: is written in UTF-16
    hint: convert it to UTF-8

    x: is a binary file
    hint: transcripts are text

    x: of no known format, and near to none (not openhands-prompt-log: it has no line of exactly ten dashes; not openhands-completion-log: it holds no JSON object; not openai-chat: it holds no JSON object or list)
    hint: name its format with --from; rolltape list formats shows all of them

    x: of no known format, and near to none (not openhands-completion-log: it has no "messages"; not openai-chat: it has no "messages"; not openai-completion-log: it has no request with "messages")
    hint: name its format with --from; rolltape list formats shows all of them

    x: not readable as JSON: the text ends too early (line 1, byte 14)
    hint: the file may be cut or damaged

    x: not readable as JSON: nested deeper than 128 levels (line 1, byte 128)
    hint: the file may be cut or damaged

    x: no format is named 'openai-chatt'
    "#
    );
}

#[test]
fn broken_turns_of_a_prompt_log_are_said() {
    let output_with_divider = LOG.to_owned()
        + "----------\nmore output\n\n----------\n\nnext\n<function=f>\n</function>\n\n----------\n\n\
           EXECUTION RESULT of [f]:\ny";
    let read = read(output_with_divider.as_bytes()).expect("read");
    assert_eq!(read.warnings.len(), 1, "{:?}", read.warnings);
    assert!(read.warnings[0].message.contains("ten dashes inside the observation"));
    let judged: Vec<usize> = read.trajectories[0].judged().map(|step| step.calls.len()).collect();
    assert_eq!(judged, [1, 1]);
    let first = read.trajectories[0].judged().next().unwrap().observation.as_ref().unwrap();
    let text = first.results[0].content.as_ref().unwrap().text().into_owned();
    assert_eq!(text, "x\n----------\nmore output");
}

#[test]
fn long_lines_are_refused_and_the_rest_goes_on() {
    let long = chat(&"a".repeat(formats::LINE_LIMIT + 1));
    let file = format!("{}\n{long}\n{}\n", chat("one"), chat("two"));
    let output = read(file.as_bytes()).expect("read");
    assert_eq!(output.trajectories.len(), 2);
    assert_eq!(output.errors.len(), 1);
    assert_eq!(output.errors[0].line, 2);
    assert_eq!(output.errors[0].message, "a line is longer than the limit of 64 MiB");
    let output = read(long.as_bytes()).expect("one error");
    assert_eq!((output.trajectories.len(), output.errors.len()), (0, 1));
    let log = LOG.replace("look", &"b".repeat(formats::LINE_LIMIT + 1));
    let error = read(log.as_bytes()).expect_err("one error");
    assert!(error.message.starts_with("a line is longer than the limit of 64 MiB"), "{error}");
    let output = formats::read_bytes("x", log.as_bytes(), Some("openhands-prompt-log")).expect("one error");
    assert_eq!((output.trajectories.len(), output.errors.len()), (0, 1));
}
