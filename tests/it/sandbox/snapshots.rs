//! Snapshots and kept states: what a sandbox leaves is there again in others, and nothing of it on the host.

use super::levels::levels;
use super::{choice, run, with_launcher};
use rolltape::sandbox::{About, Config, Launcher, Level, Sandbox, Snapshot, State};
use std::path::Path;
use std::sync::Arc;

/// More than any test keeps.
const MUCH: u64 = 1 << 30;

fn kept() -> Config {
    Config { keep: true, ..Config::default() }
}

fn on(snapshot: &Snapshot) -> Config {
    Config { from: Some(snapshot.clone()), ..Config::default() }
}

fn about() -> About {
    About { attempt: "s/t/a/1".to_owned(), ..About::default() }
}

/// Runs a script that must succeed; its output.
async fn done(sandbox: &Arc<dyn Sandbox>, script: &str) -> String {
    let (out, err, code) = run(sandbox, &format!("set -e; {script}")).await;
    assert_eq!(code, 0, "{:?}: {script}: {out}{err}", sandbox.level());
    out
}

/// Both ways to files of a sandbox that has ended, opened by the same launcher: from memory and from a file.
async fn both(launcher: &Launcher, sandbox: &Arc<dyn Sandbox>, file: &Path) -> Vec<(&'static str, Snapshot)> {
    let told = sandbox.keep(file, &about(), MUCH).await.expect("kept");
    assert!(told.entries > 0 && !told.cut, "{told:?}");
    let from_memory = sandbox.snapshot().await.expect("a snapshot");
    sandbox.close().await;
    let state = State::open(file, "kept").expect("a state");
    assert_eq!((state.head.attempt.as_str(), state.head.level), ("s/t/a/1", sandbox.level()));
    let from_file = launcher.open(state, "").await.expect("opened");
    assert_eq!(from_file.missing(), None);
    vec![("memory", from_memory), ("file", from_file)]
}

/// Calls `test` in each level with a launcher and a file for a state.
fn each(test: impl AsyncFn(Level, &Launcher, &Path) + Copy) {
    for level in levels() {
        let folder = tempfile::tempdir().expect("a folder");
        with_launcher(choice("", Some(level)), async |launcher| {
            test(level, &launcher, &folder.path().join("kept.state")).await;
        });
    }
}

#[test]
fn files_are_there_again_in_each_of_several_sandboxes() {
    each(async |level, launcher, file| {
        let sandbox = launcher.start(kept()).await.expect("a sandbox");
        let script = "mkdir -p deep/er; echo one > deep/er/file; chmod 640 deep/er/file; ln -s deep/er/file link; \
                      ln deep/er/file deep/er/hard; mkfifo pipe; printf x > 'a name'; : > empty; chmod 700 deep; \
                      touch -d @1000000000 empty; echo home > $HOME/h; echo tmp > $TMPDIR/t; mkdir -p closed/in; \
                      echo in > closed/in/file; chmod 000 closed/in/file closed/in closed";
        done(&sandbox, script).await;
        for (from, snapshot) in both(launcher, &sandbox, file).await {
            let (one, two) = (launcher.start(on(&snapshot)).await, launcher.start(on(&snapshot)).await);
            let (one, two) = (one.expect("one"), two.expect("two"));
            for sandbox in [&one, &two] {
                let script = "cat link deep/er/hard deep/er/file 'a name' $HOME/h $TMPDIR/t; test -p pipe; \
                              stat -c '%a %h' deep/er/file; stat -c %a deep; stat -c %Y empty; stat -c %a closed; \
                              chmod 755 closed closed/in closed/in/file; cat closed/in/file; readlink link";
                let out = done(sandbox, script).await;
                let wanted = "one\none\none\nxhome\ntmp\n640 2\n700\n1000000000\n0\nin\ndeep/er/file\n";
                assert_eq!(out, wanted, "{level:?} {from}");
            }
            // What one changes is neither seen by the other nor by who comes later.
            done(&one, "echo changed > deep/er/file; rm 'a name'; echo more > more; rm -r closed").await;
            assert_eq!(
                done(&two, "cat deep/er/file 'a name'; test ! -e more").await,
                "one\nx",
                "{level:?} {from}"
            );
            one.close().await;
            let three = launcher.start(on(&snapshot)).await.expect("three");
            let seen = done(&three, "cat deep/er/file 'a name'; test ! -e more; stat -c %a closed").await;
            assert_eq!(seen, "one\nx0\n", "{level:?} {from}");
            two.close().await;
            snapshot.close().await;
            // A sandbox holds what it stands on.
            assert_eq!(done(&three, "cat deep/er/file").await, "one\n", "{level:?} {from}");
            three.close().await;
        }
    });
}

#[test]
fn a_system_that_was_changed_is_changed_again() {
    each(async |level, launcher, file| {
        if level != Level::Overlay {
            return;
        }
        let sandbox = launcher.start(kept()).await.expect("a sandbox");
        let script = "echo '#!/bin/sh\necho mine' > /usr/bin/mine; chmod 755 /usr/bin/mine; rm /usr/bin/env; \
                      rm -r /usr/share/doc; mkdir /usr/share/doc; echo only > /usr/share/doc/only; \
                      echo x >> /etc/profile; mkdir /opt/made; chown 33:44 /opt/made; echo s > suid; chown 7:8 suid; \
                      chmod 4755 suid; rm -r /srv; mkdir /new; echo '10.0.0.1 evil' > /etc/hosts";
        done(&sandbox, script).await;
        for (from, snapshot) in both(launcher, &sandbox, file).await {
            let again = launcher.start(on(&snapshot)).await.expect("again");
            let script = "mine; test ! -e /usr/bin/env; ls /usr/share/doc; tail -1 /etc/profile; \
                          stat -c '%u:%g %a' /opt/made suid; test ! -e /srv; test -d /new; cat /etc/hosts; ls /usr/bin | wc -l";
            let out = done(&again, script).await;
            let wanted = "mine\nonly\nx\n33:44 755\n7:8 4755\n127.0.0.1 localhost sandbox\n::1 localhost\n";
            let count: Option<u32> = out.strip_prefix(wanted).and_then(|rest| rest.trim().parse().ok());
            assert!(count.is_some_and(|count| count > 100), "{from}: {out}");
            done(&again, "rm /usr/bin/mine; echo 2 > /usr/bin/mine; apt-get --version >/dev/null").await;
            again.close().await;
            let third = launcher.start(on(&snapshot)).await.expect("third");
            assert_eq!(done(&third, "mine").await, "mine\n", "{from}");
            third.close().await;
        }
        assert!(Path::new("/usr/bin/env").exists() && !Path::new("/usr/bin/mine").exists());
    });
}

#[test]
fn a_hostile_tree_is_kept_and_harms_nobody() {
    need!("python3");
    let script = r#"
import os, socket
os.symlink("/etc/shadow", "shadow"); os.symlink("..", "up"); os.symlink("/", "root"); os.symlink("self", "self")
os.mkfifo("pipe"); os.mkfifo("a\nline"); os.mkdir(b"bytes-\xff\xfe"); open(b"bytes-\xff\xfe/\x80", "w").write("raw")
try: s = socket.socket(socket.AF_UNIX); s.bind("sock")
except OSError: os.mknod("sock", 0o140644)
with open("sparse", "wb") as f:
    f.seek(1 << 30); f.write(b"end"); f.truncate((1 << 30) + (1 << 20))
open("n" * 255, "w").write("long")
here = os.getcwd()
for _ in range(40):
    os.mkdir("d" * 200); os.chdir("d" * 200)
os.chdir(here)
try: os.setxattr(".", "user.test", b"\x00value"); open("x", "w"); os.setxattr("x", "user.a", b"b")
except OSError as error: print("no attributes", error.errno)
os.link("n" * 255, "again")
open("suid", "w").write("x"); os.chmod("suid", 0o6755)
os.chmod("bytes-\udcff\udcfe", 0o000)
"#;
    each(async |level, launcher, file| {
        let sandbox = launcher.start(kept()).await.expect("a sandbox");
        sandbox.files().write("make.py", script.as_bytes(), 0o644).await.expect("written");
        let out =
            done(&sandbox, "python3 make.py; nohup sh -c 'while :; do date > busy; done' >/dev/null 2>&1 &")
                .await;
        let told = sandbox.keep(file, &about(), MUCH).await.expect("kept");
        // Names deeper than a path can say are told, and nothing else is lacking.
        assert_eq!((told.left_out > 0, told.cut), (true, false), "{level:?}: {told:?}");
        assert!(told.bytes < 10 << 20, "holes are no bytes: {told:?}");
        assert!(std::fs::metadata(file).expect("a file").len() < 5 << 20);
        sandbox.close().await;
        let snapshot = launcher.open(State::open(file, "kept").expect("a state"), "").await.expect("opened");
        let again = launcher.start(on(&snapshot)).await.expect("again");
        assert_eq!((snapshot.missing(), again.missing()), (None, None), "{level:?}");
        let check = r#"
import os, stat
assert os.readlink("shadow") == "/etc/shadow" and os.readlink("self") == "self"
kind = lambda name: stat.S_IFMT(os.lstat(name).st_mode)
assert kind("pipe") == kind("a\nline") == stat.S_IFIFO and kind("sock") == stat.S_IFSOCK
assert os.stat("sparse").st_size == (1 << 30) + (1 << 20) and os.stat("sparse").st_blocks < 4096
with open("sparse", "rb") as f:
    f.seek((1 << 30) - 2); assert f.read(6) == b"\0\0end\0"
assert os.stat("again").st_ino == os.stat("n" * 255).st_ino
assert stat.S_IMODE(os.stat("suid").st_mode) == 0o6755, oct(os.stat("suid").st_mode)
assert stat.S_IMODE(os.stat("bytes-\udcff\udcfe").st_mode) == 0
os.chmod("bytes-\udcff\udcfe", 0o700); assert open(b"bytes-\xff\xfe/\x80").read() == "raw"
assert os.path.exists("d" * 200 + "/" + "d" * 200)
if ATTRIBUTES:
    assert os.getxattr(".", "user.test") == b"\x00value" and os.getxattr("x", "user.a") == b"b"
"#;
        let check = check.replace("ATTRIBUTES", if out.contains("no attributes") { "False" } else { "True" });
        again.files().write("check.py", check.as_bytes(), 0o644).await.expect("written");
        done(&again, "python3 check.py").await;
        again.close().await;
        snapshot.close().await;
    });
}

/// What the harness hangs into a root finds its place, whatever was made of the names.
#[test]
fn a_root_that_was_turned_over_is_opened_all_the_same() {
    each(async |level, launcher, file| {
        let sandbox = launcher.start(kept()).await.expect("a sandbox");
        let script = "cd /; rm -rf /etc/hosts; mkdir -p /etc/hosts/x; mv /dev /dev2 && ln -s /etc /dev; mv /proc /p; \
                      rm -rf /workspace /tmp /tests; ln -s /nowhere /tmp; echo x > /tests; ln -s / /workspace; \
                      mv /etc /e && echo file > /etc; mv /usr /u; rm -rf $HOME; true";
        if level == Level::Process {
            return;
        }
        run(&sandbox, script).await;
        for (from, snapshot) in both(launcher, &sandbox, file).await {
            let again = launcher.start(on(&snapshot)).await.expect("again");
            let script = "test -c /dev/null; test -d /proc/1; ls /usr/bin/env; cat /etc/hosts; echo x > /workspace/x; \
                          test -d /tests; pwd; echo x > /tmp/x; ls -d /etc/ssl/certs";
            let wanted = "/usr/bin/env\n127.0.0.1 localhost sandbox\n::1 localhost\n/\n/etc/ssl/certs\n";
            assert_eq!(done(&again, script).await, wanted, "{level:?} {from}");
            again.close().await;
            snapshot.close().await;
        }
    });
}

#[test]
fn what_is_too_much_is_left_out_and_said() {
    each(async |level, launcher, file| {
        let sandbox = launcher.start(kept()).await.expect("a sandbox");
        done(&sandbox, "head -c 3000000 /dev/urandom > big; echo small > small").await;
        let told = sandbox.keep(file, &about(), 2 << 20).await.expect("kept");
        assert_eq!((told.left_out, told.cut), (1, true), "{level:?}: {told:?}");
        sandbox.close().await;
        let snapshot = launcher.open(State::open(file, "kept").expect("a state"), "").await.expect("opened");
        let again = launcher.start(on(&snapshot)).await.expect("again");
        assert_eq!(done(&again, "cat small; test ! -e big").await, "small\n", "{level:?}");
        again.close().await;
        snapshot.close().await;
    });
}

#[test]
fn only_its_owner_reads_a_state_and_a_failure_leaves_none() {
    use std::os::unix::fs::PermissionsExt;
    each(async |level, launcher, file| {
        let folder = file.parent().expect("a folder").join("sandboxes");
        let file = folder.join("1.state");
        let sandbox = launcher.start(kept()).await.expect("a sandbox");
        sandbox.keep(&file, &about(), MUCH).await.expect("kept");
        let mode = |path: &Path| std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!((mode(&folder), mode(&file)), (0o700, 0o600), "{level:?}");
        // A second time: the new one takes the place of the old.
        sandbox.keep(&file, &about(), MUCH).await.expect("kept again");
        let error = sandbox.keep(&folder.join("no/folder/x"), &about(), MUCH).await.expect_err("no folder");
        assert!(error.message.ends_with("no such file or directory"), "{error}");
        sandbox.close().await;
        assert!(sandbox.keep(&folder.join("2.state"), &about(), MUCH).await.is_err(), "it is gone");
        let names: Vec<_> =
            std::fs::read_dir(&folder).expect("a folder").flatten().map(|entry| entry.file_name()).collect();
        assert_eq!(names, ["1.state"], "{level:?}");
    });
}

#[test]
fn what_can_not_be_is_refused() {
    each(async |level, launcher, file| {
        let plain = launcher.start(Config::default()).await.expect("a sandbox");
        let said = |error: Option<rolltape::sandbox::SandboxError>| error.expect("refused").message;
        let refused = "this sandbox was not started to be kept";
        assert_eq!(said(plain.keep(file, &about(), MUCH).await.err()), refused);
        assert_eq!(said(plain.snapshot().await.err()), refused);
        plain.close().await;
        let sandbox = launcher.start(kept()).await.expect("a sandbox");
        let snapshot = sandbox.snapshot().await.expect("a snapshot");
        if level >= Level::User {
            // Others stand on these files.
            let error = sandbox.spawn(super::sh("true")).await.err().expect("refused");
            assert!(error.message.starts_with("a snapshot was made"), "{error}");
            assert!(sandbox.files().write("x", b"", 0o644).await.is_err());
            let both = launcher.start(Config { keep: true, ..on(&snapshot) }).await.expect("on it");
            assert!(said(both.snapshot().await.err()).contains("can't be kept itself"));
            both.close().await;
        }
        sandbox.close().await;
        let other = if level == Level::Process { "user" } else { "process" };
        std::fs::write(file, format!("{{\"rolltape_sandbox\":\"1.0\",\"attempt\":\"a\",\"level\":\"{other}\",\"image\":\"\",\"digest\":\"\"}}\n")).expect("written");
        let state = State::open(file, "kept").expect("a head");
        let wanted = format!(
            "the kept state is of the sandbox level '{other}', and the level here is '{}'",
            level.as_str()
        );
        assert_eq!(said(launcher.open(state, "").await.err()), wanted);
        snapshot.close().await;
    });
}

#[test]
fn a_damaged_state_is_told_at_every_byte() {
    each(async |level, launcher, file| {
        let sandbox = launcher.start(kept()).await.expect("a sandbox");
        done(&sandbox, "echo x > x; mkdir d; ln -s x l").await;
        sandbox.keep(file, &about(), MUCH).await.expect("kept");
        sandbox.close().await;
        let whole = std::fs::read(file).expect("a file");
        let start = whole.iter().position(|byte| *byte == b'\n').expect("a line") + 1;
        let step = (whole.len() - start).div_ceil(12).max(1);
        for end in (0..start).step_by(20).chain((start..whole.len()).step_by(step)) {
            std::fs::write(file, &whole[..end]).expect("written");
            let error = match State::open(file, "kept") {
                Err(error) => error,
                Ok(state) => match launcher.open(state, "").await {
                    Err(error) => error,
                    Ok(snapshot) => launcher.start(on(&snapshot)).await.err().expect("it is cut"),
                },
            };
            let known =
                error.message.contains("no kept state") || error.message.contains("kept state is damaged");
            assert!(known, "{level:?}: cut at {end}: {error}");
        }
    });
}

/// One after the other, whatever a user has: also where nothing was started by root.
#[test]
fn an_ordinary_user_keeps_and_opens_too() {
    if !super::poor::ordinary("sandbox::snapshots::an_ordinary_user_keeps_and_opens_too") {
        return;
    }
    each(async |level, launcher, file| {
        let sandbox = launcher.start(kept()).await.expect("a sandbox");
        done(&sandbox, "mkdir -p d/e; echo x > d/e/x; chmod 0 d/e/x d/e d").await;
        for (from, snapshot) in both(launcher, &sandbox, file).await {
            let again = launcher.start(on(&snapshot)).await.expect("again");
            let script = "stat -c %a d; chmod 700 d d/e; chmod 600 d/e/x; cat d/e/x; stat -c %u d/e/x; id -u";
            let out = done(&again, script).await;
            let lines: Vec<&str> = out.lines().collect();
            assert_eq!((&lines[..2], lines[2]), (["0", "x"].as_slice(), lines[3]), "{level:?} {from}");
            again.close().await;
            snapshot.close().await;
        }
    });
}

#[test]
fn nothing_of_a_snapshot_is_left() {
    // In a process of its own: all inits that it sees are those of this test.
    const ALONE: &str = "ROLLTAPE_TEST_ALONE";
    if std::env::var_os(ALONE).is_none() {
        let this = std::env::current_exe().expect("this program");
        let mut command = std::process::Command::new(this);
        command.args(["--exact", "sandbox::snapshots::nothing_of_a_snapshot_is_left", "--nocapture"]);
        let output = command.env(ALONE, "1").output().expect("started");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        return;
    }
    for level in levels() {
        with_launcher(choice("", Some(level)), async |launcher| {
            let sandbox = launcher.start(kept()).await.expect("a sandbox");
            done(&sandbox, "head -c 5000000 /dev/zero > big").await;
            let snapshot = sandbox.snapshot().await.expect("a snapshot");
            sandbox.close().await;
            let mut forks = Vec::new();
            for _ in 0..5 {
                forks.push(launcher.start(on(&snapshot)).await.expect("a fork"));
            }
            assert!(inits() >= 5, "{level:?}: they are not counted");
            // Dropped and not closed, as by somebody who fails in between.
            drop(snapshot);
            for fork in &forks {
                assert_eq!(done(fork, "stat -c %s big").await, "5000000\n", "{level:?}");
                fork.close().await;
            }
            let end = std::time::Instant::now() + std::time::Duration::from_secs(5);
            while inits() > 0 && std::time::Instant::now() < end {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
            assert_eq!(inits(), 0, "{level:?}");
        });
    }
}

/// Inits that were forked by the nurseries of this process.
fn inits() -> usize {
    let children = |pid: u32| -> Vec<u32> {
        let list = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
    };
    let tasks = std::fs::read_dir("/proc/self/task").expect("tasks").flatten();
    let nurseries: Vec<u32> = tasks
        .filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok())
        .flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<u32>>())
        .collect();
    nurseries.into_iter().map(|pid| children(pid).len()).sum()
}
