//! Bad surroundings of a run, with the built program: each gives one clear error, a hint and its exit code,
//! and what was finished is kept.

use crate::support::{Output, Rolltape, program, root, temp};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

fn suite() -> PathBuf {
    root().join("suites/deepseek-api")
}

/// `rolltape run suites/deepseek-api …` in a folder.
fn run(folder: &Path, more: &[&str]) -> Rolltape {
    let suite = suite();
    let mut arguments = vec!["run", suite.to_str().expect("UTF-8")];
    arguments.extend(more);
    if !more.contains(&"--task") {
        // The four that need no more than bash: what is tested here does not hang on the number of tasks.
        for task in ["bad-key", "hello", "models-and-balance", "retry-429"] {
            arguments.extend(["--task", task]);
        }
    }
    Rolltape::new(&arguments).cwd(folder)
}

/// The stderr of a run that must not start, and the code.
fn told(output: &Output) -> String {
    output.masked(root(), "<root>")
}

/// A script of the shell before the program: limits, umask, closed streams.
fn shell(folder: &Path, before: &str, after: &str) -> Output {
    let line = format!(
        "{before}; exec {} run {} --task hello {after}",
        env!("CARGO_BIN_EXE_rolltape"),
        suite().display()
    );
    let done = Command::new("bash").args(["-c", &line]).current_dir(folder).output().expect("bash");
    Output {
        code: done.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&done.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&done.stderr).into_owned(),
    }
}

#[test]
fn a_broken_suite_is_told_whole() {
    let folder = temp();
    let suite = folder.path().join("bad");
    std::fs::create_dir_all(suite.join("tasks/empty")).expect("a folder");
    std::fs::write(suite.join("tasks/empty/task.toml"), "").expect("a file");
    let text = "schema = 1\nname = \"bad\"\nfoo = 1\n[defaults]\nagent = \"nop\"\n\
        [[task]]\nid = \"a\"\nprompt = \"x\"\nlimits = { wall = \"5 lightyears\" }\nscore = [{ kind = \"includess\", value = \"d\" }]\n\
        [[task]]\nid = \"a\"\nprompt = \"y\"\nscore = [{ kind = \"includes\", value = \"d\" }]\n";
    std::fs::write(suite.join("suite.toml"), text).expect("a file");
    let output = Rolltape::new(&["run", "bad"]).cwd(folder.path()).run().expect_code(2);
    insta::assert_snapshot!("bad_suite", told(&output));
    assert!(!folder.path().join("reports").exists());
}

#[test]
fn the_parser_gives_hints_like_all_others() {
    let folder = temp();
    for (name, arguments) in [
        ("usage_level", vec!["--level", "foo"]),
        ("usage_option", vec!["--bakend", "x"]),
        ("usage_jobs", vec!["-j", "0"]),
        ("usage_sandbox", vec!["--sandbox", "nonee"]),
        ("usage_layer", vec!["--require", "secomp"]),
    ] {
        let output = run(folder.path(), &arguments).run().expect_code(2);
        insta::assert_snapshot!(name, told(&output));
    }
}

#[test]
fn a_layer_that_a_level_lacks_is_named() {
    let folder = temp();
    let output = run(folder.path(), &["--level", "process", "--require", "idmap"]).run().expect_code(3);
    assert!(output.stderr.starts_with("error: ") && output.stderr.contains("idmap"), "{}", output.stderr);
    assert!(output.stderr.contains("hint: "), "{}", output.stderr);
    assert!(!folder.path().join("reports").exists());
}

#[test]
fn an_ordinary_user_has_no_overlay() {
    need!(not_root);
    let folder = temp();
    let output = run(folder.path(), &["--level", "overlay", "--task", "hello", "--out", "r"]).run();
    assert!(output.code == 0 || output.stderr.contains("hint: "), "{}", output.stderr);
}

#[test]
fn a_tape_without_the_attempt_names_task_and_attempt_and_keeps_the_rest() {
    let folder = temp();
    let output =
        run(folder.path(), &["--task", "hello", "--attempts", "2", "--out", "r"]).run().expect_code(3);
    let journal = std::fs::read_to_string(folder.path().join("r/attempts.jsonl")).expect("a journal");
    assert!(journal.contains("cassette_miss"), "{journal}");
    // The table breaks its lines, and where depends on how long paths are here.
    let shown: Vec<&str> = output.stdout.split_whitespace().collect();
    assert!(shown.join(" ").contains("has only attempt 1 of task 'hello'"), "{}", output.stdout);
    assert_eq!(journal.lines().count(), 2);
    let kept = std::fs::read_to_string(folder.path().join("r/trajectories.jsonl")).expect("trajectories");
    assert_eq!(kept.lines().count(), 2, "the missing one has its trajectory, too");
}

#[test]
fn a_cassette_that_ends_too_early_names_the_turn() {
    let folder = temp();
    let whole =
        std::fs::read_to_string(root().join("trajectories/deepseek-api/cassette.jsonl")).expect("tape");
    let cut: Vec<&str> = whole
        .lines()
        .filter(|line| {
            let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
            line["task"] != "hello" || line["turn"].as_u64().is_none_or(|turn| turn <= 2)
        })
        .collect();
    std::fs::write(folder.path().join("cassette.jsonl"), cut.join("\n") + "\n").expect("a file");
    let arguments = ["--task", "hello", "--backend", "cassette:.", "--out", "r", "--format", "json"];
    run(folder.path(), &arguments).run().expect_code(3);
    let journal = std::fs::read_to_string(folder.path().join("r/attempts.jsonl")).expect("a journal");
    let record: serde_json::Value = serde_json::from_str(journal.trim()).expect("one record");
    let error = record["error"].to_string();
    for part in ["cassette_miss", "hello", "turn 3"] {
        assert!(error.contains(part), "{part}: {error}");
    }
    let kept = std::fs::read_to_string(folder.path().join("r/trajectories.jsonl")).expect("trajectories");
    assert!(kept.contains("execute_bash"), "the turns before the end are kept");
}

#[test]
fn a_file_in_the_way_and_a_read_only_folder_are_told() {
    let folder = temp();
    std::fs::write(folder.path().join("file"), "x").expect("a file");
    let output = run(folder.path(), &["--task", "hello", "--out", "file/x"]).run().expect_code(3);
    insta::assert_snapshot!("out_under_a_file", told(&output));
    let output = run(folder.path(), &["--task", "hello", "--out", "file"]).run().expect_code(3);
    insta::assert_snapshot!("out_is_a_file", told(&output));
    need!(root, "mount", "umount");
    let read_only = Mounted::new(folder.path().join("ro"), "ro");
    let output = run(&read_only.0, &["--task", "hello"]).run().expect_code(3);
    assert!(output.stderr.contains("read-only file system\nhint: "), "{}", output.stderr);
}

/// A small tmpfs that goes away with the value.
struct Mounted(PathBuf);

impl Mounted {
    fn new(path: PathBuf, options: &str) -> Self {
        std::fs::create_dir(&path).expect("a folder");
        let done = Command::new("mount").args(["-t", "tmpfs", "-o", options, "none"]).arg(&path).status();
        assert!(done.is_ok_and(|status| status.success()), "tmpfs can be mounted");
        Self(path)
    }

    fn grow(&self) {
        let done = Command::new("mount").args(["-o", "remount,size=16m"]).arg(&self.0).status();
        assert!(done.is_ok_and(|status| status.success()), "tmpfs can grow");
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_is_told_and_a_resume_goes_on() {
    need!(root, "mount", "umount");
    let folder = temp();
    for (name, size) in [("a", "size=20k"), ("b", "size=40k"), ("c", "size=120k"), ("d", "size=180k")] {
        let disk = Mounted::new(folder.path().join(name), size);
        let output = run(&disk.0, &["--out", "r"]).run().expect_code(3);
        assert!(output.stderr.contains("no space left on device"), "{size}: {}", output.stderr);
        // Where only a derived file had no room, the records are whole and the hint says so.
        let told =
            output.stderr.contains("hint: free some space") || output.stderr.contains("records are safe");
        assert!(told, "{size}: {}", output.stderr);
        disk.grow();
        Rolltape::new(&["resume", "r"]).cwd(&disk.0).run().expect_code(0);
        let journal = std::fs::read_to_string(disk.0.join("r/attempts.jsonl")).expect("a journal");
        let passed = journal.lines().filter(|line| line.contains("\"passed\"")).count();
        assert_eq!(passed, 4, "{size}: {journal}");
        assert!(disk.0.join("r/report.html").is_file());
    }
}

#[test]
fn a_disk_without_room_for_the_beginning_is_told_once() {
    need!(root, "mount", "umount");
    let folder = temp();
    let disk = Mounted::new(folder.path().join("disk"), "size=4k");
    let output = run(&disk.0, &["--task", "hello", "--out", "r"]).run().expect_code(3);
    let told: Vec<&str> = output.stderr.lines().filter(|line| !line.starts_with("running ")).collect();
    let expected = [
        "error: can't write 'r/run.json': no space left on device",
        "hint: free some space, then start the run again",
    ];
    assert_eq!(told, expected);
    disk.grow();
    run(&disk.0, &["--task", "hello", "--out", "r"]).run().expect_code(0);
}

#[test]
fn a_run_folder_that_goes_away_is_told() {
    let folder = temp();
    let mut child = run(folder.path(), &["--out", "r"]).command();
    let child = child.stderr(Stdio::piped()).spawn().expect("it starts");
    let dir = folder.path().join("r");
    until(|| dir.join("run.json").is_file());
    std::fs::remove_dir_all(&dir).expect("the folder goes away");
    let done = child.wait_with_output().expect("it ends");
    let stderr = String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.code(), Some(3), "{stderr}");
    assert!(stderr.contains("'r'") && stderr.contains("hint: "), "{stderr}");
}

#[track_caller]
fn until(mut seen: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !seen() {
        assert!(Instant::now() < end, "it never came");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn one_run_folder_has_one_writer() {
    let folder = temp();
    let mut first = run(folder.path(), &["--out", "r"]).spawn();
    until(|| folder.path().join("r/run.json").is_file());
    let second = run(folder.path(), &["--out", "r"]).run();
    let resumed = Rolltape::new(&["resume", "r"]).cwd(folder.path()).run();
    assert_eq!(program::finish(&mut first, Duration::from_mins(1)), Some(0), "the first is not disturbed");
    for output in [second, resumed] {
        assert_eq!(output.code, 2);
        assert!(output.stderr.contains("is being written by process"), "{}", output.stderr);
        assert!(output.stderr.contains("hint: "), "{}", output.stderr);
    }
}

#[test]
fn narrow_surroundings_are_fine() {
    need!("bash");
    let folder = temp();
    for (name, before) in [
        ("limit", "ulimit -n 256"),
        ("umask", "umask 077; unset HOME"),
        ("stdin", "exec <&-"),
        ("locale", "export LANG=C LC_ALL=C; unset TERM"),
        ("bare", "export TMPDIR="),
    ] {
        let output = shell(folder.path(), before, &format!("--out {name}"));
        assert_eq!(output.code, 0, "{name}: {}", output.stderr);
        assert!(folder.path().join(name).join("report.html").is_file());
    }
}

#[test]
fn a_folder_that_is_gone_is_told() {
    need!("bash");
    let folder = temp();
    let output = shell(folder.path(), "mkdir gone; cd gone; rmdir ../gone", "");
    assert_eq!(output.code, 3, "{}", output.stderr);
    assert!(output.stderr.contains("error: ") && output.stderr.contains("hint: "), "{}", output.stderr);
    let out = folder.path().join("r");
    let output =
        shell(folder.path(), "mkdir gone; cd gone; rmdir ../gone", &format!("--out {}", out.display()));
    assert_eq!(output.code, 0, "{}", output.stderr);
}

#[test]
fn a_path_that_is_not_utf8_can_be_run_and_resumed() {
    let folder = temp();
    let odd = OsStr::from_bytes(b"n\xffu");
    let mut arguments = vec![OsStr::new("run").to_owned(), suite().into_os_string()];
    arguments.extend(["--task".into(), "hello".into(), "--out".into(), odd.to_owned()]);
    Rolltape::new(&arguments).cwd(folder.path()).run().expect_code(0);
    for verb in ["check", "resume", "report"] {
        Rolltape::new(&[OsStr::new(verb), odd]).cwd(folder.path()).run().expect_code(0);
    }
}

/// What a run of our own may leave on the machine: mounts and processes that name its run folder's parent, by
/// an environment variable that every process of it inherits.
fn left(mark: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir("/proc").expect("/proc").flatten() {
        let path = entry.path();
        let environment = std::fs::read(path.join("environ")).unwrap_or_default();
        if environment.windows(mark.len()).any(|part| part == mark.as_bytes()) {
            found.insert(path.display().to_string());
        }
    }
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    found.extend(mounts.lines().filter(|line| line.contains(mark)).map(str::to_owned));
    found
}

#[test]
fn nothing_is_left_after_any_end() {
    need!("kill");
    for (signal, again) in [("", false), ("-INT", false), ("-INT", true), ("-TERM", false), ("-KILL", false)]
    {
        let folder = temp();
        let scratch = folder.path().join("scratch");
        std::fs::create_dir(&scratch).expect("a folder");
        let mark = folder.path().file_name().and_then(OsStr::to_str).expect("a name").to_owned();
        let mut command = run(folder.path(), &["--out", "r", "-j", "8", "--attempts", "2", "-q"])
            .env("TMPDIR", &scratch)
            .command();
        let mut child =
            command.process_group(0).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
        let pid = child.id().to_string();
        if !signal.is_empty() {
            until(|| folder.path().join("r/run.json").is_file());
            std::thread::sleep(Duration::from_millis(300));
            assert!(!left(&mark).is_empty(), "the count sees a run while it runs");
            // As a terminal does: to the whole group.
            let group = format!("-{pid}");
            let target = if signal == "-KILL" { &pid } else { &group };
            for _ in 0..=u8::from(again) {
                let _ = Command::new("kill").args([signal, "--", target]).status();
                std::thread::sleep(Duration::from_millis(30));
            }
        }
        let code = program::finish(&mut child, Duration::from_mins(1)).expect("it ends");
        let wanted = match signal {
            "-INT" => 130,
            "-TERM" => 143,
            "-KILL" => 137,
            _ => 3,
        };
        assert_eq!(code, wanted, "{signal}");
        let end = Instant::now() + Duration::from_secs(5);
        let files = || std::fs::read_dir(&scratch).expect("a folder").count();
        while (!left(&mark).is_empty() || files() > 0) && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(left(&mark), BTreeSet::new(), "after {signal:?} (again: {again})");
        assert_eq!(files(), 0, "after {signal:?}: a scratch folder stays");
    }
}
