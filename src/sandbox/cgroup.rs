//! Control groups, version 2 and version 1.

use crate::model::LimitKind;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where groups can be made: a parent for each thing that can be limited.
#[derive(Debug, Clone, Default)]
pub(super) struct Parents {
    pub(super) memory: Option<PathBuf>,
    pub(super) pids: Option<PathBuf>,
    pub(super) cpu: Option<PathBuf>,
    /// Any group of version 2: kills all at once, even without a controller.
    unified: Option<PathBuf>,
    /// Which of the three are of version 2.
    second: bool,
}

impl Parents {
    /// Looks at this process's groups and tries each by making one.
    pub(super) fn find(tag: &str) -> Self {
        let mut parents = Self::default();
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        for line in own.lines() {
            let mut fields = line.splitn(3, ':');
            let (_, Some(names), Some(path)) = (fields.next(), fields.next(), fields.next()) else {
                continue;
            };
            let Some(folder) = folder_of(&mounts, names, path).filter(|folder| usable(folder, tag)) else {
                continue;
            };
            if names.is_empty() {
                let control = fs::read_to_string(folder.join("cgroup.subtree_control")).unwrap_or_default();
                let has = |name: &str| control.split_whitespace().any(|word| word == name);
                if has("memory") && has("pids") {
                    parents.second = true;
                    parents.memory = Some(folder.clone());
                    parents.pids = Some(folder.clone());
                    parents.cpu = has("cpu").then(|| folder.clone());
                }
                parents.unified = Some(folder);
            } else {
                for name in names.split(',') {
                    match name {
                        "memory" => parents.memory = Some(folder.clone()),
                        "pids" => parents.pids = Some(folder.clone()),
                        "cpu" => parents.cpu = Some(folder.clone()),
                        _ => {}
                    }
                }
            }
        }
        parents
    }

    /// Makes the groups of one sandbox with its limits.
    pub(super) fn make(
        &self,
        name: &str,
        memory: Option<u64>,
        pids: Option<u64>,
        cpus: Option<f64>,
    ) -> io::Result<Vec<PathBuf>> {
        let mut made: Vec<PathBuf> = Vec::new();
        let mut group = |parent: &Path, files: &[(&str, String)]| -> io::Result<()> {
            let folder = parent.join(name);
            if !made.contains(&folder) {
                fs::create_dir(&folder)?;
                made.push(folder.clone());
            }
            files.iter().try_for_each(|(file, value)| fs::write(folder.join(file), value))
        };
        let (memory_file, pids_file) =
            (if self.second { "memory.max" } else { "memory.limit_in_bytes" }, "pids.max");
        let mut all = || -> io::Result<()> {
            if let (Some(parent), Some(bytes)) = (&self.memory, memory) {
                group(parent, &[(memory_file, bytes.to_string())])?;
            }
            if let (Some(parent), Some(count)) = (&self.pids, pids) {
                group(parent, &[(pids_file, count.to_string())])?;
            }
            if let (Some(parent), Some(cpus)) = (&self.cpu, cpus) {
                let quota = (cpus * 100_000.0).round().max(1000.0) as u64;
                if self.second {
                    group(parent, &[("cpu.max", format!("{quota} 100000"))])?;
                } else {
                    let period = ("cpu.cfs_period_us", "100000".to_owned());
                    group(parent, &[period, ("cpu.cfs_quota_us", quota.to_string())])?;
                }
            }
            self.unified.as_deref().map_or(Ok(()), |parent| group(parent, &[]))
        };
        let result = all();
        if let Err(error) = result {
            for group in &made {
                destroy(group);
            }
            return Err(error);
        }
        Ok(made)
    }
}

/// The folder of a group, from the table of mounts; `names` are the controllers, empty for version 2.
fn folder_of(mounts: &str, names: &str, path: &str) -> Option<PathBuf> {
    for line in mounts.lines() {
        let (left, right) = line.split_once(" - ")?;
        let mut left = left.split(' ').skip(3);
        let (root, at) = (left.next()?, left.next()?);
        let right: Vec<&str> = right.split(' ').collect();
        let matches = match right.first() {
            Some(&"cgroup2") => names.is_empty(),
            Some(&"cgroup") => names.split(',').all(|name| {
                !name.is_empty() && right.last().is_some_and(|o| o.split(',').any(|word| word == name))
            }),
            _ => false,
        };
        if matches {
            let below = path.strip_prefix(root).unwrap_or(path).trim_start_matches('/');
            return Some(Path::new(at).join(below));
        }
    }
    None
}

fn usable(folder: &Path, tag: &str) -> bool {
    let probe = folder.join(format!("rolltape-{tag}-probe"));
    fs::create_dir(&probe).and_then(|()| fs::remove_dir(&probe)).is_ok()
}

/// The folders of a process's groups, as far as they can be seen from here.
pub(super) fn of_process(pid: i32) -> Option<Vec<PathBuf>> {
    let theirs = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let folders = theirs.lines().filter_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        folder_of(&mounts, fields.next()?, fields.next()?)
    });
    let found: Vec<PathBuf> = folders.filter(|folder| folder.is_dir()).collect();
    (!found.is_empty()).then_some(found)
}

/// What the groups of a process hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) memory: bool,
    pub(super) pids: bool,
    pub(super) cpu: bool,
}

/// Looks whether each limit is a number that somebody has set.
pub(super) fn held(groups: &[PathBuf]) -> Held {
    let set = |file: &str| {
        groups.iter().any(|group| {
            let text = fs::read_to_string(group.join(file)).unwrap_or_default();
            let first = text.split_whitespace().next().and_then(|word| word.parse::<i64>().ok());
            // Version 1 writes the largest number, or -1, for none.
            first.is_some_and(|number| number > 0 && number < i64::MAX / 2)
        })
    };
    Held {
        memory: set("memory.max") || set("memory.limit_in_bytes"),
        pids: set("pids.max"),
        cpu: set("cpu.max") || set("cpu.cfs_quota_us"),
    }
}

/// Which limits of a sandbox's groups were hit.
pub(super) fn hit(groups: &[PathBuf]) -> Vec<LimitKind> {
    let counts = |file: &str, key: &str| {
        groups.iter().any(|group| {
            let text = fs::read_to_string(group.join(file)).unwrap_or_default();
            text.lines()
                .filter_map(|line| line.split_once(' '))
                .any(|(name, count)| name == key && count != "0")
        })
    };
    let mut limits = Vec::new();
    if counts("memory.events", "oom_kill") || counts("memory.oom_control", "oom_kill") {
        limits.push(LimitKind::Oom);
    }
    if counts("pids.events", "max") {
        limits.push(LimitKind::Pids);
    }
    limits
}

/// Kills what is in a group and removes it.
pub(super) fn destroy(group: &Path) {
    for _ in 0..200 {
        match fs::remove_dir(group) {
            Ok(()) => return,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return,
            Err(_) => {}
        }
        if fs::write(group.join("cgroup.kill"), "1").is_err() {
            let members = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
            for pid in members.lines().filter_map(|line| line.parse().ok()) {
                if let Some(pid) = rustix::process::Pid::from_raw(pid) {
                    let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
                }
            }
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}
