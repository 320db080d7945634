//! Standard streams, exit codes, signals.

use super::{levels, sandbox};
use crate::support::program;
use std::io::{BufRead, BufReader, Read};
use std::process::Child;
use std::time::Duration;

#[test]
fn streams_and_codes_pass_through() {
    for level in levels() {
        let script = "cat; echo err >&2; exit 7";
        let output = sandbox(level, &["sh", "-c", script]).stdin("in\0\u{ff}put").run().expect_code(7);
        assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("in\0\u{ff}put", "err\n"), "{level:?}");
        sandbox(level, &["sh", "-c", "kill -9 $$"]).run().expect_code(137);
        sandbox(level, &["false"]).run().expect_code(1);
        // What is larger than every buffer comes whole.
        let large = "x".repeat(3 << 20);
        let output = sandbox(level, &["--", "cat"]).stdin(large.clone()).run().expect_code(0);
        assert!(output.stdout == large, "{level:?}: {} of {} bytes", output.stdout.len(), large.len());
        // An open standard input does not hold the end back, nor does what is left running.
        let mut child = sandbox(level, &["sh", "-c", "sleep 953 & exit 4"]).stdin("").spawn();
        let held = child.stdin.take();
        assert_eq!(program::finish(&mut child, Duration::from_mins(1)), Some(4), "{level:?}");
        drop(held);
        assert_eq!(crate::sandbox::levels::processes_with("sleep\0953"), 0, "{level:?}");
    }
}

#[test]
fn a_reader_that_goes_away_ends_the_writer() {
    for level in levels() {
        let mut child = sandbox(level, &["sh", "-c", "yes; echo $? >&2"]).spawn();
        let mut some = [0; 100];
        let mut stdout = child.stdout.take().expect("piped");
        stdout.read_exact(&mut some).expect("output");
        drop(stdout);
        assert_eq!(program::finish(&mut child, Duration::from_mins(1)), Some(0), "{level:?}");
        let mut said = String::new();
        child.stderr.take().expect("piped").read_to_string(&mut said).expect("text");
        assert!(said.ends_with("141\n"), "{level:?}: {said}");
    }
}

/// Waits for the line that tells that a program inside is ready.
fn ready(child: &mut Child) -> BufReader<std::process::ChildStdout> {
    let mut out = BufReader::new(child.stdout.take().expect("piped"));
    let mut line = String::new();
    out.read_line(&mut line).expect("a line");
    assert_eq!(line, "ready\n");
    out
}

#[test]
fn signals_are_passed_on() {
    for level in levels() {
        for (signal, name, code) in [
            (rustix::process::Signal::INT, "INT", 21),
            (rustix::process::Signal::TERM, "TERM", 22),
            (rustix::process::Signal::HUP, "HUP", 23),
            (rustix::process::Signal::USR1, "USR1", 24),
        ] {
            let script =
                format!("trap 'echo got; exit {code}' {name}; echo ready; while :; do sleep 0.05; done");
            let mut child = sandbox(level, &["sh", "-c", &script]).spawn();
            let mut out = ready(&mut child);
            let pid = rustix::process::Pid::from_child(&child);
            rustix::process::kill_process(pid, signal).expect("sent");
            assert_eq!(program::finish(&mut child, Duration::from_mins(1)), Some(code), "{level:?}: {name}");
            let mut rest = String::new();
            out.read_to_string(&mut rest).expect("text");
            assert_eq!(rest, "got\n", "{level:?}: {name}");
        }
        // One that it does not catch.
        let mut child = sandbox(level, &["sh", "-c", "echo ready; exec sleep 60"]).spawn();
        let _out = ready(&mut child);
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("sent");
        assert_eq!(program::finish(&mut child, Duration::from_mins(1)), Some(143), "{level:?}");
    }
}
