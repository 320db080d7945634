//! `openai-sft`: files of OpenAI's fine-tuning API, which other vendors take as well.
//!
//! Arguments are JSON text. Only keys that the API knows are written; `weight` 0 marks what must not be
//! learned.

use super::messages::{self, OPENAI};
use super::reason::{Reason, Reject};
use super::{Row, Target, Unit, Units, no_extra, same_turns};
use serde_json::{Value, json};

pub(super) static ITEM: Target = Target {
    name: "openai-sft",
    about: "fine-tuning files of OpenAI's API",
    arguments: "string",
    roles: "system, user, assistant, tool",
    ends: "assistant",
    container: "messages, tools, parallel_tool_calls",
    units: Units::Rows,
    masks: true,
    reasoning: false,
    tables: &[""],
    floats: &[],
    write,
    read: |_, row| Ok(vec![messages::read(row.get("messages"))?]),
    as_read: same_turns,
    extra: no_extra,
};

fn write(unit: &Unit<'_>) -> Result<Vec<Row>, Reject> {
    let Unit::Row(member) = unit else { return Ok(Vec::new()) };
    let dialogue = &member.dialogue;
    messages::worth_learning(&dialogue.turns)?;
    if dialogue.has_calls() && dialogue.tools.is_empty() {
        let text = "it has calls, and the source has no list of tools, which the API demands";
        return Err(Reject::new(Reason::ToolsUnknown, text));
    }
    let mut columns = json!({"messages": messages::write(&dialogue.turns, OPENAI)});
    if !dialogue.tools.is_empty() {
        columns["tools"] = Value::Array(dialogue.tools.clone());
        let several = dialogue.turns.iter().any(|turn| turn.calls.len() > 1);
        columns["parallel_tool_calls"] = (several || member.meta.one_call != Some(true)).into();
    }
    Ok(vec![Row::new(0, columns, vec![(member.index, dialogue.turns.len())])])
}
