//! `bfcl`: files of the Berkeley Function Calling Leaderboard, JSON Lines under the name `.json`.
//!
//! A prompt is a user's side of a conversation with its functions; a result is what a model answered, without the
//! prompt; a possible answer is what a checker accepts, `""` among the values of an argument meaning that it may
//! be left out. Source: bfcl_eval, `model_handler/base_handler.py` and the data sets of version 4.

use super::chat::{Chat, expected};
use super::source::Refusal;
use super::{Format, Reader, Sniff, Source};
use crate::model::{Arguments, Object, Reply, Source as Speaker, Step, ToolCall, ToolDef, Trajectory, Usage};
use crate::util::json::View;
use serde_json::Value;

pub(super) static ITEM: Format = Format {
    name: "bfcl",
    about: "prompts, results and possible answers of BFCL",
    sniff,
    marks: &[
        &["id", "question", "function|involved_classes"],
        &["id", "result", "input_token_count", "output_token_count"],
        &["id", "ground_truth"],
    ],
    read: Reader::Records(convert),
    folder: None,
    write: None,
};

fn sniff(source: &Source<'_>) -> Sniff {
    let Some(record) = source.first().filter(|record| record.is_object()) else {
        return Sniff::new(0, "holds no JSON object");
    };
    if record.get("id").is_none() {
        return Sniff::new(0, "has no \"id\"");
    }
    let list = |key: &str| record.get(key).is_some_and(View::is_array);
    let prompt = list("question") && (list("function") || list("involved_classes"));
    let result = record.get("result").is_some() && record.get("input_token_count").is_some();
    if prompt || result || list("ground_truth") {
        Sniff::new(90, "")
    } else {
        Sniff::new(0, "has neither \"question\", \"result\" nor \"ground_truth\"")
    }
}

fn convert(record: View<'_>, warnings: &mut Vec<Refusal>) -> Result<Trajectory, Refusal> {
    if !record.is_object() {
        return Err(expected(record, "a record", "an object"));
    }
    let mut trajectory = Trajectory { id: record.text_at("id"), ..Trajectory::default() };
    let mut known = vec!["id"];
    known.retain(|_| trajectory.id.is_some());
    if let Some(question) = record.some("question") {
        known.push("question");
        trajectory.steps = prompt(question)?;
        if let Some(list) = record.some("function").filter(|list| list.is_array()) {
            known.push("function");
            let raw: Vec<Value> = list.items().map(View::value).collect();
            trajectory.agent.tools = Some(raw.iter().filter_map(tool).collect());
            trajectory.agent.raw_tools = Some(raw);
        }
    } else if let Some(result) = record.some("result") {
        known.push("result");
        answers(result, &mut trajectory.steps)?;
        // One sum a record, or sums a turn and a step, which stay in the extra.
        let count = |key: &str| record.get(key).and_then(View::uint);
        if let [step] = trajectory.steps.as_mut_slice() {
            let (prompt_tokens, completion_tokens) =
                (count("input_token_count"), count("output_token_count"));
            known.extend(prompt_tokens.map(|_| "input_token_count"));
            known.extend(completion_tokens.map(|_| "output_token_count"));
            step.usage = Some(Usage { prompt_tokens, completion_tokens, ..Usage::default() });
        }
    } else if let Some(truth) = record.some("ground_truth") {
        known.push("ground_truth");
        answers(truth, &mut trajectory.steps)?;
        // Nobody said this: it is what a checker accepts.
        for step in &mut trajectory.steps {
            step.frame = true;
            step.copied = Some(true);
        }
    } else {
        return Err((
            record.offset(),
            "has neither \"question\", \"result\" nor \"ground_truth\"".to_owned(),
        ));
    }
    if trajectory.steps.is_empty() {
        warnings.push((record.offset(), "holds no message".to_owned()));
    }
    let rest = record.members().filter(|(key, _)| !known.contains(&&**key));
    trajectory.extra = rest.map(|(key, value)| (key.into_owned(), value.value())).collect();
    Ok(trajectory)
}

/// Turns of messages.
fn prompt(question: View<'_>) -> Result<Vec<Step>, Refusal> {
    if !question.is_array() {
        return Err(expected(question, "\"question\"", "a list of turns"));
    }
    let mut chat = Chat::new();
    for turn in question.items() {
        if !turn.is_array() {
            return Err(expected(turn, "a turn of \"question\"", "a list of messages"));
        }
        for message in turn.items() {
            chat.add(message)?;
        }
    }
    Ok(chat.steps)
}

/// Steps of a result: text, calls, or turns of steps.
fn answers(value: View<'_>, steps: &mut Vec<Step>) -> Result<(), Refusal> {
    let is_call = |item: View<'_>| item.is_object();
    if value.text().is_some() || value.items().next().is_none() || value.items().any(is_call) {
        steps.push(answer(value, steps.len() as u64 + 1)?);
        return Ok(());
    }
    // Python calls of one turn stand in a list of strings.
    if value.items().all(|item| item.text().is_some()) && value.is_array() {
        for item in value.items() {
            steps.push(answer(item, steps.len() as u64 + 1)?);
        }
        return Ok(());
    }
    for item in value.items() {
        if !item.is_array() && item.text().is_none() {
            return Err(expected(item, "a turn of a result", "a list or a string"));
        }
        answers(item, steps)?;
    }
    Ok(())
}

/// One answer: text, or a list of `{function: arguments}`.
fn answer(value: View<'_>, id: u64) -> Result<Step, Refusal> {
    if let Some(text) = value.text() {
        let text = text.into_owned();
        let mut step = Step::new(id, Speaker::Agent, text.clone());
        step.place = Some(value.place());
        let place = step.place;
        step.reply = Some(Reply { text, place, ..Reply::default() });
        return Ok(step);
    }
    if !value.is_array() {
        return Err(expected(value, "a result", "a string or a list of calls"));
    }
    let mut step = Step::new(id, Speaker::Agent, "");
    step.reply = Some(Reply { dialect: Some("native".to_owned()), native: true, ..Reply::default() });
    for item in value.items() {
        if !item.is_object() {
            return Err(expected(item, "a call of a result", "an object of a function and its arguments"));
        }
        let alone = item.members().count() == 1;
        for (name, arguments) in item.members() {
            // Of several in one object, each is told by what it is given.
            let place = if alone { item.value_place() } else { arguments.value_place() };
            let arguments = match arguments.text() {
                Some(text) => Arguments::text(text.into_owned()),
                None if arguments.is_object() => Arguments::object(arguments.object()),
                None => Arguments {
                    raw: Some(String::from_utf8_lossy(arguments.raw()).into_owned()),
                    parsed: None,
                },
            };
            let call_id = format!("call_{id}_{}", step.calls.len() + 1);
            step.calls.push(ToolCall {
                id: call_id,
                name: name.into_owned(),
                arguments,
                extra: Object::new(),
                place: Some(place),
            });
        }
    }
    Ok(step)
}

fn tool(value: &Value) -> Option<ToolDef> {
    let mut parameters = value.get("parameters").cloned().unwrap_or(Value::Null);
    to_schema(&mut parameters, 0);
    Some(ToolDef {
        name: value.get("name")?.as_str()?.to_owned(),
        description: value.get("description").and_then(Value::as_str).unwrap_or_default().to_owned(),
        parameters,
    })
}

/// Types have Python's names there.
fn to_schema(schema: &mut Value, depth: u32) {
    let Value::Object(members) = schema else { return };
    if depth > 64 {
        return;
    }
    if let Some(Value::String(kind)) = members.get_mut("type") {
        let known = match kind.as_str() {
            "dict" => "object",
            "float" => "number",
            "tuple" => "array",
            other => other,
        };
        *kind = known.to_owned();
    }
    if members.get("type").is_some_and(|kind| kind == "any") {
        members.shift_remove("type");
    }
    for key in ["properties", "items", "additionalProperties"] {
        match members.get_mut(key) {
            Some(Value::Object(inner)) if key == "properties" => {
                inner.values_mut().for_each(|schema| to_schema(schema, depth + 1));
            }
            Some(schema) => to_schema(schema, depth + 1),
            None => {}
        }
    }
}
