//! SWE-agent's `xml_thought_action`: a discussion, then a command between `<command>` and `</command>`.
//!
//! Source: SWE-agent 1.1, `XMLThoughtActionParser`: what stands between the last opening and the last closing tag is
//! run. The tag is a common word, so that the dialect is only used where it is named.

use super::fenced;
use super::reading::{one_text, wrong_count};
use super::{Call, Dialect, Markup, Runtime, RuntimeReading, common, python};
use crate::model::{Span, ToolCall, ToolDef};

pub(super) static ITEM: Dialect = Dialect {
    name: "swe-agent-xml",
    about: "a discussion and a command in <command>: SWE-agent's xml_thought_action",
    markers: &[],
    parse,
    incremental: None,
    runtimes: &[Runtime { name: "swe-agent-xml", read, write }],
    describe,
    render,
    observe: fenced::observe,
    read_observations: fenced::read_observations,
};

const OPEN: &str = "<command>";
const CLOSE: &str = "</command>";

fn parse(text: &str) -> Markup {
    fenced::around(text, ITEM.name, fenced::tagged(text, OPEN, CLOSE))
}

fn read(text: &str, _: &[ToolDef], next_id: u32) -> RuntimeReading {
    let (Some(open), Some(close)) = (text.rfind(OPEN), text.rfind(CLOSE)) else {
        return wrong_count("FormatError", "No action found in model response.", 0);
    };
    // The last opening tag may stand behind the last closing one: then nothing is between them.
    let command = text.get(open + OPEN.len()..close).unwrap_or("");
    let content = format!("{}{}", &text[..open], &text[close + CLOSE.len()..]);
    let mut reading = one_text(fenced::NAME, fenced::KEY, python::strip(command), next_id);
    if let Some(first) = text[..open].find(OPEN) {
        reading.repair("dropped-call", Span::new(first, open));
    }
    reading.finish(python::strip(&content))
}

fn describe(_: &[ToolDef]) -> String {
    fenced::describe(
        "<command>\ncommand\n</command>",
        "The result arrives with the next message, headed `OBSERVATION:`.",
    )
}

fn render(content: &str, calls: &[Call<'_>]) -> Result<String, String> {
    common::plain_content(content, &[OPEN, CLOSE], parse)?;
    let Some(command) = fenced::only_command(calls)? else { return Ok(content.to_owned()) };
    if let Some(tag) = [OPEN, CLOSE].into_iter().find(|tag| command.contains(tag)) {
        return Err(format!("the value of '{}' holds {tag}", fenced::KEY));
    }
    let lead = if content.is_empty() { String::new() } else { format!("{content}\n\n") };
    Ok(format!("{lead}{OPEN}{command}{CLOSE}"))
}

fn write(content: &str, calls: &[ToolCall]) -> Result<String, String> {
    common::write_with(render, content, calls)
}
