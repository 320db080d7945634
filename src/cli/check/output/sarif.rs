//! SARIF 2.1.0 with the manuals of the rules, for code scanning services.

use super::{Look, Output};
use crate::cli::check::Plan;
use crate::cli::check::judge::{Checked, Item};
use crate::formats::ReadError;
use crate::report::findings::{Entry, Unread, Where, sarif};
use std::io::{self, Write};

pub(super) static ITEM: Output =
    Output { name: "sarif", about: "SARIF 2.1.0 for code scanning, with the manuals of the rules", render };

fn render(checked: &Checked, _: &Plan, look: &Look<'_>, out: &mut dyn Write) -> io::Result<()> {
    let items: Vec<Item> = checked.items.iter().collect::<io::Result<_>>()?;
    let entries: Vec<Entry<'_>> = items
        .iter()
        .map(|item| Entry {
            finding: &item.finding,
            place: Where::File { path: &item.path, end: item.end.as_ref() },
            content: item.content.clone(),
        })
        .collect();
    let errors: Vec<ReadError> = checked.errors.iter().collect::<io::Result<_>>()?;
    let unread = errors.iter();
    let unread: Vec<Unread<'_>> =
        unread.map(|error| Unread { path: &error.path, line: error.line, message: &error.message }).collect();
    out.write_all(sarif::log(&entries, &unread, Some(look.cwd)).as_bytes())
}
