//! JUnit XML: a test suite a file, a test case a trajectory.
//!
//! Invariant: a trajectory with a finding that counts (`--fail-on`) is a failure; what could not be read is an
//! error. `quick-junit` keeps the text to the characters of XML 1.0.

use super::{Look, Output};
use crate::cli::check::Plan;
use crate::cli::check::judge::{Checked, Item};
use crate::cli::check::spool::{HELD, Spool};
use crate::util::plural::plural;
use crate::util::text::{name, one_line, unmarked};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use std::collections::BTreeMap;
use std::io::{self, Read, Write};

pub(super) static ITEM: Output =
    Output { name: "junit", about: "XML: a test case a trajectory, a failure if a finding counts", render };

/// Findings of a trajectory that are told one by one.
const TOLD: usize = 100;

/// Cases that are turned into text together.
const TOGETHER: usize = 64;

fn render(checked: &Checked, plan: &Plan, _: &Look<'_>, out: &mut dyn Write) -> io::Result<()> {
    // Items stand in the order of their trajectories, those in the order of their files.
    let mut items = checked.items.iter();
    let mut next = items.next().transpose()?;
    let mut suites = Suites::default();
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
        suites.add(judged.path, case)?;
    }
    for error in checked.errors.iter() {
        let error = error?;
        let place = if error.line > 0 { format!("line {}", error.line) } else { "file".to_owned() };
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
        status.set_message(unmarked(&one_line(&error.message)).into_owned());
        status.set_type("unreadable");
        let mut case = TestCase::new(format!("{} {place}", name(&error.path)), status);
        case.set_classname(name(&error.path));
        suites.add(&error.path, case)?;
    }
    suites.write(out)
}

/// Test suites whose cases wait as text: the figures that stand before them are known only at the end.
struct Suites {
    spool: Spool,
    all: Vec<Suite>,
    known: BTreeMap<String, usize>,
    /// Cases that are no text yet and the suite that they belong to.
    open: (usize, Vec<TestCase>),
}

/// A suite without its cases.
struct Suite {
    head: TestSuite,
    /// Where the text of its cases lies.
    pieces: Vec<(u64, u64)>,
}

impl Default for Suites {
    fn default() -> Self {
        let known = BTreeMap::new();
        Self { spool: Spool::holding(HELD), all: Vec::new(), known, open: (0, Vec::new()) }
    }
}

impl Suites {
    fn add(&mut self, path: &str, case: TestCase) -> io::Result<()> {
        let at = *self.known.entry(name(path)).or_insert_with_key(|path| {
            self.all.push(Suite { head: TestSuite::new(path.as_str()), pieces: Vec::new() });
            self.all.len() - 1
        });
        if at != self.open.0 || self.open.1.len() >= TOGETHER {
            self.put_aside()?;
        }
        self.open.0 = at;
        self.open.1.push(case);
        Ok(())
    }

    /// Turns the open cases into text.
    fn put_aside(&mut self) -> io::Result<()> {
        let (at, cases) = (self.open.0, std::mem::take(&mut self.open.1));
        let Some(suite) = self.all.get_mut(at).filter(|_| !cases.is_empty()) else { return Ok(()) };
        let mut some = TestSuite::new("");
        some.add_test_cases(cases);
        suite.head.tests += some.tests;
        suite.head.errors += some.errors;
        suite.head.failures += some.failures;
        let text = written(some)?;
        let [_, _, cases] = parts(&text);
        let start = self.spool.bytes();
        self.spool.push(|out| out.extend_from_slice(cases.as_bytes()));
        let end = self.spool.bytes();
        match suite.pieces.last_mut() {
            Some(last) if last.1 == start => last.1 = end,
            _ => suite.pieces.push((start, end)),
        }
        Ok(())
    }

    fn write(mut self, out: &mut dyn Write) -> io::Result<()> {
        self.put_aside()?;
        let mut sum = TestSuite::new("");
        for Suite { head, .. } in &self.all {
            sum.tests += head.tests;
            sum.errors += head.errors;
            sum.failures += head.failures;
        }
        out.write_all(parts(&written(sum)?)[0].as_bytes())?;
        for mut suite in self.all {
            suite.head.test_cases.push(TestCase::new("", TestCaseStatus::success()));
            out.write_all(parts(&written(suite.head)?)[1].as_bytes())?;
            for (start, end) in suite.pieces {
                copy(&mut self.spool.piece(start, end), out)?;
            }
            out.write_all(SUITE_END.as_bytes())?;
        }
        out.write_all(END.as_bytes())
    }
}

const SUITE_END: &str = "    </testsuite>\n";
const END: &str = "</testsuites>\n";

/// A report of one suite.
fn written(suite: TestSuite) -> io::Result<String> {
    let mut report = Report::new("rolltape check");
    report.add_test_suite(suite);
    report.to_string().map_err(io::Error::other)
}

/// Of such a report what stands before the suite, the line that begins it, and its cases.
fn parts(report: &str) -> [&str; 3] {
    // No name holds an end of line, so the declaration and the two beginnings are one line each.
    let line = |text: &str| memchr::memchr(b'\n', text.as_bytes()).map_or(text.len(), |at| at + 1);
    let declared = line(report);
    let (before, rest) = report.split_at(declared + line(&report[declared..]));
    let (begin, cases) = rest.split_at(line(rest));
    let end = cases.len().saturating_sub(SUITE_END.len() + END.len());
    [before, begin, cases.get(..end).unwrap_or_default()]
}

/// Copies; an error of the file that the cases wait in is told apart from one of the output.
fn copy(from: &mut dyn Read, out: &mut dyn Write) -> io::Result<()> {
    let mut buffer = vec![0; 1 << 16];
    loop {
        match from.read(&mut buffer).map_err(io::Error::other)? {
            0 => return Ok(()),
            count => out.write_all(&buffer[..count])?,
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_make_the_report_that_would_have_been_held() {
        for count in [0, 1, TOGETHER, 4 * TOGETHER + 1] {
            let mut suites = Suites { spool: Spool::holding(2000), ..Suites::default() };
            let mut whole: Vec<TestSuite> = Vec::new();
            for n in 0..count {
                // Long runs of one file, and a file that comes again behind another.
                let path = format!("<{}>\n", if n < 2 * TOGETHER { 0 } else { n % 3 });
                let mut status = match n % 4 {
                    0 => TestCaseStatus::non_success(NonSuccessKind::Error),
                    1 => TestCaseStatus::non_success(NonSuccessKind::Failure),
                    _ => TestCaseStatus::success(),
                };
                if n % 4 < 2 {
                    status.set_description("two\n</testsuite>\n</testsuites>\n");
                }
                let case = TestCase::new(format!("é{n}"), status);
                let known = whole.iter().position(|suite| suite.name.as_str() == name(&path));
                let at = known.unwrap_or_else(|| {
                    whole.push(TestSuite::new(name(&path)));
                    whole.len() - 1
                });
                whole[at].add_test_case(case.clone());
                suites.add(&path, case).expect("added");
            }
            let mut out = Vec::new();
            assert_eq!(suites.spool.is_aside(), count > TOGETHER);
            suites.write(&mut out).expect("written");
            let mut report = Report::new("rolltape check");
            report.add_test_suites(whole);
            assert_eq!(String::from_utf8(out).expect("UTF-8"), report.to_string().expect("XML"));
        }
    }
}
