//! Limits that the kernel does not hold or does not tell of: the init looks, kills and tells.
//!
//! CPU time is nowhere limited by the kernel, and a full file system is told to nobody but the program that writes.
//! Where no control group holds memory and processes, a look costs one small file a thread and one a process. Hard limits of the kernel (`setrlimit`) stand a
//! good way above, so that what grows faster than we look is stopped too, though not named.

use super::reap::{self, kill};
use crate::sandbox::wire::{Spec, limit};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::time::{Duration, Instant};

/// Between two looks, far from a limit of memory or processes.
const CALM: Duration = Duration::from_millis(100);
/// Between two looks where those are held by the kernel.
const IDLE: Duration = Duration::from_millis(250);
/// Between two looks, above half of a limit.
const TENSE: Duration = Duration::from_millis(10);

/// Where programs of a container keep files: to count its whole root would take too long.
const CONTAINED: &[&str] = &["/workspace/", "/home", "/root", "/tmp", "/var/tmp", "/run", "/dev/shm"];

/// What was seen so far.
#[derive(Debug)]
pub(super) struct Watch {
    memory: u64,
    pids: u64,
    /// Bytes and files on disk.
    disk: (u64, u64),
    /// CPU time in milliseconds.
    cpu: u64,
    clock: Option<Clock>,
    /// When the private folders were last measured, what that took, and how full they were when all was killed.
    measured: Option<(Instant, Duration)>,
    killed_at: (u64, u64),
    /// Limits that were hit, as bits of [`limit`].
    pub(super) hit: u8,
    wait: Duration,
    page: u64,
}

impl Watch {
    /// `None` where there is nothing to watch.
    pub(super) fn new(spec: &Spec, clock: Option<Clock>) -> Option<Self> {
        let memory = if spec.watch_memory { spec.memory } else { 0 };
        let pids = if spec.watch_pids { spec.pids } else { 0 };
        let disk = if spec.level == 0 { (0, 0) } else { (spec.disk, spec.inodes) };
        let any = memory > 0 || pids > 0 || disk != (0, 0) || spec.cpu_time > 0;
        any.then(|| Self {
            memory,
            pids,
            disk,
            cpu: spec.cpu_time,
            clock,
            measured: None,
            killed_at: (0, 0),
            hit: 0,
            wait: if memory > 0 || pids > 0 { CALM } else { IDLE },
            page: reap::page_size(),
        })
    }

    /// How long the next look may wait.
    pub(super) fn wait(&self) -> Duration {
        self.wait
    }

    /// The next look shall see how everything is at that moment.
    pub(super) fn last(&mut self) {
        self.measured = None;
    }

    /// Looks once. `started` are the programs of the harness: they outlive a breach of the limit on
    /// processes, so that a shell can tell what happened. Gives the bit of a limit that has just ended all work.
    pub(super) fn look(&mut self, spec: &Spec, started: &BTreeSet<i32>) -> Option<u8> {
        self.wait = IDLE;
        if self.memory > 0 || self.pids > 0 {
            self.look_at_processes(spec, started);
        }
        if spec.level >= 2 && spec.level != super::CONTAINER {
            self.look_at_tmpfs();
        } else if self.disk != (0, 0) {
            self.measure(spec);
        }
        self.look_at_clock(spec)
    }

    /// Time goes on at the pace of all processors at most; the next look is before the limit can be far behind.
    fn look_at_clock(&mut self, spec: &Spec) -> Option<u8> {
        if self.cpu == 0 || self.hit & limit::CPU != 0 {
            return None;
        }
        let used = self.clock.as_ref().and_then(Clock::millis).unwrap_or_else(cpu_of_tree);
        if used < self.cpu {
            self.wait = self.wait.min(Duration::from_millis((self.cpu - used) / 4)).max(TENSE);
            return None;
        }
        self.hit |= limit::CPU;
        reap::kill_all(spec);
        Some(limit::CPU)
    }

    /// The file system itself holds the limit.
    fn look_at_tmpfs(&mut self) {
        if self.disk == (0, 0) || self.hit & limit::DISK != 0 {
            return;
        }
        let Ok(now) = rustix::fs::statvfs("/") else { return };
        if now.f_bavail == 0 || (self.disk.1 > 0 && now.f_favail == 0) {
            self.hit |= limit::DISK;
        } else if now.f_bavail < now.f_blocks / 2 || (self.disk.1 > 0 && now.f_favail < now.f_files / 2) {
            self.wait = self.wait.min(TENSE);
        }
    }

    /// Where files lie on the host, they are counted; whoever goes on to fill is killed.
    fn measure(&mut self, spec: &Spec) {
        if let Some((last, took)) = self.measured
            && last.elapsed() < (took * 20).max(IDLE)
        {
            return;
        }
        let start = Instant::now();
        let now = private_files(spec);
        self.measured = Some((Instant::now(), start.elapsed()));
        let over = |value: u64, limit: u64| limit > 0 && value >= limit;
        if over(now.0, self.disk.0) || over(now.1, self.disk.1) {
            self.hit |= limit::DISK;
            if now.0 > self.killed_at.0 || now.1 > self.killed_at.1 {
                self.killed_at = now;
                reap::kill_all(spec);
            }
        }
    }

    fn look_at_processes(&mut self, spec: &Spec, started: &BTreeSet<i32>) {
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

/// Bytes and number of all files in the private folders of an attempt.
fn private_files(spec: &Spec) -> (u64, u64) {
    let mut sum = (0, 0);
    let folders: &[&str] = if spec.level == super::CONTAINER { CONTAINED } else { &["work", "home", "tmp"] };
    for name in folders {
        let top = Path::new(&spec.folder).join(name);
        for entry in walkdir::WalkDir::new(top).follow_links(false).into_iter().flatten() {
            if let Ok(data) = entry.metadata() {
                sum = (sum.0 + data.blocks() * 512, sum.1 + 1);
            }
        }
    }
    sum
}

/// The CPU time of a control group, ended processes included. Opened on the host, read inside.
#[derive(Debug)]
pub(super) enum Clock {
    /// `cpu.stat` of version 2.
    Second(File),
    /// `cpuacct.usage` of version 1.
    First(File),
}

impl Clock {
    /// `None` where no group of the sandbox tells.
    pub(super) fn open(spec: &Spec) -> Option<Self> {
        if spec.cpu_time == 0 {
            return None;
        }
        spec.groups.iter().find_map(|group| {
            let folder = Path::new(group).parent()?;
            let second = File::open(folder.join("cpu.stat")).ok().map(Clock::Second);
            let told = second.filter(|clock| clock.millis().is_some());
            told.or_else(|| File::open(folder.join("cpuacct.usage")).ok().map(Clock::First))
        })
    }

    fn millis(&self) -> Option<u64> {
        let mut bytes = [0; 1024];
        let read = |file: &File, bytes: &mut [u8]| file.read_at(bytes, 0).ok();
        match self {
            Clock::Second(file) => {
                let count = read(file, &mut bytes)?;
                let text = String::from_utf8_lossy(&bytes[..count]).into_owned();
                let usage = text.lines().find_map(|line| line.strip_prefix("usage_usec "))?;
                Some(usage.trim().parse::<u64>().ok()? / 1000)
            }
            Clock::First(file) => {
                let count = read(file, &mut bytes)?;
                let nanos = String::from_utf8_lossy(&bytes[..count]).trim().parse::<u64>().ok()?;
                Some(nanos / 1_000_000)
            }
        }
    }
}

/// CPU time in milliseconds of all programs so far.
pub(super) fn cpu_time(watch: Option<&Watch>) -> u64 {
    let group = watch.and_then(|watch| watch.clock.as_ref()).and_then(Clock::millis);
    group.unwrap_or_else(cpu_of_tree)
}

/// CPU time in milliseconds of all that lives below us and of all that was waited for, by the table of processes.
fn cpu_of_tree() -> u64 {
    let children = |text: &[u8]| -> Option<(u64, u64)> {
        let end = text.iter().rposition(|byte| *byte == b')')?;
        let rest = std::str::from_utf8(text.get(end + 2..)?).ok()?;
        let fields: Vec<u64> =
            rest.split(' ').skip(11).take(4).map(|word| word.parse().unwrap_or(0)).collect();
        Some((fields.iter().take(2).sum(), fields.iter().skip(2).sum()))
    };
    let of = |pid: i32| fs::read(format!("/proc/{pid}/stat")).ok().and_then(|text| children(&text));
    let mut ticks = of(std::process::id() as i32).map_or(0, |(_, waited)| waited);
    for pid in reap::descendants() {
        ticks += of(pid).map_or(0, |(own, waited)| own + waited);
    }
    ticks * 1000 / reap::ticks_per_second()
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
