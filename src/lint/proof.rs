//! What a run proves: the solution scores 1, whatever is no solution scores 0.

use super::{Found, Look};
use crate::model::{AttemptRecord, Outcome};

/// Who worked at the task in a proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// The task's solution.
    Oracle,
    /// Nobody.
    Nop,
    /// Nobody, who says so with an empty answer.
    Empty,
    /// Nobody, who answers with the prompt.
    Echo,
    /// A cheat of the task.
    Cheat,
}

/// A finished run of one task.
#[derive(Debug, Clone, PartialEq)]
pub struct Proof {
    /// Who worked.
    pub role: Role,
    /// The agent, for example `cheat:only-talk`.
    pub agent: String,
    /// What came of it.
    pub record: AttemptRecord,
}

impl Proof {
    /// Who worked, in words.
    pub fn who(&self) -> String {
        match (self.role, self.agent.split_once(':')) {
            (Role::Oracle, _) => "the solution".to_owned(),
            (Role::Nop, _) => "doing nothing".to_owned(),
            (Role::Empty, _) => "an empty answer".to_owned(),
            (Role::Echo, _) => "the prompt as an answer".to_owned(),
            (Role::Cheat, Some((_, name))) => format!("the cheat '{name}'"),
            (Role::Cheat, None) => "a cheat".to_owned(),
        }
    }
}

/// Findings of all runs of a role. Those that erred, were skipped or stopped prove nothing either way.
pub(super) fn judge(look: &Look<'_>, role: Role, found: &mut Found) {
    for proof in look.proofs.iter().filter(|proof| proof.role == role) {
        let record = &proof.record;
        let Some(task) = look.suite.tasks.iter().find(|task| task.id == record.id.task) else { continue };
        if !record.outcome.is_scored() || record.scores.is_empty() {
            continue;
        }
        let place = match look.folder(&task.id) {
            None => look.home(task),
            Some(folder) => match (role, proof.agent.split_once(':')) {
                (Role::Oracle, _) => look.place(&format!("{folder}solution/solve.sh"), 0),
                (Role::Cheat, Some((_, name))) => look.place(&format!("{folder}cheats/{name}.sh"), 0),
                _ => look.home(task),
            },
        };
        if let Some(text) = wrong(proof, role) {
            found.add(Some(&task.id), place, text);
        }
    }
}

/// What is wrong with it, if anything.
fn wrong(proof: &Proof, role: Role) -> Option<String> {
    let record = &proof.record;
    let reward = record.reward.unwrap_or(0.0);
    let who = proof.who();
    if role != Role::Oracle {
        let scores = reward > 0.0 || record.success == Some(true);
        return scores.then(|| format!("{who} scores {reward}{}, it must score 0", reasons(record, true)));
    }
    if let Outcome::Limit(kind) = record.outcome {
        return Some(format!("{who} ran into the limit '{}' and scores {reward}", kind.as_str()));
    }
    let whole = reward >= 1.0 && record.success == Some(true);
    (!whole).then(|| format!("{who} scores {reward}{}, it must score 1", reasons(record, false)))
}

/// What the scorers said that gave something, or took something away.
fn reasons(record: &AttemptRecord, given: bool) -> String {
    let told = record.scores.iter().filter(|score| score.value.is_some_and(|value| (value > 0.0) == given));
    let told: Vec<String> = told.take(3).map(|score| format!("{}: {}", score.scorer, score.reason)).collect();
    if told.is_empty() { String::new() } else { format!(" ({})", told.join("; ")) }
}
