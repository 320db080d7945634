//! Annotations of GitHub Actions.

use super::{Output, sentence};
use crate::cli::lint::Linted;
use crate::model::Location;
use crate::report::findings::github::{Annotation, beginning, command};

pub(super) static ITEM: Output =
    Output { name: "github", about: "annotations of GitHub Actions", render: |linted, _| Ok(render(linted)) };

fn render(linted: &Linted) -> String {
    let mut out = beginning(|severity| linted.count(severity));
    for finding in &linted.findings {
        // An annotation of a file as a whole stands at its first line.
        let start = Location { line: finding.line.max(1), column: 1 };
        out.push_str(&command(&Annotation {
            severity: finding.severity,
            title: format!("{} {}", finding.lint, finding.name),
            message: sentence(finding),
            place: Some((&finding.file, &start, None)),
        }));
    }
    out
}
