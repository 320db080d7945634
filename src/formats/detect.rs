//! Which format a file has, told by its content; a name given with `--from` overrides it.

use super::marks::{self, Near};
use super::record::too_long;
use super::{ALL, Format, ReadError, ReadOutput, Shape, Sniff, Source, decompress, find, plan};
use crate::util::suggest::nearest;
use crate::util::text::one_line;
use std::fmt;

/// From here on a sniffer's answer is a yes.
const YES: u8 = 50;
/// Two answers nearer than this can't be told apart.
const MARGIN: u8 = 10;
/// A format that is further behind than this is no runner-up.
const CLOSE: u8 = 40;
/// Formats that an error lists.
const NEAREST: usize = 3;

/// Which format a file was read in, and how that was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Path as the user gave it; of files that belong together the first one.
    pub path: String,
    /// Files that were read together, 1 at least.
    pub files: u64,
    /// Name of the format.
    pub format: &'static str,
    /// How it was told.
    pub by: By,
}

/// How a format was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// By the content.
    Content {
        /// 50 to 100, as in [`Sniff`].
        confidence: u8,
        /// The next best format and its confidence, if that is close.
        runner_up: Option<(&'static str, u8)>,
    },
    /// By the names of files that belong together, and what is in them.
    Names,
    /// By the user.
    User,
}

/// `openai-chat (confidence 80, runner-up anthropic 60)`
impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.by {
            By::Content { confidence, runner_up: None } => {
                write!(f, "{} (confidence {confidence})", self.format)
            }
            By::Content { confidence, runner_up: Some((other, its)) } => {
                write!(f, "{} (confidence {confidence}, runner-up {other} {its})", self.format)
            }
            By::Names if self.files == 1 => write!(f, "{} (told by its name)", self.format),
            By::Names => write!(f, "{} ({} files that belong together)", self.format, self.files),
            By::User => write!(f, "{} (as --from says)", self.format),
        }
    }
}

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
    let (format, by) = match (outcome, &unpacked.problem) {
        (Ok(told), _) => told,
        (Err(_), Some(problem)) => return Err(DetectError::new(path, problem.clone())),
        (Err(error), None) => return Err(error),
    };
    let mut output = format.read(&source);
    output.told.push(Told { path: path.to_owned(), files: 1, format: format.name, by });
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
            let (path, files) = (sources[0].path.to_owned(), sources.len() as u64);
            let by = if from.is_some() { By::User } else { By::Names };
            output.told.push(Told { path, files, format: output.format, by });
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

fn by_name(path: &str, name: &str) -> Result<(&'static Format, By), DetectError> {
    find(name).map(|format| (format, By::User)).ok_or_else(|| {
        let names = || ALL.iter().map(|format| format.name);
        let error = DetectError::new(path, format!("no format is named '{name}'"));
        match nearest(name, names()) {
            Some(near) => error.hint(format!("did you mean '{near}'?")),
            None => error.hint(format!("it is one of {}", names().collect::<Vec<_>>().join(", "))),
        }
    })
}

/// The format of a decompressed file: the one named `from`, or the one that its content shows; and how it was told.
///
/// # Errors
/// As those of [`read_bytes`].
pub fn format_of(source: &Source<'_>, from: Option<&str>) -> Result<(&'static Format, By), DetectError> {
    match from {
        Some(name) => by_name(source.path, name),
        None => detect(source),
    }
}

type Verdict = (&'static Format, Sniff);

/// Finds the one format that fits.
fn detect(source: &Source<'_>) -> Result<(&'static Format, By), DetectError> {
    if let Some(error) = blank(source) {
        return Err(error);
    }
    let mut verdicts: Vec<Verdict> = ALL.iter().map(|format| (*format, (format.sniff)(source))).collect();
    // The sort is stable: equals stay in the order of the registry.
    verdicts.sort_by_key(|(_, sniff)| std::cmp::Reverse(sniff.confidence));
    match verdicts.as_slice() {
        [(best, first), (other, second), ..] if first.confidence >= YES => {
            let behind = first.confidence - second.confidence;
            if second.confidence >= YES && behind < MARGIN {
                return Err(ambiguous(source, verdicts));
            }
            let close = second.confidence > 0 && behind <= CLOSE;
            let runner_up = close.then_some((other.name, second.confidence));
            Ok((best, By::Content { confidence: first.confidence, runner_up }))
        }
        _ => Err(damaged(source).unwrap_or_else(|| unknown(source, verdicts))),
    }
}

/// The error for a file that more than one format fits: these, and what the next ones miss.
fn ambiguous(source: &Source<'_>, verdicts: Vec<Verdict>) -> DetectError {
    let best = verdicts.first().map_or(0, |(_, first)| first.confidence);
    let (fit, others): (Vec<Verdict>, Vec<Verdict>) =
        verdicts.into_iter().partition(|(_, sniff)| best - sniff.confidence < MARGIN);
    let fit: Vec<String> = fit
        .iter()
        .map(|(format, sniff)| format!("{} (confidence {})", format.name, sniff.confidence))
        .collect();
    let others: String = by_nearness(source, others)
        .iter()
        .take(NEAREST.saturating_sub(fit.len()))
        .map(|one| format!("; {}", why_not(one)))
        .collect();
    let message = format!("may be {}{others}", fit.join(" or "));
    DetectError::new(source.path, message).hint("name its format with --from")
}

/// Why no format can fit.
fn damaged(source: &Source<'_>) -> Option<DetectError> {
    if let Some(error) = binary(source) {
        return Some(error);
    }
    if let Some(at) = source.too_long() {
        let at = too_long(source.error(at, ""));
        let message = format!("{} (line {}, byte {})", at.message, at.line, at.offset);
        return Some(DetectError { hint: at.hint, ..DetectError::new(source.path, message) });
    }
    let Shape::Broken(error) = source.shape() else { return None };
    let at = source.error(error.offset, "");
    let message = format!("not readable as JSON: {} (line {}, byte {})", error.message, at.line, at.offset);
    Some(DetectError::new(source.path, message).hint("the file may be cut or damaged"))
}

/// The error for a file that no format fits: the nearest ones, and what each of them misses first.
fn unknown(source: &Source<'_>, verdicts: Vec<Verdict>) -> DetectError {
    let near = by_nearness(source, verdicts);
    let none = near.first().is_none_or(|(_, near)| near.share == 0);
    let listed: Vec<String> = near.iter().take(NEAREST).map(why_not).collect();
    let lead = if none { "of no known format, and near to none" } else { "of no known format" };
    let mut error = DetectError::new(source.path, format!("{lead} ({})", listed.join("; ")))
        .hint("name its format with --from; rolltape list formats shows all of them");
    error.foreign = true;
    error
}

/// The nearest first: those of which most marks are there.
fn by_nearness(source: &Source<'_>, verdicts: Vec<Verdict>) -> Vec<(Verdict, Near)> {
    let json = *source.shape() != Shape::Text;
    let mut near: Vec<(Verdict, Near)> = verdicts
        .into_iter()
        .map(|verdict| {
            let near = marks::near(verdict.0, source);
            (verdict, near)
        })
        .collect();
    near.sort_by_key(|((format, sniff), near)| {
        let other_kind = json == marks::of_text(format);
        std::cmp::Reverse((near.share, !other_kind, sniff.confidence))
    });
    near
}

/// `not atif, 4 of 7 marks: it has no "schema_version" that begins with ATIF-`
fn why_not(((format, sniff), near): &(Verdict, Near)) -> String {
    let marks = match near.there {
        0 => String::new(),
        there => format!(", {there} of {} marks", near.of),
    };
    let why = match near.slip.as_deref().unwrap_or(&sniff.why) {
        "" => "fits others better".to_owned(),
        why => one_line(why),
    };
    format!("not {}{marks}: it {why}", format.name)
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
