//! SARIF: the findings of all attempts, for code scanning services.
//!
//! A finding is placed by its attempt and its step: the line of `trajectories.jsonl` depends on which attempt ended
//! first, and a report does not.

use super::findings::{Entry, Where, sarif};
use super::{Options, Report, Shown};
use crate::util::digest::sha256_parts;
use std::borrow::Cow;
use std::io;

pub(super) static ITEM: Report = Report {
    name: "sarif",
    file: None,
    about: "SARIF 2.1.0: the findings of all attempts with the manuals of their rules",
    render,
};

fn render(view: &Shown<'_>, _: &Options, out: &mut Vec<u8>) -> io::Result<()> {
    let findings = view
        .records
        .iter()
        .flat_map(|record| record.findings.iter().map(move |finding| (record.id.to_string(), finding)));
    let entries = findings.map(|(id, finding)| {
        let step = finding.step.unwrap_or(0).to_le_bytes();
        let parts = [finding.rule.as_bytes(), finding.text.as_bytes(), id.as_bytes(), &step];
        let mut content = sha256_parts(parts);
        content.truncate(32);
        Ok(Entry { finding: Cow::Borrowed(finding), place: Where::Attempt(id), content })
    });
    sarif::write(out, entries, std::iter::empty(), None)
}
