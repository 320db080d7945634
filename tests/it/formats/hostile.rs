//! The generated hostile inputs, as far as these formats can show them.

use crate::support;
use rolltape::formats::{self, atif_lines};
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
        if !matches!(target, "json" | "jsonl" | "gz" | "report" | "eval_zip") {
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
        match &outcome {
            Ok(output) => {
                check_one(file, output);
                check_text(file, output);
                check_zip(file, output);
                check_report(file, &bytes, output);
            }
            Err(error) => check_refused(file, error),
        }
    }
    assert_eq!(seen, 49, "the other targets are those of other tests");
}

/// What is refused says why.
fn check_refused(file: &str, error: &formats::DetectError) {
    let why = match file {
        "json/utf16le.json" => "UTF-16",
        "json/deep_arrays.json" => "nested deeper than",
        "json/empty.jsonl" => "empty",
        _ => return,
    };
    assert!(error.message.contains(why), "{file}: {}", error.message);
}

/// The whole program, one file after the other: how it ends, what it says, how much it holds.
#[test]
fn hostile_files_end_check_as_they_must() {
    need!("python3");
    let Some(generator) = support::data("hostile_inputs.py") else { return };
    let folder = support::temp();
    let status = Command::new("python3").arg(generator).arg(folder.path()).output().expect("python3 runs");
    assert!(status.status.success(), "{}", String::from_utf8_lossy(&status.stderr));
    let manifest = support::read(&folder.path().join("manifest.json"));
    let manifest: Value = serde_json::from_str(&manifest).expect("the manifest");
    for case in manifest.as_array().expect("a list") {
        let target = case["target"].as_str().unwrap_or_default();
        if !matches!(target, "json" | "jsonl" | "gz" | "report" | "eval_zip") {
            continue;
        }
        let file = case["file"].as_str().expect("a file");
        let (code, told, said, peak) = checked(folder.path(), file);
        let good = told["trajectories"].as_u64().unwrap_or(0);
        let bad = told["errors"].as_array().map_or(0, Vec::len);
        let fits = match case["expect"].as_str() {
            Some("accept") => code < 2 && good > 0 && bad == 0,
            Some("reject") => code == 2 && good == 0 && bad > 0,
            Some("salvage") => code == 2 && good > 0 && bad > 0,
            _ => code <= 2 && (code == 2) == (bad > 0),
        };
        assert!(fits, "{file}: exit {code}, {good} read, {bad} errors\n{said}");
        assert_eq!(code == 2, said.contains(&format!("error: {file}")), "{file}: {said}");
        let most = case["max_rss_mib"].as_u64().expect("a limit");
        assert!(peak <= most, "{file}: {peak} MiB at most");
        if let Some(rule) = match file {
            "json/dup_args.json" => Some("FC011"),
            "json/deep_args.json" => Some("FC017"),
            _ => None,
        } {
            let findings = told["findings"].as_array().expect("a list");
            assert!(findings.iter().any(|finding| finding["rule"] == rule), "{file}: {findings:?}");
        }
    }
    let left: Vec<_> = ["/tmp/hostile_slip_proof", "/tmp/hostile_yaml_proof"]
        .into_iter()
        .filter(|path| std::path::Path::new(path).exists())
        .collect();
    assert_eq!(left, [""; 0], "written outside");
}

/// `check --format json FILE`: exit code, the object, stderr, and the peak of its memory in MiB as far as it was seen.
fn checked(folder: &std::path::Path, file: &str) -> (i32, Value, String, u64) {
    use std::io::Read;
    let mut child = support::Rolltape::new(&["check", "--format", "json", file]).cwd(folder).spawn();
    let (mut out, mut err) = (child.stdout.take().expect("stdout"), child.stderr.take().expect("stderr"));
    let told = std::thread::spawn(move || {
        let mut text = String::new();
        out.read_to_string(&mut text).map(|_| text).expect("UTF-8")
    });
    let said = std::thread::spawn(move || {
        let mut text = String::new();
        err.read_to_string(&mut text).map(|_| text).expect("UTF-8")
    });
    let (mut most, mut rounds) = (0, 0);
    let code = loop {
        most = most.max(crate::support::peak(child.id()).unwrap_or(0));
        if let Some(end) = child.try_wait().expect("a child") {
            break end.code().unwrap_or(-1);
        }
        rounds += 1;
        if rounds > 60_000 {
            let _ = child.kill();
        }
        std::thread::sleep(std::time::Duration::from_millis(2));
    };
    let told = told.join().expect("stdout");
    (code, serde_json::from_str(&told).unwrap_or(Value::Null), said.join().expect("stderr"), most)
}

/// What some cases ask for beyond being read.
fn check_one(file: &str, output: &formats::ReadOutput) {
    let warned = |part: &str| output.warnings.iter().any(|warning| warning.message.contains(part));
    match file {
        "json/dup_keys.json" => assert!(warned("stands twice")),
        "json/lone_surrogate.json" => assert!(warned("surrogate")),
        "json/big_numbers.json" => {
            assert_eq!(output.warnings, [], "{file}: numbers are kept");
            let line = atif_lines::line(&output.trajectories[0]);
            for number in [
                "18446744073709551617",
                "1e400",
                "-0",
                "0.1000000000000000055511151231257827",
                "123456789012345678901234567890",
            ] {
                // The library of JSON writes an exponent with its sign.
                let signed = number.replace("1e400", "1e+400");
                assert!(line.contains(number) || line.contains(&signed), "{number} is not in {line}");
            }
        }
        "json/nan_infinity.json" => {
            assert!(warned("not finite"));
            let line = atif_lines::line(&output.trajectories[0]);
            serde_json::from_str::<Value>(&line).expect("what is written back is JSON");
        }
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

/// What was said in the files that are about text.
fn check_text(file: &str, output: &formats::ReadOutput) {
    let said = |n: usize| output.trajectories[n].steps[0].judged_text().into_owned();
    match file {
        "json/nul_escape.json" => assert_eq!(said(0), "a\0b"),
        "json/escapes_10x.json" => assert!(said(0) == "A".repeat(500_000), "{file}"),
        "json/bom.jsonl" | "gz/trailing_garbage.jsonl.gz" => {
            assert_eq!((output.trajectories.len(), said(0).as_str()), (1, "good 1"), "{file}");
        }
        "json/crlf.jsonl" => assert_eq!([said(0), said(1)], ["good 1", "good 2"], "{file}"),
        "json/invalid_utf8.jsonl" | "json/nul_hole.jsonl" => {
            assert_eq!([said(0), said(1)], ["good 1", "good 2"], "{file}");
        }
        "json/long_line.jsonl" => {
            assert_eq!((said(0).len(), said(1).as_str()), (24 << 20, "good 2"), "{file}");
        }
        "json/wrong_types.jsonl" => {
            assert_eq!(output.trajectories.last().expect("one").steps[0].judged_text(), "good 9");
        }
        "json/many_keys.json" => {
            let keys = output.trajectories[0].extra["metadata"].as_object().map(serde_json::Map::len);
            assert_eq!(keys, Some(300_000));
        }
        "json/array_of_null.json" => {
            assert!(output.errors.iter().all(|error| !error.message.is_empty() && error.line > 0));
        }
        "gz/truncated.jsonl.gz" => {
            assert!(output.trajectories.iter().all(|one| one.steps[0].judged_text() == "good 1"));
        }
        "gz/bomb.jsonl.gz" => {
            assert!(output.errors[0].message.contains("limit"), "{:?}", output.errors);
        }
        _ => {}
    }
}

/// The text of a case for reports is kept byte by byte, also when it was written and read again.
fn check_report(file: &str, bytes: &[u8], output: &formats::ReadOutput) {
    if !file.starts_with("report/") {
        return;
    }
    let wanted: Value = serde_json::from_slice(bytes).expect("JSON");
    let wanted = wanted["messages"][0]["content"].as_str().expect("a text");
    let line = atif_lines::line(&output.trajectories[0]);
    let again = atif_lines::read_line(line.as_bytes(), "x").expect("what we write is read");
    for trajectory in [&output.trajectories[0], &again] {
        let texts: Vec<_> = trajectory.steps.iter().map(|step| step.judged_text()).collect();
        assert_eq!(texts, [wanted, wanted], "{file}");
        let call = &trajectory.steps[1].calls[0];
        let command = call.arguments.parsed.as_ref().and_then(|object| object["command"].as_str());
        assert_eq!(command, Some(wanted), "{file}");
        let result = &trajectory.steps[1].observation.as_ref().expect("a result").results[0];
        assert_eq!(
            result.content.as_ref().map(|content| content.text().into_owned()).as_deref(),
            Some(wanted)
        );
    }
}

fn check_zip(file: &str, output: &formats::ReadOutput) {
    let warned = |part: &str| output.warnings.iter().any(|warning| warning.message.contains(part));
    let refused = |part: &str| output.errors.iter().any(|error| error.message.contains(part));
    match file {
        "zip/slip.eval" => {
            assert!(warned("hostile_slip_proof"), "{:?}", output.warnings);
            assert_eq!(output.trajectories.len(), 1);
        }
        "zip/symlink.eval" => assert!(refused("'samples/1_epoch_1.json' is a symbolic link")),
        "zip/bomb_ratio.eval" => {
            assert!(refused("'samples/1_epoch_1.json' grows over the limit"), "{:?}", output.errors);
        }
        "zip/truncated.eval" => {
            assert!(refused("its writer was cut off"));
            assert_eq!(output.trajectories.len(), 2);
        }
        "zip/bad_crc.eval" => {
            assert!(refused("'samples/2_epoch_1.json'"), "{:?}", output.errors);
            assert_eq!(output.trajectories.len(), 1);
        }
        "zip/dup_names.eval" => {
            assert!(warned("more than once"));
            assert_eq!(output.trajectories[0].extra["input"], "other");
        }
        "zip/lying_size.eval" => assert!(refused("header claims 4294967280"), "{:?}", output.errors),
        _ => {}
    }
}
