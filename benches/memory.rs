//! Peak memory of `rolltape check`: two million records, and a line of 1 GB.

#![allow(clippy::disallowed_methods, clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints")]

mod common;

use common::{ROLLTAPE, figure, folder};
use std::io::{BufWriter, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

fn main() {
    let folder = folder();
    let path = folder.path().join("records.jsonl");
    let count = 2_000_000;
    let good = br#"{"messages":[{"role":"user","content":"go"},{"role":"assistant","content":"<function=finish>\n</function>"}]}"#;
    let bad = br#"{"messages":[{"role":"user","content":"go"},{"role":"assistant","content":"What shall I do now?"}]}"#;
    for (what, record) in [("2 M good records", &good[..]), ("2 M records with findings", &bad[..])] {
        let mut file = BufWriter::new(std::fs::File::create(&path).unwrap());
        for _ in 0..count {
            file.write_all(record).unwrap();
            file.write_all(b"\n").unwrap();
        }
        drop(file);
        for format in ["json", "text"] {
            figure(&format!("{what}, {format}"), &peak(&path, format), "≤ 300 MB", "");
        }
    }
    let mut file = BufWriter::new(std::fs::File::create(&path).unwrap());
    file.write_all(good).unwrap();
    file.write_all(b"\n{\"messages\":[\"").unwrap();
    let part = vec![b'x'; 1_000_000];
    (0..1000).for_each(|_| file.write_all(&part).unwrap());
    file.write_all(b"\"]}\n").unwrap();
    file.write_all(good).unwrap();
    drop(file);
    figure("a line of 1 GB between two records", &peak(&path, "json"), "≤ 512 MB", "");
}

/// The peak of the program, looked at whenever some of its output is taken.
fn peak(path: &Path, format: &str) -> String {
    let mut command = Command::new(ROLLTAPE);
    command.args(["check", "--format", format]).arg(path).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut output = child.stdout.take().unwrap();
    let (mut buffer, mut most) = (vec![0; 1 << 16], 0);
    loop {
        let count = output.read(&mut buffer).unwrap();
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
        most = most.max(line.and_then(|kb| kb.parse::<u64>().ok()).unwrap_or(0));
        if count == 0 {
            break;
        }
    }
    child.wait().unwrap();
    format!("{} MB", most / 1000)
}
