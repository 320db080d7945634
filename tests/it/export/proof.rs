//! `--verify` finds what was changed; secrets never get out.

use super::{Bench, native, plain, rows_of, sample};
use crate::support;
use std::fs;

#[test]
fn a_folder_is_proven_and_any_change_is_found() {
    let bench = Bench::new();
    let source = bench.lines("a.jsonl", &[plain("Q1", "A1"), plain("Q2", "A2")]);
    bench.rows(&source, "trl-sft", &[]);
    let said = bench.export(&["--verify", "out"]).expect_code(0);
    assert_eq!(said.stderr, "verified: out: 2 rows, 2 compared with the sources\n");

    let rows = bench.path("out/train.jsonl");
    let good = fs::read_to_string(&rows).unwrap();
    for (bad, what) in [
        (good.replace("A2", "A3"), "train.jsonl: a row is not what a.jsonl:2 says"),
        (good.lines().next().unwrap().to_owned() + "\n", "it holds 1 rows, the manifest says 2"),
        (good.replacen('{', "", 1), "train.jsonl:1: no JSON"),
        (good.trim_end().to_owned(), "its last line is cut"),
        (good.replace("\"content\":\"A1\"", "\"content\":null"), "train.jsonl:1: a message has no text"),
    ] {
        fs::write(&rows, bad).unwrap();
        let said = bench.export(&["--verify", "out"]).expect_code(1);
        assert!(said.stderr.contains(what), "{what}:\n{}", said.stderr);
        assert!(said.stderr.contains("its digest is not that of the manifest"));
    }
    fs::write(&rows, good).unwrap();
    fs::write(bench.path("a.jsonl"), format!("{}\n{}\n", plain("Q1", "A1"), plain("Q2", "other"))).unwrap();
    let said = bench.export(&["--verify", "out"]).expect_code(1);
    assert!(said.stderr.contains("the source 'a.jsonl' was changed since"), "{}", said.stderr);
    fs::remove_file(bench.path("a.jsonl")).unwrap();
    let said = bench.export(&["--verify", "out"]).expect_code(0);
    assert!(said.stderr.contains("not compared, as the sources are not there: 2"), "{}", said.stderr);
}

#[test]
fn a_leak_between_splits_is_found() {
    let bench = Bench::new();
    let rows: Vec<_> = (0..20).map(|n| plain(&format!("Q{n}"), "A")).collect();
    let source = bench.lines("a.jsonl", &rows);
    bench.rows(&source, "trl-sft", &["--split", "train=0.5,test=0.5"]);
    // As if a broken exporter had given the task of a train row to a test row.
    let path = bench.path("out/provenance.jsonl");
    let origins = rows_of(&path);
    let train = origins.iter().find(|row| row["file"] == "train.jsonl").unwrap()["task"].clone();
    let changed: String = origins
        .into_iter()
        .map(|mut row| {
            if row["file"] == "test.jsonl" {
                row["task"] = train.clone();
            }
            format!("{row}\n")
        })
        .collect();
    fs::write(&path, changed).unwrap();
    let said = bench.export(&["--verify", "out"]).expect_code(1);
    assert!(said.stderr.contains("stands in train and in test"), "{}", said.stderr);
}

fn key() -> String {
    format!("sk-{}", "a1B2c3D4".repeat(4))
}

#[test]
fn a_secret_refuses_the_export() {
    let bench = Bench::new();
    let leak = native(&format!("Use {} please", key()), &format!("{{\"path\":\"/{}\"}}", key()));
    let source = bench.lines("a.jsonl", &[plain("Q", "A"), leak]);
    for target in ["openai-sft", "trl-sft", "trl-grpo", "sharegpt"] {
        let said = bench.export(&[&source, "--target", target, "-o", "out"]).expect_code(1);
        assert!(said.stderr.contains("a.jsonl:2, step 2, user: deepseek-key <SECRET:"), "{}", said.stderr);
        assert!(said.stderr.contains("arguments of 'look'"), "{}", said.stderr);
        assert!(!said.stderr.contains(&key()));
        let left: Vec<_> =
            fs::read_dir(bench.folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["a.jsonl"], "nothing is left behind");
    }
    let label = {
        let said = bench.export(&[&source, "--target", "trl-sft", "-o", "out"]);
        let at = said.stderr.find("<SECRET:").unwrap();
        said.stderr[at..=at + said.stderr[at..].find('>').unwrap()].to_owned()
    };
    let rows = bench.rows(&source, "openai-sft", &["--redact"]);
    assert!(!format!("{rows:?}").contains(&key()) && format!("{rows:?}").contains(&label));
    let card = fs::read_to_string(bench.path("out/README.md")).unwrap();
    assert!(card.contains("- deepseek-key: 2"), "{card}");
    for line in [key(), label] {
        fs::write(bench.path("allow"), format!("{line}\n")).unwrap();
        let rows = bench.rows(&source, "trl-sft", &["--allow", "allow"]);
        assert!(format!("{rows:?}").contains(&key()), "{line}");
    }
    // The proof does not know what was allowed unless it is told.
    let said = bench.export(&["--verify", "out"]).expect_code(1);
    assert!(said.stderr.contains("holds a secret"), "{}", said.stderr);
    // A row that is left out for another reason refuses nothing.
    let broken = bench.lines("b.jsonl", &[plain("Q", "A"), plain(&key(), "")]);
    assert_eq!(bench.rows(&broken, "trl-sft", &[]).len(), 1);
}

#[test]
fn the_seed_fails_closed() {
    let Some(path) = support::data("seed/deepseek_transcript.txt") else { return };
    let bench = Bench::new();
    let path = path.display().to_string();
    let said = bench.export(&[&path, "--target", "trl-sft", "-o", "out"]).expect_code(1);
    assert!(
        said.stderr.contains("deepseek_transcript.txt:1, step 18, assistant: deepseek-key"),
        "{}",
        said.stderr
    );
    assert!(!bench.path("out").exists());
    for target in ["trl-sft", "openai-sft", "sharegpt"] {
        let rows = bench.rows(&path, target, &["--redact"]);
        assert_eq!(rows.len(), 1);
        assert!(rows[0].to_string().contains("<SECRET:deepseek-key:"));
    }
}

#[test]
fn logs_from_elsewhere_are_exported() {
    let Some(path) = support::data("openhands-prompt-logs") else { return };
    let bench = Bench::new();
    let path = path.display().to_string();
    let text = bench.rows(&path, "trl-sft", &[]);
    assert_eq!(text.len(), 9);
    assert_eq!(bench.rows(&path, "sharegpt", &[]).len(), 8);
    let native = bench.rows(&path, "trl-sft", &["--calls", "native"]);
    assert!(bench.reasons().iter().all(|reason| reason == "orphan-result"));
    assert_eq!(native.len() + bench.reasons().len(), 9, "each is a row or has a reason");
}

#[test]
fn a_run_that_was_moved_is_still_proven_by_itself() {
    let bench = Bench::new();
    bench.rows(&sample(), "trl-dpo", &[]);
    fs::rename(bench.path("out"), bench.path("moved")).unwrap();
    let said = bench.export(&["--verify", "moved"]).expect_code(0);
    assert_eq!(said.stderr, "verified: moved: 3 rows, 6 compared with the sources\n");
}
