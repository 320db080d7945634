//! Dialects whose calls are tags: qwen3-coder and CodeAct's old ones.

use super::table;

#[test]
fn qwen3_coder_calls() {
    let call = "<tool_call>\n<function=f>\n<parameter=a>\nv\n</parameter>\n</function>\n</tool_call>";
    table(
        "qwen3-coder",
        &[
            (call, "f(a=\"\\nv\\n\")"),
            (&format!("I look.\n\n{call}"), "f(a=\"\\nv\\n\")"),
            (&format!("{call}\nDone."), "f(a=\"\\nv\\n\"); after \"Done.\""),
            (&format!("{call}\n{call}"), &format!("f(a=\"\\nv\\n\"); f(a=\"\\nv\\n\"); after {call:?}")),
            ("<tool_call>\n<function=f>\n</function>\n</tool_call>", "f()"),
            // The inner tags alone are what OpenHands writes.
            ("<function=f>\n</function>", "f() !MissingWrapper"),
            ("<tool_call>\n<function=f>\n</function>", "f() open"),
            ("<tool_call>\n<function=f>\n<parameter=a>\nv\n</parameter>", "f(a=\"\\nv\\n\") open"),
            ("<tool_call>\n<function=f>\n<parameter=a>\nv", "f(a=\"\\nv\"(open)) open"),
            (
                "<tool_call>\n<function=f>\n<parameter=a>\n1\n<parameter=b>\n2\n</parameter>\n</function>\n</tool_call>",
                "f(a=\"\\n1\\n\"(open) b=\"\\n2\\n\") !UnclosedParameter",
            ),
            (
                "<tool_call>\n<function=f>\n</function>\n<function=g>\n</function>\n</tool_call>",
                "f(); g() !ListOfCalls; after \"<function=g>\\n</function>\\n</tool_call>\"",
            ),
            (
                "<tool_call>\n{\"name\":\"f\",\"arguments\":{}}\n</tool_call>",
                "foreign hermes \"<tool_call>\"",
            ),
            (
                &format!("{call}\n<tool_response>\nok\n</tool_response>"),
                "f(a=\"\\nv\\n\"); after \"<tool_response>\\nok\\n</tool_response>\"; observation \"<tool_response>\"",
            ),
        ],
    );
}

#[test]
fn codeact_legacy_calls() {
    table(
        "codeact-legacy",
        &[
            ("<execute_bash>\nls\n</execute_bash>", "execute_bash(command=\"\\nls\\n\")"),
            ("Look:\n<execute_ipython>\n1+1\n</execute_ipython>", "execute_ipython(code=\"\\n1+1\\n\")"),
            ("<execute_browse>\ngoto('x')", "execute_browse(code=\"\\ngoto('x')\") open"),
            // A stop word takes the closing tag away, whole or in part.
            ("<execute_bash> ls", "execute_bash(command=\" ls\") open"),
            ("<execute_bash> ls </execute_bash", "execute_bash(command=\" ls \") open !PartialClosingTag"),
            (
                "<execute_bash>\nls\n</execute_bash>\n<execute_bash>\npwd\n</execute_bash>",
                "execute_bash(command=\"\\nls\\n\"); execute_bash(command=\"\\npwd\\n\"); \
                 after \"<execute_bash>\\npwd\\n</execute_bash>\"",
            ),
            (
                "<execute_bash>\nls\n<execute_ipython>\n1\n</execute_ipython>",
                "execute_bash(command=\"\\nls\") open; execute_ipython(code=\"\\n1\\n\"); \
                 after \"<execute_ipython>\\n1\\n</execute_ipython>\"",
            ),
            ("<execute_bash>ls</execute_bash>\nDone.", "execute_bash(command=\"ls\"); after \"Done.\""),
            (
                "<execute_bash>\nls\n\nOBSERVATION:\na.txt",
                "execute_bash(command=\"\\nls\") open; after \"OBSERVATION:\\na.txt\"; observation \"OBSERVATION:\"",
            ),
            ("write `<execute_bash>` around it", ""),
            ("<function=f>\n</function>", "foreign openhands \"<function=\""),
        ],
    );
}
