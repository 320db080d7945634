//! What each runtime makes of a text, repairs named.

use super::read;
use rolltape::dialects::ALL;
use rolltape::model::{Arguments, Object, ToolCall};
use serde_json::json;

/// Runtime, text, and what the runtime makes of it.
pub(super) const CASES: &[(&str, &str, &str)] = &[
    ("vllm-hermes", "prose", "says \"prose\""),
    (
        "vllm-hermes",
        "I look.\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": \"v\"}}\n</tool_call>",
        "\"I look.\\n\" f{\"a\":\"v\"}",
    ),
    ("vllm-hermes", "<tool_call>{\"name\":\"f\",\"arguments\":{}}", "f{} !accepted-unclosed-call"),
    ("vllm-hermes", "<tool_call>{\"name\":\"f\",\"arguments\":{}}</tool_call> so", "f{} !dropped-suffix"),
    (
        "vllm-hermes",
        "<tool_call>{\"name\":\"f\"}</tool_call>",
        "says \"<tool_call>{\\\"name\\\":\\\"f\\\"}</tool_call>\"",
    ),
    // One bad block makes all of it text; SGLang's parser for Qwen drops that block alone.
    (
        "vllm-hermes",
        "<tool_call>\n{\"name\":\"f\",\"arguments\":{}}\n</tool_call><tool_call>\n{\n</tool_call>",
        "says \"<tool_call>\\n{\\\"name\\\":\\\"f\\\",\\\"arguments\\\":{}}\\n</tool_call><tool_call>\\n{\\n</tool_call>\"",
    ),
    (
        "sglang-qwen25",
        "<tool_call>\n{\"name\":\"f\",\"arguments\":{}}\n</tool_call><tool_call>\n{\n</tool_call>",
        "f{} !dropped-call",
    ),
    (
        "sglang-qwen25",
        "<tool_call>{\"name\":\"f\",\"arguments\":{}}</tool_call>",
        "says \"<tool_call>{\\\"name\\\":\\\"f\\\",\\\"arguments\\\":{}}</tool_call>\"",
    ),
    (
        "sglang-hermes",
        "<tool_call>[{\"name\":\"f\",\"parameters\":{\"a\":\"v\"}},{\"name\":\"g\"}]</tool_call>",
        "f{\"a\":\"v\"} g{}",
    ),
    ("sglang-hermes", "a <tool_call>{\"name\":\"nobody\",\"arguments\":{}}</tool_call>", "says \"a\""),
    (
        "vllm-hermes",
        "<tool_call>{\"name\":\"f\",\"arguments\":\"{}\"}</tool_call>",
        "TypeError Other: the arguments of 'f' are not an object",
    ),
    (
        "sglang-qwen3-coder",
        "<tool_call>\n<function=f>\n<parameter=a>\nx\ny\n</parameter>\n<parameter=n>\n 7 \n</parameter>\n</function>\n</tool_call>",
        "f{\"a\":\"x\\ny\",\"n\":7}",
    ),
    (
        "sglang-qwen3-coder",
        "<tool_call><function=f><parameter=x>2.0</parameter><parameter=b>yes</parameter><parameter=l>['a', 1]</parameter>\
         <parameter=o>{\"k\": null}</parameter><parameter=u>null</parameter><parameter=z>raw</parameter></function></tool_call>",
        "f{\"x\":2.0,\"b\":false,\"l\":[\"a\",1],\"o\":{\"k\":null},\"u\":null,\"z\":\"raw\"}",
    ),
    (
        "sglang-qwen3-coder",
        "<tool_call><function=f><parameter=x>3</parameter><parameter=n>three</parameter><parameter=b>TRUE</parameter><parameter=l>nope</parameter><parameter=u>5</parameter></function></tool_call>",
        "f{\"x\":3,\"n\":\"three\",\"b\":true,\"l\":\"nope\",\"u\":5}",
    ),
    (
        "sglang-qwen3-coder",
        "<tool_call>\n<function=f>\n<parameter=a>\n1\n<parameter=n>\n2\n</parameter>\n</function>\n</tool_call>",
        "f{\"a\":\"1\",\"n\":2} !accepted-unclosed-parameter",
    ),
    (
        "sglang-qwen3-coder",
        "<tool_call>\n<function=f>\n<parameter=a>\nv\n",
        "f{\"a\":\"v\"} !accepted-unclosed-call !accepted-unclosed-function !accepted-unclosed-parameter",
    ),
    ("sglang-qwen3-coder", "<function=f>\n</function>", "says \"<function=f>\\n</function>\""),
    (
        "sglang-llama3",
        "{\"name\": \"f\", \"parameters\": {}};{\"name\": \"g\", \"parameters\": {}}",
        "f{} g{}",
    ),
    ("sglang-llama3", "{'name': 'f', 'parameters': {'b': True}}", "f{\"b\":true} !converted-python-dict"),
    (
        "sglang-llama3",
        "So: {\"name\": \"f\", \"parameters\": {}}",
        "says \"So: {\\\"name\\\": \\\"f\\\", \\\"parameters\\\": {}}\"",
    ),
    ("vllm-llama3-json", "So: {\"name\": \"f\", \"parameters\": {}}", "f{} !dropped-text"),
    (
        "vllm-llama3-json",
        "{\"name\": \"f\", \"arguments\": {}}; {\"name\": \"g\", \"parameters\": {}}",
        "f{} g{}",
    ),
    ("vllm-llama3-json", "use {braces}", "says \"use {braces}\""),
    ("sglang-pythonic", "Sure: [f(a='v'), g()] now", "\"Sure:  now\" f{\"a\":\"v\"} g{}"),
    ("sglang-pythonic", "<|python_start|>[f(n=1)]<|python_end|>", "f{\"n\":1} !removed-tags"),
    ("sglang-pythonic", "[f(a=g(1)), g(), nobody()]", "g{} !dropped-call !dropped-unknown-function"),
    ("vllm-pythonic", "[f(a='v'), nobody()]", "f{\"a\":\"v\"} nobody{}"),
    ("vllm-pythonic", "Sure: [f(a='v')]", "says \"Sure: [f(a='v')]\""),
    ("vllm-pythonic", "[f(a=g(1))]", "says \"[f(a=g(1))]\""),
    (
        "sglang-mistral",
        "x [TOOL_CALLS] [{\"name\": \"f\", \"arguments\": {}, \"id\": \"abcdefghi\"}] y",
        "\"x y\" f{} !moved-suffix",
    ),
    ("sglang-mistral", "[TOOL_CALLS] [{\"name\": \"f\", \"arguments\": {}}", "says \"\""),
    ("sglang-mistral-v11", "[TOOL_CALLS]f[ARGS]{\"a\": \"v\"}[TOOL_CALLS]g[ARGS]{}", "f{\"a\":\"v\"} g{}"),
    ("sglang-mistral-v11", "[TOOL_CALLS]f[CALL_ID]abcdefghi[ARGS]{}", "says \"\""),
    (
        "openhands-codeact",
        "Look:\n<execute_bash>\nls\n</execute_bash>\nDone.",
        "\"Look:\\n\\nDone.\" execute_bash{\"command\":\"ls\"}",
    ),
    ("openhands-codeact", "<execute_bash>\nls\n", "execute_bash{\"command\":\"ls\"} !appended-closing-tag"),
    (
        "openhands-codeact",
        "<execute_ipython>\n1\n</execute_ipython",
        "execute_ipython{\"code\":\"1\"} !completed-closing-tag",
    ),
    (
        "openhands-codeact",
        "<execute_ipython>1</execute_ipython><execute_bash>ls</execute_bash>",
        "\"<execute_ipython>1</execute_ipython>\" execute_bash{\"command\":\"ls\"}",
    ),
    ("openhands-codeact", "hello", "says \"hello\""),
    (
        "swe-agent-thought-action",
        "a\n```\nx\n```\nb\n```\ny\n```\n",
        "\"a\\n```\\nx\\n```\\nb\\n\" bash{\"command\":\"y\\n\"} !dropped-call",
    ),
    ("swe-agent-thought-action", "no block", "FormatError NoCall: No action found in model response."),
    ("swe-agent-xml", "a <command> x </command> b", "\"a  b\" bash{\"command\":\"x\"}"),
    (
        "swe-agent-xml",
        "<command>x</command><command>y</command>",
        "\"<command>x</command>\" bash{\"command\":\"y\"} !dropped-call",
    ),
    ("swe-agent-xml", "<command>x", "FormatError NoCall: No action found in model response."),
    (
        "swe-agent-single-bash-block",
        "a\n```bash\nls\n```",
        "\"a\\n<extracted_code_block>\" bash{\"command\":\"ls\"}",
    ),
    (
        "swe-agent-single-bash-block",
        "```bash\na\n```\n```bash\nb\n```",
        "FormatError SeveralCalls: We detected multiple bash code blocks in your output. You need to include EXACTLY ONE bash code block in your output.",
    ),
    (
        "swe-agent-single-bash-block",
        "```\na\n```",
        "FormatError NoCall: No bash code blocks were detected in your output.",
    ),
    (
        "swe-agent-all-bash-blocks",
        "```bash\na\n```\n```bash\nb\n```",
        "\"<extracted_code_block>\\n<extracted_code_block>\" bash{\"command\":\"a\\nb\"} !joined-call",
    ),
    (
        "mini-swe-agent-v2",
        "T\n```mswea_bash_command\n ls \n```",
        "\"T\\n```mswea_bash_command\\n ls \\n```\" bash{\"command\":\"ls\"}",
    ),
    ("mini-swe-agent-v2", "```bash\nls\n```", "FormatError NoCall: Expected exactly 1 action, found 0."),
    ("mini-swe-agent-v1", "```bash\nls\n```", "\"```bash\\nls\\n```\" bash{\"command\":\"ls\"}"),
    (
        "mini-swe-agent-xml",
        "<mswea_bash_command>a</mswea_bash_command><mswea_bash_command>b</mswea_bash_command>",
        "FormatError SeveralCalls: Expected exactly 1 action, found 2.",
    ),
    (
        "langchain-react",
        "Thought: x\nAction: f\nAction Input: \"rome\"",
        "\"Thought: x\\n\" f{\"input\":\"rome\"}",
    ),
    (
        "langchain-react",
        "Action: f\nAction Input: a\nObservation: b",
        "f{\"input\":\"a\\nObservation: b\"} !merged-into-input",
    ),
    ("langchain-react", "Final Answer: 42", "says \"42\""),
    (
        "langchain-react",
        "Action: f\nAction Input: a\nFinal Answer: b",
        "OutputParserException Other: Parsing LLM output produced both a final answer and a parse-able action: Action: f\nAction Input: a\nFinal Answer: b",
    ),
    ("langchain-react", "hm", "OutputParserException NoCall: Could not parse LLM output: `hm`"),
];

#[test]
fn runtimes_read_what_was_measured() {
    for (name, text, wanted) in CASES {
        assert_eq!(read(name, text), *wanted, "{name} of {text:?}");
    }
}

/// What a runtime writes, it reads.
#[test]
fn runtimes_read_what_they_write() {
    for dialect in ALL.iter().filter(|dialect| dialect.name != "openhands") {
        for runtime in dialect.runtimes {
            let (name, key) = match dialect.name {
                "codeact-legacy" => ("execute_bash", "command"),
                "react" => ("f", "input"),
                name if name.contains("swe-agent") => ("bash", "command"),
                _ => ("f", "a"),
            };
            let arguments: Object = json!({ key: "ls -l" }).as_object().cloned().expect("an object");
            let call = ToolCall {
                id: "a1B2c3D4e".to_owned(),
                name: name.to_owned(),
                arguments: Arguments::object(arguments),
                extra: Object::new(),
                place: None,
            };
            let text =
                (runtime.write)("", &[call]).unwrap_or_else(|error| panic!("{}: {error}", runtime.name));
            let reading = read(runtime.name, &text);
            let wanted = match runtime.name {
                // Its input is one text.
                "langchain-react" => "f{\"input\":\"{\\\"input\\\":\\\"ls -l\\\"}\"}".to_owned(),
                _ => format!("{name}{{\"{key}\":\"ls -l"),
            };
            assert!(reading.contains(&wanted), "{}: {text:?} is read as {reading}", runtime.name);
        }
    }
}
