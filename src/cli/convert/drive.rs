//! Reads, converts and writes: small files side by side, a large one on all cores, output in the order of the input.

use super::super::input::{self, Found, Gathered, Opened, Pace};
use super::super::{CliError, Context, Exit, Verbosity, check};
use super::lines;
use super::names::Names;
use super::place::Place;
use super::told::{Of, Told};
use super::{Plan, trajectories};
use crate::formats::{self, Input, Locator, Loss, Output, ReadError, Writer};
use crate::model::Trajectory;
use rayon::prelude::*;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Bytes of files that are in memory together, but for one file that is larger.
const WINDOW: u64 = 32 << 20;

/// Bytes of a file that has all cores for itself.
const LARGE: u64 = 1 << 20;

/// Files that are in memory together.
const FILES: usize = 256;

/// Everything on the way from the sources to the output.
struct Work<'p> {
    plan: &'p Plan,
    names: Names,
    place: Place,
    told: Told,
    context: &'p Context,
    /// Errors that were told.
    errors: u64,
    /// Files in folders that no reader knows.
    foreign: u64,
    /// What each file was read as.
    formats: Vec<formats::Told>,
    /// For formats that have all in one file.
    kept: Vec<(Of, Trajectory)>,
}

/// What an input, or a piece of it, came to.
#[derive(Default)]
pub(super) struct Part {
    pub(super) converted: Vec<(Of, Made)>,
    /// Lines of those that became one.
    pub(super) bytes: Vec<u8>,
    pub(super) errors: Vec<ReadError>,
    pub(super) warnings: Vec<ReadError>,
    foreign: u64,
    formats: Vec<formats::Told>,
}

impl Part {
    fn add(&mut self, mut other: Part) {
        self.converted.append(&mut other.converted);
        self.bytes.append(&mut other.bytes);
        self.errors.append(&mut other.errors);
        self.warnings.append(&mut other.warnings);
        self.foreign += other.foreign;
        self.formats.append(&mut other.formats);
    }
}

pub(super) enum Made {
    /// It stands in [`Part::bytes`].
    Line(Loss),
    Written(Output, Loss),
    Kept(Box<Trajectory>),
}

/// Converts all that the plan names.
///
/// # Errors
/// The output can't be written, or nothing was there to convert.
pub(super) fn run(plan: &Plan, context: &Context) -> Result<Exit, CliError> {
    let Gathered { files, errors } = input::gather(&plan.paths, context);
    let mut work = Work {
        plan,
        names: Names::default(),
        place: Place::open(plan)?,
        told: Told::open(plan)?,
        context,
        errors: 0,
        foreign: 0,
        formats: Vec::new(),
        kept: Vec::new(),
    };
    work.take(Part { errors, ..Part::default() })?;
    let names: Vec<String> = files.iter().map(|file| file.name.clone()).collect();
    let inputs = formats::plan(&names);
    let mut window: Vec<&Input> = Vec::new();
    let mut bytes = 0;
    for input in &inputs {
        let size: u64 = input.files.iter().map(|index| files[*index].size()).sum();
        if size > LARGE || files[input.files[0]].name == "-" {
            work.flush(&mut window, &files)?;
            bytes = 0;
            work.large(input, &files)?;
            continue;
        }
        window.push(input);
        bytes += size;
        if bytes >= WINDOW || window.len() >= FILES {
            work.flush(&mut window, &files)?;
            bytes = 0;
        }
    }
    work.flush(&mut window, &files)?;
    work.finish(context)
}

impl Work<'_> {
    /// Converts small inputs, each by its own.
    fn flush(&mut self, window: &mut Vec<&Input>, files: &[Found]) -> Result<(), CliError> {
        let plan = self.plan;
        let parts: Vec<Part> = window.par_iter().map(|input| small(input, files, plan)).collect();
        window.clear();
        parts.into_iter().try_for_each(|part| self.take(part))
    }

    /// Converts a large input.
    fn large(&mut self, input: &Input, files: &[Found]) -> Result<(), CliError> {
        let plan = self.plan;
        let mut done = Ok(());
        some(input, files, plan, rayon::current_num_threads(), |part| {
            done = self.take(part);
            done.is_ok()
        });
        done
    }

    fn take(&mut self, part: Part) -> Result<(), CliError> {
        for warning in &part.warnings {
            self.context.say(&format!("warning: {warning}"));
        }
        for error in &part.errors {
            self.context.say(&check::error_text(error));
        }
        self.errors += part.errors.len() as u64;
        self.foreign += part.foreign;
        self.formats.extend(part.formats);
        self.place.lines(&part.bytes)?;
        for (mut of, made) in part.converted {
            if matches!(self.place, Place::Folder { .. }) {
                of.name = self.names.make(&of.path, of.number);
            }
            match made {
                Made::Line(loss) => self.told.add(&of, &loss)?,
                Made::Written(output, loss) => {
                    self.told.add(&of, &loss)?;
                    self.place.put(&of.name, &output)?;
                }
                Made::Kept(trajectory) => self.kept.push((of, *trajectory)),
            }
        }
        Ok(())
    }

    fn finish(mut self, context: &Context) -> Result<Exit, CliError> {
        if !self.kept.is_empty() {
            let (of, all): (Vec<Of>, Vec<Trajectory>) = std::mem::take(&mut self.kept).into_iter().unzip();
            if let Some((ending, bytes, losses)) = formats::convert_all(&all, self.plan.to, self.plan.calls) {
                for (of, loss) in of.iter().zip(&losses) {
                    self.told.add(of, loss)?;
                }
                self.place.put("", &Output::Document(ending, bytes))?;
            }
        }
        if context.verbosity == Verbosity::Verbose {
            self.formats.iter().for_each(|told| check::say_format(told, context));
        }
        if self.foreign > 0 {
            let noun = if self.foreign == 1 { "file" } else { "files" };
            context.say(&format!("passed by: {} {noun} of no known format", self.foreign));
        }
        let bad = self.errors > 0;
        if self.told.converted == 0 {
            if bad {
                return Ok(Exit::Usage);
            }
            let paths: Vec<String> =
                self.plan.paths.iter().map(|path| format!("'{}'", path.display())).collect();
            return Err(CliError::usage(format!("no trajectory was found in {}", paths.join(", ")))
                .hint("rolltape list formats shows what can be read"));
        }
        self.told.finish()?;
        self.told.say(context);
        let (all, lossy) = (self.told.converted, self.told.with_loss);
        if self.plan.deny && lossy > 0 {
            let error = CliError::usage(format!(
                "{lossy} of {} would lose something, and nothing was written",
                trajectories(all)
            ));
            let hint = match &self.plan.report {
                Some(path) => format!("{} tells what, and where", path.display()),
                None => "'--loss-report FILE' tells what, and where".to_owned(),
            };
            let exit = if bad { Exit::Usage } else { Exit::No };
            return Err(CliError { exit, ..error }.hint(hint));
        }
        self.place.finish()?;
        if context.verbosity > Verbosity::Quiet {
            let loss = if lossy > 0 { format!(", {lossy} with loss") } else { String::new() };
            context.say(&format!("converted: {}{loss}", trajectories(all)));
        }
        Ok(if bad { Exit::Usage } else { Exit::Fine })
    }
}

fn refused(error: formats::DetectError, walked: bool, plan: &Plan, part: &mut Part) {
    if error.foreign && walked && plan.from.is_none() {
        part.foreign += 1;
    } else if part.errors.is_empty() {
        part.errors.push(input::problem(error.path, error.message, error.hint));
    }
}

fn small(input: &Input, files: &[Found], plan: &Plan) -> Part {
    let mut all = Part::default();
    some(input, files, plan, 1, |part| {
        all.add(part);
        true
    });
    all
}

/// Converts one input; `take` gets what came of it, in order, until it says false.
fn some(
    input: &Input,
    files: &[Found],
    plan: &Plan,
    workers: usize,
    mut take: impl FnMut(Part) -> bool + Send,
) {
    let mut part = Part::default();
    let mut read = Vec::new();
    let alone = input.files.len() == 1;
    let pace = Pace { window: plan.window, limit: plan.line_limit };
    for file in input.files.iter().map(|&index| &files[index]) {
        match input::open(file, alone, plan.from, input.format, pace) {
            Ok(Opened::Lines(windows, format, told)) => {
                if take(Part { formats: vec![told], ..Part::default() }) {
                    lines::in_windows(windows, format, plan, workers, take);
                }
                return;
            }
            Ok(Opened::TooLong(windows, error)) => {
                part.errors.extend(input::passed(windows, plan.line_limit));
                part.errors.extend(error.map(|error| input::problem(error.path, error.message, error.hint)));
            }
            Ok(Opened::Refused(error)) => refused(error, file.walked, plan, &mut part),
            Ok(Opened::Whole(bytes, trouble)) => {
                part.errors.extend(trouble);
                read.push((file.name.clone(), bytes));
            }
            Err(error) => part.errors.push(error),
        }
    }
    if read.is_empty() {
        take(part);
        return;
    }
    match formats::read_group(input.format, &read, plan.from) {
        Ok(mut output) => {
            part.formats.append(&mut output.told);
            part.errors.append(&mut output.errors);
            part.warnings.append(&mut output.warnings);
            let files: Vec<(&str, &[u8])> = read
                .iter()
                .chain(&output.members)
                .map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
                .collect();
            let numbered = numbered(output.trajectories);
            if workers > 1 {
                let made = numbered.into_par_iter().map(|one| {
                    let mut part = Part::default();
                    convert(one, &files, plan, &mut part);
                    part
                });
                made.collect::<Vec<_>>().into_iter().for_each(|other| part.add(other));
            } else {
                for one in numbered {
                    convert(one, &files, plan, &mut part);
                }
            }
        }
        Err(error) => {
            let walked = input.files.iter().all(|&index| files[index].walked);
            refused(error, walked, plan, &mut part);
        }
    }
    take(part);
}

/// Trajectories with their numbers in their files, from 1.
fn numbered(trajectories: Vec<Trajectory>) -> Vec<(u64, Trajectory)> {
    let mut numbers: BTreeMap<String, u64> = BTreeMap::new();
    let each = trajectories.into_iter().map(|trajectory| {
        let number = numbers.entry(trajectory.origin.path.clone()).or_insert(0);
        *number += 1;
        (*number, trajectory)
    });
    each.collect()
}

/// Converts one trajectory, which has that number in its file.
pub(super) fn convert(
    (number, trajectory): (u64, Trajectory),
    files: &[(&str, &[u8])],
    plan: &Plan,
    part: &mut Part,
) {
    let mut of = Of {
        path: trajectory.origin.path.clone(),
        line: trajectory.origin.line.max(1),
        number,
        id: trajectory.id.clone(),
        name: String::new(),
        places: BTreeMap::new(),
    };
    if matches!(plan.writer, Writer::Collection { .. }) {
        part.converted.push((of, Made::Kept(Box::new(trajectory))));
        return;
    }
    // Where its steps stand is asked for only by the report.
    let kept = plan.report.is_some().then(|| trajectory.clone());
    let (output, loss) = formats::convert(Cow::Owned(trajectory), plan.to, plan.calls)
        .unwrap_or_else(|| (Output::Folder(Vec::new()), Loss::default()));
    if let Some(kept) = kept {
        of.places = places(&kept, &loss, files);
    }
    let made = match output {
        Output::Line(mut line) => {
            line.push(b'\n');
            part.bytes.append(&mut line);
            Made::Line(loss)
        }
        output => Made::Written(output, loss),
    };
    part.converted.push((of, made));
}

/// Where the steps stand that the report gives as examples.
fn places(trajectory: &Trajectory, loss: &Loss, files: &[(&str, &[u8])]) -> BTreeMap<u64, (u64, u64)> {
    let lists = [&loss.lost, &loss.changed];
    let mut wanted: Vec<u64> = lists.into_iter().flatten().filter_map(|lost| lost.step).collect();
    wanted.sort_unstable();
    wanted.dedup();
    let mut out = BTreeMap::new();
    for id in wanted {
        let step = trajectory.steps.iter().find(|step| step.id == id);
        let Some(place) = step.and_then(|step| step.judged_place().or(step.place)) else { continue };
        let origin = &trajectory.origin;
        let path = match place.file as usize {
            0 => &origin.path,
            n => origin.files.get(n - 1).unwrap_or(&origin.path),
        };
        let Some((_, bytes)) = files.iter().find(|(name, _)| *name == path.as_str()) else { continue };
        // Only from the start of its record on: the line of that is known.
        let start = if place.file == 0 { (origin.offset as usize).min(place.offset as usize) } else { 0 };
        let lead = memchr::memrchr(b'\n', &bytes[..start.min(bytes.len())]).map_or(0, |at| at + 1);
        let mut locator = Locator::new(&bytes[lead..]);
        let found = locator.position(place.offset as usize - lead);
        let first = if place.file == 0 { origin.line.max(1) } else { 1 };
        out.insert(id, (first + found.line - 1, found.column));
    }
    out
}
