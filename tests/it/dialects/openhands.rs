//! The strict grammar of the `openhands` dialect: what counts as a call, and what is wrong with it.

use super::check_spans;
use crate::support;
use proptest::prelude::*;
use rolltape::dialects::{Call, FlawKind, Markup, RuntimeReading, find};
use rolltape::model::Object;
use serde_json::Value;
use std::time::Instant;

fn parse(text: &str) -> Markup {
    (find("openhands").expect("the dialect").parse)(text)
}

fn call(body: &str) -> String {
    format!("<function=f>\n{body}\n</function>")
}

fn told(text: &str) -> String {
    super::told("openhands", text)
}

#[test]
fn calls_stand_outside_parameter_values() {
    assert_eq!(told("prose"), "");
    assert_eq!(told(&call("<parameter=p>v</parameter>")), "f(p=\"v\")");
    let quoted = call("<parameter=p>grep \"<function=g>\" a</parameter>");
    assert_eq!(told(&quoted), "f(p=\"grep \\\"<function=g>\\\" a\")");
    let closing = call("<parameter=p>echo \"</function>\"</parameter>");
    assert_eq!(told(&closing), "f(p=\"echo \\\"</function>\\\"\")");
    let opening = call("<parameter=p>echo \"<parameter=x>\"</parameter>");
    assert_eq!(told(&opening), "f(p=\"echo \\\"<parameter=x>\\\"\")");
    let two = format!("{}\n{}", call("<parameter=p>1</parameter>"), call(""));
    assert_eq!(parse(&two).calls.len(), 2);
    assert_eq!(told("the `<function=NAME>` syntax"), "");
    assert_eq!(told(&format!("```\n{}\n```", call(""))), "f(); after \"```\"");
    // Inside a value nothing else counts either.
    let inside = "<parameter=p>EXECUTION RESULT of [x]:\n<think><tool_call>{</parameter>";
    assert_eq!(parse(&call(inside)).observations, []);
    assert_eq!(parse(&call(inside)).foreign, []);
}

#[test]
fn what_is_left_open_is_said() {
    assert_eq!(told("<function=f>\n<parameter=p>v</parameter>\n"), "f(p=\"v\") open");
    assert_eq!(told("<function=f>\n<parameter=p>v"), "f(p=\"v\"(open)) open");
    assert_eq!(told("<function=f>\n<parameter=p>v</parameter>\n</"), "f(p=\"v\") open !PartialClosingTag");
    assert_eq!(told("<function=f>\n</function"), "f() open !PartialClosingTag");
    assert_eq!(told("x <function=exec"), "fragment \"<function=exec\"");
    assert_eq!(told("x <function=exec\nmore"), "fragment \"<function=exec\"");
    assert_eq!(told("<function=f>\n<parameter=p>v</parameter>\nsaid"), "f(p=\"v\") open; after \"said\"");
    let unclosed =
        "<function=f>\n<parameter=p>1\n</function>\n<function=g>\n<parameter=q>2</parameter>\n</function>";
    assert_eq!(
        told(unclosed),
        "f(p=\"1\\n\"(open)); g(q=\"2\"); after \"<function=g>\\n<parameter=q>2</parameter>\\n</function>\""
    );
    let nested =
        "<function=f>\n<parameter=p>1</parameter>\n<function=g>\n<parameter=q>2</parameter>\n</function>";
    assert_eq!(told(nested), "f(p=\"1\" q=\"2\") nested <function=g>");
}

#[test]
fn flaws_are_named() {
    assert_eq!(told("<function=f></function>"), "f() !NoNewlineAfterTag");
    assert_eq!(told("<function= f >\n</function>"), " f () !NameNotPlain");
    assert_eq!(told(&call("<parameter=\"p\">v</parameter>")), "f(\"p\"=\"v\") !NameNotPlain");
    assert_eq!(told(&call("<parameter=p=v</parameter>")), "f(p=\"v\") !EqualsForGreater");
    assert_eq!(told(&call("{\"p\": 1}")), "f() !StrayText");
    assert_eq!(told("<function=f>\r\n</function>"), "f() !CarriageReturn");
    let twice = call("<parameter=p>1</parameter>\n<parameter=p>2</parameter>");
    assert_eq!(told(&twice), "f(p=\"1\" p=\"2\")");
    let close_in_value = call("<parameter=p>echo \"</parameter>\" x</parameter>");
    assert_eq!(told(&close_in_value), "f(p=\"echo \\\"\") !StrayText");
    assert!(parse(&twice).calls[0].flaws.iter().all(|flaw| flaw.kind != FlawKind::StrayText));
}

#[test]
fn foreign_markup_reasoning_and_observations_are_seen() {
    let json = "<tool_call>{\"name\":\"f\",\"arguments\":{}}</tool_call>";
    assert_eq!(told(json), "foreign hermes \"<tool_call>\"");
    assert_eq!(told("<tool_call>\n<function=f>\n</function>\n</tool_call>"), "f(); after \"</tool_call>\"");
    assert_eq!(told("<tool_call>f\n<arg_key>k</arg_key>"), "foreign glm-4.5 \"<tool_call>\"");
    assert_eq!(told("<execute_bash>\nls"), "foreign codeact-legacy \"<execute_bash>\"");
    assert_eq!(told("write `<execute_bash>` around it"), "");
    assert_eq!(told("<think>a</think>b"), "reasoning \"<think>a</think>\"");
    assert_eq!(told("<think>a"), "reasoning \"<think>a\"");
    assert_eq!(told("a</think>b"), "reasoning \"a</think>\"");
    let invented = format!("{}\n\nEXECUTION RESULT of [f]:\nok\nUSER: go on", call(""));
    let found = parse(&invented).observations;
    let lines: Vec<&str> = found.iter().map(|span| span.text(&invented)).collect();
    assert_eq!(lines, ["EXECUTION RESULT of [f]:", "USER: go on"]);
    assert_eq!(told("USER: is a heading"), "");
}

#[test]
fn strict_counts_of_the_oracle_cases() {
    let Some(path) = support::data("openhands-converter-oracle/oracle.json") else { return };
    let oracle: Value = serde_json::from_str(&support::read(&path)).expect("JSON");
    let none = ["cut_in_fn_tag", "mention_in_prose", "json_tool_call_instead", "only_whitespace"];
    let two = ["two_calls_second_unclosed", "hallucinated_observation_then_call"];
    for case in oracle["cases"].as_array().expect("cases") {
        let name = case["case"].as_str().expect("a name");
        let want = if none.contains(&name) { 0 } else { 1 + usize::from(two.contains(&name)) };
        assert_eq!(parse(case["assistant_text"].as_str().expect("text")).calls.len(), want, "{name}");
    }
}

/// Text that would be slow if any part of the parse were quadratic.
#[test]
fn hostile_markup_costs_no_more_than_its_length() {
    let parts = [
        "<function=",
        "<function=f>",
        "<function=f>\n",
        "<parameter=",
        "<parameter=p>",
        "</parameter>",
        "</function>",
        "<parameter=p=",
        "<think>",
        "</think>",
        "EXECUTION RESULT of [",
        "`<function=f>",
        "<tool_call>",
        "\nUSER:",
        "<function=f>\n<parameter=p>",
        "</function><parameter=p>",
        "\n<function=f><parameter=p>",
        "<",
        "</",
    ];
    let dialect = find("openhands").expect("the dialect");
    for part in parts {
        for lead in ["", "<function=f>\n", "<function=f>\n<parameter=p>"] {
            let text = format!("{lead}{}", part.repeat(40_000 / part.len()));
            let began = Instant::now();
            let markup = parse(&text);
            assert!(began.elapsed().as_secs() < 10, "{lead:?} {part:?} took {:?}", began.elapsed());
            check_spans(&text, &markup);
            for runtime in dialect.runtimes {
                let _ = (runtime.read)(&text, &[], 1);
            }
            assert!(began.elapsed().as_secs() < 20, "{lead:?} {part:?} took {:?}", began.elapsed());
        }
    }
}

fn markup() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec![
        "<function=",
        "f>",
        "<function=f>\n",
        "</function>",
        "<parameter=",
        "p>",
        "<parameter=p>",
        "</parameter>",
        "=",
        ">",
        "<",
        "</",
        "\n",
        "\r\n",
        "`",
        "é",
        "word ",
        "<think>",
        "</think>",
        "EXECUTION RESULT of [f]:\n",
        "<tool_call>",
        "{",
        "\u{1f600}",
    ]);
    prop::collection::vec(part, 0..24).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_markup_is_parsed(text in markup()) {
        check_spans(&text, &parse(&text));
        for runtime in find("openhands").expect("the dialect").runtimes {
            let _ = (runtime.read)(&text, &[], 1);
        }
    }

    /// A rendered call is read back by the grammar and by both runtimes, whatever its plain values are.
    #[test]
    fn what_is_rendered_is_read(values in prop::collection::vec("[a-z0-9 .,;:'\"(){}=/-]{1,20}", 0..4)) {
        let dialect = find("openhands").expect("the dialect");
        let arguments: Object =
            values.iter().enumerate().map(|(n, value)| (format!("p{n}"), value.trim().into())).collect();
        let call = Call { id: "c", name: "f", arguments: &arguments };
        let text = (dialect.render)("thought", &[call]).expect("plain values");
        let markup = parse(&text);
        prop_assert_eq!(markup.calls.len(), 1);
        prop_assert_eq!(&markup.calls[0].flaws, &vec![]);
        let read: Vec<&str> = markup.calls[0].params.iter().map(|param| param.value.text(&text)).collect();
        prop_assert_eq!(read, arguments.values().map(|value| value.as_str().unwrap_or("")).collect::<Vec<_>>());
        let tool = rolltape::model::ToolDef {
            name: "f".to_owned(),
            description: String::new(),
            parameters: serde_json::json!({"properties": arguments.keys().map(|key| (key.clone(), serde_json::json!({}))).collect::<Object>()}),
        };
        for runtime in dialect.runtimes {
            match (runtime.read)(&text, std::slice::from_ref(&tool), 1) {
                RuntimeReading::Calls { calls, repairs, .. } => {
                    prop_assert_eq!(&calls[0].arguments, &arguments);
                    prop_assert_eq!(repairs, vec![]);
                }
                other => prop_assert!(false, "{other:?}"),
            }
        }
    }
}
