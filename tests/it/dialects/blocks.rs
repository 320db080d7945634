//! Commands in code blocks and tags, and ReAct's lines.

use super::table;

#[test]
fn thought_action_blocks() {
    table(
        "swe-agent-thought-action",
        &[
            ("Look.\n```\nls -l\n```\n", "bash(command=\"ls -l\")"),
            ("```\n```", "bash(command=\"\")"),
            (
                "```\na\n```\nand\n```\nb\n```",
                "bash(command=\"a\"); bash(command=\"b\"); after \"and\\n```\\nb\\n```\"",
            ),
            ("```\nls\n```\nDone.", "bash(command=\"ls\"); after \"Done.\""),
            ("```\nls", "bash(command=\"ls\"(open)) open"),
            (
                "```\ncat <<E\n```python\nx\n```\nE\n```",
                "bash(command=\"cat <<E\\n```python\\nx\\n```\\nE\") nested ```python",
            ),
            ("an inline ```block``` is none", ""),
            (
                "```\nls\n```\nOBSERVATION:\na",
                "bash(command=\"ls\"); after \"OBSERVATION:\\na\"; observation \"OBSERVATION:\"",
            ),
        ],
    );
}

#[test]
fn command_tags() {
    table(
        "swe-agent-xml",
        &[
            ("Look.\n<command>\nls\n</command>", "bash(command=\"\\nls\\n\")"),
            (
                "<command>a</command><command>b</command>",
                "bash(command=\"a\"); bash(command=\"b\"); after \"<command>b</command>\"",
            ),
            ("<command>ls", "bash(command=\"ls\"(open)) open"),
            ("the `<command>` tag", ""),
            ("<command>ls</command> Done.", "bash(command=\"ls\"); after \"Done.\""),
        ],
    );
}

#[test]
fn bash_blocks() {
    table(
        "swe-agent-bash-block",
        &[
            ("```bash\nls\n```", "bash(command=\"ls\")"),
            ("```python\nx\n```\n```bash\nls\n```", "bash(command=\"ls\")"),
            ("```\nls\n```", ""),
            (
                "```bash\na\n```\n```bash\nb\n```",
                "bash(command=\"a\"); bash(command=\"b\"); after \"```bash\\nb\\n```\"",
            ),
            ("```bash\nls", "bash(command=\"ls\"(open)) open"),
        ],
    );
}

#[test]
fn mini_swe_agent_actions() {
    table(
        "mini-swe-agent",
        &[
            ("THOUGHT: x\n\n```mswea_bash_command\nls\n```", "bash(command=\"ls\")"),
            ("```bash\nls\n```", "bash(command=\"ls\")"),
            // Beside a block of version 2, one of version 1 is a sample.
            ("```bash\na\n```\n```mswea_bash_command\nb\n```", "bash(command=\"b\")"),
            ("<mswea_bash_command>ls</mswea_bash_command>", "bash(command=\"ls\")"),
            (
                "```mswea_bash_command\na\n```\n```mswea_bash_command\nb\n```",
                "bash(command=\"a\"); bash(command=\"b\"); after \"```mswea_bash_command\\nb\\n```\"",
            ),
            (
                "```mswea_bash_command\necho '<mswea_bash_command>'\n```",
                "bash(command=\"echo '<mswea_bash_command>'\")",
            ),
            ("```mswea_bash_command\nls", "bash(command=\"ls\"(open)) open"),
            (
                "```bash\nls\n```\n<returncode>0</returncode>",
                "bash(command=\"ls\"); after \"<returncode>0</returncode>\"; observation \"<returncode>0</returncode>\"",
            ),
        ],
    );
}

#[test]
fn react_lines() {
    table(
        "react",
        &[
            ("Thought: look\nAction: f\nAction Input: {\"a\": 1}", "f({\"a\":1})"),
            ("Action: f\nAction Input: the weather in Rome\n", "f(input=\"the weather in Rome\")"),
            ("Action: f\nAction Input: two\nlines", "f(input=\"two\\nlines\")"),
            ("Action: f", "f() open !MissingArguments"),
            ("Action Input: x", "fragment \"Action Input: x\""),
            ("Thought: done\nFinal Answer: 42", ""),
            ("Action: f\nAction Input: {\"a\": }", "f(bad \"{\\\"a\\\": }\")"),
            ("Action: f\nAction Input: {\"a\": 1}\nI wait.", "f({\"a\":1}); after \"I wait.\""),
            (
                "Action: f\nAction Input: x\nObservation: y\nAction: g\nAction Input: z",
                "f(input=\"x\"); g(input=\"z\"); after \"Observation: y\\nAction: g\\nAction Input: z\"; \
                 observation \"Observation: y\"",
            ),
        ],
    );
}
