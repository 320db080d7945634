//! `rolltape check --select FC` on generated JSONL, calls as text and as objects: CPU time on one core.

#![allow(clippy::disallowed_methods, clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints")]

mod common;

use common::corpus::{Calls, write};
use common::{ROLLTAPE, figure, folder, rate, timed};
use std::process::Command;
use std::time::Duration;

fn main() {
    let folder = folder();
    for (what, calls) in [("text calls", Calls::Text), ("native calls", Calls::Native)] {
        let path = folder.path().join("chats.jsonl");
        let corpus = write(&path, calls);
        println!("{what}: {} chats, {:.1} MB", corpus.chats, corpus.bytes as f64 / 1e6);
        let run = |threads: Option<&str>, select: &[&str]| -> (Duration, Duration) {
            let mut command = Command::new(ROLLTAPE);
            command.args(["check", "--format", "json"]).args(select).arg(&path);
            if let Some(threads) = threads {
                command.env("RAYON_NUM_THREADS", threads);
            }
            // The quickest of some: other jobs only ever add. Exit code 1: the file has planted violations.
            (0..common::rounds(3)).map(|_| timed(&mut command, 1)).min_by_key(|(_, cpu)| *cpu).unwrap()
        };
        let fc = ["--select", "FC"];
        let (wall, cpu) = run(Some("1"), &fc);
        figure(
            &format!("{what}: FC, one thread, by CPU time"),
            &rate(corpus.bytes, cpu),
            "≥ 1,000 MB/s",
            "1,500 MB/s",
        );
        figure(&format!("{what}: FC, one thread, by wall clock"), &rate(corpus.bytes, wall), "", "");
        let (wall, cpu) = run(None, &fc);
        figure(&format!("{what}: FC, all cores, by wall clock"), &rate(corpus.bytes, wall), "", "");
        figure(&format!("{what}: FC, all cores, by CPU time"), &rate(corpus.bytes, cpu), "", "");
        let (_, cpu) = run(Some("1"), &[]);
        figure(&format!("{what}: all rules, one thread, by CPU time"), &rate(corpus.bytes, cpu), "", "");
    }
}
