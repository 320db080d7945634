//! JUnit XML: a test case a finding; a suite without any has one case that passed.
//!
//! A finding that counts (`--fail-on`) is a failure, a proof that could not be made an error.

use super::{Output, place, sentence};
use crate::cli::CliError;
use crate::cli::lint::Linted;
use crate::util::text::{name, one_line, unmarked};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

pub(super) static ITEM: Output = Output {
    name: "junit",
    about: "XML: a test case a finding, a failure if it counts",
    render: |linted, _| render(linted),
};

fn render(linted: &Linted) -> Result<String, CliError> {
    let mut report = Report::new("rolltape lint");
    let mut suite = TestSuite::new(name(&linted.suite));
    for finding in &linted.findings {
        let text = unmarked(&one_line(&sentence(finding))).into_owned();
        let status = if finding.severity >= linted.fail_on {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_message(text.clone());
            status.set_type(finding.lint);
            status
        } else {
            TestCaseStatus::success()
        };
        let mut case = TestCase::new(format!("{} {} {}", finding.lint, finding.name, place(finding)), status);
        case.set_classname(name(finding.task.as_deref().unwrap_or(&linted.suite)));
        case.set_system_out(text);
        suite.add_test_case(case);
    }
    for (task, agent, why) in &linted.errors {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
        status.set_message(unmarked(&one_line(why)).into_owned());
        status.set_type("proof");
        let mut case = TestCase::new(format!("proof with {}", name(agent)), status);
        case.set_classname(name(task));
        suite.add_test_case(case);
    }
    if suite.test_cases.is_empty() {
        suite.add_test_case(TestCase::new("lint", TestCaseStatus::success()));
    }
    report.add_test_suite(suite);
    report
        .to_string()
        .map_err(|error| CliError::harness(format!("the JUnit report can't be written: {error}")))
}
