//! What a dialect writes, it reads: calls, results, and the refusal of what it can't hold.

use super::{check_spans, dialect, tools};
use proptest::prelude::*;
use rolltape::dialects::Call;
use rolltape::model::Object;
use serde_json::{Value, json};

/// Dialects, the functions that they can call, and whether they take more than one call a message.
const DIALECTS: &[(&str, &str, Shape, bool)] = &[
    ("hermes", "f", Shape::Json, true),
    ("qwen3-coder", "f", Shape::Texts, true),
    ("llama3-json", "f", Shape::Json, true),
    ("llama-pythonic", "f", Shape::Json, true),
    ("mistral", "f", Shape::Json, true),
    ("mistral-v11", "f", Shape::Json, true),
    ("react", "f", Shape::Json, false),
    ("codeact-legacy", "execute_bash", Shape::Command, false),
    ("swe-agent-thought-action", "bash", Shape::Command, false),
    ("swe-agent-xml", "bash", Shape::Command, false),
    ("swe-agent-bash-block", "bash", Shape::Command, false),
    ("mini-swe-agent", "bash", Shape::Command, false),
];

/// What the arguments of a call can be.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Shape {
    /// Any JSON object.
    Json,
    /// Text by name.
    Texts,
    /// One text named `command`.
    Command,
}

/// Text with all that markup is made of.
fn text() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec![
        "<tool_call>",
        "</tool_call>",
        "<function=f>",
        "</function>",
        "<parameter=a>",
        "</parameter>",
        "[TOOL_CALLS]",
        "[ARGS]",
        "<|python_tag|>",
        "<|python_start|>",
        "```",
        "\n```\n",
        "```bash\n",
        "<command>",
        "</command>",
        "<execute_bash>",
        "</execute_bash>",
        "```mswea_bash_command\n",
        "<mswea_bash_command>",
        "</mswea_bash_command>",
        "\nAction: f\n",
        "Action Input:",
        "\nObservation:",
        "OBSERVATION:",
        "[f(a=1)]",
        "{\"name\": \"f\", \"parameters\": {}}",
        "{",
        "}",
        "\"",
        "'",
        "\\",
        "\n",
        "`",
        "é",
        "\u{1f600}",
        "word",
        " ",
        "\t",
        "\r\n",
        "\u{0}",
        "<think>",
        "\u{2028}",
    ]);
    prop_oneof![
        3 => prop::collection::vec(part, 0..8).prop_map(|parts| parts.concat()),
        1 => any::<String>(),
        2 => "[a-z ./|-]{0,20}",
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        text().prop_map(Value::String),
        any::<i64>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        (-1.0e9..1.0e9).prop_map(|number: f64| json!(number)),
        Just(Value::Null),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::hash_map(text(), inner, 0..3)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn arguments() -> impl Strategy<Value = Object> {
    prop::collection::vec(("[a-z]{1,3}", value()), 0..4).prop_map(|pairs| pairs.into_iter().collect())
}

/// The arguments in the shape that a dialect can hold.
fn shaped(arguments: &Object, shape: Shape) -> Object {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match shape {
        Shape::Json => arguments.clone(),
        Shape::Texts => arguments.iter().map(|(key, value)| (key.clone(), text(value).into())).collect(),
        Shape::Command => {
            let command = arguments.values().next().map_or(String::new(), text);
            [("command".to_owned(), Value::String(command))].into_iter().collect()
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 384, failure_persistence: None, ..ProptestConfig::default() })]

    /// What is written is read as the same calls, without a flaw; everything else is refused.
    #[test]
    fn what_is_written_is_read(content in text(), first in arguments(), second in arguments(), two: bool) {
        for (name, function, shape, several) in DIALECTS {
            let given: Vec<Object> = [&first, &second].map(|arguments| shaped(arguments, *shape)).into();
            let count = if two && *several { 2 } else { 1 };
            let calls: Vec<Call<'_>> =
                given[..count].iter().map(|arguments| Call { id: "a1B2c3D4e", name: function, arguments }).collect();
            let Ok(text) = (dialect(name).render)(&content, &calls) else { continue };
            let markup = (dialect(name).parse)(&text);
            check_spans(&text, &markup);
            prop_assert_eq!(markup.calls.len(), count, "{} wrote {:?}", name, text);
            for (call, arguments) in markup.calls.iter().zip(&given) {
                prop_assert!(call.closed && call.flaws.is_empty() && call.nested.is_empty(), "{} wrote {:?}: {:?}", name, text, call);
                prop_assert_eq!(&call.name, function);
                let read = match &call.arguments {
                    Some(read) => read.value.parsed.clone().unwrap_or_default(),
                    None => call.params.iter().map(|param| {
                        let value = param.value.text(&text);
                        // Each value stands on lines of its own.
                        let value = if *shape == Shape::Texts { &value[1..value.len() - 1] } else { value };
                        (param.name.clone(), value.into())
                    }).collect(),
                };
                prop_assert_eq!(&read, arguments, "{} wrote {:?}", name, text);
            }
            let after = markup.after_first.map_or("", |rest| rest.text(&text));
            prop_assert!(count > 1 || after.trim().is_empty(), "{} wrote {:?}", name, text);
        }
    }

    /// Plain text and plain values are never refused.
    #[test]
    fn what_is_plain_is_written(content in "[a-z .,]{0,20}", value in "[a-z /.|-]{1,20}") {
        for (name, function, shape, _) in DIALECTS {
            let key = if *shape == Shape::Command { "command" } else { "a" };
            let arguments: Object = [(key.to_owned(), Value::String(value.clone()))].into_iter().collect();
            let call = Call { id: "a1B2c3D4e", name: function, arguments: &arguments };
            let text = (dialect(name).render)(&content, &[call]);
            prop_assert!(text.is_ok(), "{}: {:?}", name, text);
        }
    }

    /// A result is read as it was told, whatever is in it; a plain message is none.
    #[test]
    fn results_are_told_and_read(output in text()) {
        for (name, ..) in DIALECTS {
            let told = (dialect(name).observe)("f", &output);
            let results = (dialect(name).read_observations)(&told);
            prop_assert_eq!(results.len(), 1, "{} tells {:?}", name, told);
            let read = results[0].content.text(&told);
            // A tag may end what it wraps before the output does, but nothing may be lost from its start.
            prop_assert!(output.starts_with(read) || output == read, "{} tells {:?} and reads {:?}", name, told, read);
        }
    }
}

#[test]
fn plain_results_come_back_whole() {
    for (name, ..) in DIALECTS {
        for output in ["", "ok", "a\nb\n", "\nx\n\n", "  indented", "</x> [y]"] {
            let told = (dialect(name).observe)("f", output);
            let results = (dialect(name).read_observations)(&told);
            let read: Vec<&str> = results.iter().map(|result| result.content.text(&told)).collect();
            assert_eq!(read, [output], "{name} tells {told:?}");
        }
        assert_eq!((dialect(name).read_observations)("Please go on."), [], "{name}");
    }
}

#[test]
fn several_results_stand_side_by_side() {
    for name in ["hermes", "qwen3-coder", "mistral", "mistral-v11", "llama3-json", "llama-pythonic"] {
        let told = format!("{}\n{}", (dialect(name).observe)("f", "1"), (dialect(name).observe)("g", "2"));
        let results = (dialect(name).read_observations)(&told);
        let read: Vec<&str> = results.iter().map(|result| result.content.text(&told)).collect();
        assert_eq!(read, ["1", "2"], "{name} tells {told:?}");
    }
}

#[test]
fn what_can_not_be_held_is_refused() {
    let object = |value: Value| value.as_object().cloned().expect("an object");
    let refused = |name: &str, content: &str, calls: &[(&str, &Object)]| {
        let calls: Vec<Call<'_>> =
            calls.iter().map(|(name, arguments)| Call { id: "call_1", name, arguments }).collect();
        (dialect(name).render)(content, &calls).expect_err("a refusal")
    };
    let command = object(json!({"command": "ls"}));
    for name in ["codeact-legacy", "react", "swe-agent-xml", "mini-swe-agent"] {
        let function = if name == "codeact-legacy" { "execute_bash" } else { "bash" };
        let two = [(function, &command), (function, &command)];
        assert_eq!(refused(name, "", &two), "a message holds one call, not 2");
    }
    let fence = object(json!({"command": "cat <<E\n```\nE"}));
    for name in ["swe-agent-thought-action", "swe-agent-bash-block", "mini-swe-agent"] {
        assert_eq!(
            refused(name, "", &[("bash", &fence)]),
            "the value of 'command' has a line that begins with ```"
        );
        let other = refused(name, "", &[("edit", &command)]);
        assert_eq!(other, "a message holds commands of the shell, and 'edit' is another function");
        let more = object(json!({"command": "ls", "timeout": 3}));
        let text = refused(name, "", &[("bash", &more)]);
        assert_eq!(text, "'bash' has other arguments than one text named 'command'");
    }
    let tag = object(json!({"a": "x </parameter>"}));
    assert_eq!(refused("qwen3-coder", "", &[("f", &tag)]), "the value of 'a' holds </parameter>");
    let close = object(json!({"command": "echo '</execute_bash>'"}));
    let text = refused("codeact-legacy", "", &[("execute_bash", &close)]);
    assert_eq!(text, "the value of 'command' holds </execute_bash>");
    assert_eq!(refused("mistral", "", &[("f", &tag)]), "the id 'call_1' has not nine letters and digits");
    let key = object(json!({"not a name": 1}));
    assert_eq!(refused("llama-pythonic", "", &[("f", &key)]), "an argument name is no identifier of Python");
    let spoken = "as in <tool_call>{\"name\": \"f\", \"arguments\": {}}</tool_call>";
    let text = refused("hermes", spoken, &[("f", &tag)]);
    assert_eq!(text, "the text beside the calls holds <tool_call>, which would be read as a call");
}

#[test]
fn descriptions_show_a_call_that_is_one() {
    for (name, ..) in DIALECTS {
        let text = (dialect(name).describe)(&tools());
        check_spans(&text, &(dialect(name).parse)(&text));
        assert!(text.lines().all(|line| line.len() < 2_000) && text.ends_with('\n'), "{name}: {text}");
        if !matches!(*name, "codeact-legacy") && !name.contains("swe-agent") {
            assert!(text.contains("{\"name\":\"f\",\"description\":\"does something\""), "{name}: {text}");
        }
    }
}
