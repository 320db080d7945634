//! Reads and judges the files, in parallel, results in the order of the files.

use super::items::{Errors, Items, Judged, Trajectories};
use super::statistics::Statistics;
use super::text::{Excerpt, excerpt};
use super::{Plan, baseline, stream};
use crate::cli::input::{self, Found, Opened, Pace, problem};
use crate::formats::{self, DetectError, Input, Locator, ReadError, Told};
use crate::model::{Finding, Location, Origin, Place, Severity, Trajectory};
use crate::rules::{self, Judgement};
use crate::util::digest::sha256_parts;
use crate::util::json::{View, parse_at};
use crate::util::redact::Redactor;
use rayon::prelude::*;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;

/// A finding with all that is needed to show it.
pub(super) struct Item {
    pub(super) path: String,
    pub(super) finding: Finding,
    pub(super) excerpt: Option<Excerpt>,
    /// One past the last character of its span.
    pub(super) end: Option<Location>,
    /// Digest of the rule and of what it found, wherever that stands.
    pub(super) content: String,
    /// Index of its trajectory in [`Checked::judged`].
    pub(super) judged: usize,
    /// Digest with the message around it, where a baseline is read or written.
    pub(super) context: Option<String>,
}

/// Everything that a check found.
#[derive(Default)]
pub(super) struct Checked {
    pub(super) files: u64,
    pub(super) trajectories: u64,
    pub(super) messages: u64,
    pub(super) calls: u64,
    pub(super) compliant: u64,
    pub(super) items: Items,
    /// The trajectories, in the order of the files.
    pub(super) judged: Trajectories,
    pub(super) errors: Errors,
    pub(super) warnings: Errors,
    /// Files in folders that no reader knows.
    pub(super) foreign: u64,
    /// Files by the format that they were read in.
    pub(super) by_format: BTreeMap<&'static str, u64>,
    /// How the format of each was told, if that was asked for.
    pub(super) told: Vec<Told>,
    /// Figures, if they were asked for.
    pub(super) statistics: Option<Statistics>,
}

impl Checked {
    /// Whether a finding weighs that much.
    pub(super) fn any(&self, severity: Severity) -> bool {
        self.items.by_rule().keys().any(|(_, own)| *own >= severity)
    }

    /// Counts files of a format.
    fn tell(&mut self, told: Told, plan: &Plan) {
        *self.by_format.entry(told.format).or_default() += told.files;
        if plan.tell {
            self.told.push(told);
        }
    }

    fn add(&mut self, other: Checked) -> io::Result<()> {
        self.files += other.files;
        for (format, files) in other.by_format {
            *self.by_format.entry(format).or_default() += files;
        }
        self.told.extend(other.told);
        self.trajectories += other.trajectories;
        self.messages += other.messages;
        self.calls += other.calls;
        self.compliant += other.compliant;
        self.foreign += other.foreign;
        if let Some(theirs) = other.statistics {
            self.statistics.get_or_insert_default().add(theirs);
        }
        let before = self.judged.len();
        other.judged.iter().for_each(|judged| self.judged.push(judged));
        for item in other.items.iter() {
            let item = item?;
            self.items.push(&Item { judged: item.judged + before, ..item });
        }
        for error in other.errors.iter() {
            self.errors.push(error?);
        }
        for warning in other.warnings.iter() {
            self.warnings.push(warning?);
        }
        Ok(())
    }
}

/// Files of at most so many bytes together are judged side by side.
const SMALL: u64 = 8 << 20;
/// Most inputs that are judged side by side.
const BESIDE: usize = 1024;

/// Judges all files; `first` names the first argument, for the case that there is nothing in any.
///
/// # Errors
/// If the file in which findings wait can't be read back.
pub(super) fn judge(
    first: &str,
    files: &[Found],
    errors: Vec<ReadError>,
    plan: &Plan,
) -> io::Result<Checked> {
    let names: Vec<String> = files.iter().map(|file| file.name.clone()).collect();
    let inputs = formats::plan(&names);
    let mut checked = Checked::default();
    checked.errors.extend(errors);
    let mut rest = inputs.as_slice();
    while let [one, ..] = rest {
        // Small files are judged side by side; a large one has all cores for itself.
        let mut sum = 0;
        let small = rest.iter().take(BESIDE).take_while(|input| {
            let own = input.files.iter().map(|&index| files[index].weight());
            sum = own.fold(sum, u64::saturating_add);
            sum <= SMALL
        });
        let count = small.count();
        if count < 2 {
            checked.add(group(one, files, plan, rayon::current_num_threads()))?;
            rest = &rest[1..];
            continue;
        }
        let parts: Vec<Checked> = rest[..count].par_iter().map(|one| group(one, files, plan, 1)).collect();
        for part in parts {
            checked.add(part)?;
        }
        rest = &rest[count..];
    }
    let nothing = checked.trajectories == 0 && checked.errors.is_empty();
    if nothing && !files.is_empty() {
        let what =
            if checked.foreign > 0 { "holds no transcript of a known format" } else { "holds no trajectory" };
        let hint = Some("rolltape list formats shows what can be read".to_owned());
        checked.errors.push(problem(first.to_owned(), what.to_owned(), hint));
    }
    Ok(checked)
}

/// Judges files that belong together.
fn group(group: &Input, files: &[Found], plan: &Plan, workers: usize) -> Checked {
    let mut checked = Checked::default();
    let mut read = Vec::new();
    let alone = group.files.len() == 1;
    for file in group.files.iter().map(|&index| &files[index]) {
        let pace = Pace { window: plan.window, limit: plan.line_limit };
        let opened = input::open(file, alone, plan.from, group.format, pace);
        match opened {
            Ok(Opened::Lines(windows, format, told)) => {
                let mut checked = stream::judge(windows, format, plan, workers);
                checked.tell(told, plan);
                return checked;
            }
            Ok(Opened::TooLong(windows, error)) => {
                checked.files += 1;
                checked.errors.extend(input::passed(windows, plan.line_limit));
                checked.errors.extend(error.map(|error| problem(error.path, error.message, error.hint)));
                return checked;
            }
            Ok(Opened::Refused(error)) => return refused(checked, error, file.walked, plan),
            Ok(Opened::Whole(bytes, trouble)) => {
                checked.files += 1;
                read.push((file.name.clone(), bytes));
                checked.errors.extend(trouble);
            }
            Err(error) => checked.errors.push(error),
        }
    }
    if read.is_empty() {
        return checked;
    }
    let mut output = match formats::read_group(group.format, &read, plan.from) {
        Ok(output) => output,
        Err(error) => {
            let walked = group.files.iter().all(|&index| files[index].walked);
            return refused(checked, error, walked, plan);
        }
    };
    checked.errors.extend(std::mem::take(&mut output.errors));
    checked.warnings.extend(std::mem::take(&mut output.warnings));
    for told in std::mem::take(&mut output.told) {
        checked.tell(told, plan);
    }
    read.extend(std::mem::take(&mut output.members));
    let read: Vec<(&str, &[u8])> =
        read.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
    let (mut path, mut number) = (String::new(), 0);
    let (mut judged, mut items) = (Trajectories::default(), Items::default());
    judged_into(&mut checked, &output.trajectories, &read, plan, true, &mut |origin, found| {
        if path != origin.path {
            origin.path.clone_into(&mut path);
            number = 0;
        }
        number += 1;
        for item in found {
            items.push(&Item { judged: judged.len(), ..item });
        }
        judged.push(Judged { path: &path, line: origin.line.max(1), number });
    });
    (checked.judged, checked.items) = (judged, items);
    checked
}

/// A file of no known format.
fn refused(mut checked: Checked, error: DetectError, walked: bool, plan: &Plan) -> Checked {
    if error.foreign && walked && plan.from.is_none() {
        checked.files = 0;
        checked.foreign += 1;
    } else if checked.errors.is_empty() {
        checked.errors.push(problem(error.path, error.message, error.hint));
    }
    checked
}

/// Judges trajectories and tells of each where it came from and what was found; `files` are what their places are
/// in. A worker that others wait for must not be `parallel`: it could be given their work meanwhile.
pub(super) fn judged_into(
    checked: &mut Checked,
    trajectories: &[Trajectory],
    files: &[(&str, &[u8])],
    plan: &Plan,
    parallel: bool,
    tell: &mut dyn FnMut(&Origin, Vec<Item>),
) {
    let all = with_subagents(trajectories);
    let options = plan.options();
    let judge = |trajectory: &&Trajectory| rules::judge_with(trajectory, &plan.policy, &options);
    let judged: Vec<Judgement> =
        if parallel { all.par_iter().map(judge).collect() } else { all.iter().map(judge).collect() };
    let mut locators = Locators::new(files, plan);
    for (trajectory, judgement) in all.into_iter().zip(judged) {
        checked.trajectories += 1;
        if plan.statistics {
            checked.statistics.get_or_insert_default().count(trajectory, &judgement);
        }
        checked.messages += judgement.messages;
        checked.calls += judgement.calls;
        checked.compliant += judgement.compliant;
        let mut digests = plan.has_baseline().then(baseline::Digests::default);
        let mut items = Vec::new();
        for (mut finding, place) in judgement.findings.into_iter().zip(judgement.places) {
            // Rules mask shapes; values that are known here are masked as well.
            if let Cow::Owned(clean) = plan.redactor.redact(&finding.text) {
                finding.text = clean;
            }
            let context = digests.as_mut().map(|digests| digests.of(trajectory, &finding));
            let item = locators.item(trajectory, finding, place);
            items.push(Item { context, ..item });
        }
        tell(&trajectory.origin, items);
    }
}

/// Whether the bytes begin as JSON does: then a NUL in them is damage and no sign of another kind of file.
pub(super) fn is_json_lines(bytes: &[u8]) -> bool {
    bytes.iter().find(|byte| !byte.is_ascii_whitespace()).is_some_and(|byte| matches!(byte, b'{' | b'['))
}

/// Trajectories with those that are embedded in them, each behind its own.
fn with_subagents(trajectories: &[Trajectory]) -> Vec<&Trajectory> {
    let mut all = Vec::with_capacity(trajectories.len());
    let mut rest: Vec<&Trajectory> = trajectories.iter().rev().collect();
    while let Some(trajectory) = rest.pop() {
        all.push(trajectory);
        rest.extend(trajectory.subagents.iter().rev());
    }
    all
}

/// One locator a file: it remembers where it was.
struct Locators<'a> {
    files: &'a [(&'a str, &'a [u8])],
    open: BTreeMap<usize, Locator<'a>>,
    /// Whether source lines are shown.
    excerpts: bool,
    /// What must not be shown.
    redactor: &'a Redactor,
}

impl<'a> Locators<'a> {
    fn new(files: &'a [(&'a str, &'a [u8])], plan: &'a Plan) -> Self {
        Self { files, open: BTreeMap::new(), excerpts: plan.excerpts, redactor: &plan.redactor }
    }

    fn item(&mut self, trajectory: &Trajectory, mut finding: Finding, place: Option<Place>) -> Item {
        let origin = &trajectory.origin;
        let path = match place.map_or(0, |place| place.file as usize) {
            0 => &origin.path,
            n => origin.files.get(n - 1).unwrap_or(&origin.path),
        };
        let index = self.files.iter().position(|(name, _)| *name == path);
        let (Some(index), Some(place)) = (index, place) else {
            finding.location = Some(Location { line: origin.line.max(1), column: 1 });
            let content = content(&finding, b"");
            return Item {
                path: path.clone(),
                finding,
                excerpt: None,
                end: None,
                content,
                judged: 0,
                context: None,
            };
        };
        let bytes: &'a [u8] = self.files[index].1;
        let locator = self.open.entry(index).or_insert_with(|| Locator::new(bytes));
        let start = locator.byte(place, finding.span.map_or(0, |span| span.start));
        finding.location = Some(locator.position(start));
        let from = finding.location.clone().unwrap_or_default();
        let end = match finding.span.filter(|span| !span.is_empty()) {
            Some(span) => Some(locator.end_byte(place, span.end)),
            None => locator.value_end(place),
        };
        let hide = finding.rule == "SE001";
        // Escapes of the file may hide a secret of a call: then nothing of the call is shown.
        let is_clean = |end: usize| !place.value || !holds_secret(&bytes[start..end], self.redactor);
        let shown = end.filter(|end| self.excerpts && is_clean(*end));
        let excerpt = shown.map(|end| excerpt(bytes, from.line, (start, end), hide, self.redactor));
        let under = bytes.get(start..end.unwrap_or(start)).unwrap_or(b"");
        let content = content(&finding, under);
        let end = end.map(|_| behind(&from, under));
        Item { path: path.clone(), finding, excerpt, end, content, judged: 0, context: None }
    }
}

/// Whether some text of a JSON value is a secret once its escapes are decoded. What can't be read may hold one.
fn holds_secret(value: &[u8], redactor: &Redactor) -> bool {
    let Ok(node) = parse_at(value, 0, &mut Vec::new()) else { return true };
    let holds = |text: &str| !redactor.scan(text).is_empty();
    let mut rest = vec![View::new(value, &node)];
    while let Some(view) = rest.pop() {
        if view.text().is_some_and(|text| holds(&text)) || view.members().any(|(key, _)| holds(&key)) {
            return true;
        }
        rest.extend(view.items());
        rest.extend(view.members().map(|(_, value)| value));
    }
    false
}

/// The place behind `text` that starts at `from`. A walk from there: the file's locator goes forwards only, and
/// findings may lie inside each other.
fn behind(from: &Location, text: &[u8]) -> Location {
    let lines = memchr::memchr_iter(b'\n', text).count() as u64;
    let tail = memchr::memrchr(b'\n', text).map_or(text, |last| &text[last + 1..]);
    let characters = tail.iter().filter(|&&byte| byte & 0xc0 != 0x80).count() as u64;
    let column = if lines == 0 { from.column + characters } else { 1 + characters };
    Location { line: from.line + lines, column }
}

/// Bytes of a span that its digest is about.
const BEGINNING: usize = 4096;

/// Digest of the rule, its sentence and the text under its span, that text without secrets.
fn content(finding: &Finding, under: &[u8]) -> String {
    // A span may be as long as the file; its beginning and its length tell it apart well enough.
    let begin = String::from_utf8_lossy(&under[..under.len().min(BEGINNING)]);
    let begin = Redactor::default().redact(&begin);
    let length = under.len().to_le_bytes();
    let parts = [finding.rule.as_bytes(), finding.text.as_bytes(), begin.as_bytes(), &length];
    let mut digest = sha256_parts(parts);
    digest.truncate(32);
    digest
}
