//! Limits of memory and processes where no control group holds them: the init looks, kills and tells.
//!
//! A look costs one small file a thread and one a process. Hard limits of the kernel (`setrlimit`) stand a
//! good way above, so that what grows faster than we look is stopped too, though not named.

use super::reap::{self, kill};
use crate::sandbox::wire::{Spec, limit};
use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

/// Between two looks, far from a limit.
const CALM: Duration = Duration::from_millis(100);
/// Between two looks, above half of a limit.
const TENSE: Duration = Duration::from_millis(10);

/// What was seen so far.
#[derive(Debug)]
pub(super) struct Watch {
    memory: u64,
    pids: u64,
    /// Limits that were hit, as bits of [`limit`].
    pub(super) hit: u8,
    wait: Duration,
    page: u64,
}

impl Watch {
    /// `None` where control groups hold the limits, or there are none.
    pub(super) fn new(spec: &Spec) -> Option<Self> {
        let memory = if spec.watch_memory { spec.memory } else { 0 };
        let pids = if spec.watch_pids { spec.pids } else { 0 };
        let page = reap::page_size();
        (memory > 0 || pids > 0).then_some(Self { memory, pids, hit: 0, wait: CALM, page })
    }

    /// How long the next look may wait.
    pub(super) fn wait(&self) -> Duration {
        self.wait
    }

    /// Looks once. `started` are the programs of the harness: they outlive a breach of the limit on
    /// processes, so that a shell can tell what happened.
    pub(super) fn look(&mut self, spec: &Spec, started: &BTreeSet<i32>) {
        let all = tree();
        let threads: u64 = all.iter().map(|process| process.threads).sum();
        let bytes: u64 = all.iter().map(|process| process.pages * self.page).sum();
        let above = |value: u64, limit: u64, part: u64| limit > 0 && value > limit / part;
        if above(threads, self.pids, 1) {
            self.hit |= limit::PIDS;
            end_all_but(spec, started);
        }
        if above(bytes, self.memory, 1) {
            // Pages that forks share were counted once for each; only now is it worth to look closely.
            let exact: Vec<(u64, i32)> = all
                .iter()
                .map(|process| (proportional(process.pid).unwrap_or(process.pages * self.page), process.pid))
                .collect();
            if exact.iter().map(|(bytes, _)| bytes).sum::<u64>() > self.memory
                && let Some((_, largest)) = exact.iter().max()
            {
                self.hit |= limit::OOM;
                let _ = kill(*largest, libc::SIGKILL);
            }
        }
        let tense = above(threads, self.pids, 2) || above(bytes, self.memory, 2);
        self.wait = if tense { TENSE } else { CALM };
    }
}

/// Kills all but some, again and again while new ones are born.
fn end_all_but(spec: &Spec, spared: &BTreeSet<i32>) {
    for _ in 0..100 {
        let all: Vec<i32> =
            tree().into_iter().map(|process| process.pid).filter(|pid| !spared.contains(pid)).collect();
        if all.is_empty() {
            return;
        }
        for pid in all {
            let _ = kill(pid, libc::SIGKILL);
        }
        // The dead are reaped here only if they are nobody's answer: programs are spared.
        reap::bury(spared);
    }
    reap::kill_all(spec);
}

/// One living descendant.
#[derive(Debug)]
struct Seen {
    pid: i32,
    threads: u64,
    /// Anonymous memory in pages.
    pages: u64,
}

/// All living descendants, by way of the kernel's lists of children.
fn tree() -> Vec<Seen> {
    let mut found = Vec::new();
    let me = std::process::id() as i32;
    let Some((_, mut queue)) = threads_and_children(me) else {
        // A kernel without these lists: the whole table of processes.
        return reap::descendants().into_iter().filter_map(|pid| seen(pid, 1)).collect();
    };
    while let Some(pid) = queue.pop() {
        let (threads, children) = threads_and_children(pid).unwrap_or_default();
        queue.extend(children);
        found.extend(seen(pid, threads));
    }
    found
}

fn seen(pid: i32, threads: u64) -> Option<Seen> {
    let text = fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    let mut fields = text.split(' ').map(|word| word.parse::<u64>().unwrap_or(0));
    let (size, resident, shared) = (fields.next()?, fields.next()?, fields.next()?);
    // A process without memory has ended and waits to be reaped.
    (size > 0).then(|| Seen { pid, threads: threads.max(1), pages: resident.saturating_sub(shared) })
}

fn threads_and_children(pid: i32) -> Option<(u64, Vec<i32>)> {
    let (mut threads, mut children) = (0, Vec::new());
    for task in fs::read_dir(format!("/proc/{pid}/task")).ok()? {
        let list = fs::read_to_string(task.ok()?.path().join("children")).ok()?;
        children.extend(list.split_whitespace().filter_map(|word| word.parse::<i32>().ok()));
        threads += 1;
    }
    Some((threads, children))
}

/// Anonymous and shared memory of a process in bytes, each page divided by its users.
fn proportional(pid: i32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let kilobytes = |name: &str| -> Option<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse().ok()
    };
    let anonymous = kilobytes("Pss_Anon:")?;
    Some((anonymous + kilobytes("Pss_Shmem:").unwrap_or(0)) * 1024)
}
