//! JUnit XML, as CI services read it.
//!
//! Invariant: a scored attempt that did not pass is a failure; only what the harness could not do is an
//! error; skipped and cancelled attempts are skipped with their reason. `quick-junit` keeps the text to
//! the characters of XML 1.0; long output is cut and the cut is said.

use super::stats::duration_ms;
use super::{Options, Report, Shown, text};
use crate::model::{AttemptRecord, Outcome, Source};
use crate::store::Trajectories;
use quick_junit::{NonSuccessKind, Property, Report as Xml, TestCase, TestCaseStatus, TestSuite, XmlString};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::io;
use std::time::Duration;

pub(super) static ITEM: Report = Report {
    name: "junit",
    file: Some("junit.xml"),
    about: "JUnit XML: one test case an attempt, one test suite a suite and subject",
    render,
};

/// Bytes of output kept for a case.
const OUTPUT: usize = 16 * 1024;

fn render(view: &Shown<'_>, options: &Options, out: &mut Vec<u8>) -> io::Result<()> {
    let tape = view.trajectories();
    let mut xml = Xml::new(view.manifest.id.0.as_str());
    let mut suites: Vec<((&str, &str), TestSuite)> = Vec::new();
    let mut words = Words::default();
    for record in &view.records {
        let key = (record.id.suite.as_str(), record.id.subject.as_str());
        let at = suites.iter().position(|(known, _)| *known == key).unwrap_or_else(|| {
            let mut suite = TestSuite::new(text::one_line(&format!("{} {}", key.0, key.1)));
            suite.add_property(("sandbox", view.manifest.sandbox.as_str()));
            suite.add_property(("seed", view.manifest.seed.to_string().as_str()));
            suites.push((key, suite));
            suites.len() - 1
        });
        suites[at].1.add_test_case(case(&tape, record, options, &mut words));
    }
    for (_, mut suite) in suites {
        let total: Option<Duration> = suite.test_cases.iter().map(|case| case.time).sum();
        if let Some(total) = total
            && options.timing
        {
            suite.set_time(total);
        }
        xml.add_test_suite(suite);
    }
    xml.serialize(out).map_err(io::Error::other)
}

/// Texts that come in most cases, made fit for XML once.
#[derive(Default)]
struct Words(HashMap<String, XmlString>);

impl Words {
    fn of(&mut self, text: &str) -> XmlString {
        if let Some(known) = self.0.get(text) {
            return known.clone();
        }
        self.0.entry(text.to_owned()).or_insert_with(|| text.into()).clone()
    }

    fn property(&mut self, name: &str, value: &str) -> Property {
        Property::new(self.of(name), self.of(value))
    }
}

fn case(tape: &Trajectories<'_>, record: &AttemptRecord, options: &Options, words: &mut Words) -> TestCase {
    let mut case =
        TestCase::new(text::one_line(&format!("{}/{}", record.id.task, record.id.n)), status(record));
    let class = text::one_line(&format!("{}.{}", record.id.suite, record.id.subject));
    case.set_classname(words.of(&class));
    case.add_property(words.property("outcome", &text::outcome(record)));
    if let Some(ok) = record.format_ok {
        case.add_property(words.property("format_ok", if ok { "true" } else { "false" }));
    }
    if let Some(reward) = record.reward {
        case.add_property(words.property("reward", &reward.to_string()));
    }
    if options.timing
        && let Some(ms) = duration_ms(record)
    {
        case.set_time(Duration::from_secs_f64((ms / 1000.0).clamp(0.0, 1e9)));
    }
    let ran = !matches!(record.outcome, Outcome::Skipped(_));
    if ran && record.outcome != Outcome::Passed {
        case.set_system_out(transcript(tape, record));
    }
    case
}

fn status(record: &AttemptRecord) -> TestCaseStatus {
    let mut status = match &record.outcome {
        Outcome::Passed => return TestCaseStatus::success(),
        Outcome::Skipped(_) | Outcome::Cancelled => TestCaseStatus::skipped(),
        Outcome::Error(_) => TestCaseStatus::non_success(NonSuccessKind::Error),
        Outcome::Failed | Outcome::Invalid | Outcome::Limit(_) => {
            TestCaseStatus::non_success(NonSuccessKind::Failure)
        }
    };
    let reason = text::one_line(&text::reason(record));
    status.set_message(if reason.is_empty() { text::outcome(record) } else { reason });
    if record.outcome.is_scored() || matches!(record.outcome, Outcome::Error(_)) {
        status.set_type(text::outcome(record));
        status.set_description(details(record));
    }
    status
}

/// Scores and findings, one a line.
fn details(record: &AttemptRecord) -> String {
    let mut out = String::new();
    for score in &record.scores {
        let value = score.value.map_or("none".to_owned(), |value| value.to_string());
        // Writing to a string can't fail.
        let _ = writeln!(out, "score {} {value}: {}", score.scorer, text::one_line(&score.reason));
    }
    for finding in &record.findings {
        let step = finding.step.map_or(String::new(), |step| format!(" step {step}"));
        let severity = finding.severity.as_str();
        let _ = writeln!(out, "{} {severity}{step}: {}", finding.rule, text::one_line(&finding.text));
    }
    out
}

/// What was said, oldest first; of a long one the end is kept, for that is where it went wrong. Each line
/// is quoted: CI services run lines that begin with `::` or `##` when they show the output.
fn transcript(tape: &Trajectories<'_>, record: &AttemptRecord) -> String {
    let trajectory = match tape.read(record) {
        Ok(trajectory) => trajectory,
        Err(error) => return error.to_string(),
    };
    let quoted =
        |content: &str| text::visible(content).lines().map(|line| format!("| {line}\n")).collect::<String>();
    let mut out = String::new();
    for step in trajectory.steps.iter().filter(|step| step.source == Source::Agent) {
        let _ = write!(out, "step {}\n{}", step.id, quoted(&step.judged_text()));
        for result in step.observation.iter().flat_map(|observation| &observation.results) {
            let content = result.content.as_ref().map(crate::model::Message::text).unwrap_or_default();
            let _ = write!(out, "observation\n{}", quoted(&content));
        }
    }
    if out.len() <= OUTPUT {
        return out;
    }
    let from = out.len() - OUTPUT;
    let from = out.bytes().skip(from).position(|byte| byte == b'\n').map_or(out.len(), |at| from + at + 1);
    format!("[the first {from} bytes are left out]\n{}", &out[from..])
}
