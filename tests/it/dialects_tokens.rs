//! Dialects whose calls stand between tokens: what the grammar sees, what the runtimes make of it, what is written.

use crate::support;
use proptest::prelude::*;
use rolltape::dialects::{ALL, Call, Dialect, Markup, RuntimeReading, TextCall, find};
use rolltape::model::{Object, Span, ToolDef};
use serde_json::{Value, json};
use std::fmt::Write as _;

fn dialect(name: &str) -> &'static Dialect {
    find(name).expect("a dialect")
}

/// A strict parse in one line.
fn told(name: &str, text: &str) -> String {
    let markup = (dialect(name).parse)(text);
    check_spans(text, &markup);
    let mut out: Vec<String> = markup.calls.iter().map(|call| one(text, call)).collect();
    let mut add = |what: &str, span: Span| out.push(format!("{what} {:?}", span.text(text)));
    markup.fragments.iter().for_each(|span| add("fragment", *span));
    markup.observations.iter().for_each(|span| add("observation", *span));
    markup.reasoning.iter().for_each(|span| add("reasoning", *span));
    markup.after_first.iter().for_each(|span| add("after", *span));
    markup.foreign.iter().for_each(|(name, span)| add(name, *span));
    out.join("; ")
}

fn one(text: &str, call: &TextCall) -> String {
    let mut out = call.name.clone();
    let params = call.params.iter().map(|param| {
        let open = if param.closed { "" } else { "(open)" };
        format!("{}={:?}{open}", param.name, param.value.text(text))
    });
    let _ = write!(out, "({})", params.collect::<Vec<_>>().join(" "));
    if let Some(arguments) = &call.arguments {
        match &arguments.value.parsed {
            Some(object) => drop(write!(out, " {}", Value::Object(object.clone()))),
            None => drop(write!(out, " bad {:?}", arguments.value.raw.as_deref().unwrap_or(""))),
        }
    }
    if !call.closed {
        out.push_str(" unclosed");
    }
    for flaw in &call.flaws {
        let _ = write!(out, " !{:?}", flaw.kind);
    }
    for span in &call.nested {
        let _ = write!(out, " nested {:?}", span.text(text));
    }
    out
}

fn check_spans(text: &str, markup: &Markup) {
    let fits = |span: Span| {
        assert!(span.start <= span.end && text.get(span.start..span.end).is_some(), "{span:?} in {text:?}");
    };
    let mut end = 0;
    for call in &markup.calls {
        assert!(call.span.start >= end, "calls overlap in {text:?}");
        end = call.span.end;
        fits(call.span);
        fits(call.name_span);
        assert!(call.span.contains(call.name_span), "{text:?}");
        for param in &call.params {
            fits(param.name_span);
            fits(param.value);
            assert!(call.span.contains(param.value), "{text:?}");
        }
        if let Some(arguments) = &call.arguments {
            fits(arguments.span);
            assert!(call.span.contains(arguments.span), "{text:?}");
        }
        call.flaws.iter().for_each(|flaw| fits(flaw.span));
        call.nested.iter().for_each(|span| fits(*span));
    }
    markup.fragments.iter().chain(&markup.observations).chain(&markup.reasoning).for_each(|span| fits(*span));
    markup.foreign.iter().for_each(|(_, span)| fits(*span));
}

const SB: &str = "<｜tool▁calls▁begin｜>";
const SE: &str = "<｜tool▁calls▁end｜>";
const B: &str = "<｜tool▁call▁begin｜>";
const E: &str = "<｜tool▁call▁end｜>";
const SEP: &str = "<｜tool▁sep｜>";

#[test]
fn deepseek_v3_and_v31() {
    let call = |json: &str| format!("{B}function{SEP}f\n```json\n{json}\n```{E}");
    let v3 = |text: &str| told("deepseek-v3", text);
    assert_eq!(v3("no call"), "");
    assert_eq!(v3(&format!("so {SB}{}{SE}", call("{\"a\": 1}"))), "f() {\"a\":1}");
    let two = format!("{SB}{}\n{}{SE}", call("{}"), call("{\"a\":[]}"));
    assert_eq!(
        v3(&two),
        format!("f() {{}}; f() {{\"a\":[]}}; after {:?}", &two[SB.len() + call("{}").len()..])
    );
    assert_eq!(v3(&format!("{SB}{}", call("{}"))), "f() {} unclosed");
    assert_eq!(v3(&call("{}")), "f() {} !MissingWrapper");
    assert_eq!(
        v3(&format!("{SB}{B}function{SEP}f\n```json\n{{\"a\": \"x")),
        "f() bad \"{\\\"a\\\": \\\"x\" unclosed"
    );
    assert_eq!(
        v3(&format!("{SB}{B}function{SEP}f\n```json\n{{}}\n```<｜tool▁ca")),
        "f() {} unclosed !PartialClosingTag"
    );
    assert_eq!(
        v3(&format!("{SB}{B}func{SE}")),
        format!("fragment {:?}; fragment {:?}", format!("{SB}{B}func{SE}"), format!("{B}func"))
    );
    assert_eq!(v3(&format!("{SB}{}{SE}", call("{'a': 1}"))), "f() bad \"{'a': 1}\"");
    assert_eq!(v3(&format!("{SB}{}{SE}", call("{\"a\":1,\"a\":2}"))), "f() {\"a\":2} !RepeatedKey");
    assert_eq!(v3(&format!("{SB}{B}{SEP}f\n{{}}{E}{SE}")), "f() {} !BadHeader !BadHeader");
    assert_eq!(v3(&format!("{SB}{B}function{SEP}f{E}{SE}")), "f() !MissingArguments !BadHeader");
    let nested = format!("{SB}{B}function{SEP}f\n```json\n{{}}\n```{B}function{SEP}g{E}{SE}");
    assert_eq!(v3(&nested), format!("f() {{}} nested {B:?}"));
    assert_eq!(v3(&format!("write `{SB}` first")), "");
    assert_eq!(v3(&format!("{SB}{}{SE} and so on", call("{}"))), "f() {}; after \" and so on\"");
    let v31 = |text: &str| told("deepseek-v3.1", text);
    let call = |json: &str| format!("{B}f{SEP}{json}{E}");
    assert_eq!(v31(&format!("{SB}{}{}{SE}", call("{}"), call("[1]"))).split(';').next(), Some("f() {}"));
    assert_eq!(v31(&format!("{SB}{}{SE}", call(""))), "f() !MissingArguments");
    assert_eq!(
        v31(&format!("{SB}{}{SE}", call("{\"big\": 18446744073709551617}"))),
        "f() {\"big\":18446744073709551617}"
    );
    assert_eq!(v31(&format!("{SB}oops{}rest{SE}", call("{}"))), "f() {} !StrayText !StrayText");
    // Bars and blocks of another kind are other text.
    assert_eq!(v31("<|tool_calls_begin|><|tool_call_begin|>f"), "kimi-k2 \"<|tool_call_begin|>\"");
}

#[test]
fn dsml() {
    let told = |text: &str| told("deepseek-v3.2", text);
    let section = |inside: &str| format!("<｜DSML｜function_calls>\n{inside}\n</｜DSML｜function_calls>");
    let call = |inside: &str| format!("<｜DSML｜invoke name=\"f\">\n{inside}\n</｜DSML｜invoke>");
    let param = |kind: &str, value: &str| {
        format!("<｜DSML｜parameter name=\"p\" string=\"{kind}\">{value}</｜DSML｜parameter>")
    };
    assert_eq!(told(&section(&call(&param("true", "5")))), "f(p=\"5\") {\"p\":\"5\"}");
    assert_eq!(told(&section(&call(&param("false", "5")))), "f(p=\"5\") {\"p\":5}");
    assert_eq!(told(&section(&call(&param("false", "five")))), "f(p=\"five\") bad \"five\"");
    assert_eq!(told(&section(&call("{\"p\": [1]}"))), "f() {\"p\":[1]}");
    assert_eq!(told(&section(&call(""))), "f() {}");
    assert_eq!(told(&section("<｜DSML｜invoke name=\"f\"/>")), "f() {}");
    assert_eq!(told(&section(&call("what"))), "f() {} !StrayText");
    let untyped = call("<｜DSML｜parameter name=\"p\">5</｜DSML｜parameter>");
    assert_eq!(told(&section(&untyped)), "f(p=\"5\") !BadHeader");
    assert_eq!(told(&call(&param("true", "a < b"))), "f(p=\"a < b\") {\"p\":\"a < b\"} !MissingWrapper");
    let twice = call(&format!("{}{}", param("true", "a"), param("true", "b")));
    assert_eq!(told(&section(&twice)), "f(p=\"a\" p=\"b\") {\"p\":\"b\"}");
    let v4 = section(&call(&param("true", "x"))).replace("function_calls", "tool_calls");
    assert_eq!(told(&v4), "f(p=\"x\") {\"p\":\"x\"}");
    let v41 = v4
        .replace("tool_calls", " calls")
        .replace("｜invoke", "｜ invoke")
        .replace("｜parameter", "｜ parameter");
    assert_eq!(told(&v41), "f(p=\"x\") {\"p\":\"x\"}");
    assert_eq!(
        told(
            "<｜DSML｜function_calls>\n<｜DSML｜invoke name=\"f\">\n<｜DSML｜parameter name=\"p\" string=\"true\">ab"
        ),
        "f(p=\"ab\"(open)) {\"p\":\"ab\"} unclosed"
    );
    assert_eq!(told("<｜DSML｜function_calls>\n<｜DSML｜invo"), "fragment \"<｜DSML｜function_calls>\"");
}

#[test]
fn kimi_k2() {
    let told = |text: &str| told("kimi-k2", text);
    let call = |id: &str, json: &str| {
        format!("<|tool_call_begin|>{id}<|tool_call_argument_begin|>{json}<|tool_call_end|>")
    };
    let section = |inside: &str| format!("<|tool_calls_section_begin|>{inside}<|tool_calls_section_end|>");
    assert_eq!(told(&section(&call("functions.a-b.c:12", "{\"x\": 1}"))), "a-b.c() {\"x\":1}");
    assert_eq!(told(&section(&call("\n functions.f:0 \n", " {} "))), "f() {}");
    assert_eq!(told(&section(&call("f:0", "{}"))), "f() {} !BadCallId");
    assert_eq!(told(&section(&call("3", "{}"))), "() {} !BadCallId");
    assert_eq!(told(&section(&call("functions.f", "{}"))), "f() {} !BadCallId");
    assert_eq!(told(&section(&call("functions.f:0", "NaN"))), "f() bad \"NaN\"");
    assert_eq!(
        told(
            "<|tool_calls_section_begin|><|tool_call_begin|>functions.f:0<|tool_call_argument_begin|>{}<|tool_call_e"
        ),
        "f() {} unclosed !PartialClosingTag"
    );
    let two = section(&(call("functions.f:0", "{}") + &call("functions.g:1", "{}")));
    assert!(told(&two).starts_with("f() {}; g() {}; after"));
    let invented = section(&call("functions.f:0", "{}")) + "\n## Return of functions.f:0\nok";
    assert!(told(&invented).contains("observation \"## Return of functions.f:0\""));
}

#[test]
fn glm() {
    let v45 = |text: &str| told("glm-4.5", text);
    let lines = "<tool_call>f\n<arg_key>k</arg_key>\n<arg_value>5</arg_value>\n</tool_call>";
    assert_eq!(v45(lines), "f(k=\"5\")");
    assert_eq!(v45(&format!("{lines}\n{lines}")).matches("f(k=").count(), 2);
    let tight = lines.replace('\n', "");
    assert_eq!(v45(&tight), "f(k=\"5\") !NoNewlineAfterTag");
    assert_eq!(told("glm-4.7", &tight), "f(k=\"5\")");
    assert_eq!(told("glm-4.7", lines), "f(k=\"5\")");
    assert_eq!(told("glm-4.7", "<tool_call>f</tool_call>"), "f()");
    assert_eq!(v45("<tool_call>f\n</tool_call>"), "f()");
    assert_eq!(v45("<tool_call>f\n<arg_key>k</arg_key>\n<arg_value>5"), "f(k=\"5\"(open)) unclosed");
    assert_eq!(v45("<tool_call>f\n<arg_key>k</arg_key>\n<arg_value>5\n</tool_call>"), "f(k=\"5\\n\"(open))");
    assert_eq!(v45("<tool_call>f\n<arg_key>k</arg_key>5\n</tool_call>"), "f() !StrayText");
    let inner =
        "<tool_call>f\n<arg_key>k</arg_key>\n<arg_value><tool_call>g</tool_call></arg_value>\n</tool_call>";
    assert_eq!(v45(inner), "f(k=\"<tool_call>g</tool_call>\")");
    assert_eq!(v45("<tool_call>f\n<tool_call>g\n</tool_call>"), "f() !StrayText nested \"<tool_call>\"");
    assert_eq!(v45("use `<tool_call>` here"), "glm-4.5 \"\"".replace("glm-4.5 \"\"", ""));
    assert_eq!(
        v45("<tool_call>{\"name\": \"f\"}</tool_call>"),
        "fragment \"<tool_call>{\\\"name\\\": \\\"f\\\"}</tool_call>\"; fragment \"</tool_call>\"; hermes \"<tool_call>\""
    );
}

#[test]
fn minimax() {
    let told = |text: &str| told("minimax", text);
    let call = "<invoke name=\"f\">\n<parameter name=\"p\">a\n</parameter>\n</invoke>";
    let section = |inside: &str| format!("<minimax:tool_call>\n{inside}\n</minimax:tool_call>");
    assert_eq!(told(&section(call)), "f(p=\"a\\n\")");
    assert!(told(&section(&format!("{call}\n{call}"))).starts_with("f(p=\"a\\n\"); f(p=\"a\\n\"); after"));
    assert_eq!(told(call), "anthropic-xml \"<invoke name=\"");
    assert_eq!(
        told(&section("<invoke name=\"f\">\n<parameter name=\"p\">a\n</invoke>")),
        "f(p=\"a\\n\"(open))"
    );
    assert_eq!(
        told(&section("<invoke name=\"f\">\n<parameter name=\"p\">a</parameter>")),
        "f(p=\"a\") unclosed"
    );
    assert_eq!(told(&format!("<minimax:tool_call>{call}")), "f(p=\"a\\n\") unclosed");
    assert_eq!(
        told("<minimax:tool_call>\n</minimax:tool_call>"),
        "fragment \"<minimax:tool_call>\\n</minimax:tool_call>\""
    );
}

#[test]
fn harmony() {
    let told = |text: &str| told("harmony", text);
    let call = "<|channel|>commentary to=functions.f <|constrain|>json<|message|>{\"a\": 1}<|call|>";
    assert_eq!(told(call), "f() {\"a\":1}");
    assert_eq!(told(" to=functions.f<|channel|>commentary <|constrain|>json<|message|>{}<|call|>"), "f() {}");
    assert_eq!(
        told(
            "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>4<|return|>"
        ),
        "reasoning \"<|channel|>analysis<|message|>hm<|end|>\""
    );
    let preamble = "<|channel|>commentary<|message|>I look.<|end|><|start|>assistant";
    assert_eq!(told(&format!("{preamble}{call}")), "f() {\"a\":1}");
    assert_eq!(
        told("<|start|>assistant to=browser.search<|channel|>analysis code<|message|>{\"q\": 1}<|call|>"),
        "browser.search() {\"q\":1}"
    );
    assert_eq!(
        told("<|channel|>analysis to=python code<|message|>print(1)<|call|>"),
        "python(code=\"print(1)\")"
    );
    assert_eq!(told(&call.replace("<|call|>", "")), "f() {\"a\":1} unclosed");
    assert_eq!(told(&call.replace("<|call|>", "<|ca")), "f() {\"a\":1} unclosed !PartialClosingTag");
    assert_eq!(told(&call.replace("<|call|>", "<|end|>")), "f() {\"a\":1} unclosed");
    assert_eq!(told(&call.replace("{\"a\": 1}", "a")), "f() bad \"a\"");
    assert_eq!(told(&call.replace("commentary", "final")), "f() {\"a\":1} !BadHeader");
    assert_eq!(
        told("<|channel|>commentary<|message|>{}<|call|>"),
        "fragment \"<|channel|>commentary<|message|>\""
    );
    assert_eq!(told("<|channel|>comm"), "fragment \"<|channel|>comm\"");
    let result = "<|start|>functions.f to=assistant<|channel|>commentary<|message|>ok<|end|>";
    assert_eq!(
        told(&format!("{call}{result}")),
        format!("f() {{\"a\":1}}; observation {result:?}; after {result:?}")
    );
}

fn tools() -> Vec<ToolDef> {
    let tool = |name: &str, properties: Value| ToolDef {
        name: name.to_owned(),
        description: String::new(),
        parameters: json!({"type": "object", "properties": properties}),
    };
    vec![tool("f", json!({"a": {"type": "integer"}, "p": {"type": "string"}})), tool("g", json!({"b": {}}))]
}

/// A runtime's reading in one line.
fn seen(name: &str, text: &str) -> String {
    let runtime = &dialect(name).runtimes[0];
    match (runtime.read)(text, &tools(), 1) {
        RuntimeReading::Message { content } => format!("message {content:?}"),
        RuntimeReading::Calls { content, calls, repairs } => {
            let calls =
                calls.iter().map(|call| format!("{} {}", call.name, Value::Object(call.arguments.clone())));
            let repairs = repairs.iter().map(|repair| format!(" !{}", repair.kind)).collect::<String>();
            format!("{content:?} {}{repairs}", calls.collect::<Vec<_>>().join(", "))
        }
        RuntimeReading::Error { class, message, .. } => format!("{class}: {message}"),
    }
}

#[test]
fn runtimes_repair_drop_and_refuse() {
    let v3 = |json: &str| format!("so {SB}{B}function{SEP}f\n```json\n{json}\n```{E}{SE}");
    assert_eq!(seen("deepseek-v3", &v3("{\"a\": 1}")), "\"so\" f {\"a\":1}");
    assert_eq!(seen("deepseek-v3", &v3("{")), format!("message {:?}", v3("{")));
    assert_eq!(seen("deepseek-v3", &v3("{}").replace(SE, "")), "\"so\" f {} !accepted-unclosed-section");
    assert_eq!(seen("deepseek-v3", &(v3("{}") + " x")), "\"so\" f {} !dropped-suffix");
    assert_eq!(seen("deepseek-v3", &v3("[1]")), "TypeError: the arguments of 'f' are not an object");
    let v31 = format!("{SB}{B}f{SEP}{{}}{E}{B}nope{SEP}{{}}{E}{SE}");
    assert_eq!(seen("deepseek-v3.1", &v31), "\"\" f {} !dropped-unknown-function");
    let dsml = "<｜DSML｜function_calls>\n<｜DSML｜invoke name=\"f\">\n<｜DSML｜parameter name=\"p\" string=\"true\"> x </｜DSML｜parameter>\n</｜DSML｜invoke>\n</｜DSML｜function_calls>";
    assert_eq!(seen("deepseek-v3.2", dsml), "\"\" f {\"p\":\"x\"} !trimmed-value");
    assert_eq!(
        seen("deepseek-v3.2", &dsml.replace("true", "false")),
        "\"\" f {\"p\":\"x\"} !kept-bad-json-as-text"
    );
    assert_eq!(seen("deepseek-v3.2", &dsml.replace("</｜DSML｜function_calls>", "")), "message \"\"");
    let kimi = "<|tool_calls_section_begin|><|tool_call_begin|>functions.f:4<|tool_call_argument_begin|>{\"a\":1}<|tool_call_end|><|tool_calls_section_end|>";
    assert_eq!(seen("kimi-k2", kimi), "\"\" f {\"a\":1}");
    assert_eq!(seen("kimi-k2", &kimi.replace("functions.f:", "")), "\"\" f {\"a\":1} !inferred-function");
    assert_eq!(seen("kimi-k2", &kimi.replace("<|tool_call_end|>", "")), "message \"\"");
    let glm = "a<tool_call>f\n<arg_key>p</arg_key>\n<arg_value>true</arg_value>\n</tool_call>b";
    assert_eq!(seen("glm-4.5", glm), "\"a\" f {\"p\":\"True\"} !changed-text !dropped-suffix");
    assert_eq!(seen("glm-4.7", &glm.replace('\n', "")), "\"ab\" f {\"p\":\"true\"}");
    assert_eq!(seen("glm-4.5", &glm.replace('\n', "")), "message \"a\"");
    let mini = "<minimax:tool_call>\n<invoke name=\"f\">\n<parameter name=\"a\">\n7\n</parameter>\n</invoke>\n</minimax:tool_call>";
    assert_eq!(seen("minimax", mini), "\"\" f {\"a\":7} !trimmed-value");
    let harmony = "<|channel|>commentary to=functions.f<|message|>{}";
    assert_eq!(seen("harmony", harmony), "\"\" f {} !accepted-unclosed-call");
    assert_eq!(seen("harmony", "plain"), "message \"plain\"");
    assert_eq!(seen("harmony", "<|channel|>final<|message|>hi<|return|>"), "message \"hi\"");
}

const NAMES: &[&str] =
    &["deepseek-v3", "deepseek-v3.1", "deepseek-v3.2", "kimi-k2", "glm-4.5", "glm-4.7", "minimax", "harmony"];

#[test]
fn what_can_not_be_written_is_refused() {
    let none = Object::new();
    for name in NAMES {
        let dialect = dialect(name);
        let empty = Call { id: "c", name: "", arguments: &none };
        assert!((dialect.render)("", &[empty]).is_err(), "{name}");
        let call = Call { id: "c", name: "f", arguments: &none };
        let written = (dialect.render)("", &[call]).expect("a call");
        assert!((dialect.render)(&written, &[call]).is_err(), "{name}: a call in the text");
        assert!((dialect.describe)(&tools()).contains("\"name\":\"f\""), "{name}");
        let result = (dialect.observe)("f", "one\ntwo");
        let read = (dialect.read_observations)(&result);
        assert_eq!(read.len(), 1, "{name}: {result}");
        assert_eq!(read[0].content.text(&result), "one\ntwo", "{name}");
        assert_eq!((dialect.read_observations)("just text"), [], "{name}");
    }
    for (name, close) in
        [("deepseek-v3.2", "</｜DSML｜parameter>"), ("glm-4.5", "</arg_value>"), ("minimax", "</parameter>")]
    {
        let arguments: Object = [("p".to_owned(), json!(close))].into_iter().collect();
        let call = Call { id: "c", name: "f", arguments: &arguments };
        assert_eq!((dialect(name).render)("", &[call]), Err(format!("the value of 'p' holds {close}")));
    }
}

/// The number of a Kimi id is that of the conversation.
#[test]
fn kimi_ids_keep_their_number() {
    let none = Object::new();
    let call = |id| Call { id, name: "f", arguments: &none };
    let text =
        (dialect("kimi-k2").render)("", &[call("functions.f:12"), call("toolu_01"), call("functions.g:5")])
            .expect("calls");
    let ids: Vec<&str> = text.split("functions.").skip(1).filter_map(|part| part.split('<').next()).collect();
    assert_eq!(ids, ["f:12", "f:1", "f:2"]);
}

#[test]
fn texts_are_detected() {
    let none = Object::new();
    for name in NAMES {
        let call = Call { id: "c", name: "f", arguments: &none };
        let text = (dialect(name).render)("so", &[call]).expect("a call");
        let found = rolltape::dialects::detect(&text).map(|dialect| dialect.name);
        let want = if *name == "glm-4.7" { "glm-4.5" } else { name };
        assert_eq!(found, Some(want), "{text}");
    }
}

/// Text that would be slow if any part of the parse were quadratic.
#[test]
fn hostile_tokens_cost_no_more_than_their_length() {
    let parts = [
        SB,
        B,
        SEP,
        E,
        SE,
        "<｜DSML｜function_calls>",
        "<｜DSML｜invoke name=\"f\">",
        "<｜DSML｜invoke",
        "<｜DSML｜parameter name=\"p\" string=\"true\">",
        "</｜DSML｜parameter>",
        "<|tool_calls_section_begin|>",
        "<|tool_call_begin|>",
        "<|tool_call_begin|>functions.f:0<|tool_call_argument_begin|>",
        "<tool_call>f",
        "<tool_call>",
        "<arg_key>k</arg_key><arg_value>",
        "<arg_key>",
        "</arg_value>",
        "<minimax:tool_call>",
        "<invoke name=\"f\">",
        "<parameter name=\"p\">",
        "<|start|>",
        "<|channel|>",
        "<|channel|>x to=functions.f<|message|>",
        "<|message|>",
        "<|call|>",
        "<|end|>",
        "<tool_response>",
        "[",
        "{\"a\":",
        "`",
        "</invoke>",
    ];
    for name in NAMES {
        let dialect = dialect(name);
        for part in parts {
            for lead in ["", "<minimax:tool_call>"] {
                let text = format!("{lead}{}", part.repeat(200_000 / part.len()));
                check_spans(&text, &(dialect.parse)(&text));
            }
        }
    }
}

#[test]
fn harmony_samples_of_the_oracle_are_read() {
    let Some(folder) = support::data("harmony") else { return };
    let mut files = 0;
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|ending| ending != "txt") {
            continue;
        }
        let text = support::read(&path);
        if text.starts_with(|c: char| c.is_ascii_digit()) {
            // Numbers of tokens: no text of the dialect.
            assert_eq!(told("harmony", &text), "");
            continue;
        }
        files += 1;
        let markup = (dialect("harmony").parse)(&text);
        check_spans(&text, &markup);
        let calls: Vec<&str> = markup.calls.iter().map(|call| call.name.as_str()).collect();
        let want: &[&str] = if text.contains(" to=browser.search code") { &["browser.search"] } else { &[] };
        assert_eq!(calls, want, "{}", path.display());
        assert!(markup.calls.iter().all(|call| call.closed && call.flaws.is_empty()), "{}", path.display());
    }
    assert!(files > 0, "no text among the samples");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// What is rendered is read back: names, values, and types where the dialect writes them.
    #[test]
    fn what_is_rendered_is_read_again(
        values in prop::collection::vec("[a-zé .,;:'\"(){}=/<>|\\\\\n｜-]{0,20}", 0..4), content in "[a-z .]{0,10}", number in any::<i64>()
    ) {
        let mut arguments: Object = values.iter().enumerate().map(|(n, value)| (format!("p{n}"), json!(value))).collect();
        arguments.insert("n".to_owned(), json!(number));
        arguments.insert("list".to_owned(), json!([true, null, {"x": 1.5}]));
        for name in NAMES {
            let dialect = dialect(name);
            let call = Call { id: "c", name: "f", arguments: &arguments };
            let text = (dialect.render)(&content, &[call]).expect("plain values");
            let markup = (dialect.parse)(&text);
            check_spans(&text, &markup);
            prop_assert_eq!(markup.calls.len(), 1, "{}: {}", name, text);
            let read = &markup.calls[0];
            prop_assert!(read.closed && read.flaws.is_empty() && read.nested.is_empty(), "{}: {:?}", name, read);
            prop_assert_eq!(&read.name, "f");
            prop_assert!(markup.fragments.is_empty() && markup.foreign.is_empty() && markup.after_first.is_none(), "{}: {:?}", name, markup);
            match &read.arguments {
                Some(read) => prop_assert_eq!(read.value.parsed.as_ref(), Some(&arguments), "{}", name),
                None => {
                    let texts: Object = read.params.iter().map(|param| (param.name.clone(), json!(param.value.text(&text)))).collect();
                    let want: Object = arguments.iter().map(|(key, value)| {
                        (key.clone(), json!(value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
                    }).collect();
                    prop_assert_eq!(texts, want, "{}", name);
                }
            }
            let tool = ToolDef { name: "f".to_owned(), description: String::new(), parameters: json!({}) };
            for runtime in dialect.runtimes {
                let reading = (runtime.read)(&text, std::slice::from_ref(&tool), 1);
                prop_assert!(matches!(&reading, RuntimeReading::Calls { calls, .. } if calls.len() == 1), "{}: {:?}", runtime.name, reading);
            }
        }
    }

    #[test]
    fn any_mix_of_tokens_is_parsed(parts in prop::collection::vec(prop::sample::select(vec![
        SB, SE, B, E, SEP, "function", "f", "\n", "\n```json\n", "{}", "\n```", "<｜DSML｜function_calls>", "</｜DSML｜function_calls>",
        "<｜DSML｜invoke name=\"f\">", "</｜DSML｜invoke>", "<｜DSML｜parameter name=\"p\" string=\"false\">", "</｜DSML｜parameter>",
        "<|tool_calls_section_begin|>", "<|tool_calls_section_end|>", "<|tool_call_begin|>", "<|tool_call_end|>", "functions.f:0",
        "<|tool_call_argument_begin|>", "<tool_call>", "</tool_call>", "<arg_key>k</arg_key>", "<arg_value>", "</arg_value>",
        "<minimax:tool_call>", "</minimax:tool_call>", "<invoke name=\"f\">", "</invoke>", "<parameter name=\"p\">", "</parameter>",
        "<|start|>", "assistant", "<|channel|>", "commentary", " to=functions.f", "<|message|>", "<|constrain|>", "<|end|>", "<|call|>",
        "é", "`", "<", "<think>", "</think>", "<tool_response>",
    ]), 0..24)) {
        let text = parts.concat();
        for dialect in ALL {
            check_spans(&text, &(dialect.parse)(&text));
            for runtime in dialect.runtimes {
                let _ = (runtime.read)(&text, &tools(), 1);
            }
        }
    }
}
