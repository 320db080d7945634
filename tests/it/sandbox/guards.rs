//! What only some levels have: read-only mounts, a second user; and what dead runs left.

use super::{choice, finish, levels, run, sh, with_launcher};
use rolltape::sandbox::{Command, Config, Launcher, Level};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

#[test]
fn mounts_are_there_and_read_only() {
    let folder = tempfile::Builder::new().prefix("rolltape-test-").tempdir_in("/tmp").expect("a folder");
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o777)).expect("open");
    std::fs::write(folder.path().join("given"), "for all\n").expect("written");
    std::fs::set_permissions(folder.path().join("given"), PermissionsExt::from_mode(0o666)).expect("open");
    for level in [Level::Overlay, Level::User].into_iter().filter(|level| levels::works(*level)) {
        with_launcher(choice("", Some(level)), async |launcher| {
            let from = folder.path().display().to_string();
            let config = Config { mounts: vec![(from, "/data/set".to_owned())], ..Config::default() };
            let sandbox = launcher.start(config).await.expect("a sandbox");
            let (out, err, _) = run(&sandbox, "cat /data/set/given").await;
            assert_eq!(out, "for all\n", "{level:?}: {err}");
            for change in ["echo x > /data/set/given", "rm /data/set/given", "touch /data/set/new"] {
                assert_ne!(run(&sandbox, change).await.2, 0, "{level:?}: {change}");
            }
            sandbox.close().await;
        });
        assert_eq!(std::fs::read(folder.path().join("given")).expect("still there"), b"for all\n");
    }
}

#[test]
fn a_mount_that_is_not_there_is_told() {
    for level in [Level::Overlay, Level::User].into_iter().filter(|level| levels::works(*level)) {
        with_launcher(choice("", Some(level)), async |launcher| {
            let mounts = vec![("/no/such/folder".to_owned(), "/data".to_owned())];
            let error = launcher.start(Config { mounts, ..Config::default() }).await.err().expect("an error");
            assert_eq!(
                error.message,
                "a sandbox can't start: open /no/such/folder: no such file or directory"
            );
        });
    }
}

#[test]
fn the_second_user_can_harm_nobody() {
    if !levels::works(Level::Overlay) {
        return;
    }
    with_launcher(choice("", Some(Level::Overlay)), async |launcher| {
        let sandbox = launcher.start(Config::default()).await.expect("a sandbox");
        sandbox.files().write("/tests/answer", b"hidden", 0o644).await.expect("written");
        run(
            &sandbox,
            "echo kept > made; echo kept > /usr/share/made; sleep 600 >/dev/null 2>&1 & echo $! > pid",
        )
        .await;
        let as_nobody = async |script: &str| {
            let command = Command { unprivileged: true, ..sh(script) };
            let (out, _, end) = finish(sandbox.spawn(command).await.expect("a program starts")).await;
            (out, end.shell_code())
        };
        assert_eq!(as_nobody("id -u; id -G; cat made").await, ("65534\n65534\nkept\n".to_owned(), 0));
        for harm in [
            "echo x > made",
            "rm -f made",
            "echo x > /usr/share/made",
            "rm -f /usr/bin/env",
            "echo x >> /etc/hosts",
            "cat /tests/answer",
            "ls /root",
            "kill $(cat pid)",
            "kill -9 -1; kill -0 $(cat pid) && exit 1",
            "cat /proc/1/environ",
            "cat /proc/$(cat pid)/environ",
        ] {
            let (out, code) = as_nobody(harm).await;
            assert_ne!(code, 0, "{harm}: {out}");
        }
        assert_eq!(run(&sandbox, "kill -0 $(cat pid) && cat made /usr/share/made").await.0, "kept\nkept\n");
        let (out, code) = as_nobody("echo x > $TMPDIR/mine && cat $TMPDIR/mine").await;
        assert_eq!((out.as_str(), code), ("x\n", 0), "it has no place for its own files");
        sandbox.close().await;
    });
}

#[test]
fn what_a_dead_run_left_is_swept() {
    let base = std::env::temp_dir();
    let make = |name: &str| -> PathBuf {
        let folder = base.join(format!("rolltape-run-test{name}{:x}", std::process::id()));
        std::fs::create_dir_all(folder.join("1/work/deep")).expect("a folder");
        folder
    };
    let (dead, held, young) = (make("dead"), make("held"), make("young"));
    std::fs::write(dead.join("lock"), "").expect("a lock");
    std::fs::write(dead.join("groups"), "/sys/fs/cgroup/no/such/group\n").expect("groups");
    std::fs::write(dead.join("1/work/deep/file"), "x").expect("a file");
    // As an agent may have left it.
    std::fs::set_permissions(dead.join("1/work/deep"), PermissionsExt::from_mode(0o000)).expect("closed");
    let outside = crate::support::temp();
    std::fs::write(outside.path().join("file"), "x").expect("a file");
    std::os::unix::fs::symlink(outside.path(), dead.join("1/work/link")).expect("a link");
    let lock = std::fs::File::create(held.join("lock")).expect("a lock");
    lock.try_lock().expect("held");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let launcher = Launcher::new(choice("none", None)).await.expect("a launcher");
        launcher.finish(Duration::from_secs(5)).await;
    });
    assert!(!dead.exists(), "{} is left", dead.display());
    assert!(held.exists() && young.exists(), "the folder of a living run was swept");
    assert!(outside.path().join("file").exists(), "a link was followed");
    for folder in [held, young] {
        std::fs::remove_dir_all(folder).expect("removed");
    }
}
