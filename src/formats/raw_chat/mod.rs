//! Lines of `openai-chat` on their raw bytes: read without a tree of values, and their calls turned without one.
//!
//! Invariant: what is read here is read by the exact way without a remark; every doubt is a `None`, and the line is
//! for the exact way. Must not know: files, rules.

#![expect(clippy::option_option, reason = "the outer one is a doubt, the inner one what is not there")]

mod arguments;
mod list;
mod memo;
mod record;
mod text;
mod turn;
mod walk;

pub use turn::{Turned, Turner};

pub(crate) use arguments::arguments;
pub(crate) use memo::Memo;
pub(crate) use record::{Call, Message, Role, read};
pub(crate) use text::{no_markup, one_call, watched};
pub(crate) use walk::{Kind, Walk};

/// The format whose lines are looked at.
pub const FORMAT: &str = "openai-chat";

/// What a system prompt that describes tools holds.
pub(crate) const PROMPT_TOOLS: &[u8] = b"---- BEGIN FUNCTION #";

/// A line without its CR, if no byte of it leaves a doubt.
pub(crate) fn plain<'a>(line: &'a [u8], watched: &[u32]) -> Option<&'a [u8]> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let sure = walk::no_controls(line)
        && walk::plain_escapes(line, watched)
        && simdutf8::basic::from_utf8(line).is_ok();
    sure.then_some(line)
}
