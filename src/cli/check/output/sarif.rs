//! SARIF 2.1.0 with the manuals of the rules, for code scanning services.

use super::{Look, Output};
use crate::cli::check::Plan;
use crate::cli::check::judge::Checked;
use crate::report::findings::{Entry, Unread, Where, sarif};
use std::borrow::Cow;
use std::io::{self, Write};

pub(super) static ITEM: Output =
    Output { name: "sarif", about: "SARIF 2.1.0 for code scanning, with the manuals of the rules", render };

fn render(checked: &Checked, _: &Plan, look: &Look<'_>, out: &mut dyn Write) -> io::Result<()> {
    let entries = checked.items.iter().map(|item| {
        let item = item?;
        let place = Where::File { path: item.path.into(), end: item.end };
        Ok(Entry { finding: Cow::Owned(item.finding), place, content: item.content })
    });
    let unread = checked.errors.iter().map(|error| {
        let error = error?;
        Ok(Unread { path: error.path.into(), line: error.line, message: error.message.into() })
    });
    sarif::write(out, entries, unread, Some(look.cwd))
}
