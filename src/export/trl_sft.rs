//! `trl-sft`: rows for TRL's `SFTTrainer`: `messages` and `tools`.
//!
//! Arguments are objects: most chat templates encode a string a second time, in silence. TRL has no
//! mask for a single message, so a dialogue with a turn that must not be learned is rejected.

use super::messages::{self, TRL};
use super::reason::Reject;
use super::{Row, Target, Unit, Units, no_extra, same_turns};
use serde_json::json;

pub(super) static ITEM: Target = Target {
    name: "trl-sft",
    about: "conversations for TRL's SFTTrainer",
    arguments: "object",
    roles: "system, user, assistant, tool",
    ends: "assistant",
    container: "messages, tools",
    units: Units::Rows,
    masks: false,
    reasoning: true,
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
    messages::all_learned(&dialogue.turns)?;
    messages::worth_learning(&dialogue.turns)?;
    let columns = json!({"messages": messages::write(&dialogue.turns, TRL), "tools": dialogue.tools});
    Ok(vec![Row::new(0, columns, vec![(member.index, dialogue.turns.len())])])
}
