//! Reads what is behind a path, piece by piece, and keeps no trajectory but the one that is meant.
//!
//! Invariant: memory does not grow with the number of trajectories; what is not told one by one is counted.

use super::super::input::{self, Found, Opened, Pace, Window, Windows};
use super::pick::Picked;
use super::table::Row;
use crate::formats::{self, DetectError, Format, ReadError, ReadOutput, Told};
use crate::model::{AttemptRecord, RunManifest, Trajectory};
use crate::store;
use crate::util::suggest::nearest;
use rayon::prelude::*;
use std::path::Path;

/// Which one is meant.
#[derive(Default)]
pub(super) enum Wanted {
    /// The only one.
    #[default]
    Any,
    /// So many from the first on.
    Number(usize),
    /// The first one of that name.
    Id(String),
}

/// What was read, but for trajectories that nobody asked for.
#[derive(Default)]
pub(super) struct Read {
    pub(super) wanted: Wanted,
    pub(super) picked: Option<Picked>,
    /// Trajectories that were read.
    pub(super) count: usize,
    /// The first of them.
    pub(super) rows: Vec<Row>,
    /// The id that is most like the one that is asked for.
    pub(super) near: Option<String>,
    /// The first errors, and how many there are.
    pub(super) errors: Vec<ReadError>,
    pub(super) errors_in_all: usize,
    /// The first warnings, and how many there are.
    pub(super) warnings: Vec<String>,
    pub(super) warnings_in_all: usize,
    /// Files of the folder that no reader knows.
    pub(super) foreign: usize,
    /// What each file was read as.
    pub(super) told: Vec<Told>,
}

/// Trajectories, errors or warnings that are listed before the rest is only counted.
const LISTED: usize = 40;
/// How a file of lines is read.
const PACE: Pace = Pace { window: 1 << 20, limit: formats::LINE_LIMIT };
/// Bytes of lines that are in memory together, but for one line that is longer.
const TOGETHER: usize = 8 << 20;

impl Read {
    pub(super) fn of(which: Option<&str>) -> Self {
        let wanted = match which.map(|word| (word.parse(), word)) {
            None => Wanted::Any,
            Some((Ok(number), _)) => Wanted::Number(number),
            Some((Err(_), word)) => Wanted::Id(word.to_owned()),
        };
        Self { wanted, ..Self::default() }
    }

    /// Whether what was asked for by name has been read.
    pub(super) fn is_found(&self) -> bool {
        self.picked.is_some() && !matches!(self.wanted, Wanted::Any)
    }

    /// Reads files that belong together.
    pub(super) fn group(
        &mut self,
        files: &[&Found],
        named: Option<&'static str>,
        from: Option<&'static str>,
        others: bool,
    ) {
        let mut together = Vec::new();
        let run = |file: &Found| (named == Some("rolltape-run")).then(|| run_of(&file.name)).flatten();
        for file in files {
            match input::open(file, files.len() == 1, from, named, PACE) {
                Ok(Opened::Lines(windows, format, told)) => {
                    self.told.push(told);
                    return self.lines(windows, format, run(file).as_ref());
                }
                Ok(Opened::TooLong(windows, error)) => {
                    for error in input::passed(windows, PACE.limit) {
                        self.error(error);
                    }
                    return error.map_or((), |error| self.refused(error, false));
                }
                Ok(Opened::Refused(error)) => return self.refused(error, others && from.is_none()),
                Ok(Opened::Whole(bytes, trouble)) => {
                    together.push((file.name.clone(), bytes));
                    if let Some(error) = trouble {
                        self.error(error);
                    }
                }
                Err(error) => self.error(error),
            }
        }
        let Some((first, _)) = together.first() else { return };
        let run = files.iter().find(|file| file.name == *first).and_then(|file| run(file));
        match formats::read_group(named, &together, from) {
            Ok(output) => self.output(output, run.as_ref(), false),
            // A folder may hold other things too.
            Err(error) => self.refused(error, others && from.is_none()),
        }
    }

    fn refused(&mut self, error: DetectError, pass: bool) {
        if error.foreign && pass {
            self.foreign += 1;
        } else {
            self.error(input::problem(error.path, error.message, error.hint));
        }
    }

    /// Reads a file of lines, some windows at a time and these side by side.
    fn lines(&mut self, mut windows: Windows, format: &'static Format, run: Option<&Run>) {
        let path = windows.name().to_owned();
        let mut before = 0;
        let mut ended = false;
        // Little at first: what is meant may be among the first ones.
        let mut together = PACE.window;
        while !ended && !self.is_found() {
            let (mut some, mut sum) = (Vec::new(), 0);
            while sum < together && !ended {
                let mut window = Window::default();
                ended = !windows.next(&mut window);
                sum += window.bytes().len();
                some.extend((!ended).then_some(window));
            }
            together = (2 * together).min(TOGETHER);
            let read = |window: &Window| {
                let spans = input::line_spans(window.bytes(), window.offset == 0);
                let ends = memchr::memchr_iter(b'\n', window.bytes()).count();
                (ends, formats::read_lines(format, &path, window.bytes(), &spans, PACE.limit))
            };
            let outputs: Vec<(usize, ReadOutput)> = some.par_iter().map(read).collect();
            for (window, (lines, mut output)) in some.iter_mut().zip(outputs) {
                let (offset, length) = (window.offset, window.bytes().len() as u64);
                let moved = |error: &mut ReadError| {
                    error.line += before;
                    error.offset += offset;
                };
                output.errors.iter_mut().chain(&mut output.warnings).for_each(moved);
                for origin in output.trajectories.iter_mut().map(|trajectory| &mut trajectory.origin) {
                    origin.line += before;
                    origin.offset += offset;
                }
                self.output(output, run, true);
                if self.is_found() {
                    return;
                }
                if window.passed {
                    self.error(ReadError { line: before + 1, offset, ..input::long(&path, PACE.limit) });
                    before += 1;
                }
                before += lines as u64;
                if let Some(trouble) = window.trouble.take() {
                    self.error(trouble.error(&path, before + 1, offset + length));
                }
            }
        }
    }

    /// Takes what was read. Of `lines`, what is wrong behind the trajectory that is meant is not told: it is chance that
    /// it was read.
    fn output(&mut self, output: ReadOutput, run: Option<&Run>, lines: bool) {
        self.told.extend(output.told);
        let mut last = u64::MAX;
        for trajectory in output.trajectories {
            let line = trajectory.origin.line;
            self.take(attach(trajectory, run));
            if self.is_found() {
                last = if lines { line } else { last };
                break;
            }
        }
        output.errors.into_iter().filter(|error| error.line <= last).for_each(|error| self.error(error));
        for warning in output.warnings.iter().filter(|warning| warning.line <= last) {
            self.warnings_in_all += 1;
            if self.warnings.len() < LISTED {
                self.warnings.push(warning.to_string());
            }
        }
    }

    pub(super) fn error(&mut self, error: ReadError) {
        self.errors_in_all += 1;
        if self.errors.len() < LISTED {
            self.errors.push(error);
        }
    }

    /// Keeps what is wanted, and a row of what is listed.
    fn take(&mut self, picked: Picked) {
        self.count += 1;
        if self.rows.len() < LISTED {
            self.rows.push(Row::of(&picked));
        }
        let found = match &self.wanted {
            Wanted::Any => self.count == 1,
            Wanted::Number(number) => *number == self.count,
            Wanted::Id(word) => {
                let ids: Vec<String> = picked.ids().chain(self.near.take()).collect();
                self.near = nearest(word, ids.iter().map(String::as_str)).map(str::to_owned);
                picked.ids().any(|id| id == *word)
            }
        };
        if found {
            self.picked = Some(picked);
        } else if matches!(self.wanted, Wanted::Any) {
            self.picked = None;
        }
    }
}

/// A run, and its records.
type Run = (RunManifest, Vec<AttemptRecord>);

/// The run that a file of trajectories belongs to.
fn run_of(file: &str) -> Option<Run> {
    let view = store::open(Path::new(file).parent()?).ok()?;
    Some((view.manifest, view.records))
}

fn attach(trajectory: Trajectory, run: Option<&Run>) -> Picked {
    let own = |record: &&AttemptRecord| {
        record.trajectory.as_ref().is_some_and(|at| at.offset == trajectory.origin.offset)
    };
    let record = run.and_then(|(_, records)| records.iter().find(own)).cloned();
    let run =
        record.as_ref().and(run).map(|(manifest, _)| (manifest.policy.clone(), manifest.reading.clone()));
    Picked { trajectory, record, run }
}
