//! SL014 unmet-needs: the task needs what no machine can give it.

use super::{Check, Found, Lint, Look};
use crate::model::Severity;

pub(super) static ITEM: Lint = Lint {
    id: "SL014",
    name: "unmet-needs",
    about: "the task needs what no machine can give it",
    since: "0.1.0",
    severity: Severity::Warning,
    manual: include_str!("unmet_needs.md"),
    check: Check::Suite(check),
};

/// What tasks of other harnesses ask for and no sandbox gives.
const NOWHERE: [(&str, &str); 3] = [
    ("gpu", "no sandbox shows a GPU"),
    ("image", "it is written for an image: give it a sandbox.root of its own"),
    ("internet", "no sandbox has all of the internet: name its hosts in sandbox.network"),
];

fn check(look: &Look<'_>, found: &mut Found) {
    for task in &look.suite.tasks {
        for need in &task.needs {
            let known = NOWHERE.iter().find(|(name, _)| name == need).map(|(_, why)| *why);
            let is_name = |c: char| c.is_alphanumeric() || "._+-".contains(c);
            let odd = (need.is_empty() || !need.chars().all(is_name))
                .then_some("it is neither the name of a program nor that of a power");
            if let Some(why) = known.or(odd) {
                let text = format!("the task needs '{need}', so it is always skipped: {why}");
                found.add(Some(&task.id), look.home(task), text);
            }
        }
    }
}
