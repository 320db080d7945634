//! A sandbox that was built before it was asked for is like any other.

use super::{choice, levels, run, with_launcher};
use rolltape::sandbox::{Config, Launcher, Level, Sandbox};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The inits whose folders lie below the temporary folder of a test: the nursery's children.
fn inits() -> Vec<u32> {
    let of =
        |pid: u32, name: &str| std::fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default();
    let all = || {
        let entries = std::fs::read_dir("/proc").expect("/proc").flatten();
        entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
    };
    let parent = |pid: u32| {
        let stat = of(pid, "stat");
        let word = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1));
        word.and_then(|word| word.parse::<u32>().ok()).unwrap_or_default()
    };
    let is_init = |pid: &u32| of(*pid, "cmdline").starts_with("rolltape: init");
    let nurseries: Vec<u32> =
        all().filter(|pid| is_init(pid) && parent(*pid) == std::process::id()).collect();
    let mut found: Vec<u32> = all().filter(|pid| is_init(pid) && nurseries.contains(&parent(*pid))).collect();
    found.sort_unstable();
    found
}

/// Waits until a spare is there beside `known`; gives it.
async fn spare(known: &[u32]) -> u32 {
    for _ in 0..500 {
        let new: Vec<u32> = inits().into_iter().filter(|pid| !known.contains(pid)).collect();
        if let [pid] = new[..] {
            // It takes a moment to build what it is for.
            tokio::time::sleep(Duration::from_millis(50)).await;
            return pid;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("no sandbox is built ahead");
}

/// Starts as many sandboxes as are needed before one is built ahead.
async fn warm(launcher: &Launcher) -> Vec<u32> {
    for _ in 0..3 {
        launcher.start(Config::default()).await.expect("a sandbox").close().await;
    }
    vec![spare(&[]).await]
}

/// Not one of several tests of a process at once: they look at the children of all.
const ALONE: &str = "ROLLTAPE_TEST_SPARE";

fn alone(name: &str, test: impl FnOnce()) {
    if std::env::var_os(ALONE).is_some() {
        return test();
    }
    let output = std::process::Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", &format!("sandbox::spare::{name}"), "--nocapture"])
        .env(ALONE, "1")
        .output()
        .expect("started");
    let told = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&told));
}

async fn said(sandbox: &Arc<dyn Sandbox>, script: &str) -> String {
    let (out, err, code) = run(sandbox, script).await;
    assert_eq!((err.as_str(), code), ("", 0), "{script}: {out}");
    out.trim_end().to_owned()
}

/// What tells one sandbox from another, and its limits from those of others.
const LOOK: &str = "grep -c rolltape.test /etc/hosts; cat /proc/self/cgroup | cut -d: -f3 | sort -u; hostname; \
                    df --output=size -B1 /workspace | tail -1; df --output=itotal /workspace | tail -1; \
                    tail -n 2 /etc/ssl/certs/ca-certificates.crt | head -n 1; id -u; ls /workspace | wc -l; \
                    grep -E 'Seccomp:|NoNewPrivs|CapBnd' /proc/self/status";

#[test]
fn what_was_built_ahead_is_like_what_was_not() {
    need!(root);
    if !levels::works(Level::Overlay) {
        return;
    }
    alone("what_was_built_ahead_is_like_what_was_not", || {
        with_launcher(choice("", Some(Level::Overlay)), async |launcher| {
            let config = |n: u64| Config {
                hosts: vec![(format!("{n}.rolltape.test"), Ipv4Addr::LOCALHOST)],
                authority: Some(format!(
                    "-----BEGIN CERTIFICATE-----\nnumber {n}\n-----END CERTIFICATE-----\n"
                )),
                disk: Some((40 + n) << 20),
                inodes: Some(5000 + n),
                memory: Some(1 << 30),
                pids: Some(60 + n),
                ..Config::default()
            };
            // With folders hung in nothing is built ahead.
            let mounts = vec![("/usr/share".to_owned(), "/data".to_owned())];
            let plain = launcher.start(Config { mounts, ..config(1) }).await.expect("a sandbox");
            let expected = said(&plain, LOOK).await;
            plain.close().await;
            let before = warm(&launcher).await;
            let first = launcher.start(config(1)).await.expect("a sandbox");
            assert!(inits().contains(&before[0]), "the spare was taken");
            assert_eq!(said(&first, LOOK).await, expected);
            said(
                &first,
                "echo mine > /workspace/file; echo mine > /etc/mine; echo '6.6.6.6 evil' >> /etc/hosts",
            )
            .await;
            let next = spare(&before).await;
            let second = launcher.start(config(2)).await.expect("a sandbox");
            assert!(inits().contains(&next));
            let look = said(&second, LOOK).await;
            assert_eq!(
                look.replace("number 2", "number 1"),
                expected.replace(&size(1), &size(2)).replace("5001", "5002")
            );
            assert_eq!(said(&second, "cat /etc/mine 2>/dev/null; grep evil /etc/hosts; true").await, "");
            let map = "cat /proc/self/uid_map";
            assert_ne!(said(&first, map).await, said(&second, map).await, "ids of its own");
            for sandbox in [first, second] {
                sandbox.close().await;
            }
        });
        assert_eq!(inits(), Vec::<u32>::new(), "nor is one left that nobody took");
    });
}

fn size(n: u64) -> String {
    ((40 + n) << 20).to_string()
}

#[test]
fn a_spare_that_was_killed_is_not_missed() {
    need!(root);
    if !levels::works(Level::Overlay) {
        return;
    }
    alone("a_spare_that_was_killed_is_not_missed", || {
        with_launcher(choice("", Some(Level::Overlay)), async |launcher| {
            let spare = warm(&launcher).await[0];
            let pid = rustix::process::Pid::from_raw(spare as i32).expect("a number");
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("killed");
            while PathBuf::from(format!("/proc/{spare}/exe")).exists() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            let sandbox = launcher.start(Config::default()).await.expect("another one");
            assert_eq!(said(&sandbox, "echo here").await, "here");
            sandbox.close().await;
        });
        assert_eq!(inits(), Vec::<u32>::new());
    });
}
