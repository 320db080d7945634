//! The outputs of `check`, one file a format: functions over what a check collected.
//!
//! Invariant: nothing in a file that is checked, its name included, steers the reader's terminal, the CI service
//! that shows the output, or the program that opens it.

use super::Plan;
use super::judge::Checked;
use crate::cli::CliError;
use crate::formats::ReadError;
use crate::model::{Reading, Severity};
use crate::rules;
use crate::util::plural::plural;
use crate::util::text::{name, unmarked, visible};
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// A format of the output.
pub(super) struct Output {
    /// Name as in `--format NAME`.
    pub(super) name: &'static str,
    /// A clause for help.
    pub(super) about: &'static str,
    /// Writes it. Findings are taken one by one where the format allows it.
    pub(super) render: fn(&Checked, &Plan, &Look<'_>, &mut dyn Write) -> io::Result<()>,
}

/// How and where the output is looked at.
pub(super) struct Look<'a> {
    /// Whether escape sequences for colour may be written.
    pub(super) color: bool,
    /// The current folder: formats that name files relatively take absolute paths below it apart.
    pub(super) cwd: &'a Path,
}

registry! {
    #[expect(unreachable_pub, reason = "the macro serves public registries too")]
    /// All outputs, in the order of help.
    Output: text, json, jsonl, csv, markdown, junit, sarif, github
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

/// What was judged and found, and how much of it keeps the format; two or three lines.
fn summary(checked: &Checked, plan: &Plan) -> String {
    let count = |severity| checked.items.of(severity);
    let (errors, warnings, infos) = (count(Severity::Error), count(Severity::Warning), count(Severity::Info));
    let mut out = format!(
        "{}, {}, {} judged, {}: {}, {}, {infos} info\n",
        plural(checked.files as usize, "file"),
        match checked.trajectories {
            1 => "1 trajectory".to_owned(),
            n => format!("{n} trajectories"),
        },
        plural(checked.messages as usize, "message"),
        plural(checked.calls as usize, "call"),
        plural(errors, "error"),
        plural(warnings, "warning"),
    );
    let reading = match &plan.policy.reading {
        Reading::Strict => "strict".to_owned(),
        Reading::Runtime(None) => "runtime".to_owned(),
        Reading::Runtime(Some(name)) => format!("runtime:{name}"),
    };
    let off = rules::ALL.iter().filter(|rule| rule.family() == "FC" && plan.off.contains(&rule.id)).count();
    let policy = format!("policy {}, reading {reading}", plan.policy.calls.as_str());
    let off_text = if off > 0 { format!(", {} off", plural(off, "FC rule")) } else { String::new() };
    match (compliant(checked, plan), checked.messages) {
        (None, _) => out.push_str("format not judged: all FC rules are off\n"),
        (Some(_), 0) => {
            out.push_str(&format!("format not judged: no assistant message ({policy}{off_text})\n"));
        }
        (Some(compliant), messages) => {
            let rate = compliant as f64 * 100.0 / messages as f64;
            out.push_str(&format!(
                "compliant: {compliant} of {messages} messages ({rate:.1} %; {policy}{off_text})\n"
            ));
        }
    }
    if !checked.errors.is_empty() {
        let noun = if checked.errors.len() == 1 { "record or file" } else { "records or files" };
        out.push_str(&format!("not read: {} {noun}, see stderr\n", checked.errors.len()));
    }
    out
}

/// Compliant messages; `None` if no rule of the FC family is on.
fn compliant(checked: &Checked, plan: &Plan) -> Option<u64> {
    let judged = rules::ALL.iter().any(|rule| rule.family() == "FC" && !plan.off.contains(&rule.id));
    judged.then_some(checked.compliant)
}

/// A record that could not be read, as the user sees it.
pub(super) fn error_text(error: &ReadError) -> String {
    let path = name(&error.path);
    let message = unmarked(&visible(&error.message)).into_owned();
    let mut out = if error.line == 0 {
        format!("error: {path}: {message}")
    } else {
        format!("error: {path}:{}: {message} (byte {})", error.line, error.offset)
    };
    let kept = (error.line > 0).then_some("the records before and after it are kept");
    if let Some(hint) = error.hint.as_deref().or(kept) {
        out.push_str(&format!("\nhint: {}", unmarked(&visible(hint))));
    }
    out
}

/// Writes a file whole or not at all.
pub(super) fn write(
    path: &Path,
    render: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), CliError> {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mode = std::fs::Permissions::from_mode(0o666);
    let written = tempfile::Builder::new().permissions(mode).tempfile_in(folder).and_then(|file| {
        let mut out = BufWriter::new(file);
        render(&mut out)?;
        let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.as_file().sync_all()?;
        file.persist(path).map(|_| ()).map_err(|error| error.error)
    });
    written.map_err(|error| {
        CliError::usage(format!(
            "{} can't be written: {}",
            path.display(),
            match error.kind() {
                std::io::ErrorKind::NotFound => "there is no such folder".to_owned(),
                kind => kind.to_string(),
            }
        ))
        .hint("name a file in a folder that exists with -o")
    })
}
