//! SARIF 2.1.0 with the manuals of the rules, for code scanning services.

use super::{Look, Output};
use crate::cli::check::Plan;
use crate::cli::check::judge::Checked;
use crate::report::findings::{Entry, Unread, Where, sarif};

pub(super) static ITEM: Output =
    Output { name: "sarif", about: "SARIF 2.1.0 for code scanning, with the manuals of the rules", render };

fn render(checked: &Checked, _: &Plan, look: &Look<'_>) -> String {
    let entries: Vec<Entry<'_>> = checked
        .items
        .iter()
        .map(|item| Entry {
            finding: &item.finding,
            place: Where::File { path: &item.path, end: item.end.as_ref() },
            content: item.content.clone(),
        })
        .collect();
    let errors = checked.errors.iter();
    let unread: Vec<Unread<'_>> =
        errors.map(|error| Unread { path: &error.path, line: error.line, message: &error.message }).collect();
    sarif::log(&entries, &unread, Some(look.cwd))
}
