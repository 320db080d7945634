//! Runs a program as the reaper of all its orphans, and tells what it left behind.
//!
//! A process of its own (this test binary again): every process that outlives the program becomes its child, so none
//! is missed and none of other tests is taken for one of it.

use rustix::process::{Pid, Signal, WaitOptions, kill_process, set_child_subreaper, waitpid};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const KEEPER: &str = "ROLLTAPE_TEST_KEEPER";
/// How long anything may stay after the program's end.
const GRACE: Duration = Duration::from_secs(2);
/// How long the program may run.
const PATIENCE: Duration = Duration::from_secs(150);

/// What to run.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Job {
    pub(super) argv: Vec<String>,
    pub(super) env: BTreeMap<String, String>,
    /// Folder of the job: output lands here, and the program's temp folder is `tmp` in it.
    pub(super) folder: PathBuf,
}

/// What came of it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Told {
    /// Exit code; 128 + signal; -1 when it ran out of time.
    pub(super) code: i32,
    /// What was still there after the grace time.
    pub(super) left: Vec<String>,
    /// Most anonymous memory in KiB, as far as it was seen: what is mapped of files is not the program's to keep small.
    pub(super) memory: u64,
    /// Most bytes below the temp folder.
    pub(super) disk: u64,
}

/// Runs a job under a keeper.
pub(super) fn keep(job: &Job) -> Told {
    let file = job.folder.join("job.json");
    fs::write(&file, serde_json::to_vec(job).expect("JSON")).expect("written");
    let output = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "sandbox::keeper::keeper", "--nocapture"])
        .env(KEEPER, &file)
        .stdin(Stdio::null())
        .output()
        .expect("this program runs");
    let told = fs::read(job.folder.join("told.json"));
    let told = told.unwrap_or_else(|error| panic!("the keeper failed: {error}\n{output:?}"));
    serde_json::from_slice(&told).expect("JSON")
}

/// Not a test of its own: the process that [`keep`] starts.
#[test]
fn keeper() {
    let Some(file) = std::env::var_os(KEEPER) else { return };
    let job: Job = serde_json::from_slice(&fs::read(file).expect("the job")).expect("JSON");
    set_child_subreaper(Some(rustix::process::getpid())).expect("a reaper");
    let told = work(&job);
    fs::write(job.folder.join("told.json"), serde_json::to_vec(&told).expect("JSON")).expect("written");
}

fn work(job: &Job) -> Told {
    let output = |name: &str| File::create(job.folder.join(name)).expect("a file");
    let mut child = Command::new(&job.argv[0])
        .args(&job.argv[1..])
        .env_clear()
        .envs(&job.env)
        .current_dir(&job.folder)
        .stdin(Stdio::null())
        .stdout(output("stdout"))
        .stderr(output("stderr"))
        .spawn()
        .expect("the program starts");
    let (mut told, mut tags) = (Told::default(), BTreeSet::new());
    let (pid, temp, end) = (child.id(), job.folder.join("tmp"), Instant::now() + PATIENCE);
    let mut looks = 0u32;
    told.code = loop {
        if let Some(status) = child.try_wait().expect("a child") {
            use std::os::unix::process::ExitStatusExt;
            break status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(-1);
        }
        if Instant::now() > end {
            let _ = child.kill();
            let _ = child.wait();
            break -1;
        }
        look(&mut told, &mut tags, pid, &temp, looks.is_multiple_of(10));
        looks += 1;
        std::thread::sleep(Duration::from_millis(5));
    };
    let end = Instant::now() + GRACE;
    loop {
        told.left = left(&temp, &tags);
        if told.left.is_empty() || Instant::now() > end {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    for pid in children() {
        let _ = kill_process(pid, Signal::KILL);
    }
    told
}

fn look(told: &mut Told, tags: &mut BTreeSet<String>, pid: u32, temp: &Path, thorough: bool) {
    for entry in fs::read_dir(temp).expect("the temp folder").flatten() {
        if let Some(tag) = entry.file_name().to_string_lossy().strip_prefix("rolltape-run-") {
            tags.insert(tag.to_owned());
        }
    }
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let held = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let held = held.and_then(|text| text.split_whitespace().next()?.parse().ok());
    told.memory = told.memory.max(held.unwrap_or(0));
    if thorough {
        let sizes =
            walkdir::WalkDir::new(temp).into_iter().flatten().filter_map(|entry| entry.metadata().ok());
        told.disk = told.disk.max(sizes.filter(fs::Metadata::is_file).map(|data| data.len()).sum());
    }
}

/// Living children of this process, its threads' among them. The dead are buried.
fn children() -> Vec<Pid> {
    let tasks = fs::read_dir("/proc/self/task").expect("threads").flatten();
    let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    let pids: Vec<Pid> = lists
        .flat_map(|list| list.split_whitespace().filter_map(|word| word.parse().ok()).collect::<Vec<i32>>())
        .filter_map(Pid::from_raw)
        .collect();
    let alive = |pid: &Pid| matches!(waitpid(Some(*pid), WaitOptions::NOHANG), Ok(None));
    pids.into_iter().filter(alive).collect()
}

/// Processes, folders, control groups and mounts that are still there.
fn left(temp: &Path, tags: &BTreeSet<String>) -> Vec<String> {
    let mut found = Vec::new();
    for pid in children() {
        let name = fs::read_to_string(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).unwrap_or_default();
        found.push(format!("process {}", name.replace('\0', " ")));
    }
    for entry in fs::read_dir(temp).expect("the temp folder").flatten() {
        found.push(format!("folder {}", entry.path().display()));
    }
    let groups = walkdir::WalkDir::new("/sys/fs/cgroup").max_depth(8).into_iter().flatten();
    for group in groups.filter(|entry| entry.file_type().is_dir()) {
        let name = group.file_name().to_string_lossy();
        if tags.iter().any(|tag| name.starts_with(&format!("rolltape-{tag}"))) {
            found.push(format!("control group {}", group.path().display()));
        }
    }
    // A network or other namespace lives only by a process or a mount.
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("mounts");
    let base = temp.parent().expect("a parent").display().to_string();
    for line in mounts.lines().filter(|line| line.contains(&base) || line.contains(" /workspace")) {
        found.push(format!("mount {line}"));
    }
    found
}
