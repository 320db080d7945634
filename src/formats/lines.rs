//! Files with one record a line, piece by piece: told by their beginning, read line by line.
//!
//! What comes out of a line does not depend on the piece that it stands in, but for places: they are those of the
//! piece.

use super::detect::format_of;
use super::{By, DetectError, Format, ReadOutput, Reader, Shape, Source, record};

/// The format of a file of lines, told by its first lines, and how it was told; `ended` if they go to its end, `others`
/// if there are other lines than these. `None` for a file that has to be read as a whole: another shape, or another
/// kind of format.
///
/// `from` overrides what the content shows.
///
/// # Errors
/// If the lines are of no known format and there are more of them: the file need not be read whole to say so.
pub fn lines_format(
    path: &str,
    head: &[u8],
    ended: bool,
    others: bool,
    from: Option<&str>,
) -> Result<Option<(&'static Format, By)>, DetectError> {
    let end = if ended { Some(head.len()) } else { memchr::memrchr(b'\n', head).map(|at| at + 1) };
    let Some(end) = end else { return Ok(None) };
    let source = Source::new(path, &head[..end]);
    let lines = match source.shape() {
        Shape::Lines => true,
        // One line, and others that are not looked at.
        Shape::Document(node) => others && memchr::memchr(b'\n', &head[node.start..node.end]).is_none(),
        _ => false,
    };
    if !lines {
        return Ok(None);
    }
    let told = match format_of(&source, from) {
        Ok(told) => Some(told),
        Err(error) if others && from.is_none() => return Err(error),
        Err(_) => None,
    };
    Ok(told.filter(|(format, _)| matches!(format.read, Reader::Records(_))))
}

/// Reads lines of a file that [`lines_format`] gave a format to: `spans` of `piece`, in order. A line over `limit`
/// bytes is an error.
pub fn read_lines(
    format: &Format,
    path: &str,
    piece: &[u8],
    spans: &[(usize, usize)],
    limit: usize,
) -> ReadOutput {
    let Reader::Records(convert) = format.read else { return ReadOutput::default() };
    record::spans(&Source::piece(path, piece), spans, limit, format.name, convert)
}

/// What is said of a line over the limit.
pub fn long_line(limit: usize) -> String {
    record::long_line(limit)
}
