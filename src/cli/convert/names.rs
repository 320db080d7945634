//! Names of the files and folders that are made: from the source's name, safe, each once.

use std::collections::BTreeSet;

/// Longest part of a source's name that is kept, in bytes.
const LONGEST: usize = 100;

/// Names that were given out.
#[derive(Default)]
pub(super) struct Names {
    taken: BTreeSet<String>,
}

impl Names {
    /// A name for trajectory `number` (from 1) of the file at `path`: its stem, with `#2` and so on from the second
    /// one on; a name that is taken gets a number behind it.
    pub(super) fn make(&mut self, path: &str, number: u64) -> String {
        let stem = stem(path);
        let base = if number > 1 { format!("{stem}#{number}") } else { stem };
        // Two names that differ in case only are one on some disks.
        let mut name = base.clone();
        let mut n = 2_u64;
        while self.taken.contains(&name.to_lowercase()) {
            name = format!("{base}_{n}");
            n += 1;
        }
        self.taken.insert(name.to_lowercase());
        name
    }
}

/// The file's name without endings that say how it is written, and without what a path may not hold.
fn stem(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or_default();
    let mut name = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(name);
    for ending in [".json", ".jsonl", ".traj", ".log", ".txt", ".eval"] {
        name = name.strip_suffix(ending).unwrap_or(name);
    }
    let safe = |c: char| if c.is_alphanumeric() || "._-+=@".contains(c) { c } else { '_' };
    let mut out = String::new();
    for c in name.chars().map(safe) {
        if out.len() + c.len_utf8() > LONGEST {
            break;
        }
        // A name does not begin with what hides it or looks like an option.
        out.push(if out.is_empty() && matches!(c, '.' | '-') { '_' } else { c });
    }
    if out.is_empty() || out == "_" { "trajectory".to_owned() } else { out }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_safe_and_each_once() {
        let mut names = Names::default();
        let made: Vec<String> = [
            ("a/run.jsonl.gz", 1),
            ("a/run.jsonl.gz", 2),
            ("b/run.json", 1),
            ("b/RUN.json", 1),
            ("-", 1),
            ("x/..json", 1),
            ("x/.hidden.traj", 1),
            ("x/a b\u{1b}[0m\n.json", 1),
        ]
        .into_iter()
        .map(|(path, n)| names.make(path, n))
        .collect();
        assert_eq!(
            made,
            ["run", "run#2", "run_2", "RUN_3", "trajectory", "trajectory_2", "_hidden", "a_b__0m_"]
        );
        assert!(names.make(&"é".repeat(500), 1).len() <= LONGEST);
    }
}
