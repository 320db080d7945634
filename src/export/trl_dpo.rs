//! `trl-dpo`: pairs for TRL's `DPOTrainer`, with an explicit prompt.
//!
//! Both answers go on from the same messages. By default they are one message each, the first that
//! differs: other trainers take no more, and results of tools are then never learned.

use super::dialogue::Turn;
use super::messages::{self, TRL};
use super::reason::Reject;
use super::{PairKind, Row, Target, Unit, Units, no_extra, same_turns};
use serde_json::{Value, json};

pub(super) static ITEM: Target = Target {
    name: "trl-dpo",
    about: "preference pairs for TRL's DPOTrainer: by outcome, or by call format alone",
    arguments: "object",
    roles: "system, user, assistant, tool",
    ends: "prompt: user or tool; chosen, rejected: assistant",
    container: "prompt, chosen, rejected, tools and flat columns",
    units: Units::Pairs,
    masks: false,
    reasoning: true,
    tables: &[""],
    floats: &["reward_chosen", "reward_rejected"],
    write,
    read,
    as_read: same_turns,
    extra: no_extra,
};

fn write(unit: &Unit<'_>) -> Result<Vec<Row>, Reject> {
    let Unit::Pair { chosen, rejected, kind, cut, rest } = unit else { return Ok(Vec::new()) };
    let end = |turns: &[Turn]| if *rest { turns.len() } else { cut + 1 };
    let (good, bad) = (&chosen.dialogue.turns, &rejected.dialogue.turns);
    let (good_end, bad_end) = (end(good), end(bad));
    for part in [&good[*cut..good_end], &bad[*cut..bad_end]] {
        messages::all_learned(part)?;
        messages::worth_learning(part)?;
    }
    let columns = json!({
        "prompt": messages::write(&good[..*cut], TRL),
        "chosen": messages::write(&good[*cut..good_end], TRL),
        "rejected": messages::write(&bad[*cut..bad_end], TRL),
        "tools": chosen.dialogue.tools,
        "pair_kind": match kind { PairKind::Outcome => "outcome", PairKind::Format => "format" },
        "task_id": chosen.meta.task,
        "chosen_id": chosen.meta.id,
        "rejected_id": rejected.meta.id,
        "reward_chosen": chosen.meta.reward(),
        "reward_rejected": rejected.meta.reward(),
    });
    Ok(vec![Row::new(0, columns, vec![(chosen.index, good_end), (rejected.index, bad_end)])])
}

fn read(_: usize, row: &Value) -> Result<Vec<Vec<Turn>>, String> {
    let prompt = messages::read(row.get("prompt"))?;
    let whole = |key: &str| -> Result<Vec<Turn>, String> {
        let answer = messages::read(row.get(key))?;
        Ok(prompt.iter().cloned().chain(answer).collect())
    };
    Ok(vec![whole("chosen")?, whole("rejected")?])
}
