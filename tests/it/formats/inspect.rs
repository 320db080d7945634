//! `inspect-eval`: logs of Inspect AI.

use super::abuse::{abuse, bare_facts, comes_back, there_and_back, written};
use super::logs::places_hold;
use super::sessions::{fixture, shape, shared};
use crate::support;
use rolltape::formats::{self, Changes, Locator, ReadOutput, Writer, loss};
use rolltape::model::{Policy, Step, Trajectory};
use rolltape::rules;
use serde_json::{Value, json};
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

const NAME: &str = "inspect-eval";

fn read(name: &str, bytes: &[u8]) -> ReadOutput {
    let output = formats::read_bytes(name, bytes, None).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(output.format, NAME, "{name}");
    output
}

fn log() -> Value {
    serde_json::from_slice(&fixture("inspect-eval/log.json")).expect("JSON")
}

/// Places of a sample in an archive are those of its member.
fn member_places_hold(output: &ReadOutput) {
    for trajectory in &output.trajectories {
        let name = &trajectory.origin.files[0];
        let (_, bytes) = output.members.iter().find(|(member, _)| member == name).expect("the member");
        let mut own = trajectory.clone();
        for step in &mut own.steps {
            for place in [step.place.as_mut(), step.reply.as_mut().and_then(|reply| reply.place.as_mut())] {
                let Some(place) = place else { continue };
                assert_eq!(place.file, 1);
                place.file = 0;
            }
        }
        places_hold(&own, bytes);
    }
}

/// A member to be.
#[derive(Clone)]
struct Entry {
    name: &'static str,
    bytes: Vec<u8>,
    method: u16,
}

fn entry(name: &'static str, value: &Value, method: u16) -> Entry {
    Entry { name, bytes: value.to_string().into_bytes(), method }
}

fn packed(entry: &Entry) -> Vec<u8> {
    match entry.method {
        0 => entry.bytes.clone(),
        8 => {
            let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(&entry.bytes).expect("deflate");
            encoder.finish().expect("deflate")
        }
        _ => zstd::encode_all(&*entry.bytes, 3).expect("zstd"),
    }
}

/// Fields of a header from the version on: flags, method, time, checksum and sizes.
fn fields(entry: &Entry, size: usize, streamed: bool) -> Vec<u8> {
    let mut sum = flate2::Crc::new();
    sum.update(&entry.bytes);
    let mut out = Vec::new();
    for word in [20, if streamed { 8 } else { 0 }, entry.method, 0, 0] {
        out.extend(u16::to_le_bytes(word));
    }
    let known = [sum.sum(), size as u32, entry.bytes.len() as u32];
    for number in known {
        out.extend(u32::to_le_bytes(if streamed { 0 } else { number }));
    }
    out.extend(u16::to_le_bytes(entry.name.len() as u16));
    out.extend([0, 0]);
    out
}

/// Members with their own headers, and where each stands. A stream puts sizes behind the data.
fn body(entries: &[Entry], streamed: bool) -> (Vec<u8>, Vec<usize>) {
    let (mut out, mut starts) = (Vec::new(), Vec::new());
    for entry in entries {
        starts.push(out.len());
        let data = packed(entry);
        out.extend(b"PK\x03\x04");
        out.extend(fields(entry, data.len(), streamed));
        out.extend(entry.name.as_bytes());
        out.extend(&data);
        if streamed {
            let mut sum = flate2::Crc::new();
            sum.update(&entry.bytes);
            out.extend(b"PK\x07\x08");
            for number in [sum.sum(), data.len() as u32, entry.bytes.len() as u32] {
                out.extend(u32::to_le_bytes(number));
            }
        }
    }
    (out, starts)
}

fn zip(entries: &[Entry]) -> Vec<u8> {
    let (mut out, starts) = body(entries, false);
    let directory = out.len();
    for (entry, start) in entries.iter().zip(starts) {
        out.extend(b"PK\x01\x02\x14\x03");
        out.extend(fields(entry, packed(entry).len(), false));
        out.extend([0; 10]);
        out.extend(u32::to_le_bytes(start as u32));
        out.extend(entry.name.as_bytes());
    }
    let size = out.len() - directory;
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend(u16::to_le_bytes(entries.len() as u16));
    out.extend(u16::to_le_bytes(entries.len() as u16));
    out.extend(u32::to_le_bytes(size as u32));
    out.extend(u32::to_le_bytes(directory as u32));
    out.extend([0, 0]);
    out
}

/// The log of the fixture as an archive's members.
fn members(method: u16) -> Vec<Entry> {
    let mut log = log();
    let samples = log.as_object_mut().expect("a log").shift_remove("samples").expect("samples");
    let start = json!({"version": 2, "eval": log["eval"], "plan": log["plan"]});
    vec![
        entry("_journal/start.json", &start, method),
        entry("samples/boats_epoch_1.json", &samples[0], method),
        entry("_journal/summaries/1.json", &json!([]), method),
        entry("samples/2_epoch_3.json", &samples[1], method),
        entry("header.json", &log, method),
    ]
}

#[test]
fn a_log_holds_a_trajectory_a_sample() {
    let bytes = fixture("inspect-eval/log.json");
    let output = read("x.json", &bytes);
    assert_eq!((&output.errors, &output.warnings), (&vec![], &vec![]));
    let [boats, gulls] = output.trajectories.as_slice() else { panic!("two samples") };
    assert_eq!(shape(boats), [(2, 2), (0, 0)]);
    // It broke before anything was said.
    assert!(shape(gulls).is_empty());
    assert_eq!(gulls.steps.iter().map(|step| step.message.text()).collect::<Vec<_>>(), ["And gulls?"]);
    assert_eq!((boats.id.as_deref(), gulls.id.as_deref()), (Some("sample-1"), Some("2_epoch_3")));
    assert_eq!((&*boats.agent.name, &*boats.agent.version), ("basic_agent", "0.3.285"));
    assert_eq!(boats.agent.model.as_deref(), Some("mock/m-1"));
    assert_eq!(boats.agent.tools.as_ref().map(|tools| tools[0].name.as_str()), Some("bash"));
    assert_eq!(boats.steps[1].message.text(), "How many boats?");
    let steps: Vec<&Step> = boats.judged().collect();
    let usage = steps[0].usage.expect("usage");
    // Cached tokens are counted apart in the log.
    assert_eq!(
        (usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens),
        (Some(15), Some(7), Some(5))
    );
    assert_eq!(steps[0].metrics_extra["extra"]["reasoning_tokens"], 2);
    assert_eq!(steps[0].timestamp.as_deref(), Some("2026-03-04T07:00:01+00:00"));
    assert_eq!(steps[0].reasoning.as_deref(), Some("Two lists."));
    assert_eq!(steps[0].calls[1].arguments.raw.as_deref(), Some("{\"cmd\": "));
    assert_eq!(steps[0].calls[1].arguments.parsed, None);
    let results = &steps[0].observation.as_ref().expect("results").results;
    assert_eq!(results[1].extra["error"]["type"], "parsing");
    assert_eq!(steps[1].usage.and_then(|usage| usage.prompt_tokens), Some(30));
    assert_eq!(steps[1].reply.as_ref().and_then(|reply| reply.finish_reason.as_deref()), Some("max_tokens"));
    assert_eq!(steps[1].model.as_deref(), Some("mock/m-2"));
    assert_eq!(
        (&boats.extra["scores"]["match"]["value"], &boats.extra["metadata"]["pier"]),
        (&json!("C"), &json!(4))
    );
    // The run is told whole once, or a log would grow with the square of its samples.
    assert_eq!(boats.extra["log"]["results"]["total_samples"], 2);
    assert_eq!(
        (&gulls.extra["log"]["eval"]["task"], gulls.extra["log"].get("results")),
        (&json!("harbour"), None)
    );
    assert_eq!((&gulls.extra["limit"]["type"], gulls.origin.line), (&json!("token"), 91));
    for trajectory in &output.trajectories {
        places_hold(trajectory, &bytes);
        comes_back(trajectory);
        let (_, loss) = there_and_back(NAME, trajectory);
        let short = loss.changed.iter().all(|one| one.field == "extra.log") && trajectory.id != boats.id;
        assert!(loss.is_none() || short && loss.lost.is_empty(), "{loss:#?}");
    }
}

#[test]
fn an_archive_says_what_the_log_says() {
    let log = read("x.json", &fixture("inspect-eval/log.json"));
    for method in [0, 8, 93] {
        let mut output = read("x.eval", &zip(&members(method)));
        assert_eq!((&output.errors, &output.warnings), (&vec![], &vec![]), "method {method}");
        member_places_hold(&output);
        // By the ids' numbers, not as they ended.
        output.trajectories.sort_by_key(|one| one.id.as_deref() != Some("sample-1"));
        let facts = |output: &ReadOutput| -> Vec<String> {
            let all = output.trajectories.iter().flat_map(bare_facts);
            all.filter(|fact| !fact.starts_with("extra.log")).collect()
        };
        assert_eq!(facts(&output), facts(&log), "method {method}");
        assert_eq!(output.trajectories[0].origin.path, "x.eval");
        assert_eq!(output.members[0].0, "x.eval!samples/2_epoch_3.json");
    }
}

#[test]
fn a_log_whose_writer_was_killed_is_read_as_far_as_it_goes() {
    let all = members(93);
    for streamed in [false, true] {
        let (bytes, starts) = body(&all[..4], streamed);
        let output = read("x.eval", &bytes);
        let told: Vec<&str> = output.errors.iter().map(|error| error.message.as_str()).collect();
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(
            told[0].ends_with("its writer was cut off: 4 members found by their own headers"),
            "{told:?}"
        );
        assert_eq!(output.trajectories.len(), 2, "streamed: {streamed}");
        assert_eq!(output.trajectories[0].extra["log"]["status"], "started");
        // In the middle of the last member.
        let output = read("x.eval", &bytes[..starts[3] + 60]);
        assert_eq!(output.trajectories.len(), 1);
        assert_eq!(output.errors.len(), 2, "{:?}", output.errors);
    }
}

#[test]
fn an_archive_that_lies_is_caught() {
    let all = members(8);
    let good = zip(&all);
    // A second end record that tells of an empty archive.
    let mut twice = good.clone();
    twice.extend(b"PK\x05\x06");
    twice.extend([0; 18]);
    let output = read("x.eval", &twice);
    assert_eq!(output.trajectories.len(), 2);
    assert!(output.errors[0].message.contains("no directory at its end"), "{:?}", output.errors);
    // A member that the directory does not list.
    let (body, _) = body(&all, false);
    let mut hidden = zip(&all[..4]);
    let split = body.len();
    let shorter = {
        let (short, _) = self::body(&all[..4], false);
        short.len()
    };
    hidden.splice(shorter..shorter, body[shorter..split].to_vec());
    let at = hidden.len() - 6;
    hidden[at..at + 4].copy_from_slice(&u32::to_le_bytes(split as u32));
    let output = read("x.eval", &hidden);
    assert!(
        output.warnings.iter().any(|one| one.message == "the directory does not list member 'header.json'")
    );
    // Another name in the member's own header.
    let mut renamed = good;
    let at = renamed.windows(7).position(|part| part == b"samples").expect("a sample");
    renamed[at] = b'S';
    let output = read("x.eval", &renamed);
    assert!(output.errors.iter().any(|one| one.message.contains("another name or method in its own header")));
    assert_eq!(output.trajectories.len(), 1);
    // A zip archive of something else.
    let error =
        formats::read_bytes("x.zip", &zip(&[entry("a.json", &json!({}), 0)]), None).expect_err("no log");
    assert!(error.foreign);
}

#[test]
fn a_finding_in_an_archive_names_member_line_and_column() {
    let mut sample = log()["samples"][0].clone();
    sample["messages"][6]["content"] = "no call\nhere".into();
    sample["output"] = Value::Null;
    let pretty = serde_json::to_vec_pretty(&sample).expect("JSON");
    let header = log();
    let files = [
        entry("header.json", &header, 8),
        Entry { name: "samples/1_epoch_1.json", bytes: pretty, method: 8 },
    ];
    let output = read("x.eval", &zip(&files));
    let judged = rules::judge(&output.trajectories[0], &Policy::default());
    let mut all = judged.findings.iter().zip(&judged.places);
    let (finding, place) = all.find(|(finding, _)| finding.rule == "FC001").expect("a finding");
    let place = place.expect("a place");
    assert_eq!(place.file, 1);
    let bytes = &output.members[0].1;
    let byte = Locator::new(bytes).byte(place, finding.span.map_or(0, |span| span.start));
    assert!(
        bytes[byte..].starts_with(b"no call\\nhere"),
        "{}",
        String::from_utf8_lossy(&bytes[byte..byte + 20])
    );
}

#[test]
fn shared_logs_hold_what_a_scan_counts() {
    for path in shared("inspect-ai", |name| {
        name.strip_suffix(".json").is_some_and(|name| !name.starts_with("utility"))
    }) {
        let bytes = std::fs::read(&path).expect("file");
        let name = path.to_string_lossy();
        let output = read(&name, &bytes);
        assert_eq!(output.errors, [], "{name}");
        let log: Value = serde_json::from_slice(&bytes).expect("JSON");
        let samples = log["samples"].as_array().expect("samples");
        assert_eq!(output.trajectories.len(), samples.len(), "{name}");
        for (trajectory, sample) in output.trajectories.iter().zip(samples) {
            counts_hold(trajectory, sample, &name);
            places_hold(trajectory, &bytes);
            comes_back(trajectory);
            let (_, loss) = there_and_back(NAME, trajectory);
            // A sample that is not the first one knows its log in a few words.
            let other = loss.changed.iter().filter(|one| one.field != "extra.log");
            assert!(loss.lost.is_empty() && other.count() == 0, "{name}: {loss:#?}");
        }
    }
    for path in shared("inspect-ai", |name| name.strip_suffix(".eval").is_some()) {
        let bytes = std::fs::read(&path).expect("file");
        let name = path.to_string_lossy();
        let output = read(&name, &bytes);
        assert_eq!((&output.errors, &output.warnings), (&vec![], &vec![]), "{name}");
        member_places_hold(&output);
        for trajectory in &output.trajectories {
            let (_, member) =
                output.members.iter().find(|(name, _)| *name == trajectory.origin.files[0]).expect("it");
            counts_hold(trajectory, &serde_json::from_slice(member).expect("JSON"), &name);
            comes_back(trajectory);
        }
        let json = path.with_extension("json");
        if let Ok(bytes) = std::fs::read(&json) {
            assert_eq!(read("x.json", &bytes).trajectories.len(), output.trajectories.len(), "{name}");
        }
    }
}

fn counts_hold(trajectory: &Trajectory, sample: &Value, name: &str) {
    let messages = sample["messages"].as_array().expect("messages");
    let role = |role: &str| messages.iter().filter(|message| message["role"] == role).count();
    let all = trajectory.steps.iter().filter(|step| step.source == rolltape::model::Source::Agent).count();
    assert_eq!(all, role("assistant"), "{name}");
    let results = trajectory.steps.iter().filter_map(|step| step.observation.as_ref());
    assert_eq!(results.map(|seen| seen.results.len()).sum::<usize>(), role("tool"), "{name}");
    let calls: usize = messages.iter().map(|one| one["tool_calls"].as_array().map_or(0, Vec::len)).sum();
    assert_eq!(trajectory.steps.iter().map(|step| step.calls.len()).sum::<usize>(), calls, "{name}");
    let told = trajectory.steps.iter().filter_map(|step| step.usage?.completion_tokens).sum::<u64>();
    let used = sample["model_usage"].as_object().into_iter().flat_map(|all| all.values());
    let used: u64 = used.filter_map(|usage| usage["output_tokens"].as_u64()).sum();
    if sample["model_usage"].as_object().is_some_and(|all| !all.is_empty()) {
        assert_eq!(told, used, "{name}");
    }
}

#[test]
fn inspect_logs_survive_bad_input() {
    let sample = json!({
        "id": 1, "epoch": 1, "input": "x", "target": "", "messages": [
            {"role": "user", "content": "attachment://a"},
            {"id": "m", "role": "assistant", "model": "y", "content": [{"type": "reasoning", "reasoning": "r"}, {"type": "text", "text": "é"}],
             "tool_calls": [{"id": "c", "function": "f", "arguments": {"k": 1}, "type": "function"}]},
            {"role": "tool", "content": "o", "tool_call_id": "c", "function": "f"},
        ],
        "events": [{"event": "model", "output": {"choices": [{"message": {"id": "m"}, "stop_reason": "stop"}], "usage": {"input_tokens": 1}}}],
        "attachments": {"a": "q"},
    });
    let log = json!({"version": 2, "eval": {"task": "t", "model": "y"}, "samples": [sample]});
    abuse(NAME, log.to_string().as_bytes());
}

#[test]
fn inspect_archives_survive_bad_input() {
    let sample = json!({"id": 1, "epoch": 1, "input": "x", "target": "", "messages": [{"role": "user", "content": "é"}]});
    for method in [0, 8, 93] {
        let header = json!({"version": 2, "eval": {"task": "t"}});
        abuse(
            NAME,
            &zip(&[entry("header.json", &header, method), entry("samples/1_epoch_1.json", &sample, method)]),
        );
    }
}

/// Trajectories of other formats.
fn foreign() -> Vec<Trajectory> {
    let files = ["claude-code/session.jsonl", "codex/rollout.jsonl", "gemini-cli/session.json"];
    let read = |path: &str| formats::read_bytes(path, &fixture(path), None).expect("read").trajectories;
    files.into_iter().flat_map(read).collect()
}

#[test]
fn what_is_said_and_done_survives_the_way_through_a_log() {
    for trajectory in foreign() {
        let (_, loss) = there_and_back(NAME, &trajectory);
        let lost: Vec<&str> = loss.lost.iter().map(|lost| lost.field.as_str()).collect();
        let said = [
            "step.message.user",
            "step.message.agent",
            "step.reasoning",
            "call.name",
            "call.arguments",
            "call.id",
            "result.content",
            "result.call_id",
            "usage.prompt_tokens",
            "usage.completion_tokens",
        ];
        assert!(lost.iter().all(|field| !said.contains(field)), "{loss:#?}");
        assert!(!loss.reordered, "{loss:#?}");
    }
}

#[test]
fn samples_with_one_id_are_told_apart_by_their_epochs() {
    let one = Trajectory { id: Some("x".to_owned()), ..foreign().remove(0) };
    let Some(Writer::Collection { write, .. }) = formats::find(NAME).expect("it").write else {
        panic!("one file")
    };
    let bytes = write(&[one.clone(), one], &mut [Changes::default(), Changes::default()]);
    let log: Value = serde_json::from_slice(&bytes).expect("JSON");
    let ids: Vec<_> =
        log["samples"].as_array().expect("samples").iter().map(|one| (&one["id"], &one["epoch"])).collect();
    assert_eq!(ids, [(&json!("x"), &json!(1)), (&json!("x"), &json!(2))]);
}

fn python(arguments: &[&Path]) -> Vec<u8> {
    let output = Command::new(support::needs::venv_folder("formats").join("bin/python"))
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/formats/inspect-eval/consume.py"))
        .args(arguments)
        .output()
        .expect("python runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[test]
fn inspect_ai_loads_what_is_written() {
    need!(venv("formats"));
    let own = read("x.json", &fixture("inspect-eval/log.json")).trajectories;
    let logs: Vec<Vec<Trajectory>> =
        foreign().into_iter().map(|one| vec![one]).chain([own, foreign()]).collect();
    let out = support::temp();
    let mut paths = Vec::new();
    for (n, log) in logs.iter().enumerate() {
        let Some(Writer::Collection { write, .. }) = formats::find(NAME).expect("it").write else {
            panic!("one file")
        };
        let path = out.path().join(format!("{n}.json"));
        std::fs::write(&path, write(log, &mut vec![Changes::default(); log.len()])).expect("a file");
        paths.push(path);
    }
    let told = python(&paths.iter().map(std::path::PathBuf::as_path).collect::<Vec<_>>());
    let told: Vec<Value> = serde_json::from_slice(&told).expect("JSON");
    assert_eq!(told.len(), logs.len());
    for (told, log) in told.iter().zip(&logs) {
        let samples = told["samples"].as_array().expect("samples");
        assert_eq!(samples.len(), log.len());
        for (sample, trajectory) in samples.iter().zip(log) {
            let steps = || trajectory.steps.iter();
            assert_eq!(sample["replies"], steps().filter(|step| step.reply.is_some()).count());
            let calls: Vec<Value> = steps()
                .flat_map(|step| &step.calls)
                .map(|call| json!([call.name, call.arguments.parsed.clone().unwrap_or_default()]))
                .collect();
            assert_eq!(sample["calls"], Value::Array(calls));
            let results = steps().filter_map(|step| step.observation.as_ref()).map(|seen| seen.results.len());
            assert_eq!(sample["results"], results.sum::<usize>());
        }
    }
}

#[test]
fn an_archive_that_inspect_ai_writes_is_read() {
    need!(venv("formats"));
    let out = support::temp();
    let path = out.path().join("fresh.eval");
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/formats/inspect-eval/log.json");
    python(&[Path::new("make"), &from, &path]);
    let bytes = std::fs::read(&path).expect("the log");
    // This version packs its members with Zstandard.
    assert_eq!(u16::from_le_bytes([bytes[8], bytes[9]]), 93);
    let output = read("fresh.eval", &bytes);
    assert_eq!((&output.errors, &output.warnings), (&vec![], &vec![]));
    member_places_hold(&output);
    let before = read("x.json", &fixture("inspect-eval/log.json"));
    for trajectory in &output.trajectories {
        let same =
            before.trajectories.iter().find(|one| one.extra["id"] == trajectory.extra["id"]).expect("it");
        assert_eq!(shape(trajectory), shape(same));
        let report = loss(same, trajectory, &Changes::default());
        let lost: Vec<&str> =
            report.lost.iter().chain(&report.changed).map(|lost| lost.field.as_str()).collect();
        // Inspect AI writes its own members anew; what was said stands as before.
        let own =
            |field: &str| field.starts_with("extra.") || field.contains(".extra.") || field == "agent.tool";
        assert!(lost.iter().copied().all(own), "{report:#?}");
    }
    let written = written(NAME, &output.trajectories[0]).0;
    assert_eq!(read("again.json", &written[0].1).trajectories.len(), 1);
}
