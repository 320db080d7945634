//! GLM 4.5.
//!
//! Source: the chat template of GLM-4.5; runtime as in SGLang 0.5.23, less its fallbacks for values that are neither
//! JSON nor plain text.

use super::tokens::{self, Body, Grammar, Params, Sections};
use super::{Call, Dialect, Incremental, Markup, Resume, Runtime, RuntimeReading, TextCall, common, glm};
use crate::model::{ToolCall, ToolDef};

pub(super) static ITEM: Dialect = Dialect {
    name: "glm-4.5",
    about: "<tool_call>NAME, then <arg_key> and <arg_value> on lines: GLM 4.5 and 4.6",
    markers: &[glm::OPEN],
    parse,
    incremental: Some(Incremental { ends: glm::ENDS, read_on }),
    runtimes: &[Runtime { name: "sglang-glm-4.5", read, write }],
    describe: |tools| glm::describe(tools, true),
    render,
    observe: glm::observe,
    read_observations: glm::read_observations,
};

static GRAMMAR: Grammar = Grammar {
    name: "glm-4.5",
    tokens: glm::TOKENS,
    automaton: &glm::AUTOMATON,
    sections: Sections::None,
    body: Body::Params(Params { head: glm::head, param: glm::param, finish: glm::newline_after_name }),
    results: glm::RESULTS,
};

fn parse(text: &str) -> Markup {
    glm::own_marks(tokens::parse(&GRAMMAR, text))
}

fn read_on(text: &str, from: Resume) -> (Vec<TextCall>, Resume) {
    tokens::read_on(&GRAMMAR, text, from)
}

fn split(inside: &str) -> Option<(&str, &str)> {
    let line = inside.find('\n').map(|at| (at, 1));
    let escape = inside.find("\\n").map(|at| (at, 2));
    let (at, len) = line.into_iter().chain(escape).min()?;
    Some((&inside[..at], &inside[at + len..]))
}

/// SGLang: a name ends at a newline, also at one that is written as an escape; a call without one is dropped.
fn read(text: &str, tools: &[ToolDef], next_id: u32) -> RuntimeReading {
    glm::read(text, tools, next_id, split, false)
}

fn write(content: &str, calls: &[ToolCall]) -> Result<String, String> {
    common::write_with(render, content, calls)
}

fn render(content: &str, calls: &[Call<'_>]) -> Result<String, String> {
    glm::render(content, calls, parse, true)
}
