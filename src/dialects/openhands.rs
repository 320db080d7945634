//! The text protocol of OpenHands: `<function=NAME>` with `<parameter=NAME>` inside.

use super::{Dialect, Markup};
use crate::model::{Object, ToolDef};
use std::fmt::Write as _;

pub(super) static ITEM: Dialect = Dialect {
    name: "openhands",
    about: "<function=NAME> with <parameter=NAME> inside, one call a message",
    parse,
    runtimes: &[],
    describe,
    render,
    observe,
};

fn parse(_text: &str) -> Markup {
    Markup::default()
}

fn describe(_tools: &[ToolDef]) -> String {
    String::new()
}

fn render(name: &str, arguments: &Object) -> String {
    let mut out = format!("<function={name}>\n");
    for (key, value) in arguments {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let _ = writeln!(out, "<parameter={key}>{value}</parameter>");
    }
    out.push_str("</function>");
    out
}

fn observe(tool: &str, output: &str) -> String {
    format!("EXECUTION RESULT of [{tool}]:\n{output}")
}
