//! Findings about native calls, as a user sees them.

use crate::support::{self, Rolltape};
use serde_json::{Value, json};

const TOOLS: &str = r#"[{"type":"function","function":{"name":"look","parameters":{"type":"object","properties":{"at":{"type":"string"}}}}}]"#;

/// Two messages: one that calls twice and wrongly, and one whose only call has a parameter of the wrong type.
fn chat() -> Value {
    let call = |id: &str, name: &str, arguments: &str| json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}});
    json!({"messages": [
        {"role": "user", "content": "go"},
        {"role": "assistant", "content": "\u{e9}", "tool_calls": [call("a", "lok", "{}"), call("b", "look", "{\"at\": 1}")]},
        {"role": "tool", "tool_call_id": "a", "content": "ok"},
        {"role": "tool", "tool_call_id": "b", "content": "ok"},
        {"role": "assistant", "content": null, "tool_calls": [call("c", "look", "{\"at\": \"x\"")]},
        {"role": "tool", "tool_call_id": "c", "content": "ok"},
    ]})
}

fn check(text: &str, more: &[&str]) -> String {
    let folder = support::temp();
    std::fs::write(folder.path().join("chat.json"), text).expect("a file");
    std::fs::write(folder.path().join("tools.json"), TOOLS).expect("a file");
    let fixed = ["check", "chat.json", "--tools", "tools.json", "--select", "FC,CO"];
    let arguments: Vec<&str> = fixed.into_iter().chain(more.iter().copied()).collect();
    Rolltape::new(&arguments).cwd(folder.path()).run().expect_code(1).stdout
}

#[test]
fn a_call_is_shown_where_it_stands() {
    let line = check(&format!("{}\n", chat()), &[]);
    let document = check(&format!("{:#}", chat()), &[]);
    insta::assert_snapshot!("check_calls", format!("{line}\n{document}"));
}

/// Line and column lead to the call; bytes are left out, as no offset in the message leads there.
#[test]
fn machines_are_told_the_same_place() {
    for (text, second) in [(chat().to_string(), "{\"id\":\"b\""), (format!("{:#}", chat()), "{\n")] {
        let report: Value = serde_json::from_str(&check(&text, &["--format", "json"])).expect("JSON");
        let all = report["findings"].as_array().expect("a list");
        let found = all.iter().find(|one| one["rule"] == "FC002").expect("two calls");
        assert_eq!((&found["byte_start"], &found["byte_end"]), (&Value::Null, &Value::Null), "{found}");
        let (line, column) =
            (found["line"].as_u64().expect("a line"), found["column"].as_u64().expect("a column"));
        let line = text.split_inclusive('\n').nth(line as usize - 1).expect("the line");
        let rest: String = line.chars().skip(column as usize - 1).collect();
        assert!(rest.starts_with(second), "{rest:.80}");
    }
}

/// Of a call that holds a secret nothing is shown, however it is escaped, and its place is told.
#[test]
fn no_secret_of_a_call_is_shown() {
    let shape: String = (0..36).map(|n| char::from(b"aZ5kQ9mX2b"[n * 7 % 10])).collect();
    let arguments = json!({ "at": format!("ghp_{shape}") });
    let chat = json!({"messages": [{"role": "user", "content": "go"}, {"role": "assistant", "content": null, "tool_calls": [
        {"id": "a", "type": "function", "function": {"name": "lok", "arguments": arguments.to_string()}}]}]});
    let atif = json!({"schema_version": "ATIF-v1.8", "agent": {"name": "a", "version": "1"}, "steps": [
        {"step_id": 1, "source": "agent", "message": "", "tool_calls": [
            {"tool_call_id": "a", "function_name": "lok", "arguments": arguments}]}]});
    let atif = atif.to_string().replace("ghp_", "ghp\\u005f");
    for (text, begins) in [(chat.to_string(), "{\"id\""), (atif, "{\"tool_call_id\"")] {
        let folder = support::temp();
        std::fs::write(folder.path().join("chat.json"), &text).expect("a file");
        std::fs::write(folder.path().join("tools.json"), TOOLS).expect("a file");
        let arguments = ["check", "chat.json", "--tools", "tools.json", "--select", "FC006,SE001"];
        let output = Rolltape::new(&arguments).cwd(folder.path()).run().expect_code(1).stdout;
        let column = text.find(begins).expect("the call") + 1;
        for told in ["error FC006", "warning SE001"] {
            assert!(output.contains(&format!("chat.json:1:{column}: {told}")), "{told}: {output}");
        }
        assert!(!output.contains(&shape[..8]), "{output}");
    }
}
