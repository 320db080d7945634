//! SL024 secret-in-suite: a prompt or a file of the suite holds a secret.

use super::{Check, Found, Lint, Look, Owner};
use crate::model::Severity;
use crate::util::redact::Redactor;

pub(super) static ITEM: Lint = Lint {
    id: "SL024",
    name: "secret-in-suite",
    about: "a prompt or a file of the suite holds a secret",
    since: "0.1.0",
    severity: Severity::Error,
    manual: include_str!("secret_in_suite.md"),
    check: Check::Suite(check),
};

fn check(look: &Look<'_>, found: &mut Found) {
    let redactor = Redactor::default();
    for (path, file) in look.files {
        let owner = look.owner(path);
        if owner == Owner::Other {
            continue;
        }
        let text = String::from_utf8_lossy(&file.bytes);
        for hit in redactor.scan(&text) {
            let line = text[..hit.span.start].matches('\n').count() as u64 + 1;
            let sentence = format!("the file holds a secret ({})", hit.kind);
            found.add(owner.task().map(|task| task.id.as_str()), look.place(path, line), sentence);
        }
    }
}
