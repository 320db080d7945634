//! JUnit XML: a test suite a file, a test case a trajectory.
//!
//! Invariant: a trajectory with a finding that counts (`--fail-on`) is a failure; what could not be read is an
//! error. `quick-junit` keeps the text to the characters of XML 1.0.

use super::{Look, Output};
use crate::cli::check::Plan;
use crate::cli::check::judge::{Checked, Item};
use crate::util::plural::plural;
use crate::util::text::{name, one_line, unmarked};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use std::collections::BTreeMap;
use std::io::{self, Write};

pub(super) static ITEM: Output =
    Output { name: "junit", about: "XML: a test case a trajectory, a failure if a finding counts", render };

/// Findings of a trajectory that are told one by one.
const TOLD: usize = 100;

fn render(checked: &Checked, plan: &Plan, _: &Look<'_>, out: &mut dyn Write) -> io::Result<()> {
    let mut xml = Report::new("rolltape check");
    // Items stand in the order of their trajectories, those in the order of their files.
    let mut items = checked.items.iter();
    let mut next = items.next().transpose()?;
    let mut suites: Vec<TestSuite> = Vec::new();
    let mut known: BTreeMap<String, usize> = BTreeMap::new();
    let mut add = |path: &str, case: TestCase| {
        let at = *known.entry(name(path)).or_insert_with_key(|path| {
            suites.push(TestSuite::new(path.as_str()));
            suites.len() - 1
        });
        suites[at].add_test_case(case);
    };
    for (index, judged) in checked.judged.iter().enumerate() {
        let mut own = Vec::new();
        while let Some(item) = next.take_if(|item| item.judged == index) {
            own.push(item);
            next = items.next().transpose()?;
        }
        let file = judged.path.rsplit('/').next().unwrap_or(judged.path);
        let mut case = TestCase::new(format!("{}#{}", name(file), judged.number), status(&own, plan));
        case.set_classname(name(judged.path));
        case.add_property(("line", judged.line.to_string().as_str()));
        let others: Vec<&Item> = own.iter().filter(|item| !counts(item, plan)).collect();
        if !others.is_empty() {
            case.set_system_out(told(&others));
        }
        add(judged.path, case);
    }
    for error in checked.errors.iter() {
        let error = error?;
        let place = if error.line > 0 { format!("line {}", error.line) } else { "file".to_owned() };
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
        status.set_message(unmarked(&one_line(&error.message)).into_owned());
        status.set_type("unreadable");
        let mut case = TestCase::new(format!("{} {place}", name(&error.path)), status);
        case.set_classname(name(&error.path));
        add(&error.path, case);
    }
    xml.add_test_suites(suites);
    // Writing to memory can't fail, and all text is escaped.
    out.write_all(xml.to_string().unwrap_or_default().as_bytes())
}

fn counts(item: &Item, plan: &Plan) -> bool {
    item.finding.severity >= plan.fail_on
}

fn status(own: &[Item], plan: &Plan) -> TestCaseStatus {
    let counting: Vec<&Item> = own.iter().filter(|item| counts(item, plan)).collect();
    let Some(first) = counting.first() else { return TestCaseStatus::success() };
    let more = match counting.len() - 1 {
        0 => String::new(),
        more => format!(", and {} more", plural(more, "finding")),
    };
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
    status.set_message(format!("{} {}{more}", first.finding.rule, sentence(first)));
    status.set_type(first.finding.rule);
    status.set_description(told(&counting));
    status
}

fn sentence(item: &Item) -> String {
    unmarked(&one_line(&item.finding.text)).into_owned()
}

/// Findings, one a line.
fn told(items: &[&Item]) -> String {
    let mut out = String::new();
    for item in items.iter().take(TOLD) {
        let finding = &item.finding;
        let (line, column) = finding.location.as_ref().map_or((1, 1), |at| (at.line, at.column));
        out.push_str(&format!(
            "{}:{line}:{column}: {} {} ({}) {}\n",
            name(&item.path),
            finding.severity.as_str(),
            finding.rule,
            finding.name,
            sentence(item)
        ));
    }
    if items.len() > TOLD {
        out.push_str(&format!("and {} more\n", items.len() - TOLD));
    }
    out
}
