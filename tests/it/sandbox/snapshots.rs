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
    let state = State::open(file).expect("a state");
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
