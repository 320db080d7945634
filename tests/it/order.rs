//! What comes of a file keeps the file's order, also where a later piece of it is done first.
//!
//! One line that costs much stands before hundreds that cost little: on several cores these overtake it, so that what
//! is taken as it comes is out of order nearly every time.

use crate::support::{self, Output, Rolltape};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// Light lines behind each heavy one.
const LIGHT: usize = 300;

/// A line with so many turns, each with a call that lacks its end and a key of its own spelling.
fn line(n: usize, turns: usize) -> String {
    let turns = (0..turns).flat_map(|turn| {
        let call = format!("I look.\n\n<function=look>\n<parameter=n>{n}-{turn}</parameter>\n");
        [
            json!({"role": "user", "content": format!("Look at {n}."), "own": n}),
            json!({"role": "assistant", "content": call}),
        ]
    });
    json!({"id": format!("t-{n}"), "messages": turns.collect::<Vec<_>>()}).to_string()
}

/// Long ones, so that windows begin behind them: up to 2 MiB are read to tell the format. Then heavy, light, and now and
/// then a bad line.
fn lines() -> String {
    let mut all = String::new();
    for n in 0..2 * LIGHT {
        let one = match n % LIGHT {
            _ if n < 3 => line(n, 1).replace("I look.", &"x".repeat(1 << 20)),
            3 => line(n, 600),
            100 => format!("{{\"messages\": {n}}}"),
            _ => line(n, 1),
        };
        let _ = writeln!(all, "{one}");
    }
    all
}

fn run(folder: &Path, threads: &str, arguments: &[&str]) -> Output {
    Rolltape::new(arguments).cwd(folder).env("RAYON_NUM_THREADS", threads).run()
}

/// Numbers of the records in the order of their lines, told by `number`.
fn rising(numbers: &[u64], count: usize) {
    assert_eq!(numbers.len(), count);
    if let Some(at) = numbers.windows(2).position(|pair| pair[0] > pair[1]) {
        panic!("{} comes before {}", numbers[at], numbers[at + 1]);
    }
}

#[test]
fn a_conversion_keeps_the_order_when_later_windows_are_done_first() {
    let folder = support::temp();
    fs::write(folder.path().join("f.jsonl"), lines()).expect("written");
    // Lines that are turned on their bytes, and lines that are read and written.
    for (to, extra) in [("atif", &[][..]), ("openai-chat", &["--calls-as", "native"])] {
        let given = [&["convert", "f.jsonl", "--to", to, "--window", "1KiB"], extra].concat();
        let told = |threads| {
            let out = run(folder.path(), threads, &given).expect_code(2);
            (out.stdout, out.stderr)
        };
        let several = told("4");
        let numbers: Vec<u64> = several
            .0
            .lines()
            .map(|line| {
                let at = line.find("Look at ").expect("a request") + "Look at ".len();
                line[at..].split_once('.').expect("its end").0.parse().expect("a number")
            })
            .collect();
        rising(&numbers, 2 * LIGHT - 2);
        assert!(several.1.contains("f.jsonl:101: ") && several.1.contains("f.jsonl:401: "), "{}", several.1);
        assert!(several == told("1"), "{to}: one core tells something else");
    }
}

#[test]
fn a_check_keeps_the_order_when_later_windows_are_done_first() {
    let folder = support::temp();
    fs::write(folder.path().join("f.jsonl"), lines()).expect("written");
    // With the rules on raw bytes, and with all of them.
    for select in [&["--select", "FC"][..], &[]] {
        let given = [&["check", "f.jsonl", "--format", "jsonl", "--window", "1KiB"], select].concat();
        let told = |threads| {
            let out = run(folder.path(), threads, &given).expect_code(2);
            (out.stdout, out.stderr)
        };
        let several = told("4");
        let found = several.0.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        let numbers: Vec<u64> = found.filter_map(|found| found["line"].as_u64()).collect();
        assert!(numbers.len() > 2 * LIGHT);
        rising(&numbers, numbers.len());
        assert!(several == told("1"), "{select:?}: one core tells something else");
    }
}

#[test]
fn show_counts_in_the_order_of_the_file() {
    let folder = support::temp();
    // The first window is read alone; in the second many turns are read, in the third one long text.
    let light = |n: usize| format!("{}\n", line(n, 1).replace("I look.", &"x".repeat(1 << 19)));
    let mut text: String = (0..3).map(light).collect();
    (3..9).for_each(|n| text += &format!("{}\n", line(n, 1200)));
    text.extend((9..15).map(light));
    fs::write(folder.path().join("f.jsonl"), &text).expect("written");
    for n in [0, 2, 3, 8, 9, 14] {
        let number = (n + 1).to_string();
        let shown = run(folder.path(), "4", &["show", "f.jsonl", "-t", &number]).expect_code(0).stdout;
        // The first line is that of the file itself.
        let place = if n == 0 { "f.jsonl".to_owned() } else { format!("f.jsonl:{number}") };
        let head = format!("file       {place} (openai-chat)\ntrajectory t-{n}\n");
        assert!(shown.starts_with(&head), "{number}: {}", &shown[..shown.len().min(300)]);
        assert!(shown.contains(&format!("Look at {n}.")), "{number}");
    }
}

#[test]
fn redacted_copies_keep_their_names_and_their_order() {
    let folder = support::temp();
    let key = |n: usize| format!("sk-{}{n:04}", "a1b2c3d4".repeat(4));
    fs::create_dir(folder.path().join("in")).expect("made");
    for n in 0..40 {
        let many = if n == 0 { 3000 } else { 1 };
        let text = if n % 8 == 3 {
            "PK\u{3}\u{4} no archive that can be copied".to_owned()
        } else {
            (0..many).map(|_| format!("{}\n", line(n, 1).replace("I look.", &key(n)))).collect()
        };
        fs::write(folder.path().join(format!("in/{n:02}.jsonl")), text).expect("written");
    }
    let told = |threads: &str| {
        let given = ["check", "in", "--redact", "-o", threads, "--select", "SE", "-q"];
        let out = run(folder.path(), threads, &given);
        let left: Vec<String> =
            out.stderr.lines().filter(|line| line.starts_with("left out")).map(str::to_owned).collect();
        let copies: Vec<(usize, String)> = (0..40)
            .filter_map(|n| {
                Some((n, fs::read_to_string(folder.path().join(threads).join(format!("{n:02}.jsonl"))).ok()?))
            })
            .collect();
        (left, copies)
    };
    let (left, copies) = told("4");
    assert_eq!(left.len(), 5, "{left:?}");
    for (line, n) in left.iter().zip([3, 11, 19, 27, 35]) {
        assert!(line.contains(&format!("{n:02}.jsonl")), "{left:?}");
    }
    assert_eq!(copies.len(), 35);
    for (n, copy) in &copies {
        assert!(copy.contains(&format!("\"t-{n}\"")) && !copy.contains(&key(*n)), "{n}");
    }
    assert!((left, copies) == told("1"), "one core copies otherwise");
}
