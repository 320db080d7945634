//! Text dialects: what counts as a call in each, what runtimes make of it, what is written and read again.

mod blocks;
mod hostile;
mod json;
mod openhands;
mod oracle;
mod pythonic;
mod readings;
mod rules;
mod tags;
mod written;

use rolltape::dialects::{Dialect, Markup, RuntimeReading, find, find_runtime};
use rolltape::model::{Span, ToolDef};
use serde_json::{Value, json};

fn dialect(name: &str) -> &'static Dialect {
    find(name).unwrap_or_else(|| panic!("no dialect is named {name}"))
}

/// One line about everything that a parse found.
fn told(name: &str, text: &str) -> String {
    let markup = (dialect(name).parse)(text);
    check_spans(text, &markup);
    let mut out = Vec::new();
    for call in &markup.calls {
        let params = call.params.iter().map(|param| {
            let open = if param.closed { "" } else { "(open)" };
            format!("{}={:?}{open}", param.name, param.value.text(text))
        });
        let mut params = params.collect::<Vec<_>>().join(" ");
        if let Some(arguments) = &call.arguments {
            params.push_str(&match &arguments.value.parsed {
                Some(object) => Value::Object(object.clone()).to_string(),
                None => format!("bad {:?}", arguments.span.text(text)),
            });
        }
        let flaws = call.flaws.iter().map(|flaw| format!(" !{:?}", flaw.kind)).collect::<String>();
        let open = if call.closed { "" } else { " open" };
        let nested = call
            .nested
            .iter()
            .map(|span| format!(" nested {}", span.text(text).trim_end()))
            .collect::<String>();
        out.push(format!("{}({params}){open}{flaws}{nested}", call.name));
    }
    if let Some(rest) = markup.after_first.filter(|rest| !rest.text(text).trim().is_empty()) {
        out.push(format!("after {:?}", rest.text(text).trim()));
    }
    let shown = |kind: &str, spans: &[Span]| {
        spans.iter().map(|span| format!("{kind} {:?}", span.text(text))).collect::<Vec<_>>()
    };
    out.extend(shown("fragment", &markup.fragments));
    out.extend(shown("observation", &markup.observations));
    out.extend(shown("reasoning", &markup.reasoning));
    out.extend(markup.foreign.iter().map(|(name, span)| format!("foreign {name} {:?}", span.text(text))));
    out.join("; ")
}

/// Spans lie in the text, on character boundaries, and calls do not overlap.
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
        assert!(call.span.contains(call.name_span), "the name leaves its call in {text:?}");
        for param in &call.params {
            fits(param.name_span);
            fits(param.value);
            assert!(call.span.contains(param.value), "a value leaves its call in {text:?}");
        }
        if let Some(arguments) = &call.arguments {
            fits(arguments.span);
            assert!(call.span.contains(arguments.span), "arguments leave their call in {text:?}");
        }
        call.flaws.iter().for_each(|flaw| fits(flaw.span));
        call.nested.iter().for_each(|span| fits(*span));
    }
    markup.fragments.iter().chain(&markup.observations).chain(&markup.reasoning).for_each(|span| fits(*span));
    markup.foreign.iter().for_each(|(_, span)| fits(*span));
    markup.after_first.iter().for_each(|span| fits(*span));
}

/// Cases of one dialect: a text, and what is told of it.
fn table(name: &str, cases: &[(&str, &str)]) {
    for (text, wanted) in cases {
        assert_eq!(told(name, text), *wanted, "{name} of {text:?}");
    }
}

/// Functions that the readings of this folder know.
fn tools() -> Vec<ToolDef> {
    let tool = |name: &str, parameters: Value| ToolDef {
        name: name.to_owned(),
        description: "does something".to_owned(),
        parameters,
    };
    let properties = json!({
        "a": {"type": "string"}, "n": {"type": "integer"}, "x": {"type": "number"}, "b": {"type": "boolean"},
        "l": {"type": "array"}, "o": {"type": "object"}, "u": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
    });
    vec![tool("f", json!({"type": "object", "properties": properties})), tool("g", json!({"type": "object"}))]
}

/// One line about what a runtime makes of a text: the calls, the content, the repairs.
fn read(name: &str, text: &str) -> String {
    let (_, runtime) = find_runtime(name).unwrap_or_else(|| panic!("no runtime is named {name}"));
    match (runtime.read)(text, &tools(), 1) {
        RuntimeReading::Message { content } => format!("says {content:?}"),
        RuntimeReading::Calls { content, calls, repairs } => {
            for repair in &repairs {
                let span = repair.span;
                assert!(text.get(span.start..span.end).is_some(), "{name}: {repair:?} of {text:?}");
            }
            let calls =
                calls.iter().map(|call| format!("{}{}", call.name, Value::Object(call.arguments.clone())));
            let repairs = repairs.iter().map(|repair| format!(" !{}", repair.kind)).collect::<String>();
            let said = if content.is_empty() { String::new() } else { format!("{content:?} ") };
            format!("{said}{}{repairs}", calls.collect::<Vec<_>>().join(" "))
        }
        RuntimeReading::Error { class, message, kind } => format!("{class} {kind:?}: {message}"),
    }
}
