//! Voice runs: a tick is a moment in which each side may speak a chunk, call, or get results.

use super::super::chat::expected;
use super::super::source::Refusal;
use super::{Reading, Speaker, Step, call, calls};
use crate::model::{Message, Object, Reply};
use crate::util::json::View;
use serde_json::Value;

/// One side of the conversation.
struct Side {
    source: Speaker,
    chunk: &'static str,
    calls: &'static str,
    results: &'static str,
    /// Step of the turn that is not over yet.
    open: Option<usize>,
}

/// Makes steps of ticks. A turn ends when its side falls silent or gets results.
pub(super) fn read(list: View<'_>, reading: &mut Reading<'_>) -> Result<(), Refusal> {
    let side = |source, chunk, calls, results| Side { source, chunk, calls, results, open: None };
    let mut sides = [
        side(Speaker::Agent, "agent_chunk", "agent_tool_calls", "agent_tool_results"),
        side(Speaker::User, "user_chunk", "user_tool_calls", "user_tool_results"),
    ];
    for (n, tick) in list.items().enumerate() {
        if !tick.is_object() {
            return Err(expected(tick, "a tick", "an object"));
        }
        let number = tick.get("tick_id").and_then(View::uint).unwrap_or(n as u64);
        for side in &mut sides {
            turn(tick, number, side, reading)?;
        }
    }
    Ok(())
}

fn turn(tick: View<'_>, number: u64, side: &mut Side, reading: &mut Reading<'_>) -> Result<(), Refusal> {
    let chunk = tick.some(side.chunk);
    let content = chunk.and_then(|chunk| chunk.some("content")).filter(|content| content.text().is_some());
    let speaks = chunk.and_then(|chunk| chunk.get("contains_speech")).and_then(View::bool) == Some(true);
    let beside = tick.some(side.calls).filter(|list| list.is_array());
    let mut made = chunk.map(calls).transpose()?.unwrap_or_default();
    for item in beside.into_iter().flat_map(View::items) {
        made.push(call(item)?);
    }
    let said = content.is_some_and(|content| content.text().is_some_and(|text| !text.trim().is_empty()));
    if !speaks && !said && made.is_empty() {
        side.open = None;
    } else {
        let index = *side.open.get_or_insert_with(|| {
            let mut step = Step::new(reading.steps.len() as u64 + 1, side.source, "");
            step.timestamp = tick.text_at("timestamp");
            step.extra = Object::from_iter([("first_tick".to_owned(), Value::from(number))]);
            if side.source == Speaker::Agent {
                step.reply =
                    Some(Reply { dialect: Some("native".to_owned()), native: true, ..Reply::default() });
            }
            reading.steps.push(step);
            reading.steps.len() - 1
        });
        let step = &mut reading.steps[index];
        step.extra.insert("last_tick".to_owned(), number.into());
        step.calls.extend(made);
        if let Some(text) = content.and_then(View::text) {
            let whole = format!("{}{text}", step.message.text());
            if let Some(reply) = &mut step.reply {
                reply.text.clone_from(&whole);
            }
            step.message = Message::Text(whole);
        }
    }
    for result in tick.some(side.results).into_iter().flat_map(View::items) {
        reading.result(result)?;
        side.open = None;
    }
    Ok(())
}
