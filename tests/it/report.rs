//! The reports: the same bytes for the same run, and harmless whatever a model wrote.

use crate::runs;
use crate::support::{Rolltape, rolltape, temp};
use rolltape::report::{self, Options};
use rolltape::store::{self, RunView};
use serde_json::json;
use std::fs;
use std::process::Command;

const PLANNED: u64 = 8;

fn demo() -> (tempfile::TempDir, RunView) {
    let folder = temp();
    let view = runs::write(&folder.path().join("run"), PLANNED);
    (folder, view)
}

fn render(view: &RunView, name: &str, timing: bool) -> String {
    let report = report::find(name).unwrap_or_else(|| panic!("no report {name}"));
    let options = Options { timing, ..Options::file() };
    String::from_utf8(report::render(report, &report::Shown::new(view), &options).unwrap()).unwrap()
}

#[test]
fn each_report_is_as_it_was() {
    let (_folder, view) = demo();
    for name in ["table", "csv", "json", "jsonl", "junit", "markdown", "github"] {
        insta::assert_snapshot!(format!("{name}_timing"), render(&view, name, true));
        insta::assert_snapshot!(name, render(&view, name, false));
    }
}

#[test]
fn what_depends_on_the_clock_can_be_left_out() {
    let (_folder, view) = demo();
    let mut later = view.clone();
    for record in &mut later.records {
        record.timing.insert("duration_ms".to_owned(), 9.into());
        record.timing.insert("started".to_owned(), "2030-01-01T00:00:00Z".into());
    }
    later.manifest.timing.insert("started".to_owned(), "2030-01-01T00:00:00Z".into());
    for report in report::ALL {
        let (now, then) = (render(&view, report.name, false), render(&later, report.name, false));
        assert_eq!(now, then, "{}", report.name);
        assert!(!now.contains("2026-11-23T16:19:0"), "{} tells the time", report.name);
        assert!(!now.contains("data-timing"), "{}", report.name);
        // Findings know no clock.
        let timed = !matches!(report.name, "sarif" | "github");
        let told = render(&view, report.name, true) != render(&later, report.name, true);
        assert_eq!(told, timed, "{}", report.name);
    }
}

#[test]
fn the_order_in_which_attempts_ended_leaves_no_trace() {
    let folder = temp();
    let mut texts = Vec::new();
    for (name, order) in [("a", [0, 1, 2, 3, 4, 5, 6, 7]), ("b", [7, 3, 6, 0, 5, 1, 4, 2])] {
        let dir = folder.path().join(name);
        let mut recorder = store::Recorder::create(&dir).unwrap();
        let mut sink = recorder.sink();
        for event in runs::events(PLANNED, order) {
            sink.on(&event).unwrap();
        }
        recorder.finish().unwrap();
        let view = store::open(&dir).unwrap();
        texts.push(report::ALL.iter().map(|report| render(&view, report.name, false)).collect::<Vec<_>>());
    }
    assert_eq!(texts[0], texts[1]);
}

#[test]
fn no_report_steers_a_terminal() {
    let (_folder, view) = demo();
    for report in report::ALL {
        let text = render(&view, report.name, true);
        let bad = text.chars().find(|c| c.is_control() && *c != '\n' && *c != '\t');
        assert_eq!(bad, None, "{}", report.name);
        if !report.name.starts_with("json") {
            assert!(!text.contains('\u{202e}'), "{}", report.name);
        }
        // CI services run such lines, wherever they come from and however they are indented.
        let command = text
            .lines()
            .map(str::trim_start)
            .filter(|line| report.name != "github" || !is_annotation(line))
            .find(|line| line.starts_with("::") || line.starts_with("##[") || line.starts_with("##vso"));
        assert_eq!(command, None, "{}", report.name);
    }
}

/// A command of our own.
fn is_annotation(line: &str) -> bool {
    ["::error title=", "::warning title=", "::notice title="].iter().any(|start| line.starts_with(start))
}

#[test]
fn colour_is_only_there_when_asked_for() {
    let (_folder, view) = demo();
    let table = report::find("table").unwrap();
    let with = report::render(table, &report::Shown::new(&view), &Options { color: true, ..Options::file() })
        .unwrap();
    let with = String::from_utf8(with).unwrap();
    assert!(with.contains("\x1b[31m") && with.contains("\x1b[32m"));
    let mut plain = String::new();
    let mut rest = with.as_str();
    while let Some(at) = rest.find("\x1b[") {
        plain.push_str(&rest[..at]);
        rest = &rest[at..];
        rest = &rest[rest.find('m').unwrap() + 1..];
    }
    plain.push_str(rest);
    assert_eq!(plain, render(&view, "table", true), "colour moves nothing");
}

#[test]
fn columns_stand_under_each_other_in_any_script() {
    let (_folder, view) = demo();
    let table = render(&view, "table", true);
    let box_lines: Vec<&str> = table.lines().filter(|line| line.starts_with(['│', '╭', '├', '╰'])).collect();
    assert!(box_lines.len() > 10);
    let width = rolltape::util::text::width(box_lines[0]);
    for line in box_lines {
        assert_eq!(rolltape::util::text::width(line), width, "{line}");
    }
}

#[test]
fn csv_reads_back_and_runs_no_formula() {
    let (_folder, mut view) = demo();
    view.records[5].scores[1].reason = "=HYPERLINK(\"http://example.invalid\")".to_owned();
    view.records[5].scores[1].scorer = "=cmd|' /C calc'!A0".to_owned();
    let text = render(&view, "csv", true);
    let mut reader = ::csv::Reader::from_reader(text.as_bytes());
    let header = reader.headers().unwrap().clone();
    let rows: Vec<::csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), PLANNED as usize);
    for row in &rows {
        for (name, cell) in header.iter().zip(row) {
            let formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
            assert!(!formula, "{name}: {cell}");
        }
    }
    let column = |name: &str| header.iter().position(|known| known == name).unwrap();
    assert_eq!(&rows[0][column("outcome")], "passed");
    assert_eq!(&rows[3][column("success")], "", "an error is no zero");
    assert_eq!(&rows[2][column("cost_usd")], "", "unknown is no zero");
    assert_eq!(rows[0][column("seed")].parse::<u64>().unwrap(), u64::MAX);
}

#[test]
fn junit_reads_back_with_each_verdict_in_its_place() {
    use quick_junit::{NonSuccessKind, Report, TestCaseStatus};
    let (_folder, view) = demo();
    let report = Report::deserialize_from_str(&render(&view, "junit", true)).unwrap();
    let counts = (report.tests, report.failures, report.errors, report.skipped);
    assert_eq!(counts, (8, 3, 1, 2));
    let cases = &report.test_suites[0].test_cases;
    let TestCaseStatus::NonSuccess { kind, message, description, .. } = &cases[5].status else {
        panic!("{:?}", cases[5]);
    };
    assert_eq!(*kind, NonSuccessKind::Failure);
    assert_eq!(message.as_ref().unwrap().as_str(), "service: no request reached the server");
    assert!(description.as_ref().unwrap().as_str().contains("]]>"));
    assert_eq!(cases[0].time, Some(std::time::Duration::from_millis(1234)));
    assert!(cases[5].system_out.as_ref().unwrap().as_str().contains("alert('x')"));
}

#[test]
fn junit_is_xml_to_another_parser_too() {
    need!("python3");
    let (folder, view) = demo();
    let path = folder.path().join("junit.xml");
    fs::write(&path, render(&view, "junit", true)).unwrap();
    let script = "import sys, xml.etree.ElementTree as E\n\
        for case in E.parse(sys.argv[1]).getroot().iter('testcase'):\n\
        \x20   kinds = [c.tag for c in case if c.tag in ('failure', 'error', 'skipped')]\n\
        \x20   print(case.get('name'), *(kinds or ['passed']))\n";
    let out = Command::new("python3").args(["-c", script]).arg(&path).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    assert_eq!(
        String::from_utf8(out.stdout).unwrap(),
        "first-call/1 passed\nsloppy/1 failure\nloops/1 failure\ntape/1 error\nneeds-curl/1 skipped\n\
         中文任务/1 failure\nstopped/1 skipped\nmodels/1 passed\n"
    );
}

#[test]
fn derived_files_are_made_again_byte_for_byte() {
    let (folder, view) = demo();
    let files = report::write_derived(&report::Shown::new(&view), &Options::file(), &|| true).unwrap();
    let names: Vec<_> = files.iter().map(|file| file.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["attempts.csv", "summary.json", "junit.xml", "report.md", "report.html"]);
    for (file, format) in files.iter().zip(["csv", "json", "junit", "markdown", "html"]) {
        let again = folder.path().join("again");
        let (run, out) = (view.dir.to_str().unwrap(), again.to_str().unwrap());
        rolltape(&["report", run, "--format", format, "-o", out]).expect_code(0);
        assert_eq!(fs::read(file).unwrap(), fs::read(&again).unwrap(), "{format} to a file");
        let stdout = rolltape(&["report", run, "--format", format]).expect_code(0).stdout;
        assert_eq!(fs::read_to_string(file).unwrap(), stdout, "{format} to stdout");
    }
}

#[test]
fn what_can_not_be_reported_is_told_in_one_sentence() {
    let (folder, view) = demo();
    let run = view.dir.to_str().unwrap();
    let here = folder.path();
    let missing = here.join("none");
    let mut told = String::new();
    for arguments in [
        &["report", run, "--format", "markdwon"][..],
        &["report", run, "--format", "x"],
        &["report", missing.to_str().unwrap()],
        &["report", here.to_str().unwrap()],
        &["report", run, "-o", missing.join("deep").to_str().unwrap()],
        &["report", run, "-o", "/dev/full"],
    ] {
        told += &rolltape(arguments).masked(here, "HERE");
        told.push('\n');
    }
    insta::assert_snapshot!(told);
}

#[test]
fn a_run_is_found_by_its_name() {
    let folder = temp();
    runs::write(&folder.path().join("reports/20261123T161900-demo-3f2a"), 3);
    let named = Rolltape::new(&["report", "20261123T161900-demo-3f2a"]).cwd(folder.path());
    assert!(named.run().expect_code(0).stdout.contains("success 1/3 (33 %) scored"));
}

#[test]
fn requests_that_were_sent_again_are_told() {
    let folder = temp();
    let mut view = runs::write(&folder.path().join("run"), 3);
    let markdown = |view: &store::RunView, options: &Options| {
        let report = report::find("markdown").unwrap();
        String::from_utf8(report::render(report, &report::Shown::new(view), options).unwrap()).unwrap()
    };
    assert!(!markdown(&view, &Options::file()).contains("sent again"));
    let retry = json!({"turn": 1, "at_ms": 1, "wait_ms": 2, "reason": "the server x is busy"});
    for (at, times) in [(0, 1), (2, 4)] {
        view.records[at].timing.insert("retries".to_owned(), vec![retry.clone(); times].into());
    }
    let told = "- `codeact@scripted`: 5 requests had to be sent again, in 2 attempts.\n\n| attempt";
    assert!(markdown(&view, &Options::file()).contains(told), "{}", markdown(&view, &Options::file()));
    let no_timing = Options { timing: false, ..Options::file() };
    assert!(!markdown(&view, &no_timing).contains("sent again"), "it depends on the day");
}
