//! What `check` holds at most, seen from outside: the peak of a child process while it reads and while it writes.

use crate::support::peak;
use std::io::{Read, Write};
use std::process::{Command, Stdio};

/// Checks what `feed` writes to stdin: exit code, the last bytes of stdout, bytes of it, stderr, peak in MB.
fn check(
    more: &[&str],
    feed: impl FnOnce(&mut dyn Write) + Send + 'static,
) -> (i32, String, usize, String, u64) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_rolltape"))
        .args(["check", "-"])
        .args(more)
        // What is read ahead grows with the threads; with one the bound is the same on every machine.
        .env("RAYON_NUM_THREADS", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program");
    let mut input = child.stdin.take().expect("stdin");
    let pid = child.id();
    let feeder = std::thread::spawn(move || {
        feed(&mut input);
        // As long as its input is open, it has not ended.
        peak(pid).unwrap_or(0)
    });
    let mut errors = child.stderr.take().expect("stderr");
    let said = std::thread::spawn(move || {
        let mut text = String::new();
        errors.read_to_string(&mut text).expect("stderr");
        text
    });
    let mut output = child.stdout.take().expect("stdout");
    let (mut last, mut count, mut most) = (Vec::new(), 0, 0);
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = output.read(&mut buffer).expect("stdout");
        // Without its output taken, it can't have ended.
        most = most.max(peak(pid).unwrap_or(0));
        if read == 0 {
            break;
        }
        count += read;
        last.extend_from_slice(&buffer[..read]);
        last.drain(..last.len().saturating_sub(2000));
    }
    most = most.max(feeder.join().expect("fed"));
    let code = child.wait().expect("ended").code().unwrap_or(-1);
    (code, String::from_utf8_lossy(&last).into_owned(), count, said.join().expect("stderr"), most)
}

#[test]
fn findings_without_number_are_not_held() {
    // Where a finding takes much text, fewer of them would show that all of it is held.
    for (format, records) in
        [("text", 160_000), ("json", 160_000), ("github", 160_000), ("junit", 120_000), ("sarif", 60_000)]
    {
        let (code, _, bytes, _, most) = check(&["--format", format, "--select", "FC001"], move |input| {
            for _ in 0..records {
                // A reader that ends early is told by its exit code.
                let _ = input.write_all(b"{\"messages\":[{\"role\":\"user\",\"content\":\"go\"},{\"role\":\"assistant\",\"content\":\"What?\"}]}\n");
            }
        });
        assert_eq!(code, 1, "{format}");
        assert!(bytes > records * 60, "{format}: {bytes} bytes");
        assert!((1..120).contains(&most), "{format}: {most} MB");
    }
}

#[test]
fn records_that_cannot_be_read_are_not_held() {
    let (code, _, _, said, most) = check(&["--format", "json"], |input| {
        let _ = input.write_all(b"{\"messages\":[]}\n");
        for _ in 0..50_000 {
            let _ = input.write_all(b"{\"messages\":[{\"role\":\"usr\",\"content\":\"go\"}]}\n");
        }
    });
    assert_eq!(code, 2);
    assert_eq!(said.matches("the role 'usr'").count(), 50_000);
    assert!((1..120).contains(&most), "{most} MB");
}

#[test]
fn a_line_over_the_limit_is_passed_over() {
    for first in [true, false] {
        let (code, last, _, said, most) = check(
            &["--line-limit", "1MiB", "--format", "json"],
            move |input| {
                let good = b"{\"messages\":[{\"role\":\"assistant\",\"content\":\"<function=finish>\\n</function>\"}]}\n";
                if !first {
                    let _ = input.write_all(good);
                }
                let _ = input.write_all(b"{\"messages\":[\"");
                for _ in 0..100 {
                    let _ = input.write_all(&vec![b'x'; 1 << 20]);
                }
                let _ = input.write_all(b"\"]}\n");
                let _ = input.write_all(good);
            },
        );
        assert_eq!(code, 2);
        let line = if first { 1 } else { 2 };
        assert!(said.contains(&format!("-:{line}: a line is longer than the limit of 1 MiB")), "{said}");
        assert!(said.contains("the records before and after it are kept"), "{said}");
        assert!(last.contains(&format!("\"line\": {line},")), "{last}");
        assert!((1..60).contains(&most), "{most} MB");
    }
}
