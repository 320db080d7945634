//! Reports: from a [`RunView`] to text. One file a report.
//!
//! Invariant: same run, same bytes; what depends on the clock is left out with `--no-timing`. Must
//! not know: engine, whether the run is live.

use crate::store::RunView;
use std::io;

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

/// A report format.
pub struct Report {
    /// Name as in `--format NAME`.
    pub name: &'static str,
    /// File name under the run folder if `run` writes it by itself.
    pub file: Option<&'static str>,
    /// One line for help.
    pub about: &'static str,
    /// Writes it.
    pub render: fn(&RunView, &Options, &mut dyn io::Write) -> io::Result<()>,
}
