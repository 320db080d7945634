//! The `.eval` archive: `header.json`, or `_journal/start.json` while the log is not finished, and a file a sample.

use super::super::source::{Refusal, scan};
use super::super::{ReadError, ReadOutput, Source, unzip};
use super::sample::{self, Log};
use super::{NAME, mark_first};
use crate::model::{Object, Origin, Trajectory};
use crate::util::json::View;

const HEADER: &str = "header.json";
const START: &str = "_journal/start.json";
const REDUCTIONS: &str = "reductions.json";

/// Whether a member makes an archive a log.
pub(super) fn is_header(name: &str) -> bool {
    name == HEADER || name == START || is_sample(name)
}

fn is_sample(name: &str) -> bool {
    name.strip_prefix("samples/")
        .and_then(|name| name.strip_suffix(".json"))
        .is_some_and(|name| name.rsplit_once("_epoch_").is_some())
}

/// Members that repeat what the samples say.
fn is_summary(name: &str) -> bool {
    name == "summaries.json" || name.starts_with("_journal/summaries/")
}

/// A member with its name as findings show it.
struct File {
    name: String,
    shown: String,
    bytes: Vec<u8>,
}

pub(super) fn read(source: &Source<'_>) -> ReadOutput {
    let mut output = ReadOutput { format: NAME, ..ReadOutput::default() };
    let passed = |name: &str| is_header(name) || name == REDUCTIONS;
    for name in unzip::names(source.bytes) {
        if !passed(&name) && !is_summary(&name) && !name.ends_with('/') && !name.contains("..") {
            let what = format!("member '{}' is no part of a log that is known", name.escape_debug());
            output.warnings.push(source.error(0, what));
        }
    }
    let archive = unzip::read(source.bytes, passed);
    let at = |(offset, what): Refusal| {
        let mut error = source.error(0, what);
        error.offset = offset as u64;
        error
    };
    output.warnings.extend(archive.warnings.into_iter().map(at));
    output.errors.extend(archive.errors.into_iter().map(|error| {
        let large = error.1.contains("grows over the limit");
        let hint = "unpack the archive and look at the member by itself".to_owned();
        ReadError { hint: large.then_some(hint), ..at(error) }
    }));
    let mut files: Vec<File> = archive
        .members
        .into_iter()
        .map(|member| File {
            shown: format!("{}!{}", source.path, member.name),
            name: member.name,
            bytes: member.bytes,
        })
        .collect();
    // Archives list samples as they ended; the order of ids is the same in every run.
    files.sort_by_cached_key(|file| order(&file.name));
    let (log, whole) = header(source, &files, &mut output);
    let mut parts = Vec::new();
    for file in files.iter().filter(|file| is_sample(&file.name)) {
        one(file, &log, &mut parts, &mut output);
    }
    mark_first(&mut parts, whole);
    for mut trajectory in parts.into_iter().flatten() {
        source.path.clone_into(&mut trajectory.origin.path);
        output.trajectories.push(trajectory);
    }
    if output.trajectories.is_empty() && output.errors.is_empty() {
        output.errors.push(source.error(0, "the log holds no sample"));
    }
    let used = |file: &File| is_sample(&file.name);
    output.members = files.into_iter().filter(used).map(|file| (file.shown, file.bytes)).collect();
    output
}

/// Numbers in names count as numbers.
fn order(name: &str) -> (Vec<(u64, String)>, String) {
    let mut key = Vec::new();
    let mut rest = name;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, behind) = rest.split_at(digits);
        let text = behind.find(|c: char| c.is_ascii_digit()).unwrap_or(behind.len());
        let (text, behind) = behind.split_at(text);
        key.push((number.parse().unwrap_or(u64::MAX), text.to_owned()));
        rest = behind;
    }
    (key, name.to_owned())
}

/// What the log says of the run, with the reductions of its scores.
fn header(source: &Source<'_>, files: &[File], output: &mut ReadOutput) -> (Log, Object) {
    let find = |name: &str| files.iter().find(|file| file.name == name);
    let mut whole = Object::new();
    let mut log = Log::default();
    let head = find(HEADER).or_else(|| find(START));
    match head {
        Some(file) => parse(file, output, |view, _| {
            whole = view.object();
            log = Log::of(view);
        }),
        None => {
            output.warnings.push(source.error(0, format!("the log has neither {HEADER} nor {START}")));
        }
    }
    if head.is_some_and(|file| file.name == START) {
        whole.insert("status".to_owned(), "started".into());
    }
    if let Some(file) = find(REDUCTIONS) {
        parse(file, output, |view, _| {
            whole.insert("reductions".to_owned(), view.value());
        });
    }
    (log, whole)
}

/// Scans a member and hands its value on; remarks are told with the member's name.
fn parse(file: &File, output: &mut ReadOutput, take: impl FnOnce(View<'_>, &mut Vec<Refusal>)) {
    let source = Source::new(&file.shown, &file.bytes);
    if let Some(at) = source.too_long() {
        output.errors.push(super::record::too_long(source.error(at, "")));
        return;
    }
    match scan(&file.bytes, source.start, file.bytes.len()) {
        Ok((parsed, behind)) => {
            let mut remarks: Vec<Refusal> =
                parsed.notes.iter().map(|note| (note.offset, note.kind.text().to_owned())).collect();
            take(View::new(&file.bytes, &parsed.node), &mut remarks);
            output.warnings.extend(remarks.into_iter().map(|(at, what)| source.error(at, what)));
            output.errors.extend(behind.map(|at| source.error(at, "more text behind the value")));
        }
        Err((at, what)) => output.errors.push(source.error(at, what)),
    }
}

fn one(file: &File, log: &Log, parts: &mut Vec<Result<Trajectory, Refusal>>, output: &mut ReadOutput) {
    let mut refused = None;
    parse(file, output, |view, remarks| match sample::convert(log, view, remarks) {
        Ok(mut trajectory) => {
            trajectory.origin = Origin {
                format: NAME.to_owned(),
                line: 1,
                files: vec![file.shown.clone()],
                ..Origin::default()
            };
            in_member(&mut trajectory);
            parts.push(Ok(trajectory));
        }
        Err(refusal) => refused = Some(refusal),
    });
    let source = Source::new(&file.shown, &file.bytes);
    output.errors.extend(refused.map(|(at, what)| source.error(at, what)));
}

/// All texts and calls of the trajectory stand in the member, not in the archive.
fn in_member(trajectory: &mut Trajectory) {
    for step in &mut trajectory.steps {
        let results = step.observation.iter_mut().flat_map(|seen| &mut seen.results);
        let places = results.map(|result| &mut result.place);
        let own = [&mut step.place].into_iter().chain(step.reply.as_mut().map(|reply| &mut reply.place));
        let calls = step.calls.iter_mut().map(|call| &mut call.place);
        for place in own.chain(places).chain(calls).flatten() {
            place.file = 1;
        }
    }
}
