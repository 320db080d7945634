//! SWE-agent's `single_bash_code_block`: a command in one code block that is marked `bash`.
//!
//! Source: SWE-agent 1.1, `SingleBashCodeBlockParser`, which demands exactly one, and `BashCodeBlockParser`, which
//! joins all of them. Any Markdown may hold such a block, so that the dialect is only used where it is named.

use super::fenced;
use super::reading::{one_text, wrong_count};
use super::{Call, Dialect, Markup, Runtime, RuntimeReading, common};
use crate::model::{Span, ToolCall, ToolDef};
use regex::Regex;
use std::sync::LazyLock;

pub(super) static ITEM: Dialect = Dialect {
    name: "swe-agent-bash-block",
    about: "a command in one ```bash block: SWE-agent's single_bash_code_block",
    markers: &[],
    parse,
    incremental: None,
    runtimes: &[
        Runtime { name: "swe-agent-all-bash-blocks", read: read_all, write },
        Runtime { name: "swe-agent-single-bash-block", read: read_single, write },
    ],
    describe,
    render,
    observe: fenced::observe,
    read_observations: fenced::read_observations,
};

fn parse(text: &str) -> Markup {
    fenced::around(text, ITEM.name, fenced::blocks(text, "bash"))
}

static BLOCK: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(?s)```bash\n(.*?)\n```").ok());

/// Commands, and the text with a word in the place of each.
fn found(text: &str) -> (Vec<(&str, Span)>, String) {
    let Some(pattern) = BLOCK.as_ref() else { return (Vec::new(), text.to_owned()) };
    let blocks = pattern.captures_iter(text).filter_map(|found| {
        let whole = found.get(0)?;
        Some((found.get(1)?.as_str(), Span::new(whole.start(), whole.end())))
    });
    (blocks.collect(), pattern.replace_all(text, "<extracted_code_block>").into_owned())
}

const NONE: &str = "No bash code blocks were detected in your output.";

fn read_all(text: &str, _: &[ToolDef], next_id: u32) -> RuntimeReading {
    let (blocks, content) = found(text);
    if blocks.is_empty() {
        return wrong_count("FormatError", NONE, 0);
    }
    let joined = blocks.iter().map(|(command, _)| *command).collect::<Vec<_>>().join("\n");
    let mut reading = one_text(fenced::NAME, fenced::KEY, &joined, next_id);
    for (_, span) in blocks.iter().skip(1) {
        reading.repair("joined-call", *span);
    }
    reading.finish(&content)
}

fn read_single(text: &str, _: &[ToolDef], next_id: u32) -> RuntimeReading {
    let (blocks, content) = found(text);
    match blocks.as_slice() {
        [(command, _)] => one_text(fenced::NAME, fenced::KEY, command, next_id).finish(&content),
        [] => wrong_count("FormatError", NONE, 0),
        several => {
            let sentence = "We detected multiple bash code blocks in your output. \
                            You need to include EXACTLY ONE bash code block in your output.";
            wrong_count("FormatError", sentence, several.len())
        }
    }
}

fn describe(_: &[ToolDef]) -> String {
    fenced::describe(
        "```bash\ncommand\n```",
        "The result arrives with the next message, headed `OBSERVATION:`.",
    )
}

fn render(content: &str, calls: &[Call<'_>]) -> Result<String, String> {
    common::plain_content(content, &["```bash"], parse)?;
    fenced::rendered(content, calls, "bash")
}

fn write(content: &str, calls: &[ToolCall]) -> Result<String, String> {
    common::write_with(render, content, calls)
}
