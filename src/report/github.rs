//! Annotations of GitHub Actions: attempts that did not pass, then the findings of all attempts.

use super::findings::github::{Annotation, beginning, command};
use super::{Options, Report, Shown, text};
use crate::model::{Outcome, Severity};
use std::io::{self, Write as _};

pub(super) static ITEM: Report = Report {
    name: "github",
    file: None,
    about: "Annotations of GitHub Actions: attempts that did not pass, and findings",
    render,
};

fn render(view: &Shown<'_>, _: &Options, out: &mut Vec<u8>) -> io::Result<()> {
    let mut annotations = Vec::new();
    for record in &view.records {
        let severity = match record.outcome {
            Outcome::Passed => continue,
            Outcome::Skipped(_) | Outcome::Cancelled => Severity::Info,
            _ => Severity::Error,
        };
        let reason = text::reason(record);
        let outcome = text::outcome(record);
        annotations.push(Annotation {
            severity,
            title: format!("{outcome}: {}", record.id),
            message: if reason.is_empty() { outcome } else { reason },
            place: None,
        });
    }
    for record in &view.records {
        for finding in &record.findings {
            let step = finding.step.map_or(String::new(), |step| format!(" step {step}"));
            annotations.push(Annotation {
                severity: finding.severity,
                title: format!("{} {}: {}{step}", finding.rule, finding.name, record.id),
                message: finding.text.clone(),
                place: None,
            });
        }
    }
    let count = |severity| annotations.iter().filter(|one| one.severity == severity).count();
    out.write_all(beginning(count).as_bytes())?;
    annotations.iter().try_for_each(|one| out.write_all(command(one).as_bytes()))
}
