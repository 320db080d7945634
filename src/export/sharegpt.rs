//! `sharegpt`: `conversations` as LLaMA-Factory reads them.
//!
//! Its loader skips a row with no more than a warning unless turns alternate strictly, (human or
//! observation) and (gpt or function_call), from human to gpt; and it takes no text beside a call. What
//! does not fit is rejected here. Turns of one side that follow each other are merged; calls are JSON
//! text with arguments as an object, tools are JSON text.

use super::dialogue::{Call, Dialogue, Role, Turn};
use super::messages::{self, read_arguments};
use super::reason::{Reason, Reject};
use super::{Row, Target, Unit, Units};
use serde_json::{Value, json};

pub(super) static ITEM: Target = Target {
    name: "sharegpt",
    about: "conversations for LLaMA-Factory and others",
    arguments: "object",
    roles: "system, then human or observation and gpt or function_call in turn",
    ends: "gpt or function_call",
    container: "conversations, tools",
    units: Units::Rows,
    masks: false,
    reasoning: false,
    tables: &[""],
    floats: &[],
    write,
    read,
    as_read,
    extra,
};

/// Between the texts of turns that are merged.
const BETWEEN: &str = "\n\n";

fn write(unit: &Unit<'_>) -> Result<Vec<Row>, Reject> {
    let Unit::Row(member) = unit else { return Ok(Vec::new()) };
    let dialogue = &member.dialogue;
    messages::all_learned(&dialogue.turns)?;
    messages::worth_learning(&dialogue.turns)?;
    let turns = as_read(dialogue)?;
    let conversations: Vec<Value> = turns.iter().map(entry).collect();
    let functions: Vec<&Value> = dialogue.tools.iter().filter_map(|tool| tool.get("function")).collect();
    let tools = if functions.is_empty() { String::new() } else { json!(functions).to_string() };
    let columns = json!({"conversations": conversations, "tools": tools});
    Ok(vec![Row::new(0, columns, vec![(member.index, turns.len())])])
}

fn entry(turn: &Turn) -> Value {
    let from = match turn.role {
        Role::System => "system",
        Role::User => "human",
        Role::Tool => "observation",
        Role::Assistant if turn.calls.is_empty() => "gpt",
        Role::Assistant => "function_call",
    };
    let call = |call: &Call| json!({"name": call.name, "arguments": call.arguments});
    let value = match turn.calls.as_slice() {
        [] => turn.content.clone(),
        // Only reasoning may stand before a call.
        [one] => format!("{}{}", turn.content, call(one)),
        several => format!("{}{}", turn.content, several.iter().map(call).collect::<Value>()),
    };
    json!({"from": from, "value": value})
}

/// Turns as the loader wants them.
fn as_read(dialogue: &Dialogue) -> Result<Vec<Turn>, Reject> {
    messages::system_first(&dialogue.turns)?;
    let mut turns: Vec<Turn> = Vec::with_capacity(dialogue.turns.len());
    for turn in &dialogue.turns {
        let plain = |turn: &Turn| turn.calls.is_empty() && turn.role != Role::Tool;
        match turns.last_mut() {
            Some(last) if last.role == turn.role && plain(last) && plain(turn) => {
                last.content.push_str(BETWEEN);
                last.content.push_str(&turn.content);
            }
            _ => turns.push(turn.clone()),
        }
    }
    let start = usize::from(turns.first().is_some_and(|turn| turn.role == Role::System));
    for (n, turn) in turns.iter().skip(start).enumerate() {
        let model = turn.role == Role::Assistant;
        let first = n == 0 && turn.role != Role::User;
        if model != (n % 2 == 1) || first {
            let results = n > 0 && turn.role == Role::Tool && turns[start + n - 1].role == Role::Tool;
            let reason = if results { Reason::ParallelCalls } else { Reason::NotAlternating };
            let text = format!("step {}: a turn of '{}' has no place there", turn.step, turn.role.as_str());
            return Err(Reject::new(reason, text));
        }
        if !turn.calls.is_empty() && !only_reasoning(&turn.content) {
            let text = format!("step {}: text stands beside a call", turn.step);
            return Err(Reject::new(Reason::TextWithCall, text));
        }
    }
    Ok(turns)
}

fn only_reasoning(content: &str) -> bool {
    let text = content.trim();
    text.is_empty()
        || text
            .strip_prefix("<think>")
            .and_then(|rest| rest.strip_suffix("</think>"))
            .is_some_and(|inner| !inner.contains("</think>"))
}

fn read(_: usize, row: &Value) -> Result<Vec<Vec<Turn>>, String> {
    let list = row.get("conversations").and_then(Value::as_array).ok_or("conversations are no list")?;
    let one = |item: &Value| -> Result<Turn, String> {
        let text =
            |key: &str| item.get(key).and_then(Value::as_str).ok_or(format!("an entry has no '{key}'"));
        let (from, value) = (text("from")?, text("value")?);
        let role = match from {
            "system" => Role::System,
            "human" => Role::User,
            "observation" => Role::Tool,
            "gpt" | "function_call" => Role::Assistant,
            other => return Err(format!("no entry is from '{other}'")),
        };
        let mut turn = Turn::new(role, value, 0);
        if from == "function_call" {
            let at = value.find("</think>").map_or(0, |at| at + "</think>".len());
            let at = at + value[at..].find(['{', '[']).unwrap_or(0);
            turn.content = value[..at].to_owned();
            let calls: Value = serde_json::from_str(&value[at..]).map_err(|_| "a call is no JSON")?;
            let calls = if let Value::Array(calls) = calls { calls } else { vec![calls] };
            for call in calls {
                let name = call.get("name").and_then(Value::as_str).ok_or("a call has no name")?.to_owned();
                let arguments = read_arguments(call.get("arguments"))?;
                turn.calls.push(Call { id: String::new(), name, arguments, raw: None });
            }
        }
        Ok(turn)
    };
    Ok(vec![list.iter().map(one).collect::<Result<_, _>>()?])
}

/// LLaMA-Factory finds a data set by this file.
fn extra(splits: &[&str]) -> Vec<(&'static str, String)> {
    let entry = |split: &&str| {
        let value = json!({
            "file_name": format!("{split}.jsonl"),
            "formatting": "sharegpt",
            "columns": {"messages": "conversations", "tools": "tools"},
            "tags": {
                "role_tag": "from", "content_tag": "value", "user_tag": "human", "assistant_tag": "gpt",
                "observation_tag": "observation", "function_tag": "function_call", "system_tag": "system",
            },
        });
        (format!("rolltape_{split}"), value)
    };
    let all: serde_json::Map<String, Value> = splits.iter().map(entry).collect();
    vec![("dataset_info.json", format!("{:#}\n", Value::Object(all)))]
}
