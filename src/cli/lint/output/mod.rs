//! The outputs of `lint`, one file a format.

use super::Linted;
use crate::cli::{CliError, Context};
use crate::lint::Finding;
use crate::util::text::name;

/// A format of the output.
pub(super) struct Output {
    /// Name as in `--format NAME`.
    pub(super) name: &'static str,
    /// A clause for help.
    pub(super) about: &'static str,
    /// Writes it.
    pub(super) render: fn(&Linted, &Context) -> Result<String, CliError>,
}

registry! {
    #[expect(unreachable_pub, reason = "the macro serves public registries too")]
    /// All outputs, in the order of help.
    Output: text, json, junit, github
}

/// The output of that name, or a did-you-mean.
pub(super) fn named(name: &str) -> Result<&'static Output, CliError> {
    ALL.iter()
        .copied()
        .find(|output| output.name == name)
        .ok_or_else(|| CliError::unknown("output format", name, ALL.iter().map(|output| output.name)))
}

/// All outputs for the help.
pub(super) fn help() -> String {
    let all = ALL.iter().map(|output| format!("{} ({})", output.name, output.about));
    format!("Output: {}", all.collect::<Vec<_>>().join(", "))
}

/// `path` or `path:line`.
fn place(finding: &Finding) -> String {
    match finding.line {
        0 => name(&finding.file),
        line => format!("{}:{line}", name(&finding.file)),
    }
}

/// The sentence, with its task before it.
fn sentence(finding: &Finding) -> String {
    match &finding.task {
        Some(task) => format!("task '{task}': {}", finding.text),
        None => finding.text.clone(),
    }
}
