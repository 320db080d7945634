//! Reports: from a run as it is [`Shown`] to text. One file a report.
//!
//! Invariant: same run, same bytes; what depends on the clock is left out with `--no-timing`. Must
//! not know: engine, whether the run is live.

pub mod compare;
pub mod findings;
mod shown;
mod stats;
mod text;

use crate::store::{StoreError, disk::Disk};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

pub use self::csv::guard;
pub use markdown::{cell, code};
pub use shown::Shown;
pub use stats::{OUTCOMES, Stats, TaskStats};
pub use text::{count, outcome, ratio, usd};

/// How to render.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Whether values that depend on the clock are written.
    pub timing: bool,
    /// Whether escape sequences for colour may be written.
    pub color: bool,
    /// Columns of the terminal, for the table.
    pub width: usize,
}

impl Options {
    /// As for a file: with timing, without colour, 120 columns.
    pub fn file() -> Self {
        Self { timing: true, color: false, width: 120 }
    }
}

/// A report format.
pub struct Report {
    /// Name as in `--format NAME`.
    pub name: &'static str,
    /// File name under the run folder if `run` writes it by itself.
    pub file: Option<&'static str>,
    /// One line for help.
    pub about: &'static str,
    /// Writes it, into memory: it is large, and nothing of it shall be copied on its way.
    pub render: fn(&Shown<'_>, &Options, &mut Vec<u8>) -> io::Result<()>,
}

registry! {
    /// All reports, in the order of help.
    Report: table, csv, json, jsonl, junit, markdown, html, sarif, github
}

/// The report of that name.
pub fn find(name: &str) -> Option<&'static Report> {
    ALL.iter().copied().find(|report| report.name == name)
}

/// Renders a report into memory.
pub fn render(report: &Report, view: &Shown<'_>, options: &Options) -> io::Result<Vec<u8>> {
    // Each copy of a buffer that grows takes memory that was never used before, which is dear.
    let mut bytes = Vec::with_capacity((320 * view.records.len()).min(4 << 20));
    (report.render)(view, options, &mut bytes)?;
    Ok(bytes)
}

/// Renders a report and puts it at `path`, whole or not at all.
///
/// # Errors
/// The file can't be written, or what is to be shown can't be read.
pub fn write_file(
    report: &Report,
    view: &Shown<'_>,
    options: &Options,
    path: &Path,
) -> Result<(), StoreError> {
    let put = render(report, view, options).and_then(|bytes| Disk::real().replace(path, &bytes));
    put.map_err(|error| StoreError::disk("write", path, &error)).map_err(|mut error| {
        error.hint = Some("name a file that can be written with '-o FILE'".to_owned());
        error
    })
}

/// Writes every derived file (`report.html`, `report.md`, `junit.xml`, `attempts.csv`, `summary.json`)
/// into the run folder, each whole or not at all, and names them. They are made at once and written when `ready` has
/// come back; where it says no, none is.
///
/// # Errors
/// The first file that can't be written.
pub fn write_derived(
    view: &Shown<'_>,
    options: &Options,
    ready: &(dyn Fn() -> bool + Sync),
) -> Result<Vec<PathBuf>, StoreError> {
    write_derived_on(&Disk::real(), view, options, ready)
}

/// [`write_derived`] on a disk that a test may have prepared.
pub fn write_derived_on(
    disk: &Disk,
    view: &Shown<'_>,
    options: &Options,
    ready: &(dyn Fn() -> bool + Sync),
) -> Result<Vec<PathBuf>, StoreError> {
    let plain = Options { color: false, ..*options };
    let reports: Vec<(&Report, &str)> =
        ALL.iter().filter_map(|report| report.file.map(|name| (*report, name))).collect();
    let write = |report: &Report, name: &str, bytes: io::Result<Vec<u8>>| {
        let path = view.dir.join(name);
        // The journal has all that is in them: what a loss of power takes away can be made again.
        match bytes.and_then(|bytes| disk.renew(&path, &bytes)) {
            Ok(_) => Ok(path),
            Err(error) => {
                let mut error = StoreError::disk("write", &path, &error);
                error.hint = Some(format!(
                    "the records are safe: 'rolltape report {} --format {} -o FILE' makes it again",
                    view.dir.display(),
                    report.name
                ));
                Err(error)
            }
        }
    };
    if disk.is_planned() {
        // The N-th change is always the same one.
        return reports
            .into_iter()
            .filter(|_| ready())
            .map(|(report, name)| write(report, name, render(report, view, &plain)))
            .collect();
    }
    // Rendered on all cores: this thread begins with the last, which is the longest by far, the others with the first.
    // Each is written by a thread of its own, which waits for the disk and for nothing else.
    std::thread::scope(|threads| {
        let writers = Mutex::new(Vec::new());
        rayon::scope(|pool| {
            for (at, (report, name)) in reports.iter().enumerate() {
                let (writers, write) = (&writers, &write);
                pool.spawn(move |_| {
                    let bytes = render(report, view, &plain);
                    let writer = threads.spawn(move || ready().then(|| write(report, name, bytes)));
                    writers.lock().unwrap_or_else(PoisonError::into_inner).push((at, writer));
                });
            }
        });
        let mut writers = writers.into_inner().unwrap_or_else(PoisonError::into_inner);
        writers.sort_by_key(|(at, _)| *at);
        writers
            .into_iter()
            .filter_map(|(_, writer)| {
                writer.join().unwrap_or_else(|payload| std::panic::resume_unwind(payload))
            })
            .collect()
    })
}
