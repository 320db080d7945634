//! The generated hostile inputs, as far as these formats can show them.

use crate::support;
use rolltape::formats;
use serde_json::Value;
use std::process::Command;
use std::time::Instant;

#[test]
fn hostile_json_is_kept_refused_or_salvaged() {
    need!("python3");
    let Some(generator) = support::data("hostile_inputs.py") else { return };
    let folder = support::temp();
    let status = Command::new("python3").arg(generator).arg(folder.path()).output().expect("python3 runs");
    assert!(status.status.success(), "{}", String::from_utf8_lossy(&status.stderr));
    let manifest = support::read(&folder.path().join("manifest.json"));
    let manifest: Value = serde_json::from_str(&manifest).expect("the manifest");
    let mut seen = 0;
    for case in manifest.as_array().expect("a list") {
        let target = case["target"].as_str().unwrap_or_default();
        if !matches!(target, "json" | "jsonl" | "gz" | "report") {
            continue;
        }
        seen += 1;
        let file = case["file"].as_str().expect("a file");
        let bytes = std::fs::read(folder.path().join(file)).expect("the file");
        let began = Instant::now();
        let outcome = formats::read_bytes(file, &bytes, None);
        // Debug builds are slow; what hangs, hangs longer than this.
        assert!(began.elapsed().as_secs() < 120, "{file} took {:?}", began.elapsed());
        let (good, bad) = match &outcome {
            Ok(output) => (output.trajectories.len(), output.errors.len()),
            Err(_) => (0, 1),
        };
        match case["expect"].as_str() {
            Some("accept") => assert!(good > 0 && bad == 0, "{file}: {outcome:.300?}"),
            Some("reject") => assert!(good == 0 && bad > 0, "{file}"),
            Some("salvage") => assert!(good > 0 && bad > 0, "{file}: {outcome:.300?}"),
            _ => assert!(good > 0 || bad > 0, "{file}"),
        }
        if let Ok(output) = &outcome {
            check_one(file, output);
        }
    }
    assert!(seen > 30, "only {seen} cases");
}

/// What some cases ask for beyond being read.
fn check_one(file: &str, output: &formats::ReadOutput) {
    let warned = |part: &str| output.warnings.iter().any(|warning| warning.message.contains(part));
    match file {
        "json/dup_keys.json" => assert!(warned("stands twice")),
        "json/lone_surrogate.json" => assert!(warned("surrogate")),
        "json/big_numbers.json" => assert_eq!(output.warnings, [], "{file}: numbers are kept"),
        "json/nan_infinity.json" => assert!(warned("not finite")),
        "json/invalid_utf8.jsonl" | "json/nul_hole.jsonl" => {
            assert_eq!((output.trajectories.len(), output.errors[0].line), (2, 2), "{file}");
        }
        "json/truncated_tail.jsonl" => {
            assert!(output.errors[0].message.contains("torn"), "{:?}", output.errors);
        }
        "json/concat_no_newline.jsonl" | "json/cr_only.jsonl" => {
            assert_eq!(output.trajectories.len() + output.errors.len(), 2, "{file}");
        }
        "json/crlf.jsonl" | "json/long_line.jsonl" => assert_eq!(output.trajectories.len(), 2, "{file}"),
        "json/wrong_types.jsonl" => {
            let messages: std::collections::BTreeSet<_> =
                output.errors.iter().map(|error| (error.line, error.message.as_str())).collect();
            assert!(messages.len() >= 4, "{messages:?}");
            assert!(messages.iter().all(|(line, _)| *line < 6));
        }
        "json/deep_args.json" | "json/dup_args.json" => {
            let call = &output.trajectories[0].steps[0].calls[0];
            assert!(call.arguments.raw.is_some(), "{file}");
        }
        _ => {}
    }
}
