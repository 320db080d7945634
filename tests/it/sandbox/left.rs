//! What is left on the host: after a good end, an error, a panic and a kill, and after many sandboxes.

use super::keeper::{Job, Told, keep};
use super::levels::levels;
use super::{choice, run, with_launcher};
use rolltape::sandbox::{Config, Launcher, Level};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

const VICTIM: &str = "ROLLTAPE_TEST_LEFT";

/// Not a test of its own: a harness with three sandboxes, in each a daemon, that ends in the way it is told.
#[test]
fn victim() {
    let Ok(told) = std::env::var(VICTIM) else { return };
    let (level, end) = told.split_once(' ').expect("a level and an end");
    let level = [Level::Overlay, Level::User, Level::Process].into_iter().find(|one| one.as_str() == level);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let launcher = Launcher::new(choice("", level)).await.expect("a launcher");
        let mut all = Vec::new();
        for _ in 0..3 {
            let config = Config { memory: Some(1 << 30), pids: Some(99), ..Config::default() };
            let sandbox = launcher.start(config).await.expect("a sandbox");
            run(&sandbox, "setsid sleep 952 >/dev/null 2>&1 & mkdir -p a/b; chmod 0 a").await;
            all.push(sandbox);
        }
        match end {
            "end" => {
                for sandbox in &all {
                    sandbox.close().await;
                }
                launcher.finish(Duration::from_secs(5)).await;
            }
            "error" => {
                let mounts = vec![("/no/such/folder".to_owned(), "/data".to_owned())];
                let failed = launcher.start(Config { mounts, ..Config::default() }).await;
                assert_eq!(failed.is_err(), level != Some(Level::Process));
                drop((all, launcher));
            }
            "panic" => panic!("as it was told"),
            "kill" => kill(std::process::id()),
            _ => {
                janitors().into_iter().for_each(kill);
                kill(std::process::id());
            }
        }
    });
}

fn kill(pid: u32) {
    let pid = Pid::from_raw(pid as i32).expect("a number");
    kill_process(pid, Signal::KILL).expect("killed");
}

/// The janitors among this process's children.
fn janitors() -> Vec<u32> {
    let tasks = fs::read_dir("/proc/self/task").expect("threads").flatten();
    let lists: String =
        tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok()).collect();
    let is_janitor = |pid: &u32| {
        fs::read_to_string(format!("/proc/{pid}/cmdline"))
            .is_ok_and(|line| line.starts_with("rolltape: janitor"))
    };
    let found: Vec<u32> =
        lists.split_whitespace().filter_map(|word| word.parse().ok()).filter(is_janitor).collect();
    assert_eq!(found.len(), 1);
    found
}

/// Ends a harness in a way and tells what was there two seconds later.
fn ended(level: Level, end: &str, folder: &Path) -> Told {
    let this = std::env::current_exe().expect("this program").display().to_string();
    let argv = [this.as_str(), "--exact", "sandbox::left::victim"].map(str::to_owned).to_vec();
    let env = [
        (VICTIM, format!("{} {end}", level.as_str())),
        ("PATH", std::env::var("PATH").unwrap_or_default()),
        ("TMPDIR", folder.join("tmp").display().to_string()),
    ];
    let env = env.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    keep(&Job { argv, env, folder: folder.to_owned() })
}

#[test]
fn every_end_leaves_nothing() {
    for level in levels() {
        for (end, code) in [("end", 0), ("error", 0), ("panic", 101), ("kill", 137), ("both", 137)] {
            let folder =
                tempfile::Builder::new().prefix("rolltape-left-").tempdir_in("/tmp").expect("a folder");
            let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            fs::set_permissions(folder.path(), open).expect("walkable");
            fs::create_dir(folder.path().join("tmp")).expect("a folder");
            let mut told = ended(level, end, folder.path());
            assert_eq!(
                told.code,
                code,
                "{level:?} {end}: {}",
                crate::support::read(&folder.path().join("stdout"))
            );
            if end == "both" {
                // As when the machine went down: the next run takes away what nobody could.
                let processes: Vec<_> = told.left.iter().filter(|left| left.starts_with("process")).collect();
                assert!(processes.is_empty() && !told.left.is_empty(), "{level:?}: {:?}", told.left);
                told = ended(level, "end", folder.path());
            }
            assert_eq!(told.left, Vec::<String>::new(), "{level:?} {end}");
        }
    }
}

/// Set where the counting happens: in a process that runs no other test.
const MANY: &str = "ROLLTAPE_TEST_MANY";
/// How many sandboxes are started, 100 if it is not set.
const SANDBOXES: &str = "ROLLTAPE_TEST_SANDBOXES";

#[test]
fn many_sandboxes_leak_nothing() {
    if std::env::var_os(MANY).is_some() {
        levels().into_iter().for_each(count);
        return;
    }
    let folder = tempfile::Builder::new().prefix("rolltape-many-").tempdir_in("/tmp").expect("a folder");
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(folder.path(), open).expect("walkable");
    let output = std::process::Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "sandbox::left::many_sandboxes_leak_nothing", "--nocapture"])
        .env(MANY, "1")
        .env("TMPDIR", folder.path())
        .output()
        .expect("this program runs");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    print!("{out}");
}

fn count(level: Level) {
    let number = std::env::var(SANDBOXES).ok().and_then(|text| text.parse().ok()).unwrap_or(100);
    with_launcher(choice("", Some(level)), async |launcher| {
        let some = async |number: u32| {
            for _ in 0..number {
                let config = Config { memory: Some(1 << 30), pids: Some(64), ..Config::default() };
                let sandbox = launcher.start(config).await.expect("a sandbox");
                assert_eq!(run(&sandbox, "echo x > made").await.2, 0);
                sandbox.close().await;
            }
        };
        // What is kept for later is made by the first ones.
        some(20).await;
        let before = state();
        some(number).await;
        let after = state();
        // Past the capture of the process that counts; the one that waits for it prints it.
        let line = format!("{}: {number} sandboxes: {before:?} became {after:?}", level.as_str());
        let _ = writeln!(std::io::stdout(), "{line}");
        assert!(after.descriptors <= before.descriptors, "{level:?}: {before:?} became {after:?}");
        assert!(after.groups <= before.groups, "{level:?}: {before:?} became {after:?}");
        assert!(after.mounts <= before.mounts, "{level:?}: {before:?} became {after:?}");
        assert!(after.children <= before.children, "{level:?}: {before:?} became {after:?}");
        assert!(after.threads <= before.threads.max(40), "{level:?}: {before:?} became {after:?}");
        // In KiB: an allocator may keep a little, but not something for each.
        assert!(after.memory <= before.memory + 4096, "{level:?}: {before:?} became {after:?}");
    });
}

/// What this process holds.
#[derive(Debug)]
struct State {
    descriptors: usize,
    mounts: usize,
    groups: usize,
    children: usize,
    threads: usize,
    memory: u64,
}

fn state() -> State {
    let entries = |path: &str| fs::read_dir(path).expect("a folder").count();
    let status = fs::read_to_string("/proc/self/status").expect("a status");
    let memory = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("memory");
    let tasks = fs::read_dir("/proc/self/task").expect("threads").flatten();
    let lists: String =
        tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok()).collect();
    State {
        descriptors: entries("/proc/self/fd"),
        mounts: fs::read_to_string("/proc/self/mountinfo").expect("mounts").lines().count(),
        groups: groups(),
        children: lists.split_whitespace().count(),
        threads: entries("/proc/self/task"),
        memory: memory.split_whitespace().next().and_then(|word| word.parse().ok()).expect("a number"),
    }
}

/// Control groups of the runs in this process's temp folder.
fn groups() -> usize {
    let runs = fs::read_dir(std::env::temp_dir()).expect("the temp folder").flatten();
    let names: Vec<String> = runs
        .filter_map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            name.strip_prefix("rolltape-run-").map(|tag| format!("rolltape-{tag}-"))
        })
        .collect();
    assert!(!names.is_empty(), "no run has a folder here");
    let all = walkdir::WalkDir::new("/sys/fs/cgroup").max_depth(8).into_iter().flatten();
    let ours = |name: &str| names.iter().any(|start| name.starts_with(start));
    all.filter(|entry| entry.file_type().is_dir() && ours(&entry.file_name().to_string_lossy())).count()
}
