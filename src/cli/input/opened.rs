//! Opens a file the way that it has to be read: in windows of lines, or whole.

use super::{Found, Stream, Windows, problem};
use crate::cli::CliError;
use crate::formats::{self, By, DetectError, Format, ReadError, Told};
use crate::suite::parse_size;
use clap::{Arg, ArgMatches};

/// Bytes by which the format of a file is told.
const HEAD: usize = 1 << 20;

/// How a file is read.
pub(in crate::cli) enum Opened {
    /// Lines of a known format, and how that was told.
    Lines(Windows, &'static Format, Told),
    /// A line over the limit, and behind it nothing that could be read.
    TooLong(Windows, Option<DetectError>),
    /// Of no known format.
    Refused(DetectError),
    /// All of it, and what was wrong with it.
    Whole(Vec<u8>, Option<ReadError>),
}

/// How much is read at once.
#[derive(Debug, Clone, Copy)]
pub(in crate::cli) struct Pace {
    /// Bytes of a file of lines that are in memory together.
    pub(in crate::cli) window: usize,
    /// Longest line, in bytes.
    pub(in crate::cli) limit: usize,
}

/// The flags `--line-limit` and `--window`.
pub(in crate::cli) fn size_args() -> [Arg; 2] {
    let size = |name: &'static str| Arg::new(name).long(name).value_name("SIZE");
    [
        size("line-limit")
            .help("Longest record of a file with one record a line; a longer one is an error")
            .default_value("64MiB"),
        // For tests: the output must not depend on it.
        size("window").help("Bytes of a file that are read at once").hide(true).default_value("1MiB"),
    ]
}

/// A size such as `64MiB`, from the flag of that name.
///
/// # Errors
/// It is no size.
pub(in crate::cli) fn size(matches: &ArgMatches, name: &str) -> Result<usize, CliError> {
    let word = matches.get_one::<String>(name).map(String::as_str).unwrap_or_default();
    let size = parse_size(word).and_then(|size| usize::try_from(size).ok());
    size.filter(|size| *size <= isize::MAX as usize / 4).ok_or_else(|| {
        CliError::usage(format!("the value of --{name}, '{word}', is no size"))
            .hint("write a number and a unit: 512KiB, 64MiB, 1GiB")
    })
}

/// Opens a file. Only one that is `alone` may be read line by line; `named` is the format that its name shows.
pub(in crate::cli) fn open(
    file: &Found,
    alone: bool,
    from: Option<&'static str>,
    named: Option<&'static str>,
    pace: Pace,
) -> Result<Opened, ReadError> {
    let mut windows = Windows::new(Stream::open(file)?, pace.window, pace.limit);
    if alone {
        let ended = windows.head(HEAD);
        let passed = windows.has_passed();
        let others = !ended || passed;
        match formats::lines_format(&file.name, windows.read(), ended, others, from.or(named)) {
            Ok(Some((format, by))) => {
                let by = if from.is_none() && named.is_some() { By::Names } else { by };
                let told = Told { path: file.name.clone(), files: 1, format: format.name, by };
                return Ok(Opened::Lines(windows, format, told));
            }
            Ok(None) if passed => return Ok(Opened::TooLong(windows, None)),
            Err(error) if passed => return Ok(Opened::TooLong(windows, Some(error))),
            Ok(None) => {}
            Err(error) => return Ok(Opened::Refused(error)),
        }
    }
    let (stream, head, trouble) = windows.into_stream();
    let (bytes, later) = stream.whole(head)?;
    Ok(Opened::Whole(bytes, trouble.map(|trouble| trouble.at(&file.name, &[])).or(later)))
}

/// The errors for lines over the limit at the beginning of a file that holds nothing else.
pub(in crate::cli) fn passed(mut windows: Windows, limit: usize) -> Vec<ReadError> {
    let path = windows.name().to_owned();
    let mut window = super::Window::default();
    let mut errors = Vec::new();
    while windows.next(&mut window) {
        if window.passed {
            let line = errors.len() as u64 + 1;
            errors.push(ReadError { line, offset: window.offset, ..long(&path, limit) });
        }
    }
    errors
}

/// The error for a line over the limit, as if it were the first one.
pub(in crate::cli) fn long(path: &str, limit: usize) -> ReadError {
    ReadError { line: 1, ..problem(path.to_owned(), formats::long_line(limit), None) }
}

/// The lines of a window as spans of its bytes, the blank ones too, without their ends; a byte order mark is left out.
pub(in crate::cli) fn line_spans(bytes: &[u8], first: bool) -> Vec<(usize, usize)> {
    let mut start = if first && bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    let tail = (!bytes.ends_with(b"\n") && !bytes.is_empty()).then_some(bytes.len());
    memchr::memchr_iter(b'\n', bytes)
        .chain(tail)
        .map(|end| {
            let span = (start, end);
            start = end + 1;
            span
        })
        .collect()
}
