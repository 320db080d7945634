//! Annotations of GitHub Actions: what could not be read, then the findings.

use super::{Look, Output};
use crate::cli::check::Plan;
use crate::cli::check::judge::Checked;
use crate::model::{Location, Severity};
use crate::report::findings::github::{Annotation, beginning, command};
use std::io::{self, Write};
use std::path::Path;

pub(super) static ITEM: Output = Output { name: "github", about: "annotations of GitHub Actions", render };

fn render(checked: &Checked, _: &Plan, look: &Look<'_>, out: &mut dyn Write) -> io::Result<()> {
    let unread = |severity| if severity == Severity::Error { checked.errors.len() } else { 0 };
    out.write_all(beginning(|severity| checked.items.of(severity) + unread(severity)).as_bytes())?;
    for error in checked.errors.iter() {
        let error = error?;
        let start = Location { line: error.line.max(1), column: 1 };
        let annotation = Annotation {
            severity: Severity::Error,
            title: "not read".to_owned(),
            message: error.message,
            place: Some((relative(&error.path, look.cwd), &start, None)),
        };
        out.write_all(command(&annotation).as_bytes())?;
    }
    for item in checked.items.iter() {
        let item = item?;
        let start = item.finding.location.as_ref();
        let annotation = Annotation {
            severity: item.finding.severity,
            title: format!("{} {}", item.finding.rule, item.finding.name),
            message: item.finding.text,
            place: start.map(|start| (relative(&item.path, look.cwd), start, item.end.as_ref())),
        };
        out.write_all(command(&annotation).as_bytes())?;
    }
    Ok(())
}

/// A path below the current folder as seen from there.
fn relative<'a>(path: &'a str, cwd: &Path) -> &'a str {
    let cwd = cwd.to_str().unwrap_or_default();
    let below = path.strip_prefix(cwd).and_then(|rest| rest.strip_prefix('/'));
    below.filter(|_| !cwd.is_empty()).unwrap_or(path)
}
