//! The quick way of the FC rules against the exact one: where it says something, both say the same.

use crate::support;
use proptest::prelude::*;
use rolltape::formats;
use rolltape::model::Policy;
use rolltape::rules::quick::{Counts, FORMAT, Quick};
use rolltape::rules::{self, Options};
use serde_json::{Value, json};
use std::path::Path;

fn off() -> Vec<&'static str> {
    rules::ALL.iter().filter(|rule| rule.family() != "FC").map(|rule| rule.id).collect()
}

/// What the exact way says of a line; an error if it has anything to say beside the counts.
fn exact(line: &str, options: &Options<'_>) -> Result<Counts, String> {
    let format = formats::find(FORMAT).expect("the format");
    let output = formats::read_lines(format, "f", line.as_bytes(), &[(0, line.len())], usize::MAX);
    let [trajectory] = output.trajectories.as_slice() else { return Err(format!("{:?}", output.errors)) };
    if !output.errors.is_empty() || !output.warnings.is_empty() {
        return Err(format!("{:?} {:?}", output.errors, output.warnings));
    }
    let judgement = rules::judge_with(trajectory, &Policy::default(), options);
    if !judgement.findings.is_empty() || judgement.messages != judgement.compliant {
        return Err(format!("{:?}", judgement.findings));
    }
    Ok(Counts { messages: judgement.messages, calls: judgement.calls })
}

/// Whether the quick way said something of the line, which then is what the exact way says.
#[track_caller]
fn agrees(line: &str) -> bool {
    let off = off();
    let given = formats::openai::tools(tools().to_string().as_bytes());
    let options = Options { off: &off, ..Options::default() };
    same(line, &Options { tools: given.as_deref(), ..options });
    same(line, &options)
}

fn same(line: &str, options: &Options<'_>) -> bool {
    let mut quick = Quick::new(&Policy::default(), options).expect("a quick way");
    // The second time, tools are remembered.
    let (first, second) = (quick.line(line.as_bytes()), quick.line(line.as_bytes()));
    assert_eq!(first, second, "{line}");
    if let Some(counts) = first {
        assert_eq!(exact(line, options), Ok(counts), "{line}");
    }
    first.is_some()
}

fn tools() -> Value {
    let tool = |name: &str, properties: Value, required: &[&str]| {
        json!({"type": "function", "function": {"name": name, "description": "Does it.",
            "parameters": {"type": "object", "properties": properties, "required": required}}})
    };
    json!([
        tool(
            "execute_bash",
            json!({"command": {"type": "string"}, "timeout": {"type": "integer"}, "is_input": {"type": "boolean"},
                "any": {"description": "anything"}, "ratio": {"type": "number"}, "nested": {"type": "object"}}),
            &["command"]
        ),
        tool(
            "edit",
            json!({"kind": {"type": "string", "enum": ["view", "create"]},
                "range": {"type": "array", "items": {"type": "integer"}},
                "odd": {"type": "string", "pattern": "^a"}}),
            &["kind"]
        ),
        tool("finish", json!({}), &[]),
    ])
}

const SYSTEM: &str = "Rules.\n---- BEGIN FUNCTION #1: execute_bash ----\nDescription: Runs.\nParameters:\n  (1) command (string, required): The command.\n  (2) timeout (integer, optional): Seconds.\n---- END FUNCTION #1 ----\n---- BEGIN FUNCTION #2: finish ----\nDescription: Ends.\nNo parameters are required for this function.\n---- END FUNCTION #2 ----\n";

/// A chat that keeps the format, in text or natively, with or without a list of tools.
pub(super) fn chat(native: bool, listed: bool, turns: usize) -> Value {
    let mut messages = vec![
        json!({"role": "system", "content": if listed || native { "Rules." } else { SYSTEM }}),
        json!({"role": "user", "content": "Do \"it\": \u{e9} → 😀\tnow\n"}),
    ];
    for turn in 0..turns {
        let calls = [
            ("execute_bash", json!({"command": "ls -la\n# \"x\" <a> \\d", "timeout": 10})),
            ("execute_bash", json!({"command": "cat <<'EOF'\n</b>\nEOF"})),
        ];
        let (name, arguments) = &calls[turn % 2];
        if native {
            let id = format!("call_{turn}");
            messages.push(json!({"role": "assistant", "content": "I look.", "tool_calls":
                [{"id": id, "type": "function", "function": {"name": name, "arguments": arguments.to_string()}}]}));
            messages.push(json!({"role": "tool", "tool_call_id": id, "name": name, "content": "a\nb"}));
        } else {
            let parameters = arguments.as_object().expect("an object").iter().map(|(key, value)| {
                let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                format!("<parameter={key}>{value}</parameter>\n")
            });
            let text = format!("I look.\n\n<function={name}>\n{}</function>", parameters.collect::<String>());
            messages.push(json!({"role": "assistant", "content": text}));
            messages.push(json!({"role": "user", "content": format!("EXECUTION RESULT of [{name}]:\na\nb")}));
        }
    }
    messages.push(if native {
        json!({"role": "assistant", "content": null, "tool_calls":
            [{"id": "end", "type": "function", "function": {"name": "finish", "arguments": "{}"}}]})
    } else {
        json!({"role": "assistant", "content": "<function=finish>\n</function>"})
    });
    let mut chat =
        json!({"id": "c", "messages": messages, "score": 0.5, "n": -12, "tags": ["a", {"b": null}]});
    if listed {
        chat["tools"] = tools();
    }
    chat
}

#[test]
fn what_keeps_the_format_is_said_quickly() {
    for native in [true, false] {
        for listed in [true, false] {
            for turns in [0, 1, 4] {
                let line = chat(native, listed, turns).to_string();
                assert!(agrees(&line), "{line}");
                assert!(agrees(&line.replace("\":", "\": ").replace(",\"", ", \"")), "with blanks: {line}");
                assert!(agrees(&format!("{line}\r")), "with a CR: {line}");
                let mut parts = chat(native, listed, turns);
                for message in parts["messages"].as_array_mut().expect("a list") {
                    if let Some(text) = message["content"].as_str() {
                        message["content"] =
                            json!([{"type": "text", "text": text, "cache_control": {"type": "x"}}]);
                    }
                }
                assert!(agrees(&parts.to_string()), "with parts: {parts}");
            }
        }
    }
}

/// Pieces that mean something somewhere.
const PIECES: &[&str] = &[
    "<function=",
    "<function=finish>\\n</function>",
    "</function>",
    "<parameter=",
    "</parameter>",
    "<parameter=command>",
    "<parameter=timeout>x</parameter>\\n",
    "<think>",
    "</think>",
    "<tool_call>",
    "</tool_call>",
    "\\nUSER:",
    "\\nOBSERVATION:",
    "EXECUTION RESULT of [",
    "`",
    "```",
    "\\u003c",
    "\\u003cfunction=",
    "\\u001b",
    "\\ud83d",
    "\\ud83d\\ude00",
    "\\/",
    "\\n",
    "\\t",
    "\\r",
    "\\\"",
    "\\\\",
    "\\",
    "\"",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    " ",
    "\t",
    "null",
    "true",
    "1e5",
    "0.1",
    "12345678901234567890",
    "NaN",
    "\u{b}",
    "\u{a0}",
    "\u{ff5c}",
    "\\uff5c",
    "[TOOL_CALLS]",
    "=",
    ">",
    "<",
    "\"role\":\"assistant\",",
    "\"role\":\"tool\",",
    "\"content\":null,",
    "\"name\":\"x\",",
    "\"tool_calls\":[],",
    "\"tool_calls\":null,",
    "\"reasoning_content\":\"<function=f>\\n</function>\",",
    "\"reasoning\":\"hm\",",
    "\"function_call\":null,",
    "\"tools\":[],",
    "\"tools\":null,",
    "\"functions\":[],",
    "{\"role\":\"user\",\"content\":\"\"},",
    "{\"role\":\"assistant\",\"content\":\"\"},",
    "\\\"timeout\\\": 10, ",
    "\\\"timeout\\\": \\\"10\\\", ",
    "\\\"timeout\\\": 1.0, ",
    "\\\"is_input\\\": true, ",
    "\\\"any\\\": [1, {\\\"a\\\": null}], ",
    "\\\"ratio\\\": 1, ",
    "\\\"nested\\\": {\\\"a\\\": 1, \\\"a\\\": 2}, ",
    "\\\"command\\\": \\\"x\\\", ",
    "execute_bash",
    "edit",
    "finish",
    "call_0",
    "call_1",
    "end",
    "command",
    "timeout",
    "string",
    "integer",
    "required",
    "\u{feff}",
    "\u{0}",
];

#[derive(Debug, Clone)]
pub(super) enum Edit {
    /// Puts a piece at a place.
    Insert(usize, usize),
    /// Takes bytes away.
    Remove(usize, usize),
    /// Writes a piece over another one.
    Replace(usize, usize),
    /// Moves one message.
    Move(usize, usize),
    /// Takes one message away.
    Drop(usize),
    /// Says one message twice.
    Again(usize),
    /// Makes the text of a message a list of parts.
    Parts(usize, usize),
}

pub(super) fn edit() -> impl Strategy<Value = Edit> {
    let at = || 0..10_000_usize;
    let piece = || 0..PIECES.len();
    prop_oneof![
        4 => (at(), piece()).prop_map(|(at, piece)| Edit::Insert(at, piece)),
        2 => (at(), 1..12_usize).prop_map(|(at, count)| Edit::Remove(at, count)),
        3 => (piece(), piece()).prop_map(|(old, new)| Edit::Replace(old, new)),
        1 => (at(), at()).prop_map(|(from, to)| Edit::Move(from, to)),
        1 => at().prop_map(Edit::Drop),
        1 => at().prop_map(Edit::Again),
        1 => (at(), 0..8_usize).prop_map(|(at, kind)| Edit::Parts(at, kind)),
    ]
}

pub(super) fn edited(line: String, edit: &Edit) -> String {
    let boundary =
        |at: usize| (0..=at % (line.len() + 1)).rev().find(|at| line.is_char_boundary(*at)).unwrap_or(0);
    let messages = |change: &dyn Fn(&mut Vec<Value>)| {
        let Ok(mut value) = serde_json::from_str::<Value>(&line) else { return line.clone() };
        match value.get_mut("messages").and_then(Value::as_array_mut).filter(|list| !list.is_empty()) {
            Some(list) => change(list),
            None => return line.clone(),
        }
        value.to_string()
    };
    match edit {
        Edit::Insert(at, piece) => {
            let at = boundary(*at);
            format!("{}{}{}", &line[..at], PIECES[*piece], &line[at..])
        }
        Edit::Remove(at, count) => {
            let (from, to) = (boundary(*at), boundary((at % (line.len() + 1)) + count));
            format!("{}{}", &line[..from], &line[to.max(from)..])
        }
        Edit::Replace(old, new) => line.replacen(PIECES[*old], PIECES[*new], 1),
        Edit::Move(from, to) => messages(&|list| {
            let one = list.remove(from % list.len());
            let at = to % (list.len() + 1);
            list.insert(at, one);
        }),
        Edit::Drop(at) => messages(&|list| {
            list.remove(at % list.len());
        }),
        Edit::Again(at) => messages(&|list| {
            let one = list[at % list.len()].clone();
            list.push(one);
        }),
        Edit::Parts(at, kind) => messages(&|list| {
            let at = at % list.len();
            let text = list[at]["content"].clone();
            list[at]["content"] = match kind {
                0 => json!([{"type": "text", "text": text}]),
                1 => json!([text]),
                2 => json!([{"text": text}]),
                3 => json!([{"type": "input_text", "text": text}, "x"]),
                4 => {
                    json!([{"type": "text", "text": text}, {"type": "image_url", "image_url": {"url": "u"}}])
                }
                5 => json!([{"type": "image_url", "text": text}]),
                6 => json!([]),
                _ => json!([1, text]),
            };
        }),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    #[test]
    fn whatever_was_done_to_a_line_both_ways_agree(
        native in any::<bool>(),
        listed in any::<bool>(),
        turns in 0..3_usize,
        edits in prop::collection::vec(edit(), 1..4),
    ) {
        let line = edits.iter().fold(chat(native, listed, turns).to_string(), edited);
        agrees(&line);
    }
}

#[test]
fn both_ways_agree_on_real_data() {
    let Some(folder) = support::data_dir() else { return };
    let (mut lines, mut said) = (0, 0);
    each_line(&folder, &mut |line| {
        lines += 1;
        said += usize::from(agrees(line));
    });
    assert!(lines > 1000, "{lines} lines");
    assert!(said > 0, "nothing was said of {lines} lines");
}

/// Every line of every file of a folder, and every list of messages in it as a line of its own.
pub(super) fn each_line(folder: &Path, look: &mut dyn FnMut(&str)) {
    each_file(folder, &mut |path| {
        let bytes = std::fs::read(path).expect("a file");
        let text = String::from_utf8_lossy(&formats::decompress(&bytes).bytes).into_owned();
        text.lines().for_each(&mut *look);
        let whole = serde_json::from_str::<Value>(&text).into_iter();
        for value in whole.chain(text.lines().filter_map(|line| serde_json::from_str(line).ok())) {
            each_chat(&value, &mut |chat| look(&chat.to_string()));
        }
        if let Ok(output) = formats::read_bytes("f", &bytes, None) {
            output.trajectories.iter().for_each(|trajectory| look(&as_text_chat(trajectory).to_string()));
        }
    });
}

fn each_file(folder: &Path, tell: &mut dyn FnMut(&Path)) {
    let mut entries: Vec<_> =
        std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() { each_file(&path, tell) } else { tell(&path) }
    }
}

/// Objects with `messages`, and lists of messages.
fn each_chat(value: &Value, tell: &mut dyn FnMut(Value)) {
    match value {
        Value::Array(list) => {
            if list.iter().any(|item| item.get("role").is_some()) {
                tell(json!({ "messages": list }));
            }
            for item in list {
                each_chat(item, tell);
            }
        }
        Value::Object(object) => {
            if object.get("messages").is_some_and(Value::is_array) {
                tell(value.clone());
            }
            object.values().for_each(|item| each_chat(item, tell));
        }
        _ => {}
    }
}

/// The steps of any trajectory as a chat with its raw replies.
fn as_text_chat(trajectory: &rolltape::model::Trajectory) -> Value {
    let mut messages = Vec::new();
    for step in &trajectory.steps {
        let role = match step.source {
            rolltape::model::Source::System => "system",
            rolltape::model::Source::User => "user",
            rolltape::model::Source::Agent => "assistant",
        };
        messages.push(json!({"role": role, "content": step.judged_text()}));
        for result in step.observation.iter().flat_map(|observation| &observation.results) {
            messages.push(
                json!({"role": "user", "content": result.content.as_ref().map(|content| content.text())}),
            );
        }
    }
    json!({ "messages": messages })
}
