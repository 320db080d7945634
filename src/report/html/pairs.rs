//! Differences between two subjects on one task, computed here so that the page only shows them.
//!
//! Invariant: bounded. At most [`PAIRS`] pairs are compared, first attempts first; the page shows any other two
//! attempts side by side without marks and says so.

use super::parts::Parts;
use super::pool::{Chunks, Pool};
use super::step;
use crate::diff::line_runs;
use crate::store::{RunView, Trajectories};
use rayon::prelude::*;
use std::collections::BTreeMap;

/// Most pairs that are compared.
const PAIRS: usize = 400;
/// Steps of a pair that are compared.
const STEPS: usize = 400;

/// The records to compare: of each task the attempts with the same number of each two subjects. `caps` says of
/// each record after how many bytes its texts are cut; one that is not there in full is not compared.
pub(super) fn plan(view: &RunView, caps: &[Option<usize>]) -> Vec<(usize, usize)> {
    let mut groups: BTreeMap<(u32, &str, &str), Vec<usize>> = BTreeMap::new();
    for (at, record) in view.records.iter().enumerate().filter(|(at, _)| caps[*at].is_some()) {
        groups.entry((record.id.n, &record.id.suite, &record.id.task)).or_default().push(at);
    }
    let mut pairs = Vec::new();
    for group in groups.values() {
        for (place, left) in group.iter().enumerate() {
            pairs.extend(group[place + 1..].iter().map(|right| (*left, *right)));
            if pairs.len() >= PAIRS {
                pairs.truncate(PAIRS);
                return pairs;
            }
        }
    }
    pairs
}

/// Compares the pairs and puts each difference into the pool: its value and chunks.
pub(super) fn add(
    view: &RunView,
    caps: &[Option<usize>],
    pairs: &[(usize, usize)],
    pool: &mut Pool,
) -> Vec<(usize, usize, usize, Chunks)> {
    let tape = view.trajectories();
    let compared: Vec<Option<Parts>> =
        pairs.par_iter().map(|pair| compare(view, &tape, caps, *pair)).collect();
    let mut out = Vec::new();
    for ((left, right), parts) in pairs.iter().zip(compared) {
        if let Some(parts) = parts {
            let (value, chunks) = pool.add(parts);
            out.push((*left, *right, value, chunks));
        }
    }
    out
}

/// Step by step; `None` if either side can't be read, which its own view tells.
fn compare(
    view: &RunView,
    tape: &Trajectories<'_>,
    caps: &[Option<usize>],
    (left, right): (usize, usize),
) -> Option<Parts> {
    let (left_cap, right_cap) = (caps[left]?, caps[right]?);
    let left = tape.read(&view.records[left]).ok()?;
    let right = tape.read(&view.records[right]).ok()?;
    let mut out = Parts::default();
    out.array(|out| {
        for (a, b) in left.steps.iter().zip(&right.steps).take(STEPS) {
            let (a, b) = (step::compared(a, left_cap), step::compared(b, right_cap));
            a.iter().zip(&b).for_each(|(a, b)| runs(out, a, b));
        }
    });
    Some(out)
}

fn runs(out: &mut Parts, left: &str, right: &str) {
    match line_runs(left, right) {
        Some(runs) => out.array(|out| runs.iter().for_each(|run| out.value(Some(run)))),
        None => out.value(None::<u8>),
    }
}
