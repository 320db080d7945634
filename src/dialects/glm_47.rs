//! GLM 4.7.
//!
//! Source: the chat template of GLM-4.7; runtime as in SGLang 0.5.23, less its fallbacks for values that are neither
//! JSON nor plain text.

use super::tokens::{self, Body, Grammar, Params, Sections};
use super::{Call, Dialect, Incremental, Markup, Resume, Runtime, RuntimeReading, TextCall, common, glm};
use crate::model::{ToolCall, ToolDef};

pub(super) static ITEM: Dialect = Dialect {
    name: "glm-4.7",
    about: "<tool_call>NAME, then <arg_key> and <arg_value>: GLM 4.7 and 5",
    markers: &[glm::OPEN],
    parse,
    incremental: Some(Incremental { ends: glm::ENDS, read_on }),
    runtimes: &[Runtime { name: "sglang-glm-4.7", read, write }],
    describe: |tools| glm::describe(tools, false),
    render,
    observe: glm::observe,
    read_observations: glm::read_observations,
};

static GRAMMAR: Grammar = Grammar {
    name: "glm-4.7",
    tokens: glm::TOKENS,
    automaton: &glm::AUTOMATON,
    sections: Sections::None,
    body: Body::Params(Params { head: glm::head, param: glm::param, finish: |_, _, _| {} }),
    results: glm::RESULTS,
};

fn parse(text: &str) -> Markup {
    glm::own_marks(tokens::parse(&GRAMMAR, text))
}

fn read_on(text: &str, from: Resume) -> (Vec<TextCall>, Resume) {
    tokens::read_on(&GRAMMAR, text, from)
}

/// SGLang: a name ends at the first pair. Text around the calls is kept, also behind them.
fn read(text: &str, tools: &[ToolDef], next_id: u32) -> RuntimeReading {
    glm::read(
        text,
        tools,
        next_id,
        |inside| Some(inside.split_at(inside.find("<arg_key>").unwrap_or(inside.len()))),
        true,
    )
}

fn write(content: &str, calls: &[ToolCall]) -> Result<String, String> {
    common::write_with(render, content, calls)
}

fn render(content: &str, calls: &[Call<'_>]) -> Result<String, String> {
    glm::render(content, calls, parse, false)
}
