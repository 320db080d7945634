//! Calls turned on raw lines against the exact way: where something is written, it has the same bytes and the same
//! report.

use crate::check_quick::{chat, each_line, edit, edited};
use crate::support;
use proptest::prelude::*;
use rolltape::formats::raw_chat::{FORMAT, Turned, Turner};
use rolltape::formats::{self, CallForm, Output};
use serde_json::{Value, json};
use std::borrow::Cow;

/// What the exact way makes of a line; an error if it has anything to remark.
fn exact(line: &str, form: CallForm) -> Result<(String, Turned), String> {
    let format = formats::find(FORMAT).expect("the format");
    let output = formats::read_lines(format, "f", line.as_bytes(), &[(0, line.len())], usize::MAX);
    let [trajectory] = output.trajectories.as_slice() else { return Err(format!("{:?}", output.errors)) };
    if !output.errors.is_empty() || !output.warnings.is_empty() {
        return Err(format!("{:?} {:?}", output.errors, output.warnings));
    }
    let (made, loss) = formats::convert(Cow::Borrowed(trajectory), format, Some(form)).expect("writable");
    let Output::Line(made) = made else { panic!("not a line") };
    Ok((String::from_utf8(made).expect("UTF-8"), Turned { id: trajectory.id.clone(), loss }))
}

/// Whether the line was turned into that form, which then is what the exact way gives.
#[track_caller]
fn turns(line: &str, form: &str) -> bool {
    let form = CallForm::find(form).expect("a form");
    let mut turner = Turner::new(formats::find(FORMAT).expect("the format"), Some(form)).expect("turned");
    let mut out = b"before".to_vec();
    let turned = turner.line(line.as_bytes(), &mut out);
    let first = out.split_off("before".len());
    // The second time, tools are remembered.
    assert_eq!(turner.line(line.as_bytes(), &mut out), turned, "{line}");
    assert_eq!(&out["before".len()..], first, "{line}");
    let Some(turned) = turned else {
        assert!(first.is_empty(), "{line}");
        return false;
    };
    let made = String::from_utf8(first).expect("UTF-8");
    let (wanted, told) = exact(line, form).unwrap_or_else(|why| panic!("{why}: {line}"));
    assert_eq!(made, wanted, "{line}");
    assert_eq!(turned, told, "{line}");
    true
}

#[test]
fn what_keeps_the_format_is_turned_on_its_bytes() {
    for listed in [true, false] {
        for turns_of in [1, 4] {
            for (native, form) in [(false, "native"), (true, "openhands")] {
                let line = chat(native, listed, turns_of).to_string();
                // Numbers need a tool that asks for them; without one the text would not be read as one.
                let sure = listed || !native || !line.contains("timeout");
                assert_eq!(turns(&line, form), sure, "{line}");
                assert_eq!(turns(&line.replace("\":", "\": ").replace(",\"", ", \""), form), sure, "{line}");
                let ascii = line.replace('\u{e9}', "\\u00e9").replace('→', "\\u2192");
                assert_eq!(turns(&ascii, form), sure, "{ascii}");
            }
        }
    }
}

#[test]
fn a_chat_without_a_system_prompt_or_without_tools_is_turned_too() {
    let mut one = chat(true, true, 2);
    one["messages"].as_array_mut().expect("a list").remove(0);
    assert!(turns(&one.to_string(), "openhands"));
    one.as_object_mut().expect("an object").shift_remove("tools");
    let text = one.to_string().replace(r#",\"timeout\":10"#, "");
    assert!(turns(&text, "openhands"), "{text}");
}

#[test]
fn what_was_turned_is_turned_back() {
    let form = CallForm::find("openhands").expect("a form");
    for prompt in [true, false] {
        let mut chat = chat(true, true, 2);
        if !prompt {
            chat["messages"].as_array_mut().expect("a list").remove(0);
        }
        let (text, _) = exact(&chat.to_string(), form).expect("converted");
        assert!(text.contains("tools_in_prompt"), "{text}");
        assert!(turns(&text, "native"), "{text}");
        assert!(!turns(&text.replace("Does it.\\nParameters", "Does it. Parameters"), "native"), "{text}");
        assert!(!turns(&text, "openhands"), "{text}");
        assert!(
            !turns(&text.replace("Rules.\\n\\nThese", "Rules.\\\\n\\nThese"), "native") || !prompt,
            "{text}"
        );
    }
}

#[test]
fn calls_of_another_kind_are_left_to_the_exact_way() {
    let line = chat(true, true, 2).to_string();
    for (old, new) in [
        ("call_0", "toolu_01"),
        ("call_1", "call_0"),
        ("I look.", "I look. "),
        ("I look.", "<function=x>"),
        ("ls -la", "</parameter>"),
        (
            "\"type\":\"function\",\"function\":{\"name\":\"execute",
            "\"index\":0,\"type\":\"function\",\"function\":{\"name\":\"execute",
        ),
    ] {
        let other = line.replace(old, new);
        assert_ne!(other, line);
        assert!(!turns(&other, "openhands"), "{other}");
    }
}

/// Gaps, values and headings that are easily taken for others.
const TURNS: &[&str] = &[
    "I look.\n\n<function=execute_bash>\n<parameter=command>x</parameter>\n</function>",
    "I look.\n<function=f>\n</function>\n",
    "I look.\u{a0}\n\n<function=f>\n</function>",
    "I look.\n\n\n<function=f>\n</function>",
    "\n\n<function=f>\n</function>",
    "\n<function=f>\n</function>",
    " \n<function=f>\n</function>",
    "\\n\n\n<function=f>\n</function>",
    "\\\n<function=f>\n</function>",
    "é<function=f>\n</function>",
    "<function=f>\n<parameter=a>\nx\n</parameter>\n</function>",
    "<function=f>\n<parameter=timeout>10</parameter> <parameter=command>\"\\\"</parameter></function>",
    "<function=execute_bash>\n<parameter=command>true</parameter>\n<parameter=timeout>x</parameter>\n</function>",
    "<function=execute_bash>\n<parameter=timeout> 10</parameter>\n</function>",
    "<function=execute_bash>\n<parameter=any>10</parameter>\n<parameter=is_input>true</parameter>\n</function>",
    "<function=execute_bash>\n<parameter=ratio>1</parameter>\n<parameter=nested>{}</parameter>\n</function>",
    "nothing",
    "",
];

const ANSWERS: &[&str] = &[
    "EXECUTION RESULT of [f]:\nx",
    "EXECUTION RESULT of [execute_bash]:\nx",
    "EXECUTION RESULT of [execute_bash]:\n",
    "EXECUTION RESULT of [execute_bash]: x",
    "EXECUTION RESULT of [",
    "EXECUTION RESULT of [g]:\nx",
    "x EXECUTION RESULT of [f]:\nx",
    "next",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn whatever_was_done_to_a_line_both_ways_write_the_same(
        native in any::<bool>(),
        listed in any::<bool>(),
        turns_of in 0..3_usize,
        edits in prop::collection::vec(edit(), 0..4),
    ) {
        let line = edits.iter().fold(chat(native, listed, turns_of).to_string(), edited);
        turns(&line, "native");
        turns(&line, "openhands");
    }

    #[test]
    fn turns_of_many_shapes_are_written_the_same(
        said in prop::collection::vec((0..TURNS.len(), prop::collection::vec(0..ANSWERS.len(), 0..3)), 1..4),
        listed in any::<bool>(),
        bare in any::<bool>(),
    ) {
        let mut line = chat(false, listed, 0);
        let messages = line["messages"].as_array_mut().expect("a list");
        messages.truncate(if bare { 0 } else { 2 });
        for (turn, answers) in said {
            messages.push(json!({"role": "assistant", "content": TURNS[turn]}));
            messages.extend(answers.into_iter().map(|answer| json!({"role": "user", "content": ANSWERS[answer]})));
        }
        turns(&line.to_string(), "native");
        // What came of it goes the way back.
        let line = exact(&line.to_string(), CallForm::Native).expect("converted").0;
        turns(&line, "openhands");
        let line = exact(&line, CallForm::find("openhands").expect("a form")).expect("converted").0;
        turns(&line, "native");
    }

    #[test]
    fn arguments_of_many_shapes_are_written_the_same(
        text in r#"[a\\ \n"<é/>`]{0,8}"#,
        content in r"[a \n`é]{0,4}",
        number in any::<i32>(),
        spaced in any::<bool>(),
    ) {
        for arguments in [
            json!({"command": text}),
            json!({"command": text, "timeout": number}),
            json!({"any": number, "nested": {"a": [number]}}),
            json!({"ratio": number, "is_input": true, "command": format!("</{text}")}),
            json!({"timeout": text}),
            json!({"nested": {}, "extra": text}),
            json!({}),
        ] {
            let mut line = chat(true, true, 1);
            let written = arguments.to_string();
            let written = if spaced { written.replace("\":", "\": ") } else { written };
            line["messages"][2]["tool_calls"][0]["function"]["arguments"] = Value::from(written);
            line["messages"][2]["content"] = Value::from(content.as_str());
            line["messages"][3]["content"] = Value::from(text.as_str());
            turns(&line.to_string(), "openhands");
        }
    }
}

#[test]
fn both_ways_write_the_same_on_real_data() {
    let Some(folder) = support::data_dir() else { return };
    let (mut lines, mut said) = (0, 0);
    each_line(&folder, &mut |line| {
        lines += 1;
        said += usize::from(turns(line, "native")) + usize::from(turns(line, "openhands"));
    });
    assert!(lines > 1000, "{lines} lines");
    assert!(said > 0, "nothing was turned of {lines} lines");
}
