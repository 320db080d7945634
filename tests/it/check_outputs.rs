//! The outputs of `check` for other programs: they read back, and nothing in a file, its name included, steers who
//! looks at them.

use crate::support::{self, Rolltape};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;

const FORMATS: [&str; 8] = ["text", "json", "jsonl", "csv", "markdown", "junit", "sarif", "github"];

/// Names of files that are something else to a terminal, a spreadsheet, Markdown or a CI service.
const NAMES: [&str; 10] = [
    "=cmd|' calc'!A0.json",
    "@all ![x](y) <b>|.json",
    "::error file=x,line=1::pwned.json",
    "##vso[task.setvariable variable=x]y.json",
    "a ##[error]b ##teamcity[x].json",
    "\x1b[2J\x1b]0;x\x07.json",
    "cr\rlf\n::warning::x.json",
    "c1\u{9b}31m\u{202e}.json",
    "100%25:a,b.json",
    "任务 `tick` 😀.json",
];

fn run(folder: &Path, arguments: &[&str]) -> support::Output {
    Rolltape::new(arguments).cwd(folder).run()
}

/// A transcript whose call has a hostile name, so that findings quote it.
fn transcript(text: &str) -> String {
    let call = serde_json::json!({ "id": "c", "type": "function",
        "function": { "name": text, "arguments": "{" } });
    serde_json::json!({ "messages": [
        { "role": "user", "content": text },
        { "role": "assistant", "content": text, "tool_calls": [call] },
        { "role": "assistant", "content": format!("{text}\n{text}") },
    ]})
    .to_string()
}

/// A folder whose files have hostile names and contents, one of them unreadable.
fn hostile_folder() -> tempfile::TempDir {
    let folder = support::temp();
    for name in NAMES {
        fs::write(folder.path().join(name), transcript(name)).expect("a file");
    }
    fs::write(folder.path().join("torn\u{1b}[31m.jsonl"), format!("{}\n{{\"a", transcript("x")))
        .expect("a file");
    fs::write(folder.path().join("tools.txt"), r#"[{"name": "finish", "parameters": {}}]"#).expect("tools");
    folder
}

fn check_one(format: &str, text: &str) {
    let control = text.chars().find(|c| c.is_control() && *c != '\n');
    assert_eq!(control, None, "{format}: {text:.3000?}");
    let bidi = text.chars().find(|c| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'));
    assert_eq!(bidi, None, "{format}");
    let lower = text.to_lowercase();
    for marker in ["##[", "##vso[", "##teamcity["] {
        assert!(!lower.contains(marker), "{format}: {marker}");
    }
    for line in text.lines().filter(|line| line.trim_start().starts_with("::")) {
        let ours = ["::error ", "::warning ", "::notice "].iter().any(|command| line.starts_with(command));
        assert!(format == "github" && ours, "{format}: {line}");
    }
    match format {
        "csv" => csv(text),
        "markdown" => markdown(text),
        "github" => assert!(text.lines().all(|line| line.starts_with("::")), "{text}"),
        "sarif" => drop(sarif(text)),
        "junit" => drop(quick_junit::Report::deserialize_from_str(text).expect("JUnit")),
        "json" => drop(serde_json::from_str::<Value>(text).expect("JSON")),
        "jsonl" => text.lines().for_each(|line| drop(serde_json::from_str::<Value>(line).expect("JSON"))),
        _ => {}
    }
}

fn csv(text: &str) {
    let mut reader = ::csv::Reader::from_reader(text.as_bytes());
    let rows: Vec<::csv::StringRecord> = reader.records().map(|row| row.expect("a row")).collect();
    assert!(rows.len() > 3);
    for row in &rows {
        assert_eq!(row.len(), 15);
        for cell in row {
            assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r']), "{cell}");
        }
        assert!(row[2].parse::<u64>().is_ok(), "{row:?}");
    }
}

/// Every row of a table has the cells of its head, and nothing but our words stands outside of code spans.
fn markdown(text: &str) {
    let mut cells = None;
    for line in text.lines() {
        let bare = without_code(line);
        assert!(!bare.contains(['<', '@', '!', '[', '#', '`']) || line.starts_with('#'), "{line}\n{bare}");
        if !line.starts_with('|') {
            cells = None;
            continue;
        }
        // A bar ends a cell in code too, unless there is a backslash before it.
        let bars = line.replace("\\|", "").matches('|').count();
        assert_eq!(*cells.get_or_insert(bars), bars, "{line}");
    }
}

fn without_code(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some(at) = rest.find('`') {
        out.push_str(&rest[..at]);
        let ticks = rest[at..].len() - rest[at..].trim_start_matches('`').len();
        let fence = &rest[at..at + ticks];
        let mut inside = &rest[at + ticks..];
        // The span ends at a run of the same length.
        loop {
            let end = inside.find(fence).unwrap_or_else(|| panic!("an open code span: {line}"));
            let run = inside[end..].len() - inside[end..].trim_start_matches('`').len();
            inside = &inside[end + run..];
            if run == ticks {
                break;
            }
        }
        rest = inside;
    }
    out + rest
}

/// The log, once the typed crate has read it and given it back whole.
fn sarif(text: &str) -> serde_sarif::sarif::Sarif {
    let log: serde_sarif::sarif::Sarif = serde_json::from_str(text).expect("SARIF");
    let again = serde_json::to_value(&log).expect("a value");
    let mut ours: Value = serde_json::from_str(text).expect("JSON");
    without_nulls(&mut ours);
    let mut again_clean = again;
    without_nulls(&mut again_clean);
    assert_eq!(ours, again_clean, "the typed crate knows every field");
    log
}

fn without_nulls(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.retain(|_, inner| !inner.is_null());
            object.values_mut().for_each(without_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(without_nulls),
        _ => {}
    }
}

#[test]
fn hostile_names_and_texts_steer_nothing() {
    let folder = hostile_folder();
    for format in FORMATS {
        let arguments = ["check", "--tools", "tools.txt", "--fail-on=info", "--format", format, "."];
        let output = run(folder.path(), &arguments).expect_code(2);
        check_one(format, &output.stdout);
        let harmful = output.stderr.chars().find(|c| c.is_control() && *c != '\n');
        assert_eq!(harmful, None, "{format}: {:?}", output.stderr);
        let file = run(folder.path(), &[&arguments[..], &["-o", "out.tmp"]].concat()).expect_code(2);
        assert_eq!(file.stdout, "");
        assert_eq!(fs::read_to_string(folder.path().join("out.tmp")).expect("a file"), output.stdout);
        fs::remove_file(folder.path().join("out.tmp")).expect("it goes");
    }
}

#[test]
fn hostile_inputs_steer_no_output() {
    need!("python3");
    let Some(generator) = support::data("hostile_inputs.py") else { return };
    let folder = support::temp();
    let made = Command::new("python3").arg(generator).arg(folder.path()).output().expect("python3 runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    fs::write(folder.path().join("tools.txt"), r#"[{"name": "finish", "parameters": {}}]"#).expect("tools");
    let manifest: Value =
        serde_json::from_str(&support::read(&folder.path().join("manifest.json"))).expect("JSON");
    let cases = manifest.as_array().expect("a list").iter().filter(|case| case["target"] == "report").count();
    assert!(cases > 10, "only {cases} cases");
    for format in FORMATS {
        let arguments = ["check", "--tools", "tools.txt", "--format", format, "report"];
        let output = run(folder.path(), &arguments).expect_code(1);
        check_one(format, &output.stdout);
        assert!(output.stdout.contains("FC006"), "{format}: the calls are of tools that nobody knows");
    }
}

#[test]
fn hostile_findings_are_well_formed_xml() {
    need!("python3");
    let folder = hostile_folder();
    run(folder.path(), &["check", "--format=junit", "-o", "out.xml", "."]).expect_code(2);
    let script = "import sys, xml.etree.ElementTree as E\n\
        root = E.parse(sys.argv[1]).getroot()\n\
        cases = list(root.iter('testcase'))\n\
        print(len(cases), len(list(root.iter('failure'))), len(list(root.iter('error'))))\n";
    let read = Command::new("python3")
        .args(["-c", script, "out.xml"])
        .current_dir(folder.path())
        .output()
        .expect("python3");
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    // Eleven transcripts with findings that count, one torn line.
    assert_eq!(String::from_utf8_lossy(&read.stdout), "12 11 1\n");
}

const SMALL: &str = r#"{"messages":[{"role":"user","content":"go"},{"role":"assistant","content":"好的 <function=f>\n</function>\n<function=g>\n</function> 然后"}]}
{"messages":[{"role":"user","content":"go"},{"role":"assistant","content":"<function=finish>\n</function>"}]}
"#;

#[test]
fn each_output_looks_like_this() {
    let folder = support::temp();
    fs::write(folder.path().join("two, 任务.jsonl"), format!("{SMALL}{{\"torn")).expect("a file");
    for format in ["csv", "markdown", "junit", "github"] {
        let output = run(folder.path(), &["check", "--format", format, "two, 任务.jsonl"]).expect_code(2);
        insta::assert_snapshot!(format!("check_{format}"), output.stdout);
    }
}

#[test]
fn sarif_places_what_it_tells_by_characters() {
    let folder = support::temp();
    fs::create_dir(folder.path().join("a b")).expect("a folder");
    let name = "a b/c:d#任.jsonl";
    fs::write(folder.path().join(name), SMALL).expect("a file");
    let absolute = folder.path().canonicalize().expect("a path").join(name);
    let named = run(folder.path(), &["check", "--format=sarif", &absolute.display().to_string()]);
    let output = run(folder.path(), &["check", "--format=sarif", &format!("./{name}")]).expect_code(1);
    assert_eq!(output.stdout, named.stdout, "a path below the current folder is told relatively");
    let log = sarif(&output.stdout);
    let whole = &log.runs[0];
    let results = whole.results.as_ref().expect("results");
    let rules = whole.tool.driver.rules.as_ref().expect("rules");
    assert_eq!(rules.len(), rolltape::rules::ALL.len());
    let two = results.iter().find(|one| one.rule_id.as_deref() == Some("FC002")).expect("FC002");
    assert_eq!(rules[two.rule_index.expect("an index") as usize].id, "FC002");
    let place = two.locations.as_ref().expect("a place")[0].physical_location.as_ref().expect("a file");
    let uri = place.artifact_location.as_ref().and_then(|file| file.uri.clone());
    assert_eq!(uri.as_deref(), Some("a%20b/c%3Ad%23%E4%BB%BB.jsonl"));
    let region = place.region.as_ref().expect("a region");
    let start = SMALL.chars().collect::<String>().find("<function=g>").expect("the second call");
    let column = SMALL[..start].chars().count() as i64 + 1;
    assert_eq!((region.start_line, region.start_column), (Some(1), Some(column)));
    assert_eq!((region.end_line, region.end_column), (Some(1), Some(column + 12)));
}

#[test]
fn a_finding_is_known_again_where_it_moved_to() {
    let prints = |text: &str| -> Vec<String> {
        let output = Rolltape::new(&["check", "--format=sarif", "-"]).stdin(text).run();
        let log: Value = serde_json::from_str(&output.stdout).expect("JSON");
        let results = log["runs"][0]["results"].as_array().expect("a list").clone();
        results.iter().map(|one| one["partialFingerprints"]["findingContent/v1"].to_string()).collect()
    };
    let line = SMALL.lines().next().expect("a line");
    let once = prints(line);
    let moved = prints(&format!("{}\n{line}", SMALL.lines().nth(1).expect("a line")));
    assert!(!once.is_empty() && once == moved, "{once:?} {moved:?}");
    let twice = prints(&format!("{line}\n{line}"));
    let distinct: std::collections::BTreeSet<&String> = twice.iter().collect();
    assert_eq!((twice.len(), distinct.len()), (2 * once.len(), 2 * once.len()), "{twice:?}");
    let changed = prints(&line.replace("<function=g>", "<function=h>"));
    assert_ne!(once, changed);
}

#[test]
fn an_output_is_named_in_help_and_slips_are_told() {
    let help = Rolltape::new(&["check", "--help"]).run().expect_code(0).stdout;
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    for format in FORMATS {
        assert!(help.contains(&format!("{format} (")), "{format}: {help}");
    }
    let slip = Rolltape::new(&["check", "-", "--format", "sariff"]).stdin("").run().expect_code(2);
    assert_eq!(slip.stderr, "error: no output format is named 'sariff'\nhint: did you mean 'sarif'?\n");
}

#[test]
fn a_run_gives_the_same_log_wherever_it_lies() {
    let report = |format: &str| {
        let run = support::root().join("reports/sample");
        let arguments = ["report", &run.display().to_string(), "--format", format];
        Rolltape::new(&arguments).run().expect_code(0).stdout
    };
    let log = sarif(&report("sarif"));
    let results = log.runs[0].results.as_ref().expect("results");
    assert_eq!(results.len(), 10);
    let place = &results[0].locations.as_ref().expect("a place")[0];
    let attempt = place.logical_locations.as_ref().expect("an attempt")[0].fully_qualified_name.as_deref();
    assert_eq!(attempt, Some("deepseek-api/bad-key/codeact@cassette:deepseek-api-sloppy/1"));
    let commands = report("github");
    check_one("github", &commands);
    let errors = commands.lines().filter(|line| line.starts_with("::error ")).count();
    assert_eq!(errors, 11, "two attempts that did not pass, nine findings");
}
