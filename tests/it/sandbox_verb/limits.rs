//! Real offenders, in every level: each is stopped, and the limit is named.

use super::{levels, reported, sandbox};
use crate::support::program;
use rolltape::sandbox::Level;
use std::io::Read;
use std::time::Duration;

/// A program that wants too much, the limit that it meets, and whether that stops the whole command.
struct Offender {
    limits: &'static [&'static str],
    script: &'static str,
    hit: &'static str,
    stopped: bool,
}

const OFFENDERS: &[Offender] = &[
    Offender {
        limits: &["--memory", "64MiB", "--disk", "16MiB"],
        script: "head -c 300000000 /dev/zero | tail -c 300000000 >/dev/null; exit 3",
        hit: "oom",
        stopped: false,
    },
    Offender {
        limits: &["--pids", "40"],
        // Not without end: where nothing but our own look holds them, they would take the machine's numbers. The shell itself
        // starts nothing more, as it may find no room for that either.
        script: "(i=0; while [ $i -lt 300 ]; do sleep 3 & i=$((i+1)); done) 2>/dev/null & wait; exit 3",
        hit: "pids",
        stopped: false,
    },
    Offender { limits: &["--output", "1MiB"], script: "yes; exit 3", hit: "output", stopped: true },
    Offender { limits: &["--wall", "300ms"], script: "sleep 60", hit: "wall", stopped: true },
    Offender {
        limits: &["--cpu-time", "300ms"],
        script: "(while :; do :; done) & while :; do :; done",
        hit: "cpu",
        stopped: true,
    },
    // Many that live shortly are as many seconds as one that lives long.
    Offender {
        limits: &["--cpu-time", "400ms"],
        script: "while :; do /bin/true; done",
        hit: "cpu",
        stopped: true,
    },
];

#[test]
fn each_offender_is_stopped_by_its_limit_and_named() {
    for level in levels() {
        for offender in OFFENDERS {
            let mut arguments = offender.limits.to_vec();
            arguments.extend(["sh", "-c", offender.script]);
            let (output, report) = reported(level, &arguments);
            let what = format!("{level:?}, {}: {report} {}", offender.script, output.stderr);
            assert_eq!(report["limits"][0], offender.hit, "{what}");
            assert_eq!(output.code, if offender.stopped { 137 } else { 3 }, "{what}");
            assert!(output.stdout.len() <= 1 << 20, "{what}");
        }
    }
}

#[test]
fn a_full_disk_is_named_whether_by_bytes_or_by_files() {
    for level in levels() {
        let bytes = "head -c 100000000 /dev/zero > a; ls -s --block-size=1 a | cut -d' ' -f1; sleep 1; rm -f a; exit 3";
        let (output, report) = reported(level, &["--disk", "8MiB", "sh", "-c", bytes]);
        assert_eq!(report["limits"][0], "disk", "{level:?}: {report} {}", output.stderr);
        let written: u64 = output.stdout.trim().parse().unwrap_or(0);
        assert!(written <= 9 << 20, "{level:?}: {written} bytes");
        // In small pieces, so that no single file is too large.
        let pieces = "i=0; while [ $i -lt 200 ]; do head -c 100000 /dev/zero > f$i || break; i=$((i+1)); done; sleep 3";
        let (output, report) = reported(level, &["--disk", "8MiB", "sh", "-c", pieces]);
        assert_eq!(report["limits"][0], "disk", "{level:?}: {report} {}", output.stderr);
        let files = "i=0; while [ $i -lt 5000 ]; do : > f$i || break; i=$((i+1)); done; sleep 3";
        let (output, report) = reported(level, &["--inodes", "1000", "bash", "-c", files]);
        assert_eq!(report["limits"][0], "disk", "{level:?}: {report} {}", output.stderr);
        let made = report["changes"].as_array().expect("a list").len();
        if level != Level::Process {
            assert!(made <= 1000, "{level:?}: {made} files");
        }
    }
}

#[test]
fn open_files_are_limited() {
    for level in levels() {
        let script = "ulimit -n; i=0; while eval \"exec $((i+10))</dev/null\"; do i=$((i+1)); done 2>/dev/null; echo $i";
        let output = sandbox(level, &["--open-files", "40", "bash", "-c", script]).run();
        let mut lines = output.stdout.lines();
        assert_eq!(lines.next(), Some("40"), "{level:?}: {output:?}");
    }
}

/// The largest memory that a process ever had, in KiB.
fn peak(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a live process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("its peak");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

#[test]
fn the_harness_stays_small_beside_an_endless_printer() {
    for level in levels() {
        let mut child = sandbox(level, &["yes", "abcdefghijklmnopqrstuvwxyz"]).spawn();
        let mut stdout = child.stdout.take().expect("piped");
        let mut buffer = vec![0; 1 << 20];
        let mut read = 0;
        let mut first = None;
        while read < 256 << 20 {
            read += stdout.read(&mut buffer).expect("output");
            if read > 16 << 20 {
                first.get_or_insert_with(|| peak(child.id()));
            }
        }
        // A reader that is slow is waited for.
        std::thread::sleep(Duration::from_millis(300));
        let (first, last) = (first.expect("a first look"), peak(child.id()));
        assert!(last < first + (16 << 10), "{level:?}: from {first} to {last} KiB");
        drop(stdout);
        assert!(program::finish(&mut child, Duration::from_mins(1)).is_some(), "{level:?}");
    }
}
