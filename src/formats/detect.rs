//! Which format a file has, told by its content; a name given with `--from` overrides it.

use super::record::too_long;
use super::{ALL, Format, ReadError, ReadOutput, Shape, Source, decompress, find, plan};
use crate::util::suggest::nearest;
use std::fmt;

/// From here on a sniffer's answer is a yes.
const YES: u8 = 50;
/// Two answers nearer than this can't be told apart.
const MARGIN: u8 = 10;

/// Why a file could not be given to any reader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DetectError {
    /// Path as the user gave it.
    pub path: String,
    /// One lower-case sentence without the path.
    pub message: String,
    /// What the user may do.
    pub hint: Option<String>,
    /// Whether the file is readable but of no known kind: a walk over a folder may pass it by.
    pub foreign: bool,
}

impl fmt::Display for DetectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

impl std::error::Error for DetectError {}

impl DetectError {
    fn new(path: &str, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), message: message.into(), hint: None, foreign: false }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Reads one file, compressed or not, in the format `from` or in the one that its content shows.
///
/// # Errors
/// If no format is named `from`; if the file is empty, binary, in UTF-16, or damaged at its very
/// first record; if no format, or more than one, fits. Damage further on is in the output.
pub fn read_bytes(path: &str, bytes: &[u8], from: Option<&str>) -> Result<ReadOutput, DetectError> {
    let unpacked = decompress(bytes);
    let source = Source::new(path, &unpacked.bytes);
    let outcome = match from {
        Some(name) => Ok(by_name(path, name)?),
        None => detect(&source),
    };
    let format = match (outcome, &unpacked.problem) {
        (Ok(format), _) => format,
        (Err(_), Some(problem)) => return Err(DetectError::new(path, problem.clone())),
        (Err(error), None) => return Err(error),
    };
    let mut output = format.read(&source);
    if let Some(problem) = unpacked.problem {
        output.errors.push(source.error(source.bytes.len(), problem));
    }
    Ok(output)
}

/// Reads the files of one [`Input`](super::Input), whose `format` it is. Files that only look as if they belonged
/// together are read each for itself; then what concerns one file only is an error in the output, so that the
/// others are read.
///
/// # Errors
/// If there is just one file, and [`read_bytes`] refuses it.
pub fn read_group(
    format: Option<&str>,
    files: &[(String, Vec<u8>)],
    from: Option<&str>,
) -> Result<ReadOutput, DetectError> {
    let folder = format.filter(|format| from.is_none_or(|from| from == *format)).and_then(find);
    if let Some(folder) = folder.and_then(|format| format.folder.as_ref()) {
        let unpacked: Vec<_> = files.iter().map(|(path, bytes)| (path, decompress(bytes))).collect();
        let sources: Vec<Source<'_>> =
            unpacked.iter().map(|(path, file)| Source::new(path, &file.bytes)).collect();
        if (folder.confirm)(&sources) {
            let mut output = (folder.read)(&sources);
            for ((_, file), source) in unpacked.iter().zip(&sources) {
                let problem = file.problem.as_ref();
                output.errors.extend(problem.map(|what| source.error(source.bytes.len(), what.clone())));
            }
            return Ok(output);
        }
    }
    let mut output = ReadOutput::default();
    for (path, bytes) in files {
        match read_bytes(path, bytes, from) {
            Ok(read) => output.append(read),
            Err(error) if files.len() == 1 => return Err(error),
            Err(error) => output.errors.push(ReadError {
                path: error.path,
                line: 1,
                offset: 0,
                message: error.message,
                hint: error.hint,
            }),
        }
    }
    Ok(output)
}

/// Reads files that [`plan()`] puts together or apart; what concerns one file only is an error in the
/// output, so that the others are read.
///
/// # Errors
/// If there is just one input of one file, and [`read_bytes`] refuses it.
pub fn read_files(files: &[(String, Vec<u8>)], from: Option<&str>) -> Result<ReadOutput, DetectError> {
    let paths: Vec<String> = files.iter().map(|(path, _)| path.clone()).collect();
    let inputs = plan(&paths);
    let single = inputs.len() == 1;
    let mut output = ReadOutput::default();
    for input in inputs {
        let group: Vec<(String, Vec<u8>)> = input.files.iter().map(|&n| files[n].clone()).collect();
        match read_group(input.format, &group, from) {
            Ok(read) => output.append(read),
            Err(error) if single => return Err(error),
            Err(error) => output.errors.push(ReadError {
                path: error.path,
                line: 1,
                offset: 0,
                message: error.message,
                hint: error.hint,
            }),
        }
    }
    Ok(output)
}

fn by_name(path: &str, name: &str) -> Result<&'static Format, DetectError> {
    find(name).ok_or_else(|| {
        let names = || ALL.iter().map(|format| format.name);
        let error = DetectError::new(path, format!("no format is named '{name}'"));
        match nearest(name, names()) {
            Some(near) => error.hint(format!("did you mean '{near}'?")),
            None => error.hint(format!("it is one of {}", names().collect::<Vec<_>>().join(", "))),
        }
    })
}

/// The format of a decompressed file: the one named `from`, or the one that its content shows.
///
/// # Errors
/// As those of [`read_bytes`].
pub fn format_of(source: &Source<'_>, from: Option<&str>) -> Result<&'static Format, DetectError> {
    match from {
        Some(name) => by_name(source.path, name),
        None => detect(source),
    }
}

/// Finds the one format that fits.
pub(super) fn detect(source: &Source<'_>) -> Result<&'static Format, DetectError> {
    if let Some(error) = blank(source) {
        return Err(error);
    }
    let mut verdicts: Vec<_> = ALL.iter().map(|format| (*format, (format.sniff)(source))).collect();
    // The sort is stable: equals stay in the order of the registry.
    verdicts.sort_by_key(|(_, sniff)| std::cmp::Reverse(sniff.confidence));
    match verdicts.as_slice() {
        [(best, first), (other, second), ..] if first.confidence >= YES => {
            if second.confidence >= YES && first.confidence - second.confidence < MARGIN {
                let message = format!("may be {} or {}", best.name, other.name);
                return Err(DetectError::new(source.path, message).hint("name its format with --from"));
            }
            Ok(best)
        }
        _ => {
            if let Some(error) = binary(source) {
                return Err(error);
            }
            if let Some(at) = source.too_long() {
                let at = too_long(source.error(at, ""));
                let message = format!("{} (line {}, byte {})", at.message, at.line, at.offset);
                return Err(DetectError { hint: at.hint, ..DetectError::new(source.path, message) });
            }
            if let Shape::Broken(error) = source.shape() {
                let at = source.error(error.offset, "");
                let message =
                    format!("not readable as JSON: {} (line {}, byte {})", error.message, at.line, at.offset);
                return Err(DetectError::new(source.path, message).hint("the file may be cut or damaged"));
            }
            let near = verdicts
                .iter()
                .take(3)
                .map(|(format, sniff)| format!("not {}: it {}", format.name, sniff.why));
            let message = format!("of no known format ({})", near.collect::<Vec<_>>().join("; "));
            let mut error = DetectError::new(source.path, message)
                .hint("name its format with --from; rolltape list formats shows all of them");
            error.foreign = true;
            Err(error)
        }
    }
}

/// A file without a word in it.
fn blank(source: &Source<'_>) -> Option<DetectError> {
    let blank = source.text().iter().all(u8::is_ascii_whitespace);
    blank.then(|| DetectError::new(source.path, "is empty").hint("a transcript has one message at least"))
}

/// Files that are no text, and no archive that a format knows.
fn binary(source: &Source<'_>) -> Option<DetectError> {
    let bytes = source.bytes;
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Some(DetectError::new(source.path, "is written in UTF-16").hint("convert it to UTF-8"));
    }
    let head = &bytes[..bytes.len().min(8192)];
    if *source.shape() == Shape::Text && head.contains(&0) {
        let mut error = DetectError::new(source.path, "is a binary file").hint("transcripts are text");
        error.foreign = true;
        return Some(error);
    }
    None
}
