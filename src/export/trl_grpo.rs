//! `trl-grpo`: prompts for TRL's `GRPOTrainer`, and the groups of attempts that were made of them.
//!
//! The trainer passes every column but `prompt` to the reward functions by name, so the table of
//! prompts has flat columns with names of its own; a column `completions` would collide there. The
//! groups, with k attempts and their rewards, are a table (a configuration) beside it. Groups are judged
//! by outcome: a shaped reward tells attempts apart that all failed.

use super::dialogue::{Role, Turn};
use super::messages::{self, TRL};
use super::reason::{Reason, Reject};
use super::{Member, Row, Target, Unit, Units, no_extra, same_turns};
use serde_json::{Value, json};

pub(super) static ITEM: Target = Target {
    name: "trl-grpo",
    about: "prompts for TRL's GRPOTrainer, and groups of attempts with rewards",
    arguments: "object",
    roles: "system, user, assistant, tool",
    ends: "prompt: user; completions: assistant",
    container: "prompt and flat columns; groups/: prompt, completions, rewards, outcome_ok and flat columns",
    units: Units::Groups,
    masks: false,
    reasoning: true,
    tables: &["", "groups"],
    floats: &["rewards", "mean_reward"],
    write,
    read,
    as_read: same_turns,
    extra: no_extra,
};

fn write(unit: &Unit<'_>) -> Result<Vec<Row>, Reject> {
    match unit {
        Unit::Prompt(members) => prompt(members),
        Unit::Group(members) => group(members),
        _ => Ok(Vec::new()),
    }
}

/// The prompt of a member, which must be there and end with the user.
fn prompt_of<'a>(member: &'a Member<'_>) -> Result<&'a [Turn], Reject> {
    let prompt = member.dialogue.prompt();
    if prompt.last().is_some_and(|turn| turn.role == Role::User) {
        Ok(prompt)
    } else {
        Err(Reject::new(Reason::NoPrompt, "no user turn stands right before the model's first one"))
    }
}

fn prompt(members: &[Member<'_>]) -> Result<Vec<Row>, Reject> {
    let Some(first) = members.first() else { return Ok(Vec::new()) };
    let turns = prompt_of(first)?;
    let rewards: Vec<f64> = members.iter().filter_map(|member| member.meta.reward()).collect();
    let mean = (!rewards.is_empty()).then(|| rewards.iter().sum::<f64>() / rewards.len() as f64);
    let passed = members.iter().filter(|member| member.meta.success() == Some(true)).count();
    let scored = members.iter().filter(|member| member.meta.success().is_some()).count();
    let columns = json!({
        "prompt": messages::write(turns, TRL),
        "task_id": first.meta.task,
        "task_digest": first.meta.task_digest,
        "suite_digest": first.meta.suite_digest,
        "attempts_scored": scored,
        "attempts_passed": passed,
        "mean_reward": mean,
    });
    Ok(vec![Row::new(0, columns, vec![(first.index, turns.len())])])
}

fn group(members: &[Member<'_>]) -> Result<Vec<Row>, Reject> {
    let Some(first) = members.first() else { return Ok(Vec::new()) };
    let turns = prompt_of(first)?;
    for member in members {
        messages::all_learned(&member.dialogue.turns)?;
    }
    let list = |each: &dyn Fn(&Member<'_>) -> Value| -> Value { members.iter().map(each).collect() };
    let outcomes: Vec<Option<bool>> = members.iter().map(|member| member.meta.success()).collect();
    let columns = json!({
        "prompt": messages::write(turns, TRL),
        "completions": list(&|member| messages::write(&member.dialogue.turns[turns.len()..], TRL)),
        "rewards": list(&|member| json!(member.meta.reward())),
        "outcome_ok": outcomes,
        "format_ok": list(&|member| json!(member.meta.format_ok())),
        "attempt_ids": list(&|member| json!(member.meta.id)),
        "tools": first.dialogue.tools,
        "all_equal": outcomes.iter().all(|outcome| *outcome == outcomes[0]),
        "k": members.len(),
        "task_id": first.meta.task,
        "task_digest": first.meta.task_digest,
        "suite_digest": first.meta.suite_digest,
        "subject": first.meta.subject,
        "model": first.meta.model,
    });
    let parts = members.iter().map(|member| (member.index, member.dialogue.turns.len())).collect();
    Ok(vec![Row::new(1, columns, parts)])
}

fn read(table: usize, row: &Value) -> Result<Vec<Vec<Turn>>, String> {
    let prompt = messages::read(row.get("prompt"))?;
    if table == 0 {
        return Ok(vec![prompt]);
    }
    let completions = row.get("completions").and_then(Value::as_array).ok_or("completions are no list")?;
    let whole = |completion: &Value| -> Result<Vec<Turn>, String> {
        Ok(prompt.iter().cloned().chain(messages::read(Some(completion))?).collect())
    };
    completions.iter().map(whole).collect()
}
