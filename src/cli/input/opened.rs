//! How a file is read: line by line in windows, or whole.

use super::{Found, Stream, Windows};
use crate::cli::CliError;
use crate::formats::{self, DetectError, Format, ReadError};
use crate::suite::parse_size;
use clap::{Arg, ArgMatches};

/// Bytes by which the format of a file is told.
const HEAD: usize = 1 << 20;

/// A file that was opened and looked at.
pub(in crate::cli) enum Opened {
    /// One record a line, in a format that is known.
    Lines(Windows, &'static Format),
    /// A line over the limit, and behind it nothing that could be read.
    TooLong(Windows, Option<DetectError>),
    /// Of no known format.
    Refused(DetectError),
    /// Anything else: all of it, and what went wrong behind it.
    Whole(Vec<u8>, Option<ReadError>),
}

/// Windows of a file: their size and the longest line, in bytes.
#[derive(Debug, Clone, Copy)]
pub(in crate::cli) struct Sizes {
    pub(in crate::cli) window: usize,
    pub(in crate::cli) line_limit: usize,
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

/// Opens a file. One that is `alone` may be read line by line; `from` is its format if that is known.
///
/// # Errors
/// It can't be opened or read.
pub(in crate::cli) fn open(
    file: &Found,
    alone: bool,
    from: Option<&str>,
    sizes: Sizes,
) -> Result<Opened, ReadError> {
    let stream = Stream::open(file)?;
    let mut windows = Windows::new(stream, sizes.window, sizes.line_limit);
    if alone {
        let ended = windows.head(HEAD);
        let passed = windows.has_passed();
        let others = !ended || passed;
        match formats::lines_format(&file.name, windows.read(), ended, others, from) {
            Ok(Some(format)) => return Ok(Opened::Lines(windows, format)),
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
    ReadError { line: 1, ..super::problem(path.to_owned(), formats::long_line(limit), None) }
}
