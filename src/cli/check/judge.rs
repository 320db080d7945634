//! Reads and judges the files, in parallel, results in the order of the files.

use super::super::input::{self, Found};
use super::Plan;
use super::text::{Excerpt, excerpt};
use crate::formats::{self, Input, Locator, ReadError, ReadOutput};
use crate::model::{Finding, Location, Place, Trajectory};
use crate::rules::{self, Judgement, Options};
use crate::util::digest::sha256_parts;
use crate::util::redact::Redactor;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

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
}

/// A trajectory that was judged.
pub(super) struct Judged {
    pub(super) path: Arc<str>,
    /// Line of the file where it starts, from 1.
    pub(super) line: u64,
    /// Its number in the file, from 1, embedded ones counted.
    pub(super) number: usize,
}

/// Everything that a check found.
#[derive(Default)]
pub(super) struct Checked {
    pub(super) files: u64,
    pub(super) trajectories: u64,
    pub(super) messages: u64,
    pub(super) calls: u64,
    pub(super) compliant: u64,
    pub(super) items: Vec<Item>,
    /// The trajectories, in the order of the files.
    pub(super) judged: Vec<Judged>,
    pub(super) errors: Vec<ReadError>,
    pub(super) warnings: Vec<String>,
    /// Files in folders that no reader knows.
    pub(super) foreign: u64,
}

impl Checked {
    pub(super) fn findings(&self) -> impl Iterator<Item = &Item> {
        self.items.iter()
    }

    fn add(&mut self, other: Checked) {
        self.files += other.files;
        self.trajectories += other.trajectories;
        self.messages += other.messages;
        self.calls += other.calls;
        self.compliant += other.compliant;
        self.foreign += other.foreign;
        let before = self.judged.len();
        self.judged.extend(other.judged);
        self.items.extend(other.items.into_iter().map(|item| Item { judged: item.judged + before, ..item }));
        self.errors.extend(other.errors);
        self.warnings.extend(other.warnings);
    }
}

/// Judges all files; `first` names the first argument, for the case that there is nothing in any.
pub(super) fn judge(first: &str, files: &[Found], errors: Vec<ReadError>, plan: &Plan) -> Checked {
    let names: Vec<String> = files.iter().map(|file| file.name.clone()).collect();
    let inputs = formats::plan(&names);
    let parts: Vec<Checked> = inputs.par_iter().map(|input| one(input, files, plan)).collect();
    let mut checked = Checked { errors, ..Checked::default() };
    for part in parts {
        checked.add(part);
    }
    let nothing = checked.trajectories == 0 && checked.errors.is_empty();
    if nothing && !files.is_empty() {
        let what =
            if checked.foreign > 0 { "holds no transcript of a known format" } else { "holds no trajectory" };
        let hint = Some("rolltape list formats shows what can be read".to_owned());
        checked.errors.push(input::problem(first.to_owned(), what.to_owned(), hint));
    }
    checked
}

/// Judges files that belong together.
fn one(input: &Input, files: &[Found], plan: &Plan) -> Checked {
    let mut checked = Checked::default();
    let mut read = Vec::new();
    for file in input.files.iter().map(|&index| &files[index]) {
        match input::read(file) {
            Ok((bytes, trouble)) => {
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
    let output = formats::read_group(input.format, &read, plan.from);
    let ReadOutput { trajectories, errors, warnings, members, .. } = match output {
        Ok(output) => output,
        Err(error) => {
            let walked = input.files.iter().all(|&index| files[index].walked);
            if error.foreign && walked && plan.from.is_none() {
                checked.files = 0;
                checked.foreign += 1;
            } else if checked.errors.is_empty() {
                checked.errors.push(input::problem(error.path, error.message, error.hint));
            }
            return checked;
        }
    };
    checked.errors.extend(errors);
    checked.warnings.extend(warnings.iter().map(ToString::to_string));
    let all = with_subagents(&trajectories);
    let options = Options { tools: plan.tools.as_deref(), off: &plan.off };
    let judged: Vec<Judgement> =
        all.par_iter().map(|trajectory| rules::judge_with(trajectory, &plan.policy, &options)).collect();
    read.extend(members);
    let mut locators = Locators::new(&read);
    let mut path: Arc<str> = Arc::from("");
    let mut number = 0;
    for (trajectory, judgement) in all.into_iter().zip(judged) {
        if *path != *trajectory.origin.path {
            path = Arc::from(trajectory.origin.path.as_str());
            number = 0;
        }
        number += 1;
        let line = trajectory.origin.line.max(1);
        checked.judged.push(Judged { path: Arc::clone(&path), line, number });
        checked.trajectories += 1;
        checked.messages += judgement.messages;
        checked.calls += judgement.calls;
        checked.compliant += judgement.compliant;
        for (finding, place) in judgement.findings.into_iter().zip(judgement.places) {
            let judged = checked.judged.len() - 1;
            checked.items.push(locators.item(trajectory, judged, finding, place));
        }
    }
    checked
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
    files: &'a [(String, Vec<u8>)],
    open: BTreeMap<usize, Locator<'a>>,
}

impl<'a> Locators<'a> {
    fn new(files: &'a [(String, Vec<u8>)]) -> Self {
        Self { files, open: BTreeMap::new() }
    }

    fn item(
        &mut self,
        trajectory: &Trajectory,
        judged: usize,
        mut finding: Finding,
        place: Option<Place>,
    ) -> Item {
        let origin = &trajectory.origin;
        let path = match place.map_or(0, |place| place.file as usize) {
            0 => &origin.path,
            n => origin.files.get(n - 1).unwrap_or(&origin.path),
        };
        let index = self.files.iter().position(|(name, _)| name == path);
        let (Some(index), Some(place)) = (index, place) else {
            finding.location = Some(Location { line: origin.line.max(1), column: 1 });
            let content = content(&finding, b"");
            return Item { path: path.clone(), finding, excerpt: None, end: None, content, judged };
        };
        let bytes: &'a [u8] = &self.files[index].1;
        let locator = self.open.entry(index).or_insert_with(|| Locator::new(bytes));
        let start = locator.byte(place, finding.span.map_or(0, |span| span.start));
        finding.location = Some(locator.position(start));
        let from = finding.location.clone().unwrap_or_default();
        let end = finding.span.filter(|span| !span.is_empty()).map(|span| locator.end_byte(place, span.end));
        let excerpt = end.map(|end| excerpt(bytes, from.line, start, end, finding.rule == "SE001"));
        let under = bytes.get(start..end.unwrap_or(start)).unwrap_or(b"");
        let content = content(&finding, under);
        let end = end.map(|_| behind(&from, under));
        Item { path: path.clone(), finding, excerpt, end, content, judged }
    }
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
