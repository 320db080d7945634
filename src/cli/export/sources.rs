//! Reads runs and foreign trajectories for an export: in order, a window of files at a time.

use super::super::input::{self, Found, Gathered};
use super::super::{Context, Verbosity, check};
use crate::export::{Entry, ExportError, Meta, RunFacts, SourceFacts, Verdict};
use crate::formats::{self, Input, ReadError};
use crate::model::{AttemptRecord, Finding, Policy, RunManifest, Severity, Trajectory};
use crate::rules;
use crate::store::{self, RunView};
use crate::util::digest::sha256_hex;
use rayon::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Bytes of files that are in memory together, but for one file that is larger.
const WINDOW: u64 = 48 << 20;

/// Files that are in memory together.
const FILES: usize = 256;

/// Attempts of a run that are in memory together.
const ATTEMPTS: usize = 128;

/// Name of the format of run folders.
pub(super) const RUN: &str = "rolltape-run";

/// How what comes from elsewhere is read and judged.
pub(super) struct Reading {
    pub(super) from: Option<&'static str>,
    pub(super) policy: Policy,
}

/// What was read, and what could not be.
#[derive(Default)]
pub(super) struct Told {
    pub(super) sources: Vec<SourceFacts>,
    pub(super) runs: Vec<RunFacts>,
    pub(super) errors: Vec<ReadError>,
    warnings: Vec<String>,
    passed_by: u64,
}

impl Told {
    /// Says what is wrong with the sources.
    pub(super) fn say(&self, context: &Context) {
        if context.verbosity > Verbosity::Quiet {
            for warning in &self.warnings {
                context.say(&format!("warning: {warning}"));
            }
            if self.passed_by > 0 {
                let noun = if self.passed_by == 1 { "file" } else { "files" };
                context.say(&format!("passed by: {} {noun} of no known format", self.passed_by));
            }
        }
        for error in &self.errors {
            context.say(&check::error_text(error));
        }
    }
}

type Take<'a> = &'a mut dyn FnMut(Vec<Entry>) -> Result<(), ExportError>;

/// Reads everything behind the paths and hands it over in order.
///
/// # Errors
/// What the taker says.
pub(super) fn each(
    paths: &[PathBuf],
    reading: &Reading,
    context: &Context,
    take: Take<'_>,
) -> Result<Told, ExportError> {
    let Gathered { files, errors } = input::gather(paths, context);
    let names: Vec<String> = files.iter().map(|file| file.name.clone()).collect();
    let mut told = Told { errors, ..Told::default() };
    let mut window: Vec<&Input> = Vec::new();
    let mut bytes = 0;
    let inputs = formats::plan(&names);
    for input in &inputs {
        if input.format == Some(RUN) {
            flush(&mut window, &files, reading, &mut told, take)?;
            bytes = 0;
            run(&names[input.files[0]], &mut told, take)?;
            continue;
        }
        window.push(input);
        bytes += input.files.iter().map(|index| files[*index].size()).sum::<u64>();
        if bytes >= WINDOW || window.len() >= FILES {
            flush(&mut window, &files, reading, &mut told, take)?;
            bytes = 0;
        }
    }
    flush(&mut window, &files, reading, &mut told, take)?;
    Ok(told)
}

fn flush(
    window: &mut Vec<&Input>,
    files: &[Found],
    reading: &Reading,
    told: &mut Told,
    take: Take<'_>,
) -> Result<(), ExportError> {
    let parts: Vec<Part> = window.par_iter().map(|input| read(input, files, reading)).collect();
    window.clear();
    for mut part in parts {
        let first = told.sources.len();
        part.entries.iter_mut().for_each(|entry| entry.meta.source += first);
        told.sources.append(&mut part.sources);
        told.errors.append(&mut part.errors);
        told.warnings.append(&mut part.warnings);
        told.passed_by += part.passed_by;
        take(part.entries)?;
    }
    Ok(())
}

/// What one input gave.
#[derive(Default)]
struct Part {
    sources: Vec<SourceFacts>,
    entries: Vec<Entry>,
    errors: Vec<ReadError>,
    warnings: Vec<String>,
    passed_by: u64,
}

fn read(input: &Input, files: &[Found], reading: &Reading) -> Part {
    let mut part = Part::default();
    let mut texts = Vec::new();
    for file in input.files.iter().map(|index| &files[*index]) {
        let raw = input::raw(file).map(|bytes| (sha256_hex(&bytes), bytes.len() as u64, bytes));
        match raw {
            Ok((sha256, bytes, packed)) => {
                let (text, trouble) = input::unpack(file, packed);
                part.sources.push(SourceFacts {
                    path: file.name.clone(),
                    format: String::new(),
                    bytes,
                    sha256,
                });
                part.errors.extend(trouble);
                texts.push((file.name.clone(), text));
            }
            Err(error) => part.errors.push(error),
        }
    }
    if texts.is_empty() {
        return part;
    }
    let output = formats::read_group(input.format, &texts, reading.from);
    drop(texts);
    let output = match output {
        Ok(output) => output,
        Err(error) => {
            let walked = input.files.iter().all(|index| files[*index].walked);
            part.sources.clear();
            if error.foreign && walked && reading.from.is_none() {
                part.passed_by += 1;
            } else if part.errors.is_empty() {
                part.errors.push(input::problem(error.path, error.message, error.hint));
            }
            return part;
        }
    };
    part.sources.iter_mut().for_each(|source| output.format.clone_into(&mut source.format));
    part.errors.extend(output.errors);
    part.warnings.extend(output.warnings.iter().map(ToString::to_string));
    let mut all = Vec::with_capacity(output.trajectories.len());
    let mut rest: Vec<Trajectory> = output.trajectories.into_iter().rev().collect();
    while let Some(mut trajectory) = rest.pop() {
        rest.extend(std::mem::take(&mut trajectory.subagents).into_iter().rev());
        all.push(trajectory);
    }
    let sources = &part.sources;
    part.entries =
        all.into_par_iter().enumerate().map(|(n, one)| foreign(n, one, sources, &reading.policy)).collect();
    part
}

fn foreign(n: usize, trajectory: Trajectory, sources: &[SourceFacts], policy: &Policy) -> Entry {
    let judgement = rules::judge(&trajectory, policy);
    let origin = &trajectory.origin;
    let source = sources.iter().position(|source| source.path == origin.path).unwrap_or_default();
    let model = trajectory.agent.model.clone();
    let meta = Meta {
        source,
        id: format!("{}#{}", origin.path, n + 1),
        place: format!("{}:{}", origin.path, origin.line.max(1)),
        subject: Some(trajectory.agent.name.clone()).filter(|name| !name.is_empty()),
        model: model.or_else(|| trajectory.steps.iter().find_map(|step| step.model.clone())),
        format: judgement.format_ok(),
        ..Meta::default()
    };
    let broken = broken(&judgement.findings);
    Entry { meta, trajectory: Ok(trajectory), broken }
}

/// Steps whose message breaks the call format.
fn broken(findings: &[Finding]) -> BTreeSet<u64> {
    let errors = findings
        .iter()
        .filter(|finding| finding.rule.starts_with("FC") && finding.severity == Severity::Error);
    errors.filter_map(|finding| finding.step).collect()
}

/// Reads a run, in the order of its plan; `trajectories` is the file that stands for it.
fn run(trajectories: &str, told: &mut Told, take: Take<'_>) -> Result<(), ExportError> {
    let dir = Path::new(trajectories).parent().unwrap_or_else(|| Path::new("."));
    let view = match store::open(dir) {
        Ok(view) => view,
        Err(error) => {
            told.errors.push(input::problem(dir.to_string_lossy().into_owned(), error.message, error.hint));
            return Ok(());
        }
    };
    let named = view.warnings.iter().map(|warning| format!("{}: {warning}", dir.display()));
    told.warnings.extend(named);
    let (ended, planned) = (view.records.len() as u64, view.manifest.planned);
    if ended < planned {
        told.warnings
            .push(format!("{}: the run is not finished, {ended} of {planned} attempts ended", dir.display()));
    }
    let source = told.sources.len();
    for name in ["trajectories.jsonl", "attempts.jsonl", "run.json"] {
        let path = dir.join(name);
        match file_facts(&path) {
            Ok(facts) => told.sources.push(facts),
            Err(error) => {
                let what = format!("can't be read: {}", store::io_text(&error));
                told.errors.push(input::problem(path.to_string_lossy().into_owned(), what, None));
                return Ok(());
            }
        }
    }
    told.runs.push(run_facts(&view.manifest));
    for records in view.records.chunks(ATTEMPTS) {
        let entries: Vec<Entry> =
            records.par_iter().map(|record| attempt(&view, record, source, trajectories)).collect();
        for entry in &entries {
            if let Err(what) = &entry.trajectory
                && entry.meta.verdict.as_ref().is_some_and(|verdict| verdict.scored)
            {
                told.errors.push(input::problem(trajectories.to_owned(), what.clone(), None));
            }
        }
        take(entries)?;
    }
    Ok(())
}

/// Size and digest of a file, read in pieces.
fn file_facts(path: &Path) -> std::io::Result<SourceFacts> {
    use sha2::{Digest, Sha256};
    let mut file = std::fs::File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    let mut bytes = 0;
    loop {
        let n = std::io::Read::read(&mut file, &mut buffer)?;
        if n == 0 {
            break;
        }
        hasher.update(&buffer[..n]);
        bytes += n as u64;
    }
    let sha256 = crate::util::digest::hex(&hasher.finalize());
    Ok(SourceFacts { path: path.to_string_lossy().into_owned(), format: RUN.to_owned(), bytes, sha256 })
}

fn run_facts(manifest: &RunManifest) -> RunFacts {
    let subject = |subject: &crate::model::Subject| -> Value {
        json!({
            "id": subject.id, "agent": subject.agent, "backend": subject.backend, "model": subject.model,
            "params": subject.params,
        })
    };
    RunFacts {
        id: manifest.id.0.clone(),
        suites: manifest.suites.clone(),
        tasks: manifest.tasks.clone(),
        subjects: manifest.subjects.iter().map(subject).collect(),
        policy: manifest.policy.clone(),
        versions: Value::Object(manifest.versions.clone()),
        seed: manifest.seed,
    }
}

fn attempt(view: &RunView, record: &AttemptRecord, source: usize, path: &str) -> Entry {
    let suites = &view.manifest.suites;
    let suite = suites.iter().position(|(name, _)| *name == record.id.suite);
    // One policy a suite, in their order.
    let policies: Vec<&str> = view.manifest.policy.split(',').collect();
    let policy =
        suite.and_then(|index| policies.get(index)).or(policies.first().filter(|_| policies.len() == 1));
    let meta = Meta {
        source,
        id: record.id.to_string(),
        place: format!("{path}, attempt {}", record.id),
        task: format!("{}/{}", record.id.suite, record.id.task),
        task_digest: Some(record.task_digest.clone()),
        suite_digest: suite.map(|index| suites[index].1.clone()),
        subject: Some(record.subject.id.clone()),
        model: record.subject.model.clone(),
        one_call: policy.map(|policy| matches!(*policy, "exactly-one" | "at-most-one")),
        format: record.format_ok,
        verdict: Some(Verdict {
            outcome: record.outcome.word(),
            scored: record.outcome.is_scored(),
            success: record.success,
            reward: record.reward,
        }),
    };
    let trajectory = view.trajectory(record).map_err(|error| error.message);
    Entry { meta, trajectory, broken: broken(&record.findings) }
}
