//! Splits by task: which part a task goes to depends on its name and the seed alone.
//!
//! Tasks that ask the same are one task here, so that no prompt stands in two splits.

use crate::util::digest::sha256_parts;
use std::collections::BTreeMap;

/// Names that splits may have, in the order of the card.
pub(super) const NAMES: [&str; 3] = ["train", "validation", "test"];

/// Shares of the splits.
#[derive(Debug, Clone, PartialEq)]
pub struct Splits(pub Vec<(&'static str, f64)>);

impl Default for Splits {
    fn default() -> Self {
        Self(vec![("train", 1.0)])
    }
}

impl Splits {
    /// Reads `train=0.9,validation=0.1`.
    ///
    /// # Errors
    /// A sentence about what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut shares = Vec::new();
        for part in text.split(',') {
            let (name, share) = part
                .split_once('=')
                .ok_or_else(|| format!("a split is NAME=SHARE, not '{}'", part.trim()))?;
            let known = NAMES.iter().find(|known| **known == name.trim());
            let name = *known.ok_or_else(|| {
                format!("no split is named '{}'; it is one of {}", name.trim(), NAMES.join(", "))
            })?;
            let share: f64 =
                share.trim().parse().map_err(|_| format!("'{}' is no share of a split", share.trim()))?;
            if !(share > 0.0 && share <= 1.0) {
                return Err(format!("the share of '{name}' must be over 0 and at most 1, not {share}"));
            }
            if shares.iter().any(|(other, _)| *other == name) {
                return Err(format!("the split '{name}' is named twice"));
            }
            shares.push((name, share));
        }
        let sum: f64 = shares.iter().map(|(_, share)| share).sum();
        if (sum - 1.0).abs() > 1e-6 {
            return Err(format!("the shares of the splits add up to {sum}, not to 1"));
        }
        shares.sort_by_key(|(name, _)| NAMES.iter().position(|known| known == name));
        Ok(Self(shares))
    }

    /// The split of a task.
    fn of(&self, task: &str, seed: u64) -> &'static str {
        let digest = sha256_parts([&seed.to_le_bytes()[..], task.as_bytes()]);
        // 52 bits: exact as a fraction.
        let head = u64::from_str_radix(&digest[..13], 16).unwrap_or_default();
        let point = head as f64 / (1_u64 << 52) as f64;
        let mut end = 0.0;
        for (name, share) in &self.0 {
            end += share;
            if point < end {
                return name;
            }
        }
        self.0.last().map_or(NAMES[0], |(name, _)| name)
    }

    /// The split of every task; `asks` are pairs of a task and a digest of what it asks.
    pub fn assign<'a>(
        &self,
        asks: impl IntoIterator<Item = (&'a str, &'a str)>,
        seed: u64,
    ) -> BTreeMap<String, &'static str> {
        let mut clusters = Clusters::default();
        for (task, ask) in asks {
            clusters.join(task, ask);
        }
        clusters.names().into_iter().map(|(task, cluster)| (task, self.of(&cluster, seed))).collect()
    }
}

/// Tasks joined by what they ask.
#[derive(Default)]
struct Clusters {
    index: BTreeMap<String, usize>,
    asks: BTreeMap<String, usize>,
    parent: Vec<usize>,
}

impl Clusters {
    fn join(&mut self, task: &str, ask: &str) {
        let next = self.parent.len();
        let node = *self.index.entry(task.to_owned()).or_insert(next);
        if node == next {
            self.parent.push(next);
        }
        let first = *self.asks.entry(ask.to_owned()).or_insert(node);
        let (a, b) = (self.root(node), self.root(first));
        self.parent[a.max(b)] = a.min(b);
    }

    fn root(&mut self, mut node: usize) -> usize {
        while self.parent[node] != node {
            self.parent[node] = self.parent[self.parent[node]];
            node = self.parent[node];
        }
        node
    }

    /// Each task with the least name of its cluster.
    fn names(mut self) -> Vec<(String, String)> {
        let tasks: Vec<(String, usize)> = std::mem::take(&mut self.index).into_iter().collect();
        let mut least: BTreeMap<usize, String> = BTreeMap::new();
        for (task, node) in &tasks {
            let root = self.root(*node);
            least.entry(root).or_insert_with(|| task.clone());
        }
        tasks
            .into_iter()
            .map(|(task, node)| {
                let root = self.root(node);
                let name = least.get(&root).cloned().unwrap_or_else(|| task.clone());
                (task, name)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_keeps_its_split_and_shares_are_met() {
        let splits = Splits::parse("validation=0.2, train=0.8").unwrap();
        assert_eq!(splits.0[0].0, "train");
        let tasks: Vec<String> = (0..2000).map(|n| format!("s/{n}")).collect();
        let all = splits.assign(tasks.iter().map(|task| (task.as_str(), task.as_str())), 0);
        let train = all.values().filter(|name| **name == "train").count();
        assert!((1500..1700).contains(&train), "{train}");
        let few = splits.assign(tasks[..9].iter().map(|task| (task.as_str(), task.as_str())), 0);
        assert!(few.iter().all(|(task, name)| all[task] == *name));
        let other = splits.assign(tasks.iter().map(|task| (task.as_str(), task.as_str())), 1);
        assert_ne!(all, other);
    }

    #[test]
    fn tasks_that_ask_the_same_stay_together() {
        let splits = Splits::parse("train=0.5,test=0.5").unwrap();
        for n in 0..40 {
            let names = [format!("a{n}"), format!("b{n}"), format!("c{n}")];
            let asks = [(names[0].as_str(), "x"), (&names[1], "x"), (&names[1], "y"), (&names[2], "y")];
            let all = splits.assign(asks, 0);
            assert!(all.values().all(|name| *name == all[&names[0]]), "{all:?}");
        }
    }

    #[test]
    fn bad_shares_are_told() {
        for text in ["train", "train=2", "train=0.5", "dev=1", "train=0.5,train=0.5", "train=x", ""] {
            assert!(Splits::parse(text).is_err(), "{text}");
        }
    }
}
