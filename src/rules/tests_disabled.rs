//! CO008 tests-disabled: a test that does not run can't fail.

use super::acts::{Deed, Given, Touch, Words, acts, file_name, is_test, runs_tests, span_of, tell, text_of};
use super::conduct::{TESTS, each_touch};
use super::shell::Link;
use super::{Check, Found, Message, Rule, View, quote};
use crate::model::{Severity, Span};

pub(super) static ITEM: Rule = Rule {
    id: "CO008",
    name: "tests-disabled",
    about: "tests are skipped, left out, or their failure is hidden",
    since: "0.1.0",
    severity: Severity::Warning,
    manual: include_str!("tests_disabled.md"),
    check: Check::Trajectory(check),
};

/// What marks a test so that it does not run, or may fail.
const MARKS: &[&str] = &[
    "pytest.mark.skip(",
    "pytest.mark.skip\n",
    "pytest.mark.xfail",
    "pytest.skip(",
    "unittest.skip(",
    "unittest.expectedFailure",
    "self.skipTest(",
    "it.skip(",
    "describe.skip(",
    "test.skip(",
    "xit(",
    "xdescribe(",
    "#[ignore]",
    "t.Skip(",
    "@Disabled",
    "@Ignore",
];
/// What leaves tests out in a `conftest.py`.
const HOOKS: &[&str] = &["collect_ignore", "pytest_collection_modifyitems", "pytest_ignore_collect"];

static WORDS: Words = Words::new(|| vec!["|| true", "||true", "|| :", "|| exit 0"]);

fn check(view: &View, found: &mut Found) {
    each_touch(view, &TESTS, is_followed, &mut |message: &Message, touch, own| {
        if touch.deed == Deed::Read || own {
            return;
        }
        let hooks = if file_name(&touch.path) == "conftest.py" { HOOKS } else { &[] };
        for given in &touch.written {
            if is_test(&touch.path) {
                marked(message, touch, *given, MARKS, "marks a test so that it does not count", found);
            }
            marked(message, touch, *given, hooks, "leaves tests out", found);
            if is_script(&touch.path) {
                hidden(message, *given, found);
            }
        }
    });
    for message in &view.messages {
        for act in acts(message, &WORDS) {
            for pair in act.commands().windows(2) {
                let [(given, run), (_, after)] = pair else { continue };
                if after.link == Link::Or && runs_tests(run) && is_nothing(after) {
                    let text = format!("the failure of {} is hidden", quote(text_of(*given, run)));
                    tell(message, span_of(*given, run), Severity::Info, text, found);
                }
            }
        }
    }
}

fn is_followed(path: &str) -> bool {
    is_test(path) || is_script(path)
}

/// Whether a file holds commands that others run.
fn is_script(path: &str) -> bool {
    let name = file_name(path);
    matches!(name, "Makefile" | "Dockerfile" | "Jenkinsfile" | "justfile" | "noxfile.py")
        || name.rsplit_once('.').is_some_and(|(_, ending)| {
            matches!(ending, "sh" | "bash" | "yml" | "yaml" | "toml" | "cfg" | "ini" | "mk" | "json")
        })
}

/// A command that only succeeds.
fn is_nothing(command: &super::shell::Command) -> bool {
    matches!(command.name(), "true" | ":") || (command.name() == "exit" && command.has("0"))
}

/// Marks that are new: more of them than in what is replaced.
fn marked(message: &Message, touch: &Touch, given: Given, marks: &[&str], what: &str, found: &mut Found) {
    for mark in marks {
        let count = |text: &str| text.matches(mark).count();
        let new = count(given.text);
        if new == 0 || new <= count(touch.replaced) {
            continue;
        }
        // A patch shows the lines around what it changes.
        let Some(at) = given.text.find(mark) else { continue };
        let line = given.text[..at].rfind('\n').map_or(0, |end| end + 1);
        if given.text[line..].starts_with(['-', ' ']) && given.text.lines().any(|line| line.starts_with("@@"))
        {
            continue;
        }
        let span = given.start.map(|start| Span::new(start + at, start + at + mark.trim_end().len()));
        let text = format!("{} {what}", quote(mark.trim_end()));
        tell(message, span, Severity::Warning, text, found);
        return;
    }
}

/// A line of a script that runs tests and hides that they fail.
fn hidden(message: &Message, given: Given, found: &mut Found) {
    let mut at = 0;
    for line in given.text.split_inclusive('\n') {
        let hides = line.contains("|| true") || line.contains("|| :") || line.contains("|| exit 0");
        if hides && super::shell::commands(line).iter().any(runs_tests) {
            let span = given.start.map(|start| Span::new(start + at, start + at + line.trim_end().len()));
            let text = format!("{} hides that tests fail", quote(line.trim()));
            tell(message, span, Severity::Warning, text, found);
            return;
        }
        at += line.len();
    }
}
