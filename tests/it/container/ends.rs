//! Limits, and what is left after any end.

use super::{BUSYBOX, Lab};
use std::time::{Duration, Instant};

#[test]
fn each_limit_is_named() {
    need!(root, "podman", "busybox", "tar");
    let Some(lab) = Lab::new("container::ends") else { return };
    let many = "i=0; while [ $i -lt 40 ]; do sleep 1 & i=$((i+1)); done; wait; exit 3";
    let pieces =
        "i=0; while [ $i -lt 200 ]; do head -c 100000 /dev/zero > f$i || break; i=$((i+1)); done; sleep 3";
    let cases: [(&[&str], &str, &str, Option<i32>); 6] = [
        (
            &["--memory", "64MiB"],
            "head -c 300000000 /dev/zero | tail -c 300000000 >/dev/null; exit 3",
            "oom",
            Some(3),
        ),
        // A shell that finds no room to start more ends by itself.
        (&["--pids", "20"], many, "pids", None),
        (&["--cpu-time", "300ms"], "while :; do :; done", "cpu", Some(137)),
        (&["--wall", "300ms"], "sleep 60", "wall", Some(137)),
        (
            &["--output", "64KiB"],
            "while :; do echo aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa; done",
            "output",
            Some(137),
        ),
        (&["--disk", "8MiB"], pieces, "disk", Some(137)),
    ];
    for (limits, script, hit, code) in cases {
        let mut arguments = limits.to_vec();
        arguments.extend(["sh", "-c", script]);
        let (output, report) = lab.reported(BUSYBOX, &arguments);
        assert_eq!(report["limits"][0], hit, "{report} {}", output.stderr);
        assert!(code.is_none_or(|code| code == output.code), "{hit}: {output:?}");
    }
    lab.assert_clean();
}

#[test]
fn a_killed_harness_leaves_no_container() {
    need!(root, "podman", "busybox", "tar");
    let Some(lab) = Lab::new("container::ends") else { return };
    let mut child = lab.sandbox(BUSYBOX, &["sh", "-c", "echo up; sleep 9531"]).spawn();
    let mut up = [0; 3];
    std::io::Read::read_exact(child.stdout.as_mut().expect("piped"), &mut up).expect("output");
    assert_ne!(lab.ask(&["ps", "--format", "{{.Names}}"]), "", "it runs");
    child.kill().expect("killed");
    child.wait().expect("dead");
    let start = Instant::now();
    let left = || lab.ask(&["ps", "--all", "--format", "{{.Names}}"]) + &format!("{:?}", lab.folders());
    while left() != "[]" && start.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(left(), "[]");
    assert_eq!(crate::sandbox::levels::processes_with("sleep\09531"), 0);
}

#[test]
fn the_next_run_sweeps_what_dead_ones_left() {
    need!(root, "podman", "busybox", "tar");
    let Some(lab) = Lab::new("container::ends") else { return };
    // Containers as they are left where power failed: of a run whose folder is gone, of one whose lock is free, and of one that lives.
    let folder = |name: &str| lab.path(&format!("else-{name}"));
    for name in ["free", "held"] {
        std::fs::create_dir(folder(name)).expect("a folder");
    }
    let lock = |name: &str| std::fs::File::create(folder(name).join("lock")).expect("a file");
    drop(lock("free"));
    let held = lock("held");
    held.lock().expect("locked");
    for name in ["gone", "free", "held"] {
        let label = format!("rolltape.run={}", folder(name).display());
        lab.ask(&[
            "create",
            "--name",
            &format!("rolltape-{name}-1"),
            "--label",
            &label,
            BUSYBOX,
            "/bin/true",
        ]);
    }
    lab.ask(&["create", "--name", "rolltape-not-ours", BUSYBOX, "/bin/true"]);
    lab.sandbox(BUSYBOX, &["true"]).run().expect_code(0);
    let names = lab.ask(&["ps", "--all", "--format", "{{.Names}}"]);
    let mut left: Vec<&str> = names.lines().collect();
    left.sort_unstable();
    assert_eq!(left, ["rolltape-held-1", "rolltape-not-ours"]);
    drop(held);
}
