//! Annotations of GitHub Actions: what could not be read, then the findings.

use super::{Look, Output};
use crate::cli::check::Plan;
use crate::cli::check::judge::{Checked, Item};
use crate::formats::ReadError;
use crate::model::{Location, Severity};
use crate::report::findings::github::{Annotation, commands};
use std::io::{self, Write};

pub(super) static ITEM: Output = Output { name: "github", about: "annotations of GitHub Actions", render };

fn render(checked: &Checked, _: &Plan, look: &Look<'_>, out: &mut dyn Write) -> io::Result<()> {
    let items: Vec<Item> = checked.items.iter().collect::<io::Result<_>>()?;
    let errors: Vec<ReadError> = checked.errors.iter().collect::<io::Result<_>>()?;
    let cwd = look.cwd.to_str().unwrap_or_default();
    let relative = |path| {
        let below = str::strip_prefix(path, cwd).and_then(|rest| rest.strip_prefix('/'));
        below.filter(|_| !cwd.is_empty()).unwrap_or(path)
    };
    let starts: Vec<Location> =
        errors.iter().map(|error| Location { line: error.line.max(1), column: 1 }).collect();
    let mut annotations: Vec<Annotation<'_>> = errors
        .iter()
        .zip(&starts)
        .map(|(error, start)| Annotation {
            severity: Severity::Error,
            title: "not read".to_owned(),
            message: error.message.clone(),
            place: Some((relative(error.path.as_str()), start, None)),
        })
        .collect();
    annotations.extend(items.iter().map(|item| {
        Annotation {
            severity: item.finding.severity,
            title: format!("{} {}", item.finding.rule, item.finding.name),
            message: item.finding.text.clone(),
            place: item
                .finding
                .location
                .as_ref()
                .map(|start| (relative(item.path.as_str()), start, item.end.as_ref())),
        }
    }));
    out.write_all(commands(&annotations).as_bytes())
}
