//! What the rows are made of: single attempts, pairs, groups. Order: that of the sources.

use super::dialogue::{Dialogue, Role, Turn};
use super::error::ExportError;
use super::intake::{Candidate, Intake, Rejected};
use super::reason::{Reason, Reject};
use super::{PairKind, Units};
use crate::util::digest::sha256_parts;
use crate::util::plural::plural;
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// How many units there may be.
#[derive(Debug, Clone, Copy)]
pub struct Caps {
    /// Rows of one task.
    pub per_task: Option<u64>,
    /// Pairs of one task.
    pub pairs: u64,
    /// Whether pairs hold all turns behind the first one that differs.
    pub rest: bool,
    /// Whether groups whose outcomes are all equal are left out.
    pub drop_equal: bool,
}

/// Most pairs of one task that are looked at.
const LOOKED_AT: usize = 10_000;

/// A unit, by index of its candidates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Planned {
    Row(usize),
    Pair { chosen: usize, rejected: usize, kind: PairKind, cut: usize },
    Prompt(Vec<usize>),
    Group(Vec<usize>),
}

impl Planned {
    /// Its candidates.
    pub(super) fn members(&self) -> Vec<usize> {
        match self {
            Planned::Row(index) => vec![*index],
            Planned::Pair { chosen, rejected, .. } => vec![*chosen, *rejected],
            Planned::Prompt(members) | Planned::Group(members) => members.clone(),
        }
    }
}

/// Plans all units.
///
/// # Errors
/// The spool can't be read.
pub(super) fn plan(intake: &mut Intake, caps: &Caps) -> Result<Vec<Planned>, ExportError> {
    let (planned, rejected) = match intake.units {
        Units::Rows => rows(&intake.candidates, caps),
        Units::Pairs => pairs(intake, caps)?,
        Units::Groups => groups(&intake.candidates, caps),
    };
    intake.rejected.extend(rejected);
    Ok(planned)
}

type Plan = (Vec<Planned>, Vec<Rejected>);

fn about(candidates: &[Candidate], members: &[usize], reject: Reject) -> Rejected {
    let join = |each: &dyn Fn(&Candidate) -> &str| {
        members.iter().map(|index| each(&candidates[*index])).collect::<Vec<_>>().join(" | ")
    };
    let first = members.first().map(|index| &candidates[*index]);
    Rejected {
        source: first.map(|candidate| candidate.meta.source),
        id: join(&|candidate| &candidate.meta.id),
        place: join(&|candidate| &candidate.meta.place),
        task: first.map_or_else(String::new, |candidate| candidate.meta.task.clone()),
        reject,
    }
}

/// A unit that its target refuses.
pub(super) fn refused(intake: &Intake, unit: &Planned, reject: Reject) -> Rejected {
    about(&intake.candidates, &unit.members(), reject)
}

fn rows(candidates: &[Candidate], caps: &Caps) -> Plan {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    let (mut planned, mut rejected) = (Vec::new(), Vec::new());
    for (index, candidate) in candidates.iter().enumerate() {
        let count = counts.entry(&candidate.meta.task).or_default();
        match caps.per_task {
            Some(cap) if *count >= cap => {
                let text = format!("the task has given {} already", plural(cap as usize, "row"));
                rejected.push(about(candidates, &[index], Reject::new(Reason::OverTaskCap, text)));
            }
            _ => {
                *count += 1;
                planned.push(Planned::Row(index));
            }
        }
    }
    (planned, rejected)
}

/// Candidates by a key, in order of first appearance.
fn grouped<K: Ord + Clone>(candidates: &[Candidate], key: impl Fn(&Candidate) -> K) -> Vec<Vec<usize>> {
    let mut index: BTreeMap<K, usize> = BTreeMap::new();
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for (n, candidate) in candidates.iter().enumerate() {
        let at = *index.entry(key(candidate)).or_insert(groups.len());
        if at == groups.len() {
            groups.push(Vec::new());
        }
        groups[at].push(n);
    }
    groups
}

fn groups(candidates: &[Candidate], caps: &Caps) -> Plan {
    let (mut planned, mut rejected) = (Vec::new(), Vec::new());
    for members in grouped(candidates, |one| (one.meta.task.clone(), one.prompt.clone())) {
        planned.push(Planned::Prompt(members));
    }
    let key = |one: &Candidate| {
        (one.meta.task.clone(), one.prompt.clone(), one.meta.subject.clone(), one.meta.model.clone())
    };
    for members in grouped(candidates, key) {
        let first = candidates[members[0]].meta.success();
        if caps.drop_equal && members.iter().all(|index| candidates[*index].meta.success() == first) {
            let text = format!("all {} ended alike", plural(members.len(), "attempt"));
            rejected.push(about(candidates, &members, Reject::new(Reason::EqualOutcomes, text)));
        } else {
            planned.push(Planned::Group(members));
        }
    }
    (planned, rejected)
}

fn pairs(intake: &Intake, caps: &Caps) -> Result<Plan, ExportError> {
    let tasks = grouped(&intake.candidates, |one| one.meta.task.clone());
    let parts: Vec<Plan> =
        tasks.par_iter().map(|members| pairs_of(intake, members, caps)).collect::<Result<_, _>>()?;
    let (mut planned, mut rejected) = (Vec::new(), Vec::new());
    for (part, refused) in parts {
        planned.extend(part);
        rejected.extend(refused);
    }
    Ok((planned, rejected))
}

/// Pairs of one task: by outcome first, then by format alone.
fn pairs_of(intake: &Intake, members: &[usize], caps: &Caps) -> Result<Plan, ExportError> {
    let candidates = &intake.candidates;
    let meta = |index: usize| &candidates[index].meta;
    let (mut planned, mut rejected) = (Vec::new(), Vec::new());
    let pick = |test: &dyn Fn(usize) -> bool| -> Vec<usize> {
        members.iter().copied().filter(|index| test(*index)).collect()
    };
    let passed = pick(&|index| meta(index).success() == Some(true));
    let failed = pick(&|index| meta(index).success() == Some(false));
    let kept = pick(&|index| meta(index).format == Some(true));
    let broken = pick(&|index| meta(index).format == Some(false));
    let mut wanted: Vec<(PairKind, usize, usize)> =
        diagonal(&passed, &failed).map(|(good, bad)| (PairKind::Outcome, good, bad)).collect();
    let alike = |(good, bad): &(usize, usize)| meta(*good).success() == meta(*bad).success();
    wanted.extend(diagonal(&kept, &broken).filter(alike).map(|(good, bad)| (PairKind::Format, good, bad)));
    if wanted.is_empty() {
        let text = format!(
            "{}: {} passed, {} failed, {} with a broken call format",
            plural(members.len(), "attempt"),
            passed.len(),
            failed.len(),
            broken.len()
        );
        rejected.push(about(candidates, members, Reject::new(Reason::NoPair, text)));
        return Ok((planned, rejected));
    }
    let mut dialogues: BTreeMap<usize, Dialogue> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for (n, (kind, good, bad)) in wanted.iter().copied().enumerate() {
        if planned.len() as u64 >= caps.pairs || n >= LOOKED_AT {
            let left = plural(wanted.len() - n, "more pair");
            let text = format!("{left} of the task may be made of its attempts");
            rejected.push(about(candidates, &[good, bad], Reject::new(Reason::OverPairCap, text)));
            break;
        }
        for index in [good, bad] {
            if let std::collections::btree_map::Entry::Vacant(entry) = dialogues.entry(index) {
                entry.insert(intake.load(index)?);
            }
        }
        let found = part(&dialogues[&good], &dialogues[&bad], kind).and_then(|cut| {
            let end = |turns: &[Turn]| if caps.rest { turns.len() } else { cut + 1 };
            let text = |index: usize| spoken(&dialogues[&index].turns[..end(&dialogues[&index].turns)]);
            if seen.insert((text(good), text(bad))) {
                Ok(cut)
            } else {
                Err(Reject::new(Reason::DuplicatePair, "the same pair stands there already"))
            }
        });
        match found {
            Ok(cut) => planned.push(Planned::Pair { chosen: good, rejected: bad, kind, cut }),
            Err(reject) => rejected.push(about(candidates, &[good, bad], reject)),
        }
    }
    Ok((planned, rejected))
}

/// All pairs of two lists, those of early members first.
fn diagonal<'a>(left: &'a [usize], right: &'a [usize]) -> impl Iterator<Item = (usize, usize)> + 'a {
    (0..(left.len() + right.len()).saturating_sub(1))
        .flat_map(move |sum| (0..=sum).filter_map(move |n| Some((*left.get(n)?, *right.get(sum - n)?))))
}

/// Where two dialogues part, if a pair can be made there.
fn part(good: &Dialogue, bad: &Dialogue, kind: PairKind) -> Result<usize, Reject> {
    if good.tools != bad.tools || good.native != bad.native {
        return Err(Reject::new(Reason::ToolsDiffer, "the two attempts were told of different tools"));
    }
    let both = good.turns.iter().zip(&bad.turns);
    let cut = both.take_while(|(good, bad)| good.says_the_same(bad)).count();
    let (Some(one), Some(other)) = (good.turns.get(cut), bad.turns.get(cut)) else {
        let text = "one attempt is the beginning of the other";
        return Err(Reject::new(Reason::DivergesElsewhere, text));
    };
    if one.role != Role::Assistant || other.role != Role::Assistant {
        let text = format!("they differ first in turn {}, where the model does not speak", cut + 1);
        return Err(Reject::new(Reason::DivergesElsewhere, text));
    }
    if !cut.checked_sub(1).is_some_and(|n| matches!(good.turns[n].role, Role::User | Role::Tool)) {
        return Err(Reject::new(Reason::NoPrompt, "nothing was asked before they part"));
    }
    if kind == PairKind::Format && (one.broken || !other.broken) {
        let text = "the message that breaks the format is not the one that differs";
        return Err(Reject::new(Reason::FormatErrorElsewhere, text));
    }
    Ok(cut)
}

fn spoken(turns: &[Turn]) -> String {
    let parts = turns.iter().map(|turn| {
        let calls: Vec<_> = turn.calls.iter().map(|call| (&call.name, &call.arguments)).collect();
        serde_json::to_vec(&(turn.role.as_str(), &turn.content, &turn.reasoning, calls)).unwrap_or_default()
    });
    let parts: Vec<Vec<u8>> = parts.collect();
    sha256_parts(parts.iter().map(Vec::as_slice))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &[&str]) -> Dialogue {
        let turn = |(n, text): (usize, &&str)| {
            let role = if n % 2 == 0 { Role::User } else { Role::Assistant };
            let mut turn = Turn::new(role, *text, n as u64 + 1);
            turn.broken = text.ends_with('!');
            turn
        };
        Dialogue { turns: text.iter().enumerate().map(turn).collect(), ..Dialogue::default() }
    }

    fn parts(good: &[&str], bad: &[&str], kind: PairKind) -> Result<usize, Reason> {
        part(&said(good), &said(bad), kind).map_err(|reject| reject.reason)
    }

    #[test]
    fn a_pair_parts_where_the_model_speaks() {
        use PairKind::{Format, Outcome};
        assert_eq!(parts(&["q", "a"], &["q", "b"], Outcome), Ok(1));
        assert_eq!(parts(&["q", "a", "r", "x"], &["q", "a", "r", "y"], Outcome), Ok(3));
        let elsewhere = Err(Reason::DivergesElsewhere);
        assert_eq!(parts(&["q", "a", "r", "x"], &["q", "a", "s", "y"], Outcome), elsewhere);
        assert_eq!(parts(&["q", "a"], &["q", "a", "r", "x"], Outcome), elsewhere);
        assert_eq!(parts(&["q", "a"], &["q", "b!"], Format), Ok(1));
        let other = Err(Reason::FormatErrorElsewhere);
        assert_eq!(parts(&["q", "a", "r", "x"], &["q", "b", "r", "x!"], Format), other);
    }

    #[test]
    fn early_attempts_pair_first() {
        let all: Vec<_> = diagonal(&[1, 2], &[7, 8, 9]).collect();
        assert_eq!(all, [(1, 7), (1, 8), (2, 7), (1, 9), (2, 8), (2, 9)]);
        assert_eq!(diagonal(&[], &[1]).count(), 0);
    }
}
