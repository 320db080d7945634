//! What a conversion lost and changed, found by reading back what was written.
//!
//! Invariant: what a report does not name, the target holds. The comparison is one of [`facts()`]; a writer's own
//! remarks ([`Changes`]) explain, they are not relied on.

use super::facts::{Fact, facts, is_exact};
use crate::model::{Arguments, ObservationResult, Step, Trajectory};
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
    /// Facts that were not there before, by field. An id that changed stands here, as long as each result still
    /// belongs to the same call: ids only tie the two together.
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

    /// Whether something is gone, changed or moved, or was made that nobody said: a message, a call, a result.
    pub fn is_loss(&self) -> bool {
        let invented = self.made.iter().any(|made| is_said(&made.field));
        !self.lost.is_empty() || !self.changed.is_empty() || self.reordered || invented
    }

    fn note(&mut self, change: &Change, times: u64) {
        match self.notes.iter_mut().find(|(known, _)| known.what == change.what) {
            Some((_, count)) => *count += times,
            None => self.notes.push((change.clone(), times)),
        }
    }
}

/// Compares a trajectory with what was read back.
pub fn loss(before: &Trajectory, after: &Trajectory, changes: &Changes) -> Loss {
    let mut report = Loss::default();
    for change in &changes.list {
        report.note(change, 1);
    }
    if alike(before, after) {
        return report;
    }
    let (old, new) = (facts(before), facts(after));
    let (left, right) = unequal(&old, &new);
    let mut gone = missing(&left, &right);
    let fresh = missing(&right, &left);
    if pairs(before) == pairs(after) {
        gone.retain(|field, _| !is_id(field));
    }
    // What was said stands where it stood, unless it is among the facts that differ.
    report.reordered = left.iter().chain(&right).any(|fact| is_said(&fact.field)) && reordered(&old, &new);
    for (field, lost) in &gone {
        match fresh.get(field) {
            // As many values came as went: the field is there, with other values.
            Some(made) if made.count == lost.count => report.changed.push(lost.clone()),
            _ => report.lost.push(lost.clone()),
        }
    }
    let changed = |made: &&Lost| gone.get(&made.field).is_some_and(|lost| lost.count == made.count);
    report.made = fresh.values().filter(|made| !changed(made)).cloned().collect();
    let (step, times) = rewritten(before, after);
    if times > 0 {
        report.note(&Change { what: "arguments written anew, equal in value", step }, times);
    }
    report
}

fn bare(field: &str) -> &str {
    field.trim_start_matches("subagent.")
}

fn is_id(field: &str) -> bool {
    matches!(bare(field), "call.id" | "result.call_id")
}

/// For each result, in order, the number of its call among all calls; what belongs to none keeps its id.
fn pairs(trajectory: &Trajectory) -> Vec<Result<u64, String>> {
    let mut out = Vec::new();
    let mut numbers: HashMap<&str, u64> = HashMap::new();
    let mut count = 0;
    for step in &trajectory.steps {
        for call in &step.calls {
            numbers.insert(&call.id, count);
            count += 1;
        }
        for result in step.observation.iter().flat_map(|observation| &observation.results) {
            let id = result.call_id.as_deref();
            // The nearest call of that id: ids may be used again.
            let number = id.and_then(|id| numbers.get(id).copied());
            out.push(number.ok_or_else(|| id.unwrap_or_default().to_owned()));
        }
    }
    out.extend(trajectory.subagents.iter().flat_map(pairs));
    out
}

/// Calls whose arguments have the same value but another text: the step of the first one, and how many.
fn rewritten(before: &Trajectory, after: &Trajectory) -> (Option<u64>, u64) {
    let calls = |trajectory: &Trajectory| -> Vec<(u64, Option<String>)> {
        let each = trajectory.steps.iter().flat_map(|step| step.calls.iter().map(|call| (step.id, call)));
        each.map(|(step, call)| {
            let raw = call.arguments.raw.clone().filter(|_| call.arguments.parsed.is_some());
            (step, raw)
        })
        .collect()
    };
    let (old, new) = (calls(before), calls(after));
    let spaced = |raw: &str| {
        let value = serde_json::from_str::<serde_json::Value>(raw);
        value.and_then(|value| serde_json::to_string(&value)).is_ok_and(|text| text != raw)
    };
    let differ = old.iter().zip(new.iter().map(|(_, raw)| raw).chain(std::iter::repeat(&None)));
    let mut steps = differ.filter_map(|((step, old), new)| {
        let old = old.as_deref()?;
        (new.as_deref() != Some(old) && (new.is_some() || spaced(old))).then_some(*step)
    });
    let first = steps.next();
    (first, u64::from(first.is_some()) + steps.count() as u64)
}

/// Both lists without facts that are equal at the same place. As one is left out of each, nothing changes in what
/// one list has and the other lacks; only the few that are left need be counted.
fn unequal<'f, 'a>(old: &'f [Fact<'a>], new: &'f [Fact<'a>]) -> (Vec<&'f Fact<'a>>, Vec<&'f Fact<'a>>) {
    let same = |a: &Fact<'_>, b: &Fact<'_>| a.field == b.field && a.value == b.value;
    if old.len() == new.len() {
        return old.iter().zip(new).filter(|(a, b)| !same(a, b)).unzip();
    }
    let head = old.iter().zip(new).take_while(|(a, b)| same(a, b)).count();
    let (old, new) = (&old[head..], &new[head..]);
    let tail = old.iter().rev().zip(new.iter().rev()).take_while(|(a, b)| same(a, b)).count();
    (old[..old.len() - tail].iter().collect(), new[..new.len() - tail].iter().collect())
}

/// Facts of `from` that `of` lacks, each counted as often as it stands there, by field.
fn missing(from: &[&Fact<'_>], of: &[&Fact<'_>]) -> BTreeMap<String, Lost> {
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
    type Counts<'a> = HashMap<(&'a str, &'a str), u64>;
    fn said<'a>(facts: &'a [Fact<'_>]) -> impl Iterator<Item = (&'a str, &'a str)> {
        facts.iter().filter(|fact| is_said(&fact.field)).map(|fact| (&*fact.field, &*fact.value))
    }
    fn counted<'a>(facts: &'a [Fact<'_>]) -> Counts<'a> {
        let mut counts = Counts::new();
        said(facts).for_each(|key| *counts.entry(key).or_default() += 1);
        counts
    }
    fn held<'a>(budget: &mut Counts<'a>, key: &(&'a str, &'a str)) -> bool {
        budget.get_mut(key).filter(|left| **left > 0).map(|left| *left -= 1).is_some()
    }
    let in_new = counted(new);
    let mut both = counted(old);
    both.retain(|key, count| {
        *count = (*count).min(in_new.get(key).copied().unwrap_or(0));
        *count > 0
    });
    let mut budget = both.clone();
    let in_old: Vec<_> = said(old).filter(|key| held(&mut both, key)).collect();
    let in_new: Vec<_> = said(new).filter(|key| held(&mut budget, key)).collect();
    in_old != in_new
}

fn is_said(field: &str) -> bool {
    ["step.message.", "call.name", "call.arguments", "result.content"]
        .iter()
        .any(|said| bare(field).starts_with(said))
}

/// Whether two trajectories are the same but for places, origins and step numbers: then nothing can be lost, and no
/// list of facts is made.
fn alike(a: &Trajectory, b: &Trajectory) -> bool {
    a.id == b.id
        && a.session_id == b.session_id
        && a.notes == b.notes
        && a.continued_ref == b.continued_ref
        && a.agent == b.agent
        && a.extra == b.extra
        && a.final_metrics == b.final_metrics
        && a.steps.len() == b.steps.len()
        && a.steps.iter().zip(&b.steps).all(|(a, b)| alike_steps(a, b))
        && a.subagents.len() == b.subagents.len()
        && a.subagents.iter().zip(&b.subagents).all(|(a, b)| alike(a, b))
}

fn alike_steps(a: &Step, b: &Step) -> bool {
    let replies = match (&a.reply, &b.reply) {
        (Some(a), Some(b)) => {
            a.text == b.text
                && a.finish_reason == b.finish_reason
                && a.dialect == b.dialect
                && a.native == b.native
        }
        (None, None) => true,
        _ => false,
    };
    replies
        && a.source == b.source
        && a.message == b.message
        && a.reasoning == b.reasoning
        && a.calls.len() == b.calls.len()
        && a.calls.iter().zip(&b.calls).all(|(a, b)| {
            a.id == b.id
                && a.name == b.name
                && a.extra == b.extra
                && alike_arguments(&a.arguments, &b.arguments)
        })
        && results_of(a).count() == results_of(b).count()
        && results_of(a).zip(results_of(b)).all(|(a, b)| {
            a.call_id == b.call_id
                && a.name == b.name
                && a.content == b.content
                && a.subagents == b.subagents
                && a.extra == b.extra
        })
        && a.usage == b.usage
        && a.timestamp == b.timestamp
        && a.model == b.model
        && a.reasoning_effort == b.reasoning_effort
        && a.copied == b.copied
        && a.llm_calls == b.llm_calls
        && a.frame == b.frame
        && a.extra == b.extra
        && a.metrics_extra == b.metrics_extra
}

/// Whether arguments are the same value, and their text the one that the value has.
fn alike_arguments(a: &Arguments, b: &Arguments) -> bool {
    a.parsed == b.parsed
        && match (&a.raw, &b.raw, &a.parsed) {
            (None, Some(raw), Some(_)) => is_exact(raw),
            (Some(raw), None, Some(parsed)) => serde_json::to_string(parsed).is_ok_and(|text| text == *raw),
            (a, b, _) => a == b,
        }
}

fn results_of(step: &Step) -> impl Iterator<Item = &ObservationResult> {
    step.observation.iter().flat_map(|observation| &observation.results)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Source, ToolCall};

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
    fn ids_only_tie_calls_and_results_together() {
        let with = |ids: [&str; 2], answers: [&str; 2]| {
            let mut step = Step::new(1, Source::Agent, "");
            step.calls = ids
                .iter()
                .map(|id| ToolCall {
                    id: (*id).to_owned(),
                    name: "f".to_owned(),
                    arguments: Arguments { raw: None, parsed: None },
                    extra: crate::model::Object::new(),
                    place: None,
                })
                .collect();
            let results = answers.iter().map(|id| ObservationResult {
                call_id: Some((*id).to_owned()),
                ..ObservationResult::default()
            });
            step.observation = Some(crate::model::Observation { results: results.collect() });
            Trajectory { steps: vec![step], ..Trajectory::default() }
        };
        let told = |after: &Trajectory| loss(&with(["a", "b"], ["a", "b"]), after, &Changes::default());
        let renamed = told(&with(["x", "y"], ["x", "y"]));
        assert!(!renamed.is_loss() && renamed.made.iter().all(|made| made.count == 2), "{renamed:?}");
        assert!(told(&with(["x", "y"], ["y", "x"])).is_loss());
        assert!(told(&with(["a", "b"], ["a", "z"])).is_loss());
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
