//! Dialects whose calls are JSON objects: hermes, llama3-json and both of Mistral.

use super::table;

#[test]
fn hermes_calls() {
    let call = "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": \"v\"}}\n</tool_call>";
    let g = "<tool_call>{\"name\":\"g\",\"arguments\":{}}</tool_call>";
    table(
        "hermes",
        &[
            ("prose", ""),
            (call, "f({\"a\":\"v\"})"),
            (&format!("I look.\n{call}\n"), "f({\"a\":\"v\"})"),
            (&format!("{call}\n{g}"), &format!("f({{\"a\":\"v\"}}); g({{}}); after {g:?}")),
            (&format!("{call}\nDone."), "f({\"a\":\"v\"}); after \"Done.\""),
            // A value may hold the tags; the JSON tells where it ends.
            (
                "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": \"</tool_call><tool_call>{\"}}\n</tool_call>",
                "f({\"a\":\"</tool_call><tool_call>{\"})",
            ),
            ("the `<tool_call>` tag", ""),
            (
                "<think>x</think>\n<tool_call>{\"name\":\"g\",\"arguments\":{}}</tool_call>",
                "g({}); reasoning \"<think>x</think>\"",
            ),
            (
                &format!("{g}\n<tool_response>\nok\n</tool_response>"),
                "g({}); after \"<tool_response>\\nok\\n</tool_response>\"; observation \"<tool_response>\"",
            ),
        ],
    );
}

#[test]
fn hermes_calls_that_are_not_whole() {
    table(
        "hermes",
        &[
            ("<tool_call>\n{\"name\": \"f\", \"arguments\": {}}", "f({}) open"),
            ("<tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_", "f({}) open !PartialClosingTag"),
            (
                "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": \"b",
                "f(bad \"{\\\"a\\\": \\\"b\") open",
            ),
            ("<tool_call>\n{\"name\": \"f\", \"argum", "f() open !BrokenObject"),
            ("<tool_call>\n{\"name\": \"f", "fragment \"<tool_call>\""),
            ("<tool_call>", "fragment \"<tool_call>\""),
            (
                "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1,}}\n</tool_call>",
                "f(bad \"{\\\"a\\\": 1,}\")",
            ),
            (
                "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1}\n</tool_call>",
                "f({\"a\":1}) !BrokenObject",
            ),
            ("<tool_call>\n{\"name\": \"f\", \"arguments\": \"{}\"}\n</tool_call>", "f(bad \"\\\"{}\\\"\")"),
            ("<tool_call>\n{\"name\": \"f\"}\n</tool_call>", "f() !MissingArguments"),
            ("<tool_call>\n{\"arguments\": {}}\n</tool_call>", "fragment \"<tool_call>\""),
            ("<tool_call>\nnot JSON\n</tool_call>", "foreign glm-4.5 \"<tool_call>\""),
            (
                "<tool_call>{\"name\":\"f\",\"arguments\":{}}<tool_call>{\"name\":\"g\",\"arguments\":{}}</tool_call>",
                "f({}) open; g({}); after \"<tool_call>{\\\"name\\\":\\\"g\\\",\\\"arguments\\\":{}}</tool_call>\"",
            ),
        ],
    );
}

#[test]
fn flaws_of_hermes_calls() {
    table(
        "hermes",
        &[
            ("<tool_call>{\"name\":\"f\",\"parameters\":{}}</tool_call>", "f({}) !OtherKey"),
            (
                "<tool_call>{\"name\":\"f\",\"arguments\":{\"a\":1,\"a\":2}}</tool_call>",
                "f({\"a\":2}) !RepeatedKey",
            ),
            ("<tool_call>{\"name\":\"f\",\"arguments\":{},\"why\":1}</tool_call>", "f({}) !StrayText"),
            ("<tool_call>{\"name\":\"f\",\"arguments\":{}} so</tool_call>", "f({}) !StrayText"),
            (
                "<tool_call>[{\"name\":\"f\",\"arguments\":{}},{\"name\":\"g\",\"arguments\":{}}]</tool_call>",
                "f({}) !ListOfCalls; g({}); after \"{\\\"name\\\":\\\"g\\\",\\\"arguments\\\":{}}]</tool_call>\"",
            ),
            (
                "<tool_call>\n<function=f>\n</function>\n</tool_call>",
                "foreign qwen3-coder \"<tool_call>\"; foreign openhands \"<function=\"",
            ),
            ("[TOOL_CALLS] [{\"name\":\"f\"}]", "foreign mistral \"[TOOL_CALLS]\""),
            ("[TOOL_CALLS]f[ARGS]{}", "foreign mistral-v11 \"[TOOL_CALLS]\""),
            // A number that no 64 bits hold stays in the text as it is written.
            (
                "<tool_call>{\"name\":\"f\",\"arguments\":{\"n\":18446744073709551615}}</tool_call>",
                "f({\"n\":18446744073709551615})",
            ),
        ],
    );
}

#[test]
fn llama3_json_calls() {
    table(
        "llama3-json",
        &[
            ("prose with {braces}", ""),
            ("{\"name\": \"f\", \"parameters\": {\"a\": \"v\"}}", "f({\"a\":\"v\"})"),
            ("<|python_tag|>{\"name\": \"f\", \"arguments\": {}}", "f({})"),
            ("{\"type\": \"function\", \"name\": \"f\", \"parameters\": {}}", "f({})"),
            (
                "{\"name\": \"f\", \"parameters\": {}}; {\"name\": \"g\", \"parameters\": {}}",
                "f({}); g({}); after \"{\\\"name\\\": \\\"g\\\", \\\"parameters\\\": {}}\"",
            ),
            ("So:\n{\"name\": \"f\", \"parameters\": {}}\nDone.", "f({}); after \"Done.\""),
            // JSON without arguments is data where no tag says otherwise.
            ("{\"name\": \"Ada\"}", ""),
            ("<|python_tag|>{\"name\": \"f\"}", "f() !MissingArguments"),
            ("<|python_tag|>print(1)", "fragment \"<|python_tag|>print(1)\""),
            ("{\"name\": \"f\", \"parameters\": {\"a\": \"v", "f(bad \"{\\\"a\\\": \\\"v\") open"),
            ("{\"name\": \"f\", \"parameters\": {\"a\": v}}", "f(bad \"{\\\"a\\\": v}\") open"),
            ("{'name': 'f', 'parameters': {'a': True}}", "f({\"a\":true}) !PythonLiterals"),
            (
                "{\"name\": \"f\", \"parameters\": {}}<|start_header_id|>ipython<|end_header_id|>\n\nok",
                "f({}); after \"<|start_header_id|>ipython<|end_header_id|>\\n\\nok\"; \
                 observation \"<|start_header_id|>ipython<|end_header_id|>\"",
            ),
        ],
    );
}

#[test]
fn mistral_calls() {
    let one = "[TOOL_CALLS] [{\"name\": \"f\", \"arguments\": {\"a\": 1}, \"id\": \"abcDEF123\"}]";
    table(
        "mistral",
        &[
            (one, "f({\"a\":1})"),
            (&format!("text{one}"), "f({\"a\":1})"),
            ("[TOOL_CALLS][{\"name\":\"f\",\"arguments\":{}}]", "f({})"),
            (
                "[TOOL_CALLS] [{\"name\": \"f\", \"arguments\": {}}, {\"name\": \"g\", \"arguments\": {}}]",
                "f({}); g({}); after \"{\\\"name\\\": \\\"g\\\", \\\"arguments\\\": {}}]\"",
            ),
            (&format!("{one} Done."), "f({\"a\":1}); after \"Done.\""),
            ("[TOOL_CALLS] [{\"name\": \"f\", \"arguments\": {}, \"id\": \"call_1\"}]", "f({}) !BadCallId"),
            ("[TOOL_CALLS] {\"name\": \"f\", \"arguments\": {}}", "f({}) !MissingWrapper"),
            ("[TOOL_CALLS] [{\"name\": \"f\", \"arguments\": {}}", "f({}) open"),
            (
                "[TOOL_CALLS] [{\"name\": \"f\", \"arguments\": {\"a\": [1, ",
                "f(bad \"{\\\"a\\\": [1,\") open",
            ),
            ("[TOOL_CALLS] []", "fragment \"[TOOL_CALLS] []\""),
            ("[TOOL_CALLS]", "fragment \"[TOOL_CALLS]\""),
            ("[TOOL_CALLS]f[ARGS]{}", "foreign mistral-v11 \"[TOOL_CALLS]\""),
            (
                &format!("{one}[TOOL_RESULTS]x[/TOOL_RESULTS]"),
                "f({\"a\":1}); after \"[TOOL_RESULTS]x[/TOOL_RESULTS]\"; observation \"[TOOL_RESULTS]x[/TOOL_RESULTS]\"",
            ),
        ],
    );
}

#[test]
fn mistral_v11_calls() {
    table(
        "mistral-v11",
        &[
            ("[TOOL_CALLS]f[ARGS]{\"a\": 1}", "f({\"a\":1})"),
            ("I look.[TOOL_CALLS]f[CALL_ID]abcDEF123[ARGS]{}", "f({})"),
            ("[TOOL_CALLS]f[CALL_ID]1[ARGS]{}", "f({}) !BadCallId"),
            ("[TOOL_CALLS]f[ARGS]{}[TOOL_CALLS]g[ARGS]{}", "f({}); g({}); after \"[TOOL_CALLS]g[ARGS]{}\""),
            ("[TOOL_CALLS]f[ARGS]{\"a\": 1} Done.", "f({\"a\":1}); after \"Done.\""),
            ("[TOOL_CALLS]f[ARGS]{\"a\": ", "f(bad \"{\\\"a\\\":\") open"),
            ("[TOOL_CALLS]f[ARGS]", "f(bad \"\") open"),
            ("[TOOL_CALLS]f", "fragment \"[TOOL_CALLS]f\""),
            ("[TOOL_CALLS]f[ARGS]{a: 1}", "f(bad \"{a: 1}\")"),
            ("[TOOL_CALLS]f[ARGS]{\"a\":1,\"a\":2}", "f({\"a\":2}) !RepeatedKey"),
            ("[TOOL_CALLS]f[ARGS][1]", "f(bad \"[1]\")"),
            ("[TOOL_CALLS] [{\"name\":\"f\"}]", "foreign mistral \"[TOOL_CALLS]\""),
        ],
    );
}
