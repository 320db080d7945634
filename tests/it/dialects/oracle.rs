//! Readings of runtimes beside the real parsers, and calls as the real encoders write them.
//!
//! Parsers of vLLM are not here: its package is too large to install for a test, so that its readings are checked
//! in `readings` against what was read in its source.

use super::readings::CASES;
use super::{dialect, told, tools};
use crate::support::needs::venv_folder;
use crate::support::root;
use rolltape::dialects::{RuntimeReading, find_runtime};
use serde_json::{Value, json};
use std::io::Write;
use std::process::{Command, Stdio};

fn ask(given: &Value) -> Value {
    let mut child = Command::new(venv_folder("dialects").join("bin/python"))
        .arg(root().join("tests/it/dialects/oracle.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("python starts");
    let mut input = child.stdin.take().expect("its input");
    input.write_all(given.to_string().as_bytes()).expect("it reads");
    drop(input);
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// Runtimes whose parsers the environment has.
const REAL: [&str; 13] = [
    "sglang-hermes",
    "sglang-qwen25",
    "sglang-llama3",
    "sglang-pythonic",
    "sglang-mistral",
    "sglang-mistral-v11",
    "sglang-qwen3-coder",
    "swe-agent-thought-action",
    "swe-agent-xml",
    "mini-swe-agent-v1",
    "mini-swe-agent-xml",
    "mini-swe-agent-v2",
    "langchain-react",
];

/// A reading in the oracle's words.
fn ours(name: &str, text: &str) -> Value {
    let (_, runtime) = find_runtime(name).expect("the runtime");
    match (runtime.read)(text, &tools(), 1) {
        RuntimeReading::Message { content } => json!({"content": content, "calls": []}),
        RuntimeReading::Calls { content, calls, .. } => {
            let calls: Vec<Value> =
                calls.into_iter().map(|call| json!([call.name, call.arguments])).collect();
            // LangChain keeps no text beside the call.
            let content = if name == "langchain-react" { Value::Null } else { json!(content) };
            json!({"content": content, "calls": calls})
        }
        RuntimeReading::Error { class, .. } => json!({"error": class}),
    }
}

#[test]
fn oracle_runtimes_read_as_the_real_parsers() {
    need!(venv("dialects"));
    let texts: Vec<String> = CASES.iter().map(|case| case.1.to_owned()).chain(made_up()).collect();
    let tools: Vec<Value> =
        tools().iter().map(|tool| json!({"name": tool.name, "parameters": tool.parameters})).collect();
    let given: serde_json::Map<String, Value> =
        REAL.iter().map(|name| ((*name).to_owned(), json!(texts))).collect();
    let answer = ask(&json!({"tools": tools, "texts": given, "calls": []}));
    let mut wrong = Vec::new();
    for name in REAL {
        let readings = answer["readings"][name].as_array().expect("readings");
        assert_eq!(readings.len(), texts.len());
        for (text, real) in texts.iter().zip(readings) {
            let own = ours(name, text);
            // The server passes arguments on that are no object; ours is the refusal of whoever decodes them.
            let passed_on = own["error"] == "TypeError"
                && real["calls"]
                    .as_array()
                    .is_some_and(|calls| calls.iter().any(|call| !call[1].is_object()));
            if own != *real && !passed_on {
                wrong.push(format!("{name} of {text:?}\n  real {real}\n  ours {own}"));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {} differ:\n{}",
        wrong.len(),
        texts.len() * REAL.len(),
        wrong.join("\n")
    );
}

/// Texts put together from pieces of all grammars, the same ones in every run.
fn made_up() -> impl Iterator<Item = String> {
    let pieces = [
        "<tool_call>",
        "</tool_call>",
        "\n",
        " ",
        "{\"name\": \"f\", \"arguments\": {\"a\": \"v\"}}",
        "{\"name\": \"g\", \"parameters\": {}}",
        "{\"name\": \"h\", \"arguments\": {}}",
        "[TOOL_CALLS]",
        "[TOOL_CALLS] [",
        "]",
        "f[ARGS]{\"a\": 1}",
        "<|python_tag|>",
        "; ",
        ";",
        "{'name': 'f', 'parameters': {'b': True}}",
        "[f(a=\"x\"), g()]",
        "[f(n=1)]",
        "<function=f>\n",
        "</function>",
        "<parameter=a>\n",
        "<parameter=n>",
        "7",
        "</parameter>",
        "```\n",
        "```bash\n",
        "\n```",
        "```mswea_bash_command\n",
        "ls -l",
        "<mswea_bash_command>",
        "</mswea_bash_command>",
        "<command>",
        "</command>",
        "Action: f\n",
        "Action Input: ",
        "Observation: ",
        "Final Answer: ",
        "Thought: ",
        "so",
        "null",
        "é",
        "{",
        "}",
    ];
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    (0..400).map(move |_| {
        // Neighbours in the list belong to one grammar.
        let from = next(pieces.len());
        (0..=next(9)).map(|_| pieces[(from + next(9)) % pieces.len()]).collect::<String>()
    })
}

#[test]
fn oracle_calls_as_the_real_encoders_of_mistral_write_them() {
    need!(venv("dialects"));
    let calls = json!([
        {"id": "abcdefghi", "name": "f", "arguments": {"a": "x \"y\" é", "n": 1}},
        {"id": "A1B2C3D4E", "name": "g", "arguments": {}},
    ]);
    let answer = ask(&json!({"tools": [], "texts": {}, "calls": calls}));
    for (version, name) in
        [("v3", "mistral"), ("v7", "mistral"), ("v11", "mistral-v11"), ("v13", "mistral-v11")]
    {
        let text = answer["mistral"][version].as_str().expect("text");
        let start = text.find("[TOOL_CALLS]").expect("calls");
        let end = text.find("</s>").expect("their end");
        let message = &text[start..end];
        let line = told(name, message);
        let line = line.split("; after").next().expect("calls");
        assert_eq!(line, "f({\"a\":\"x \\\"y\\\" é\",\"n\":1}); g({})", "{version}: {message}");
        let results = (dialect(name).read_observations)(&text[end + "</s>".len()..]);
        let results: Vec<&str> =
            results.iter().map(|result| result.content.text(&text[end + "</s>".len()..])).collect();
        if version == "v3" {
            assert_eq!(results.len(), 2, "{text}");
        } else {
            assert_eq!(results, ["line 1\nline 2"; 2], "{version}: {text}");
        }
    }
}
