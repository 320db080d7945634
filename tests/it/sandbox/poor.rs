//! Poor machines: an ordinary user without control groups, root without rights or user namespaces.
//!
//! A test that needs another user runs itself again under `setpriv` or `unshare`.

use super::{choice, run, with_launcher};
use rolltape::model::LimitKind;
use rolltape::sandbox::{Config, Level};
use std::path::Path;
use std::process::{Command, Output};

/// Set where a test runs as the ordinary user that it needs.
const AGAIN: &str = "ROLLTAPE_TEST_AGAIN";

/// What containers of CI services leave to root.
const DOCKER: &str = "--bounding-set=-all,+chown,+dac_override,+fowner,+fsetid,+kill,+setgid,+setuid,+setpcap,\
                      +net_bind_service,+net_raw,+sys_chroot,+mknod,+audit_write,+setfcap";

/// Whether the test may go on here as an ordinary user. As root it runs itself again as one.
pub(super) fn ordinary(test: &str) -> bool {
    if !rustix::process::geteuid().is_root() || std::env::var_os(AGAIN).is_some() {
        return true;
    }
    let this = std::env::current_exe().expect("this program");
    let user = ["--reuid=54321", "--regid=54321", "--clear-groups", "--inh-caps=-all"];
    let reach = |file: &Path| {
        let mut command = Command::new("setpriv");
        command.args(user).args(["test", "-x"]).arg(file);
        command.output().is_ok_and(|output| output.status.success())
    };
    if !reach(&this) || !reach(Path::new(env!("CARGO_BIN_EXE_rolltape"))) {
        crate::support::ledger::note(test, "an ordinary user can't reach the built programs, or no setpriv");
        return false;
    }
    let mut command = Command::new("setpriv");
    command.args(user).arg(this).args(["--exact", test, "--nocapture"]).env(AGAIN, "1");
    passed(&command.env_remove("TMPDIR").output().expect("setpriv runs"));
    false
}

#[track_caller]
fn passed(output: &Output) {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
}

/// Levels of an ordinary user that work here.
fn levels() -> impl Iterator<Item = Level> {
    [Level::User, Level::Process].into_iter().filter(|level| super::levels::works(*level))
}

const HOLD: &str = "(head -c 40000000 /dev/zero; sleep 3) | tail -c 40000000 >/dev/null";

#[test]
fn limits_hold_and_are_told_without_control_groups() {
    if !ordinary("sandbox::poor::limits_hold_and_are_told_without_control_groups") {
        return;
    }
    for level in levels() {
        with_launcher(choice("", Some(level)), async |launcher| {
            let grouped = launcher.layers().iter().any(|layer| layer.on && layer.name == "cgroup-pids");
            if grouped {
                crate::support::ledger::note("limits without control groups", "there are control groups");
                return;
            }
            let config = || Config { memory: Some(96 << 20), pids: Some(24), ..Config::default() };
            let cases = [
                (format!("{HOLD}; echo fine"), vec![], "fine\n"),
                // One large, and three that are too much only together.
                (
                    "(head -c 150000000 /dev/zero; sleep 3) | tail -c 150000000 | wc -c".to_owned(),
                    vec![LimitKind::Oom],
                    "0\n",
                ),
                (format!("({HOLD})& ({HOLD})& ({HOLD})& wait; echo over"), vec![LimitKind::Oom], "over\n"),
                // The shell itself outlives it.
                (
                    "for i in $(seq 30); do sleep 20 & done; wait; echo over".to_owned(),
                    vec![LimitKind::Pids],
                    "over\n",
                ),
            ];
            for (script, limits, said) in cases {
                let sandbox = launcher.start(config()).await.expect("a sandbox");
                let (out, err, _) = run(&sandbox, &script).await;
                let report = sandbox.close().await;
                assert_eq!(report.limits, limits, "{level:?}: {script}: {out} {err}");
                assert_eq!(out, said, "{level:?}: {script}: {err}");
            }
        });
    }
}

#[test]
fn cpu_time_and_disk_are_told_without_control_groups() {
    if !ordinary("sandbox::poor::cpu_time_and_disk_are_told_without_control_groups") {
        return;
    }
    for level in levels() {
        with_launcher(choice("", Some(level)), async |launcher| {
            let cases = [
                ("while :; do :; done", LimitKind::Cpu),
                ("while :; do /bin/true; done", LimitKind::Cpu),
                ("head -c 50000000 /dev/zero > a; sleep 1", LimitKind::Disk),
            ];
            for (script, kind) in cases {
                let config = Config {
                    cpu_time: Some(std::time::Duration::from_millis(400)),
                    disk: Some(8 << 20),
                    ..Config::default()
                };
                let sandbox = launcher.start(config).await.expect("a sandbox");
                run(&sandbox, script).await;
                let report = sandbox.close().await;
                assert_eq!(report.limits, [kind], "{level:?}: {script}");
            }
        });
    }
}

#[test]
fn a_tree_of_forks_is_ended() {
    if !ordinary("sandbox::poor::a_tree_of_forks_is_ended") {
        return;
    }
    for level in levels() {
        with_launcher(choice("", Some(level)), async |launcher| {
            let config = Config { pids: Some(32), ..Config::default() };
            let sandbox = launcher.start(config).await.expect("a sandbox");
            // About 50 processes: above the limit, below where the kernel refuses, which nobody would be told.
            let bomb = "b() { [ $1 = 0 ] && { sleep 3; return; }; b $(($1-1)) & b $(($1-1)) & wait; }; b 4";
            run(&sandbox, &format!("({bomb}) 2>/dev/null")).await;
            let report = sandbox.close().await;
            assert!(report.limits.contains(&LimitKind::Pids), "{level:?}: {report:?}");
        });
    }
}

#[test]
fn the_harness_is_hidden_from_its_own_user() {
    if !ordinary("sandbox::poor::the_harness_is_hidden_from_its_own_user") {
        return;
    }
    let me = std::process::id();
    let look = format!("cat /proc/{me}/environ /proc/{me}/maps | wc -c; head -c1 /proc/{me}/mem");
    let outside = || {
        let output = Command::new("sh").args(["-c", &look]).output().expect("a shell");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    if std::env::var_os(AGAIN).is_some() {
        // Alone in its process: no other test has hidden it yet.
        assert_ne!(outside(), "0", "there is nothing to hide");
    }
    if !super::levels::works(Level::Process) {
        return;
    }
    with_launcher(choice("", Some(Level::Process)), async |launcher| {
        assert_eq!(outside(), "0", "a program of the same user reads the harness");
        let sandbox = launcher.start(Config::default()).await.expect("a sandbox");
        let (out, err, _) = run(&sandbox, &look).await;
        assert_eq!(out.trim(), "0", "{err}");
        let (out, _, _) = run(&sandbox, &format!("kill -0 {me} && echo reached; id -u")).await;
        // Landlock holds signals back from ABI 6 on.
        if rustix::system::uname().release().to_string_lossy() >= std::borrow::Cow::Borrowed("6.12") {
            assert!(!out.contains("reached"), "{out}");
        }
        sandbox.close().await;
    });
}

#[test]
fn tasks_of_an_ordinary_user_are_bounded_at_level_process() {
    if !ordinary("sandbox::poor::tasks_of_an_ordinary_user_are_bounded_at_level_process") {
        return;
    }
    if !super::levels::works(Level::Process) {
        return;
    }
    with_launcher(choice("", Some(Level::Process)), async |launcher| {
        if launcher.layers().iter().any(|layer| layer.on && layer.name == "cgroup-pids") {
            return;
        }
        // The user's own programs, more than the sandbox may have, are no reason that nothing starts in it.
        let mut others: Vec<_> =
            (0..40).map(|_| Command::new("sleep").arg("20").spawn().expect("a program")).collect();
        let config = Config { pids: Some(24), ..Config::default() };
        let sandbox = launcher.start(config).await.expect("a sandbox");
        let (out, err, _) = run(&sandbox, "bash -c 'ulimit -u'").await;
        let limit: u64 = out.trim().parse().unwrap_or_else(|_| panic!("no limit: {out}{err}"));
        assert!((1024..1024 + 2000).contains(&limit), "{limit}");
        let (out, err, _) =
            run(&sandbox, "for n in 1 2 3 4 5 6 7 8; do (sleep 1) & done; wait; echo all").await;
        assert_eq!(out.trim(), "all", "{err}");
        // A bomb that stops by itself, far below what would hurt the machine: the limit is named.
        let bomb =
            "for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do (sleep 2; :) & done; wait";
        run(&sandbox, &format!("({bomb}) & ({bomb}) & wait")).await;
        assert_eq!(sandbox.close().await.limits, [LimitKind::Pids]);
        for other in &mut others {
            let _ = other.kill();
            let _ = other.wait();
        }
    });
}

#[test]
fn root_of_a_container_gets_level_process() {
    need!("unshare", "setpriv", userns);
    let folder = crate::support::temp();
    let suite = crate::support::root().join("suites/deepseek-api");
    let program = env!("CARGO_BIN_EXE_rolltape");
    let out = folder.path().join("out");
    let script = format!(
        "echo 0 >/proc/sys/user/max_user_namespaces; exec setpriv {DOCKER} --inh-caps=-all {program} \"$@\""
    );
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--keep-caps", "sh", "-c", &script, "sh", "run"])
        .arg(suite)
        .arg("--out")
        .arg(&out)
        .output()
        .expect("unshare runs");
    passed(&output);
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(err.contains("in sandboxes of level process"), "{err}");
    let manifest = std::fs::read_to_string(out.join("run.json")).expect("a manifest");
    assert!(manifest.contains("programs keep root's user id"), "{manifest}");
}

#[test]
fn root_without_capabilities_says_so() {
    need!("setpriv", root);
    let folder = crate::support::temp();
    for (level, lacks) in [("overlay", true), ("user", true), ("process", false)] {
        let output = Command::new("setpriv")
            .args(["--bounding-set=-all", "--inh-caps=-all", env!("CARGO_BIN_EXE_rolltape"), "run"])
            .arg(crate::support::root().join("suites/deepseek-api"))
            .args(["--task", "hello", "--level", level, "--out"])
            .arg(folder.path().join(level))
            .output()
            .expect("setpriv runs");
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(err.contains("root lacks the capabilities CHOWN, DAC_OVERRIDE"), lacks, "{level}: {err}");
        assert_eq!(output.status.success(), !lacks, "{level}: {err}");
    }
}
