//! Chats for the benches of `check` and `convert`, generated: the same bytes on every machine.

use rolltape::dialects;
use rolltape::model::ToolDef;
use serde_json::{Value, json};
use std::io::{BufWriter, Write};
use std::path::Path;

/// How calls are written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Calls {
    /// In the text, the tools described in the system prompt.
    Text,
    /// As objects, the tools as a list in each record.
    Native,
}

/// What a corpus came to.
pub(crate) struct Corpus {
    pub(crate) bytes: u64,
    pub(crate) chats: u64,
}

/// Bytes of a corpus; `ROLLTAPE_BENCH_MB` sets another size.
pub(crate) fn size() -> u64 {
    let mb = std::env::var_os("ROLLTAPE_BENCH_MB").and_then(|text| text.to_str()?.parse::<u64>().ok());
    mb.unwrap_or(200) * 1_000_000
}

/// Writes chats, one a line, until there are enough bytes.
pub(crate) fn write(path: &Path, calls: Calls) -> Corpus {
    let mut file = BufWriter::new(std::fs::File::create(path).unwrap());
    let mut corpus = Corpus { bytes: 0, chats: 0 };
    while corpus.bytes < size() {
        let mut line = chat(corpus.chats, calls).to_string();
        line.push('\n');
        file.write_all(line.as_bytes()).unwrap();
        corpus.bytes += line.len() as u64;
        corpus.chats += 1;
    }
    file.into_inner().unwrap();
    corpus
}

/// A chat of 15 turns of about 36 KB that ends with a call of `finish`. One in fifty has a message with two calls.
pub(crate) fn chat(number: u64, calls: Calls) -> Value {
    let mut messages = vec![system(calls)];
    messages.push(json!({"role": "user", "content": format!("Task {number}: find the cause of the failure in module {} and mend it.\n\nThe tests are in `tests/`.", number % 97)}));
    for turn in 0..15 {
        let (name, arguments) = call(number, turn);
        let said = format!(
            "I look at part {turn} of the tree first, since \"value {number}\" comes from there.\n\nThen I'll go on with what the search shows; a < b holds in both branches."
        );
        let twice = number % 50 == 7 && turn == 3;
        let id = format!("call_{number}_{turn}");
        messages.push(match calls {
            Calls::Text => {
                let text = text_call(name, &arguments);
                let again = if twice { text.as_str() } else { "" };
                json!({"role": "assistant", "content": format!("{said}\n\n{text}{again}")})
            }
            Calls::Native => {
                let one = json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments.to_string()}});
                let mut list = vec![one.clone()];
                list.extend(twice.then_some(one));
                json!({"role": "assistant", "content": said, "tool_calls": list})
            }
        });
        let output = output(number, turn);
        messages.push(match calls {
            Calls::Text => {
                json!({"role": "user", "content": format!("EXECUTION RESULT of [{name}]:\n{output}")})
            }
            Calls::Native => json!({"role": "tool", "tool_call_id": id, "name": name, "content": output}),
        });
    }
    let done = json!({"message": format!("Done: the cause was in module {number}.")});
    messages.push(match calls {
        Calls::Text => json!({"role": "assistant", "content": text_call("finish", &done)}),
        Calls::Native => json!({"role": "assistant", "content": null, "tool_calls": [{"id": format!("call_{number}_end"), "type": "function",
            "function": {"name": "finish", "arguments": done.to_string()}}]}),
    });
    match calls {
        Calls::Text => json!({"id": format!("chat-{number}"), "model": "some-model", "messages": messages}),
        Calls::Native => {
            let tools: Vec<Value> = tools()
                .iter()
                .map(|tool| json!({"type": "function", "function": {"name": tool.name, "description": tool.description, "parameters": tool.parameters}}))
                .collect();
            json!({"id": format!("chat-{number}"), "model": "some-model", "tools": tools, "messages": messages})
        }
    }
}

fn system(calls: Calls) -> Value {
    let rules = "You work in a shell on a copy of a repository. Call exactly one function in each message.\n"
        .repeat(20);
    let text = match calls {
        Calls::Text => {
            let dialect = dialects::find("openhands").unwrap();
            format!("{rules}\n{}", (dialect.describe)(&tools()))
        }
        Calls::Native => rules,
    };
    json!({"role": "system", "content": text})
}

fn tools() -> Vec<ToolDef> {
    let tool = |name: &str, description: &str, parameters: Value| ToolDef {
        name: name.to_owned(),
        description: description.to_owned(),
        parameters,
    };
    let long = "It runs in one shell that stays open, so that variables and the current folder are kept.\n"
        .repeat(6);
    vec![
        tool(
            "execute_bash",
            &format!("Runs a command in the shell.\n{long}"),
            json!({"type": "object", "properties": {
                "command": {"type": "string", "description": "The command."},
                "timeout": {"type": "integer", "description": "Seconds after which it is ended."}},
                "required": ["command"]}),
        ),
        tool(
            "str_replace_editor",
            &format!("Looks at files and edits them.\n{long}"),
            json!({"type": "object", "properties": {
                "command": {"type": "string", "enum": ["view", "create", "str_replace"], "description": "What to do."},
                "path": {"type": "string", "description": "An absolute path."},
                "old_str": {"type": "string", "description": "Text that is there."},
                "new_str": {"type": "string", "description": "Text that takes its place."},
                "view_range": {"type": "array", "items": {"type": "integer"}, "description": "First and last line."}},
                "required": ["command", "path"]}),
        ),
        tool(
            "finish",
            "Ends the task.",
            json!({"type": "object", "properties": {"message": {"type": "string", "description": "Last words."}},
                "required": ["message"]}),
        ),
    ]
}

fn call(number: u64, turn: u64) -> (&'static str, Value) {
    let path = format!("/workspace/project/src/module_{turn}.rs");
    match turn % 3 {
        0 => (
            "execute_bash",
            json!({"command": format!("cd /workspace/project && grep -rn 'name_{number}_{turn}' src | head -50 && cargo test --lib 2>&1 | tail -20")}),
        ),
        1 => ("str_replace_editor", json!({"command": "view", "path": path, "view_range": [1, 40 + turn]})),
        _ => (
            "str_replace_editor",
            json!({"command": "str_replace", "path": path,
                "old_str": format!("    let name = \"value\";\n    if a < {number} {{\n        return None;\n    }}\n"),
                "new_str": format!("    let name = \"value {turn}\";\n    if a <= {number} {{\n        return Some(name);\n    }}\n")}),
        ),
    }
}

fn text_call(name: &str, arguments: &Value) -> String {
    let mut out = format!("<function={name}>\n");
    for (key, value) in arguments.as_object().unwrap() {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        out.push_str(&format!("<parameter={key}>{value}</parameter>\n"));
    }
    out.push_str("</function>");
    out
}

/// What a command printed: about 1.9 KB, with quotes, tabs and a character beyond ASCII in some lines.
fn output(number: u64, turn: u64) -> String {
    let mut out = String::new();
    for line in 0..28 {
        let sign = if line % 9 == 4 { "→ kept" } else { "kept" };
        out.push_str(&format!(
            "src/module_{turn}.rs:{}:    let name_{number} = \"value\t{turn}\"; // {sign}, see issue {line}\n",
            number + line
        ));
    }
    out
}
