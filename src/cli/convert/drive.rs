//! Reads, converts and writes: small files in parallel, large files of lines in pieces, output in the order of the
//! input.

use super::super::input::{self, Found, Gathered};
use super::super::{CliError, Context, Exit, Verbosity, check};
use super::names::Names;
use super::place::Place;
use super::told::{Of, Told};
use super::{Plan, trajectories};
use crate::formats::{self, Input, Locator, Loss, Output, Pieces, ReadError, ReadOutput, Source, Writer};
use crate::model::Trajectory;
use rayon::prelude::*;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Bytes of files that are in memory together, but for one file that is larger.
const WINDOW: u64 = 32 << 20;

/// Files that are in memory together.
const FILES: usize = 256;

/// Everything on the way from the sources to the output.
struct Work<'p> {
    plan: &'p Plan,
    names: Names,
    place: Place,
    told: Told,
    errors: Vec<ReadError>,
    warnings: Vec<String>,
    /// Files in folders that no reader knows.
    foreign: u64,
    /// What each file was read as.
    formats: Vec<formats::Told>,
    /// For formats that have all in one file.
    kept: Vec<(Of, Trajectory)>,
}

/// What an input, or a piece of it, came to.
#[derive(Default)]
struct Part {
    converted: Vec<(Of, Made)>,
    errors: Vec<ReadError>,
    warnings: Vec<String>,
    foreign: u64,
    formats: Vec<formats::Told>,
}

enum Made {
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
        errors,
        warnings: Vec::new(),
        foreign: 0,
        formats: Vec::new(),
        kept: Vec::new(),
    };
    let names: Vec<String> = files.iter().map(|file| file.name.clone()).collect();
    let inputs = formats::plan(&names);
    let mut window: Vec<&Input> = Vec::new();
    let mut bytes = 0;
    for input in &inputs {
        let size: u64 = input.files.iter().map(|index| files[*index].size()).sum();
        if size > WINDOW / 4 || files[input.files[0]].name == "-" {
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

    /// Converts a large file in pieces.
    fn large(&mut self, input: &Input, files: &[Found]) -> Result<(), CliError> {
        let (true, [index]) = (input.format.is_none(), input.files.as_slice()) else {
            return self.take(small(input, files, self.plan));
        };
        let file = &files[*index];
        let mut part = Part::default();
        let Some(bytes) = open(file, &mut part) else { return self.take(part) };
        let source = Source::new(&file.name, &bytes);
        let format = match formats::format_of(&source, self.plan.from) {
            Ok((format, by)) => {
                let path = file.name.clone();
                part.formats.push(formats::Told { path, files: 1, format: format.name, by });
                format
            }
            Err(error) => {
                refused(error, file.walked, self.plan, &mut part);
                return self.take(part);
            }
        };
        let mut count = 0;
        for output in Pieces::new(&source, format) {
            let files = [(file.name.clone(), &*bytes)];
            let before = count;
            count += output.trajectories.len() as u64;
            convert(output, &files, before, self.plan, &mut part);
            self.take(std::mem::take(&mut part))?;
        }
        Ok(())
    }

    fn take(&mut self, part: Part) -> Result<(), CliError> {
        self.errors.extend(part.errors);
        self.warnings.extend(part.warnings);
        self.foreign += part.foreign;
        self.formats.extend(part.formats);
        for (mut of, made) in part.converted {
            if matches!(self.place, Place::Folder { .. }) {
                of.name = self.names.make(&of.path, of.number);
            }
            match made {
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
        for warning in &self.warnings {
            context.say(&format!("warning: {warning}"));
        }
        if self.foreign > 0 {
            let noun = if self.foreign == 1 { "file" } else { "files" };
            context.say(&format!("passed by: {} {noun} of no known format", self.foreign));
        }
        for error in &self.errors {
            context.say(&check::error_text(error));
        }
        let bad = !self.errors.is_empty();
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

fn open(file: &Found, part: &mut Part) -> Option<Vec<u8>> {
    match input::read(file) {
        Ok((bytes, trouble)) => {
            part.errors.extend(trouble);
            Some(bytes)
        }
        Err(error) => {
            part.errors.push(error);
            None
        }
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
    let mut part = Part::default();
    let mut read = Vec::new();
    for file in input.files.iter().map(|&index| &files[index]) {
        read.extend(open(file, &mut part).map(|bytes| (file.name.clone(), bytes)));
    }
    if read.is_empty() {
        return part;
    }
    match formats::read_group(input.format, &read, plan.from) {
        Ok(mut output) => {
            let members = std::mem::take(&mut output.members);
            let all = read.iter().chain(&members).map(|(name, bytes)| (name.clone(), bytes.as_slice()));
            convert(output, &all.collect::<Vec<_>>(), 0, plan, &mut part);
        }
        Err(error) => {
            let walked = input.files.iter().all(|&index| files[index].walked);
            refused(error, walked, plan, &mut part);
        }
    }
    part
}

/// Converts what was read; `before` trajectories of the same file came before it.
fn convert(output: ReadOutput, files: &[(String, &[u8])], before: u64, plan: &Plan, part: &mut Part) {
    part.formats.extend(output.told);
    part.errors.extend(output.errors);
    part.warnings.extend(output.warnings.iter().map(ToString::to_string));
    let mut numbers: BTreeMap<String, u64> = BTreeMap::new();
    let numbered: Vec<(u64, Trajectory)> = output
        .trajectories
        .into_iter()
        .map(|trajectory| {
            let number = numbers.entry(trajectory.origin.path.clone()).or_insert(before);
            *number += 1;
            (*number, trajectory)
        })
        .collect();
    let collects = matches!(plan.writer, Writer::Collection { .. });
    let made = numbered.into_par_iter().map(|(number, trajectory)| {
        let mut of = Of {
            path: trajectory.origin.path.clone(),
            line: trajectory.origin.line.max(1),
            number,
            id: trajectory.id.clone(),
            name: String::new(),
            places: BTreeMap::new(),
        };
        if collects {
            return (of, Made::Kept(Box::new(trajectory)));
        }
        // Where its steps stand is asked for only by the report.
        let kept = plan.report.is_some().then(|| trajectory.clone());
        let (output, loss) = formats::convert(Cow::Owned(trajectory), plan.to, plan.calls)
            .unwrap_or_else(|| (Output::Folder(Vec::new()), Loss::default()));
        if let Some(kept) = kept {
            of.places = places(&kept, &loss, files);
        }
        (of, Made::Written(output, loss))
    });
    part.converted.par_extend(made);
}

/// Where the steps stand that the report gives as examples.
fn places(trajectory: &Trajectory, loss: &Loss, files: &[(String, &[u8])]) -> BTreeMap<u64, (u64, u64)> {
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
        let Some((_, bytes)) = files.iter().find(|(name, _)| name == path) else { continue };
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
