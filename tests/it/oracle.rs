//! The two OpenHands runtimes against results measured by running the real converters.

use crate::support;
use rolltape::dialects::openhands_prompt::{ToolStyle, read_observation, read_tools, tools_description};
use rolltape::dialects::{Runtime, RuntimeReading, find_runtime};
use rolltape::model::{Arguments, Object, ToolCall, ToolDef};
use serde_json::Value;

fn oracle() -> Option<Value> {
    let path = support::data("openhands-converter-oracle/oracle.json")?;
    Some(serde_json::from_str(&support::read(&path)).expect("the oracle is JSON"))
}

fn tools(oracle: &Value) -> Vec<ToolDef> {
    let tools = oracle["tools"].as_array().expect("tools");
    tools
        .iter()
        .map(|tool| {
            let function = &tool["function"];
            ToolDef {
                name: text(&function["name"]),
                description: text(&function["description"]),
                parameters: function["parameters"].clone(),
            }
        })
        .collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

fn runtime(version: &str) -> &'static Runtime {
    find_runtime(&format!("openhands-{version}")).expect("the runtime").1
}

fn cases<'a>(oracle: &'a Value, kind: &str) -> &'a Vec<Value> {
    let cases = oracle[kind].as_array().expect("cases");
    assert!(!cases.is_empty(), "no case of {kind}");
    cases
}

/// What a reading looks like in the oracle's own words.
fn shown(reading: RuntimeReading) -> Value {
    match reading {
        RuntimeReading::Message { content } => serde_json::json!({"content": content, "tool_calls": null}),
        RuntimeReading::Calls { content, calls, .. } => serde_json::json!({
            "content": content,
            "tool_calls": calls.iter().map(|call| {
                serde_json::json!({"id": call.id, "name": call.name, "arguments": call.arguments})
            }).collect::<Vec<_>>(),
        }),
        RuntimeReading::Error { class, message, .. } => {
            let class = match class {
                "FunctionCallValidationError" => "Validation".to_owned(),
                other => format!("crash:{other}"),
            };
            serde_json::json!({"error": class, "message": message})
        }
    }
}

fn text_to_call(version: &str) {
    let Some(oracle) = oracle() else { return };
    let tools = tools(&oracle);
    for case in cases(&oracle, "cases") {
        let read = (runtime(version).read)(case["assistant_text"].as_str().expect("text"), &tools, 1);
        assert_eq!(shown(read), case[version], "{version} on {}: {}", case["case"], case["assistant_text"]);
    }
}

#[test]
fn oracle_text_to_call_v0() {
    text_to_call("v0");
}

#[test]
fn oracle_text_to_call_v1() {
    text_to_call("v1");
}

fn call_to_text(version: &str) {
    let Some(oracle) = oracle() else { return };
    for case in cases(&oracle, "calls_to_text") {
        let calls = case["tool_calls"].as_array().into_iter().flatten().map(|call| ToolCall {
            id: call["id"].as_str().unwrap_or_default().to_owned(),
            name: text(&call["function"]["name"]),
            arguments: Arguments::text(text(&call["function"]["arguments"])),
            extra: Object::new(),
            place: None,
        });
        let calls: Vec<ToolCall> = calls.collect();
        let written = (runtime(version).write)(case["content"].as_str().expect("content"), &calls);
        let shown = match written {
            Ok(content) => serde_json::json!({ "content": content }),
            Err(message) => serde_json::json!({"error": "Conversion", "message": message}),
        };
        assert_eq!(shown, case[version], "{version} on {}", case["case"]);
    }
}

#[test]
fn oracle_call_to_text_v0() {
    call_to_text("v0");
}

#[test]
fn oracle_call_to_text_v1() {
    call_to_text("v1");
}

#[test]
fn oracle_observations() {
    let Some(oracle) = oracle() else { return };
    for case in cases(&oracle, "observation_parse") {
        let said = case["user_text"].as_str().expect("text");
        for version in ["v0", "v1"] {
            let want = &case[version];
            match read_observation(said) {
                Some((name, content)) => {
                    assert_eq!(want["role"], "tool", "{}", case["case"]);
                    assert_eq!(
                        (want["name"].as_str(), want["content"].as_str()),
                        (Some(name), Some(content))
                    );
                }
                None => assert_eq!((&want["role"], want["content"].as_str()), (&"user".into(), Some(said))),
            }
        }
    }
}

#[test]
fn oracle_tools_description() {
    let Some(oracle) = oracle() else { return };
    let tools = tools(&oracle);
    for (version, style) in [("v0", ToolStyle::V0), ("v1", ToolStyle::V1)] {
        let written = tools_description(&tools, style);
        assert_eq!(written, oracle["tools_description"][version].as_str().expect("text"), "{version}");
        let read = read_tools(&written).expect("a list");
        let names = |tools: &[ToolDef]| tools.iter().map(|tool| tool.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&read), names(&tools));
        for (read, tool) in read.iter().zip(&tools) {
            assert_eq!(read.parameters.get("required"), tool.parameters.get("required"), "{}", tool.name);
        }
    }
}
