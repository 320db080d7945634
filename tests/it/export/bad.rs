//! Bad input: each told in a sentence, with its exit code.

use super::{Bench, native, plain, sample};
use serde_json::json;
use std::fs;
use std::io::Read as _;
use std::time::{Duration, Instant};

#[test]
fn errors_are_interface() {
    let bench = Bench::new();
    let a = bench.lines("a.jsonl", &[plain("Q", "A")]);
    let images = bench.lines(
        "images.jsonl",
        &[json!({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]},
            {"role": "assistant", "content": "A"}]})],
    );
    let broken = bench.lines("broken.jsonl", &[native("Q", "{not json")]);
    fs::write(bench.path("words.txt"), "just words\n").unwrap();
    fs::create_dir(bench.path("full")).unwrap();
    fs::write(bench.path("full/x"), "").unwrap();
    fs::create_dir(bench.path("empty")).unwrap();
    let run = sample();
    let cases: &[&[&str]] = &[
        &[&a],
        &[&a, "--target", "trl-sfd", "-o", "out"],
        &[&a, "--target", "trl-sft"],
        &[&a, "--target", "trl-sft", "-o", "full"],
        &[&a, "--target", "trl-sft", "-o", "a.jsonl"],
        &[&a, "--target", "trl-dpo", "-o", "out", "--only", "passed"],
        &[&a, "--target", "trl-sft", "-o", "out", "--mask-errors"],
        &[&a, "--target", "sharegpt", "-o", "out", "--think", "field"],
        &[&a, "--target", "trl-sft", "-o", "out", "--only", "passd"],
        &[&a, "--target", "trl-sft", "-o", "out", "--split", "train=0.5,dev=0.5"],
        &[&a, "--target", "trl-sft", "-o", "out", "--split", "train=0.5"],
        &[&a, "--target", "trl-sft", "-o", "out", "--only", "passed"],
        &[&images, "--target", "trl-sft", "-o", "out"],
        &[&broken, "--target", "trl-sft", "-o", "out"],
        &["none.jsonl", "--target", "trl-sft", "-o", "out"],
        &["words.txt", "--target", "trl-sft", "-o", "out"],
        &["empty", "--target", "trl-sft", "-o", "out"],
        &[&run, "--target", "trl-sft", "-o", "out", "--min-reward", "2"],
        &["--verify", "full"],
        &[&a, "--target", "trl-sft", "-o", "out", "--allow", "none"],
    ];
    let mut told = String::new();
    for arguments in cases {
        let output = bench.export(arguments);
        let shown = arguments.join(" ").replace(&run, "RUN");
        told.push_str(&format!(
            "$ export {shown}\n{}\n",
            output.masked(&crate::support::root().join("reports"), "")
        ));
        assert!(!bench.path("out").exists(), "{shown}");
    }
    insta::assert_snapshot!(told);
}

#[test]
fn damaged_records_lose_nothing_else() {
    let bench = Bench::new();
    let text = format!("{}\n{{\"messages\": [\n{}\n", plain("Q1", "A"), plain("Q2", "A"));
    fs::write(bench.path("a.jsonl"), text).unwrap();
    let output = bench.export(&["a.jsonl", "--target", "trl-sft", "-o", "out"]).expect_code(2);
    assert!(output.stderr.contains("a.jsonl:2: torn JSON"), "{}", output.stderr);
    assert_eq!(output.stdout, "out/train.jsonl\t2\n");
}

#[test]
fn stdin_is_read() {
    let bench = Bench::new();
    let output =
        crate::support::Rolltape::new(&["export", "-", "--target", "trl-sft", "-o", "out", "--verify"])
            .cwd(bench.folder.path())
            .stdin(plain("Q", "A").to_string())
            .run()
            .expect_code(0);
    assert!(output.stderr.contains("not compared, as the sources are not there: 1"), "{}", output.stderr);
}

#[test]
fn a_killed_export_leaves_no_folder() {
    let bench = Bench::new();
    let rows: Vec<_> = (0..6000).map(|n| native(&format!("Q{n} {}", "x".repeat(2000)), "{}")).collect();
    let source = bench.lines("a.jsonl", &rows);
    let arguments = ["export", &source, "--target", "trl-sft", "-o", "out"];
    let mut child =
        crate::support::Rolltape::new(&arguments).cwd(bench.folder.path()).command().spawn().unwrap();
    let unfinished = || {
        let entries = fs::read_dir(bench.folder.path()).unwrap();
        let mut names = entries.map(|entry| entry.unwrap().path());
        names.any(|path| path.join("train.jsonl").exists() && !path.ends_with("out"))
    };
    let start = Instant::now();
    while !unfinished() && start.elapsed() < Duration::from_mins(1) {
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    let status = child.wait().unwrap();
    let mut said = String::new();
    child.stderr.unwrap().read_to_string(&mut said).unwrap();
    assert!(!status.success(), "it ended before it could be killed: {said}");
    assert!(!bench.path("out").exists());
    // The next one is not disturbed by what lies there.
    let small = bench.lines("b.jsonl", &rows[..3]);
    assert_eq!(bench.rows(&small, "trl-sft", &[]).len(), 3);
    assert!(!unfinished(), "it was swept");
}
