//! `show` and files that are larger than memory should be: read piece by piece, and no further than it has to.

use crate::support::{self, Rolltape};
use std::fs;
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

/// One record, with an id and some text.
fn line(n: usize) -> String {
    let text = format!("Task {n}: 数一数 the boats. {}", "word ".repeat(200));
    let call = "<function=finish>\n</function>";
    let messages =
        serde_json::json!([{"role": "user", "content": text}, {"role": "assistant", "content": call}]);
    format!("{}\n", serde_json::json!({"id": format!("t-{n}"), "messages": messages}))
}

/// Shows what `feed` writes to stdin: exit code, stdout, stderr, and the peak of its memory in MB.
fn show(
    more: &[&str],
    feed: impl FnOnce(&mut dyn Write) + Send + 'static,
) -> (Option<i32>, String, String, u64) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_rolltape"))
        .args(["show", "-"])
        .args(more)
        // What is read ahead grows with the threads; with one the bound is the same on every machine.
        .env("RAYON_NUM_THREADS", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program");
    let mut input = child.stdin.take().expect("stdin");
    let feeder = std::thread::spawn(move || feed(&mut input));
    let text = |mut pipe: Box<dyn Read + Send>| {
        std::thread::spawn(move || {
            let mut text = String::new();
            pipe.read_to_string(&mut text).expect("text");
            text
        })
    };
    let shown = text(Box::new(child.stdout.take().expect("stdout")));
    let said = text(Box::new(child.stderr.take().expect("stderr")));
    // What was read may be worked on when all of it is there: the peak is looked at up to the end.
    let mut peak = 0;
    let code = loop {
        peak = peak.max(support::peak(child.id()).unwrap_or(0));
        if let Some(status) = child.try_wait().expect("a child") {
            break status.code();
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    feeder.join().expect("fed");
    (code, shown.join().expect("stdout"), said.join().expect("stderr"), peak)
}

#[test]
fn memory_does_not_grow_with_the_file() {
    const RECORDS: usize = 40_000;
    let feed = |input: &mut dyn Write| {
        for n in 1..=RECORDS {
            // A reader that ends early is told by its exit code.
            let _ = input.write_all(line(n).as_bytes());
        }
    };
    let (code, shown, said, peak) = show(&[], feed);
    assert_eq!((code, shown.as_str()), (Some(2), ""));
    assert!(said.contains(&format!("and {} more", RECORDS - 40)), "{said}");
    assert!(said.contains(&format!("holds {RECORDS} trajectories, and none is named")), "{said}");
    // Held whole, the records and what is made of them are several hundred MB.
    assert!((1..150).contains(&peak), "{peak} MB");
}

#[test]
fn what_stands_behind_the_wanted_one_is_not_read() {
    for (name, text) in [("3", "Task 3: "), ("t-70", "Task 70: ")] {
        // The input never ends: only who stops reading can end.
        let (code, shown, said, _) = show(&["-t", name], |input| {
            let mut n = 0;
            while input.write_all(line(n + 1).as_bytes()).is_ok() {
                n += 1;
            }
        });
        assert_eq!((code, said.as_str()), (Some(0), ""), "{name}");
        assert!(shown.contains(text), "{shown}");
    }
}

#[test]
fn places_are_those_of_the_whole_file() {
    const RECORDS: usize = 3_000;
    let folder = support::temp();
    let mut text: String = (1..RECORDS).map(line).collect();
    text += "{\"messages\": 7}\n";
    text += &line(RECORDS);
    text += &"{\"messages\": [7]}\n".repeat(50);
    assert!(text.len() > 3 << 20, "several windows");
    fs::write(folder.path().join("big.jsonl"), &text).expect("written");
    let run = |arguments: &[&str]| {
        let arguments: Vec<&str> =
            ["show", "big.jsonl"].into_iter().chain(arguments.iter().copied()).collect();
        Rolltape::new(&arguments).cwd(folder.path()).run()
    };
    // The number counts trajectories, the line counts lines; what is wrong before it is told, once.
    let last = run(&["-t", "3000"]).expect_code(2);
    assert!(last.stdout.starts_with("file       big.jsonl:3001 (openai-chat)"), "{}", last.stdout);
    assert!(
        last.stderr.contains("big.jsonl:3000: \"messages\" must be a list, not a number"),
        "{}",
        last.stderr
    );
    assert_eq!(last.stderr.matches("error: ").count(), 1, "{}", last.stderr);
    let named = run(&["-t", "t-2999", "-v"]).expect_code(0);
    assert!(named.stdout.starts_with("file       big.jsonl:2999 (openai-chat)"), "{}", named.stdout);
    assert_eq!(named.stderr, "big.jsonl: openai-chat (confidence 80)\n");
    let none = run(&["-t", "t-29999"]).expect_code(2);
    assert!(
        none.stderr.contains("no trajectory is named 't-29999'\nhint: did you mean 't-2999'?"),
        "{}",
        none.stderr
    );
}

#[test]
fn errors_without_number_are_counted() {
    let text = format!("{}{}", line(1), "{\"messages\": [7]}\n".repeat(50));
    let output = Rolltape::new(&["show", "-"]).stdin(text).run().expect_code(2);
    assert!(output.stdout.contains("Task 1: "), "{}", output.stdout);
    assert_eq!(output.stderr.matches("error: -:").count(), 40, "{}", output.stderr);
    assert!(output.stderr.ends_with("and 10 more errors\n"), "{}", output.stderr);
}
