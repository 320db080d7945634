//! DeepSeek V3.1: the tokens of V3 without the word `function` and without a fence.
//!
//! Source: the chat template of DeepSeek-V3.1; runtime as in SGLang 0.5.23.

use super::common::Place;
use super::tokens::{self, Body, Grammar, Region, Sections};
use super::{
    Call, Dialect, Flaw, FlawKind, Incremental, Markup, Resume, Runtime, RuntimeReading, TextCall,
    TextResult, common, deepseek_v3, tool_list,
};
use crate::model::{ToolCall, ToolDef};
use deepseek_v3::{CLOSE, OPEN, RESULT_CLOSE, RESULT_OPEN, SECTION_CLOSE, SECTION_OPEN, SEP};

pub(super) static ITEM: Dialect = Dialect {
    name: "deepseek-v3.1",
    about: "<\u{ff5c}tool\u{2581}calls\u{2581}begin\u{ff5c}>, then name and bare JSON: DeepSeek V3.1",
    markers: &[SECTION_OPEN, OPEN],
    parse,
    incremental: Some(Incremental { ends: deepseek_v3::ENDS, read_on }),
    runtimes: &[Runtime { name: "sglang-deepseek-v3.1", read, write }],
    describe,
    render,
    observe,
    read_observations,
};

static GRAMMAR: Grammar = Grammar {
    name: "deepseek-v3.1",
    tokens: deepseek_v3::TOKENS,
    automaton: &deepseek_v3::AUTOMATON,
    sections: Sections::Expected,
    body: Body::Value(call),
    results: &[(RESULT_OPEN, Place::Anywhere)],
};

fn parse(text: &str) -> Markup {
    let mut markup = tokens::parse(&GRAMMAR, text);
    // What was begun in vain does not tell the versions apart.
    markup.foreign.retain(|(name, _)| *name != "deepseek-v3");
    markup
}

fn read_on(text: &str, from: Resume) -> (Vec<TextCall>, Resume) {
    tokens::read_on(&GRAMMAR, text, from)
}

fn call(text: &str, region: &Region) -> TextCall {
    let name = common::trimmed(text, region.head);
    let mut call = common::call(region.head, name.text(text), name);
    deepseek_v3::plain_name(&mut call, name);
    if name != region.head && !name.is_empty() {
        call.flaws.push(Flaw { kind: FlawKind::NameNotPlain, span: region.head });
    }
    call.arguments = tokens::json_arguments(text, region.value, &mut call.flaws);
    deepseek_v3::missing(&mut call, region);
    call
}

/// SGLang: every block must fit, or the whole message is text. The last separator of a block counts.
fn read(text: &str, tools: &[ToolDef], next_id: u32) -> RuntimeReading {
    deepseek_v3::read_blocks(text, tools, next_id, |block| {
        let (name, arguments) = block.rsplit_once(SEP)?;
        Some((name.to_owned(), arguments.to_owned()))
    })
}

fn write(content: &str, calls: &[ToolCall]) -> Result<String, String> {
    common::write_with(render, content, calls)
}

fn describe(tools: &[ToolDef]) -> String {
    let form =
        format!("{SECTION_OPEN}{OPEN}NAME{SEP}{{\"FIRST\": \"value\", \"SECOND\": 2}}{CLOSE}{SECTION_CLOSE}");
    tool_list::describe(
        tools,
        &form,
        &[
            "The arguments are one JSON object. Thoughts may stand before the section; nothing comes after it.",
            tool_list::NAMES,
            tool_list::WAIT,
        ],
    )
}

fn render(content: &str, calls: &[Call<'_>]) -> Result<String, String> {
    deepseek_v3::section(content, calls, parse, |name, json| format!("{OPEN}{name}{SEP}{json}{CLOSE}"))
}

fn observe(_: &str, output: &str) -> String {
    format!("{RESULT_OPEN}{output}{RESULT_CLOSE}")
}

fn read_observations(text: &str) -> Vec<TextResult> {
    deepseek_v3::read_observations(text)
}
