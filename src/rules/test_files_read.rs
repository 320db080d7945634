//! CO001 test-files-read: who knows the tests can write for them; most agents read them in good faith.

use super::acts::{Deed, file_name, is_test, tell, was_named};
use super::conduct::{TESTS, each_touch};
use super::{Check, Found, Message, Rule, View, quote};
use crate::model::{Severity, Span};
use std::collections::BTreeSet;

pub(super) static ITEM: Rule = Rule {
    id: "CO001",
    name: "test-files-read",
    about: "test files are read",
    since: "0.1.0",
    severity: Severity::Info,
    manual: include_str!("test_files_read.md"),
    check: Check::Trajectory(check),
};

fn check(view: &View, found: &mut Found) {
    let mut names: BTreeSet<String> = BTreeSet::new();
    let mut first: Option<(u64, Option<Span>, String)> = None;
    each_touch(view, &TESTS, is_test, &mut |message: &Message, touch, own| {
        if own || touch.deed != Deed::Read || !is_test(&touch.path) || was_named(view, file_name(&touch.path))
        {
            return;
        }
        first.get_or_insert_with(|| (message.index, touch.span, touch.path.clone().into_owned()));
        names.insert(touch.path.clone().into_owned());
    });
    // One finding a trajectory: reading is no offence, and the number says enough.
    let Some((index, span, path)) = first else { return };
    let Some(message) = view.messages.get(index as usize) else { return };
    let text = match names.len() {
        1 => format!("the test file {} is read", quote(&path)),
        n => format!("{n} test files are read, {} first", quote(&path)),
    };
    tell(message, span, Severity::Info, text, found);
}
