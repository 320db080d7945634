//! What a conversion lost and changed, found by reading back what was written.
//!
//! Invariant: what a report does not name, the target holds. The comparison is one of [`facts()`]; a writer's own
//! remarks ([`Changes`]) explain, they are not relied on.

use super::facts::{Fact, facts};
use crate::model::Trajectory;
use std::collections::{BTreeMap, HashMap};

/// Something that a writer had to do differently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What, in a few fixed words, for example `ids made`, `calls split`, `roles merged`.
    pub what: &'static str,
    /// Step of the source.
    pub step: Option<u64>,
}

/// Remarks of a writer about one trajectory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// In order.
    pub list: Vec<Change>,
}

impl Changes {
    /// Adds a remark.
    pub fn note(&mut self, what: &'static str, step: Option<u64>) {
        self.list.push(Change { what, step });
    }
}

/// Facts of one field that the target does not hold, or holds otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// The field, as [`Fact::field`] has it.
    pub field: String,
    /// How many.
    pub count: u64,
    /// Bytes of their values.
    pub bytes: u64,
    /// Step of the first one; `None` for the trajectory as a whole.
    pub step: Option<u64>,
    /// The first value, whole.
    pub example: String,
}

/// The loss report of one trajectory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Loss {
    /// Facts that are gone, by field.
    pub lost: Vec<Lost>,
    /// Facts that have another value than before, by field.
    pub changed: Vec<Lost>,
    /// Facts that were not there before, by field: ids that were made, for example.
    pub made: Vec<Lost>,
    /// Whether what is left stands in another order.
    pub reordered: bool,
    /// What the writer did, each kind once: how often, and where first.
    pub notes: Vec<(Change, u64)>,
}

impl Loss {
    /// Whether nothing is gone, changed, made or moved.
    pub fn is_none(&self) -> bool {
        self.lost.is_empty() && self.changed.is_empty() && self.made.is_empty() && !self.reordered
    }
}

/// Compares a trajectory with what was read back.
pub fn loss(before: &Trajectory, after: &Trajectory, changes: &Changes) -> Loss {
    let (old, new) = (facts(before), facts(after));
    let gone = missing(&old, &new);
    let fresh = missing(&new, &old);
    let mut report = Loss { reordered: reordered(&old, &new), ..Loss::default() };
    for (field, lost) in &gone {
        match fresh.get(field) {
            // As many values came as went: the field is there, with other values.
            Some(made) if made.count == lost.count => report.changed.push(lost.clone()),
            _ => report.lost.push(lost.clone()),
        }
    }
    let changed = |made: &&Lost| gone.get(&made.field).is_some_and(|lost| lost.count == made.count);
    report.made = fresh.values().filter(|made| !changed(made)).cloned().collect();
    for change in &changes.list {
        match report.notes.iter_mut().find(|(known, _)| known.what == change.what) {
            Some((_, count)) => *count += 1,
            None => report.notes.push((change.clone(), 1)),
        }
    }
    report
}

/// Facts of `from` that `of` lacks, each counted as often as it stands there, by field.
fn missing(from: &[Fact<'_>], of: &[Fact<'_>]) -> BTreeMap<String, Lost> {
    let mut there: HashMap<(&str, &str), u64> = HashMap::new();
    for fact in of {
        *there.entry((&fact.field, &fact.value)).or_default() += 1;
    }
    let mut lost: BTreeMap<String, Lost> = BTreeMap::new();
    for fact in from {
        if let Some(count) = there.get_mut(&(&*fact.field, &*fact.value)).filter(|count| **count > 0) {
            *count -= 1;
            continue;
        }
        let bytes = fact.value.len() as u64;
        lost.entry(fact.field.clone().into_owned())
            .and_modify(|known| {
                known.count += 1;
                known.bytes += bytes;
            })
            .or_insert_with(|| Lost {
                field: fact.field.clone().into_owned(),
                count: 1,
                bytes,
                step: fact.step,
                example: fact.value.clone().into_owned(),
            });
    }
    lost
}

/// Whether what was said, called and returned, as far as both hold it, stands in another order.
fn reordered(old: &[Fact<'_>], new: &[Fact<'_>]) -> bool {
    let counted = |facts: &[Fact<'_>]| {
        let mut counts: HashMap<(String, String), u64> = HashMap::new();
        for fact in facts.iter().filter(|fact| is_said(fact)) {
            *counts.entry((fact.field.clone().into_owned(), fact.value.clone().into_owned())).or_default() +=
                1;
        }
        counts
    };
    let common = |facts: &[Fact<'_>], mut budget: HashMap<(String, String), u64>| -> Vec<(String, String)> {
        let said = facts.iter().filter(|fact| is_said(fact));
        let keys = said.map(|fact| (fact.field.clone().into_owned(), fact.value.clone().into_owned()));
        keys.filter(|key| budget.get_mut(key).filter(|left| **left > 0).map(|left| *left -= 1).is_some())
            .collect()
    };
    let (mut in_old, in_new) = (counted(old), counted(new));
    in_old.retain(|key, count| {
        *count = (*count).min(in_new.get(key).copied().unwrap_or(0));
        *count > 0
    });
    common(old, in_old.clone()) != common(new, in_old)
}

fn is_said(fact: &Fact<'_>) -> bool {
    ["step.message.", "call.name", "call.arguments", "result.content"]
        .iter()
        .any(|field| fact.field.trim_start_matches("subagent.").starts_with(field))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Source, Step};

    fn of(texts: &[&str]) -> Trajectory {
        let steps = texts.iter().zip(1..).map(|(text, id)| Step::new(id, Source::User, *text)).collect();
        Trajectory { steps, ..Trajectory::default() }
    }

    #[test]
    fn what_is_gone_changed_made_and_moved_is_told_apart() {
        let told = |before: &[&str], after: &[&str]| {
            let loss = loss(&of(before), &of(after), &Changes::default());
            let count = |list: &[Lost]| list.iter().map(|lost| lost.count).sum::<u64>();
            (count(&loss.lost), count(&loss.changed), count(&loss.made), loss.reordered, loss.is_none())
        };
        assert_eq!(told(&["a", "a", "b"], &["a", "a", "b"]), (0, 0, 0, false, true));
        assert_eq!(told(&["a", "a", "b"], &["a", "b"]), (1, 0, 0, false, false));
        assert_eq!(told(&["a", "b"], &["a", "c"]), (0, 1, 0, false, false));
        assert_eq!(told(&["a"], &["a", "b"]), (0, 0, 1, false, false));
        assert_eq!(told(&["a", "b"], &["b", "a"]), (0, 0, 0, true, false));
        assert_eq!(told(&["a", ""], &["a"]), (0, 0, 0, false, true));
    }

    #[test]
    fn an_example_says_where_it_stood() {
        let mut changes = Changes::default();
        changes.note("roles merged", Some(2));
        changes.note("roles merged", Some(3));
        let loss = loss(&of(&["a", "bb", "ccc"]), &of(&["a"]), &changes);
        assert_eq!(loss.lost[0].bytes, 5);
        assert_eq!((loss.lost[0].step, loss.lost[0].example.as_str()), (Some(2), "bb"));
        assert_eq!(loss.notes, [(Change { what: "roles merged", step: Some(2) }, 2)]);
    }
}
