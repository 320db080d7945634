//! `inspect-eval`: logs of Inspect AI, as `.eval` archives and as `.json` files of version 2, and single samples.
//!
//! A trajectory is a sample of an epoch. Its steps are the sample's messages; the model events tell usage, time and
//! stop reason of each reply. The rest of the sample is in `extra` under its own keys; what the log says of the run
//! is `extra.log`: whole at the first sample, in a few words at the others, or a log would grow with the square of
//! its samples. Source: inspect_ai 0.3.285, `log/_log.py`, `log/_recorders/eval.py`, `log/_condense.py`.

mod archive;
mod sample;
mod write;

use super::source::Refusal;
use super::{Format, ReadOutput, Reader, Sniff, Source, record, unzip};
use crate::model::{Object, Trajectory};
use crate::util::json::View;
use sample::Log;

const NAME: &str = "inspect-eval";
/// Key of what the log says of the run.
const LOG: &str = "log";

pub(super) static ITEM: Format = Format {
    name: NAME,
    about: "logs of Inspect AI: .eval archives, whole or cut off, .json logs, single samples",
    sniff,
    marks: &[
        &["version", "status", "eval.task|model", "plan", "samples", "samples[].epoch", "stats|results"],
        &["id", "epoch", "input", "target", "messages", "scores|output|events"],
    ],
    read: Reader::Whole(read),
    folder: None,
    write: Some(write::WRITER),
};

fn sniff(source: &Source<'_>) -> Sniff {
    if unzip::is_zip(source.bytes) {
        return if unzip::names(source.bytes).iter().any(|name| archive::is_header(name)) {
            Sniff::new(100, "")
        } else {
            Sniff::new(0, "is a zip archive without header.json and _journal/start.json")
        };
    }
    match source.first() {
        Some(record) if is_log(record) => Sniff::new(97, ""),
        Some(record) if is_sample(record) => Sniff::new(95, ""),
        Some(record) if record.is_object() => {
            Sniff::new(0, "has neither \"version\", \"eval\" and \"samples\" nor the members of one sample")
        }
        _ => Sniff::new(0, "holds no JSON object"),
    }
}

fn is_log(record: View<'_>) -> bool {
    record.get("version").is_some()
        && record.get("eval").is_some_and(|eval| eval.get("task").is_some() || eval.get("model").is_some())
}

fn is_sample(record: View<'_>) -> bool {
    ["id", "epoch", "input", "target"].iter().all(|key| record.get(key).is_some())
        && record.get("messages").is_some_and(View::is_array)
}

fn read(source: &Source<'_>) -> ReadOutput {
    if unzip::is_zip(source.bytes) {
        return archive::read(source);
    }
    if !source.first().is_some_and(is_log) {
        return record::read(source, NAME, alone);
    }
    // A log is one document; its samples are its records.
    record::spread(source, NAME, |log, warnings| {
        let run = Log::of(log);
        let Some(samples) = log.get("samples").filter(|samples| samples.is_array()) else {
            return Err(match log.some("samples") {
                Some(other) => super::chat::expected(other, "\"samples\"", "a list"),
                None => (log.offset(), "the log holds no \"samples\"".to_owned()),
            });
        };
        let mut one = |item: View<'_>| {
            let mut trajectory = sample::convert(&run, item, warnings)?;
            trajectory.origin.offset = item.offset() as u64;
            Ok(trajectory)
        };
        let mut parts: Vec<Result<Trajectory, Refusal>> = samples.items().map(&mut one).collect();
        if parts.is_empty() {
            return Err((samples.offset(), "the list \"samples\" is empty".to_owned()));
        }
        let whole = log.members().filter(|(key, _)| key != "samples");
        mark_first(&mut parts, whole.map(|(key, value)| (key.into_owned(), value.value())).collect());
        Ok(parts)
    })
}

/// A sample without its log.
fn alone(record: View<'_>, warnings: &mut Vec<Refusal>) -> Result<Trajectory, Refusal> {
    sample::convert(&Log::default(), record, warnings)
}

/// Gives all that the log says to the first sample that could be read.
fn mark_first(parts: &mut [Result<Trajectory, Refusal>], whole: Object) {
    if let Some(first) = parts.iter_mut().find_map(|part| part.as_mut().ok()) {
        first.extra.insert(LOG.to_owned(), whole.into());
    }
}
