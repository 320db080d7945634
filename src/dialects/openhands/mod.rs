//! The text protocol of OpenHands: `<function=NAME>` with `<parameter=NAME>` inside.
//!
//! `grammar` is the strict view, `v0` and `v1` are what the two runtimes make of the same bytes,
//! `write` goes back to text, `prompt` reads and writes the frame around the conversation.

mod grammar;
mod markers;
mod prompt;
mod runtime;
mod v0;
mod v1;
mod write;

use super::Dialect;

pub(super) use grammar::read_on;
pub(super) use markers::looked_for;
pub use prompt::{Frame, ToolStyle, frame, read_tools, tools_description};
pub use write::read_observation;

pub(super) static ITEM: Dialect = Dialect {
    name: "openhands",
    about: "<function=NAME> with <parameter=NAME> inside, one call a message",
    markers: &[grammar::FN_OPEN],
    parse: grammar::parse,
    incremental: Some(super::Incremental { ends: &[grammar::FN_CLOSE], read_on: grammar::read_on }),
    runtimes: &[v0::RUNTIME, v1::RUNTIME],
    describe: prompt::describe,
    render: write::render,
    observe: write::observe,
    read_observations: write::read_observations,
};
