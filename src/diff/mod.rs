//! Text diffs of observations and trajectories, on top of `similar`.
//!
//! Must not know: what the two sides mean. Invariant: bounded time and bounded output; what was
//! cut is said.

use similar::TextDiff;
use std::time::Duration;

/// A unified diff with three lines of context, at most `max_bytes` long; a cut says how much is missing.
pub fn unified(old: &str, new: &str, old_name: &str, new_name: &str, max_bytes: usize) -> String {
    let diff = TextDiff::configure().timeout(Duration::from_millis(500)).diff_lines(old, new);
    let text = diff.unified_diff().context_radius(3).header(old_name, new_name).to_string();
    if text.len() <= max_bytes {
        return text;
    }
    let mut end = max_bytes;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}\n[{} bytes of the diff are not shown]\n", &text[..end], text.len() - end)
}

/// Most lines of a side that [`line_runs`] compares.
pub const MAX_LINES: usize = 2_000;

/// How the lines of `new` come from those of `old`: triples of lines that are equal, only in `old`, only in
/// `new`, in this order, until both ends. `None` if a side is longer than [`MAX_LINES`].
///
/// No clock bounds it, so that the same texts give the same answer on any machine.
pub fn line_runs(old: &str, new: &str) -> Option<Vec<usize>> {
    let lines = |text: &'_ str| text.matches('\n').count() < MAX_LINES;
    if !lines(old) || !lines(new) {
        return None;
    }
    if old == new {
        return Some(vec![old.matches('\n').count() + 1, 0, 0]);
    }
    let (old, new): (Vec<&str>, Vec<&str>) = (old.split('\n').collect(), new.split('\n').collect());
    let mut runs: Vec<[usize; 3]> = Vec::new();
    for op in similar::capture_diff_slices(similar::Algorithm::Myers, &old, &new) {
        let (tag, was, is) = op.as_tag_tuple();
        let equal = tag == similar::DiffTag::Equal;
        match runs.last_mut() {
            Some(run) if !equal || run[1..] == [0, 0] => {
                run[usize::from(!equal)] += was.len();
                run[2] += if equal { 0 } else { is.len() };
            }
            _ if equal => runs.push([was.len(), 0, 0]),
            _ => runs.push([0, was.len(), is.len()]),
        }
    }
    Some(runs.into_flattened())
}

#[cfg(test)]
mod tests {
    use super::{MAX_LINES, line_runs};

    /// Both sides again from the runs and the lines of the two texts.
    fn follow(old: &str, new: &str, runs: &[usize]) -> (usize, usize) {
        let (old, new): (Vec<&str>, Vec<&str>) = (old.split('\n').collect(), new.split('\n').collect());
        let (mut a, mut b) = (0, 0);
        for run in runs.chunks(3) {
            assert_eq!(old[a..a + run[0]], new[b..b + run[0]]);
            (a, b) = (a + run[0] + run[1], b + run[0] + run[2]);
        }
        assert_eq!((a, b), (old.len(), new.len()), "{runs:?}");
        (a, b)
    }

    #[test]
    fn runs_lead_through_both_texts() {
        for (old, new, runs) in [
            ("a\nb\nc", "a\nx\nc", Some(vec![1, 1, 1, 1, 0, 0])),
            ("", "", Some(vec![1, 0, 0])),
            ("a\n", "a\n", Some(vec![2, 0, 0])),
            ("", "a", None),
            ("b\nc", "a\nb\nc\nd", Some(vec![0, 0, 1, 2, 0, 1])),
            ("a\nb\nc\nd\ne", "e\nd\nc\nb\na", None),
        ] {
            let found = line_runs(old, new).unwrap();
            follow(old, new, &found);
            assert!(runs.is_none_or(|runs| runs == found), "{old:?} {new:?} {found:?}");
        }
        assert_eq!(line_runs("", &"\n".repeat(MAX_LINES)), None);
        assert!(line_runs("", &"\n".repeat(MAX_LINES - 1)).is_some());
    }
}
