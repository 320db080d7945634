//! `--from RUN/ATTEMPT`: which kept state is meant.

use crate::cli::{CliError, Context};
use crate::model::AttemptRecord;
use crate::sandbox::State;
use crate::store;
use crate::util::suggest::nearest;
use std::path::{Path, PathBuf};

/// Ids that one error lists.
const LISTED: usize = 5;

/// Finds and opens the state.
pub(super) fn open(text: &str, context: &Context) -> Result<State, CliError> {
    let shown = if context.cwd.join(text).is_file() { PathBuf::from(text) } else { find(text, context)? };
    State::open(&context.cwd.join(&shown), &shown.display().to_string()).map_err(|error| {
        let shown = CliError::usage(error.message);
        match error.hint {
            Some(hint) => shown.hint(hint),
            None => shown.hint("was it removed? the run's records still name it"),
        }
    })
}

/// The file that an attempt's record names, from the current folder.
fn find(text: &str, context: &Context) -> Result<PathBuf, CliError> {
    let (run, rest) = split(text, context).ok_or_else(|| no_run(text, context))?;
    let glance = store::glance(&context.cwd.join(&run));
    let Some(view) = glance.view else {
        let reason = match glance.state {
            store::State::Damaged(reason) => reason,
            other => other.word().to_owned(),
        };
        return Err(CliError::usage(format!("the run '{}' can't be read: {reason}", run.display())));
    };
    let record = choose(&view.records, &rest, &run)?;
    match &record.kept {
        // A record is data, and must not name a file elsewhere.
        Some(name)
            if Path::new(name).components().all(|part| matches!(part, std::path::Component::Normal(_))) =>
        {
            Ok(run.join(name))
        }
        Some(name) => Err(CliError::usage(format!("the record of '{}' names the state '{name}'", record.id))
            .hint("a state lies in the folder of its run")),
        None => Err(not_kept(record)),
    }
}

/// Splits into a run's folder, from the current one, and the attempt. A run of `reports` may be told by its id.
fn split(text: &str, context: &Context) -> Option<(PathBuf, Vec<String>)> {
    let all: Vec<_> = Path::new(text).components().collect();
    for base in [Path::new(""), Path::new("reports")] {
        for count in (1..=all.len()).rev() {
            let folder = base.join(all[..count].iter().collect::<PathBuf>());
            if store::is_run(&context.cwd.join(&folder)) {
                let rest = all[count..].iter().map(|part| part.as_os_str().to_string_lossy().into_owned());
                return Some((folder, rest.collect()));
            }
        }
    }
    None
}

fn no_run(text: &str, context: &Context) -> CliError {
    let error = CliError::usage(format!("'{text}' begins with no folder of a run"));
    let folders = store::run_folders(&context.cwd.join("reports"));
    let ids: Vec<String> = folders
        .iter()
        .filter_map(|folder| Some(folder.file_name()?.to_string_lossy().into_owned()))
        .collect();
    let meant = text.strip_prefix("reports/").unwrap_or(text).split('/').next().unwrap_or(text);
    match nearest(meant, ids.iter().map(String::as_str)) {
        Some(id) => error.hint(format!("did you mean 'reports/{id}/…'?")),
        None => error.hint(
            "write RUN/ATTEMPT: the run's folder, then suite/task/subject/n; `rolltape list runs` shows runs",
        ),
    }
}

/// Whether an attempt is told by these parts of its id, some of which may be left out.
fn told_by(record: &AttemptRecord, parts: &[String]) -> bool {
    let id = &record.id;
    let number = id.n.to_string();
    let mut left = [id.suite.as_str(), id.task.as_str(), id.subject.as_str(), number.as_str()].into_iter();
    parts.iter().all(|part| left.any(|own| own == part))
}

fn choose<'a>(
    records: &'a [AttemptRecord],
    parts: &[String],
    run: &Path,
) -> Result<&'a AttemptRecord, CliError> {
    let told: Vec<&AttemptRecord> = records.iter().filter(|record| told_by(record, parts)).collect();
    let kept: Vec<&AttemptRecord> = told.iter().copied().filter(|record| record.kept.is_some()).collect();
    match (kept.as_slice(), told.as_slice()) {
        ([only], _) | ([], [only]) => Ok(only),
        ([], []) => Err(no_attempt(records, parts, run)),
        ([], _) => Err(none_kept(run, parts)),
        (several, _) => {
            let ids: Vec<String> = several.iter().take(LISTED).map(|record| record.id.to_string()).collect();
            let more = several.len().saturating_sub(LISTED);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let what = if parts.is_empty() {
                format!("the run '{}' holds {} states", run.display(), several.len())
            } else {
                format!("'{}' is more than one attempt", parts.join("/"))
            };
            Err(CliError::usage(format!("{what}: {}{more}", ids.join(", "))).hint("name one of them"))
        }
    }
}

fn none_kept(run: &Path, parts: &[String]) -> CliError {
    let whose = if parts.is_empty() { String::new() } else { format!(" of '{}'", parts.join("/")) };
    CliError::usage(format!("the run '{}' kept no state{whose}", run.display())).hint(
        "`rolltape run --keep-sandbox failed` keeps those of attempts that did not pass, `all` keeps all",
    )
}

fn not_kept(record: &AttemptRecord) -> CliError {
    CliError::usage(format!(
        "the sandbox of '{}' was not kept; it ended as {}",
        record.id,
        record.outcome.word()
    ))
    .hint("`rolltape run --keep-sandbox failed` keeps those of attempts that did not pass, `all` keeps all")
}

fn no_attempt(records: &[AttemptRecord], parts: &[String], run: &Path) -> CliError {
    let wanted = parts.join("/");
    let error = CliError::usage(format!("the run '{}' has no attempt '{wanted}'", run.display()));
    let known = || {
        records.iter().flat_map(|record| {
            [record.id.suite.as_str(), record.id.task.as_str(), record.id.subject.as_str()]
        })
    };
    // Part by part: what is known stays.
    let right = |part: &String| {
        let is_known = part.parse::<u32>().is_ok() || known().any(|name| name == part);
        if is_known { Some(part.clone()) } else { nearest(part, known()).map(str::to_owned) }
    };
    let meant: Option<Vec<String>> = parts.iter().map(right).collect();
    match meant.filter(|meant| records.iter().any(|record| told_by(record, meant))) {
        Some(meant) => error.hint(format!("did you mean '{}'?", meant.join("/"))),
        None => {
            error.hint("an attempt is suite/task/subject/n; parts may be left out where the rest tells it")
        }
    }
}
