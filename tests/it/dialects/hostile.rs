//! Any text is parsed: in time that grows with its length, with spans that lie in it.

use super::{check_spans, dialect, tools};
use proptest::prelude::*;
use rolltape::dialects::ALL;
use std::time::{Duration, Instant};

/// What markup is made of.
const PIECES: &[&str] = &[
    "<tool_call>",
    "</tool_call>",
    "<tool_call>\n{\"name\": \"f\", \"arguments\": {",
    "<tool_call>{\"",
    "<tool_call>[",
    "<function=",
    "<function=f>\n",
    "</function>",
    "<parameter=",
    "<parameter=a>",
    "</parameter>",
    "{\"name\": \"f\", \"parameters\": {\"a\": [",
    "\n{\"name\":",
    "\n{'name': '",
    "\n{",
    "{\"name\":",
    "}",
    ";",
    "<|python_tag|>",
    "<|python_tag|>{\"name\": \"f\", ",
    "<|python_start|>",
    "\n[f(a=",
    "\n[f(a=\"\"\"",
    "\n[f(",
    "[f(a=1),",
    "[f(), ",
    "(",
    ")",
    "[",
    "]",
    "<function_calls>\nf(a=1)\n",
    "[TOOL_CALLS]",
    "[TOOL_CALLS] [",
    "[TOOL_CALLS] [{\"name\": \"f\", \"arguments\": {}},",
    "[TOOL_CALLS]f[ARGS]",
    "[TOOL_CALLS]f[ARGS]{\"",
    "[ARGS]",
    "\nAction: f\n",
    "\nAction Input: {\"",
    "\nAction Input: x",
    "\nObservation:",
    "Action",
    "Action Input",
    "\n```\n",
    "\n```bash\n",
    "\n```mswea_bash_command\n",
    "```",
    "<command>",
    "</command>",
    "<mswea_bash_command>",
    "<execute_bash>",
    "<execute_ipython>",
    "</execute_bash",
    "\nOBSERVATION:",
    "<tool_response>",
    "<think>",
    "</think>",
    "`<tool_call>",
    "\"",
    "'",
    "\\",
    "\n",
    " ",
    "a=",
    "é",
    "\u{1f600}",
    "<",
    "</",
];

fn time(run: impl FnOnce()) -> Duration {
    let began = Instant::now();
    run();
    began.elapsed()
}

/// Whether sixteen times the text takes far more than sixteen times the time: a square would be 256. What is over at
/// once is not looked at, and what seems slow on a busy machine is looked at again.
fn is_square(run: impl Fn(&str), small: &str, large: &str) -> bool {
    (0..4).all(|_| {
        let many = time(|| run(large));
        many > Duration::from_millis(400) && many > time(|| run(small)) * 80
    })
}

#[test]
fn hostile_text_costs_no_more_than_its_length() {
    for piece in PIECES {
        for other in ["", "\n", "{\"a\": \""] {
            let unit = format!("{piece}{other}");
            let text = |size: usize| unit.repeat(size / unit.len());
            let (small, large) = (text(3_000), text(48_000));
            for dialect in ALL.iter().filter(|dialect| dialect.name != "openhands") {
                check_spans(&small, &(dialect.parse)(&small));
                let square = is_square(|text| drop((dialect.parse)(text)), &small, &large);
                assert!(!square, "{} on {unit:?}", dialect.name);
                for runtime in dialect.runtimes.iter().filter(|_| other.is_empty()) {
                    let square = is_square(|text| drop((runtime.read)(text, &tools(), 1)), &small, &large);
                    assert!(!square, "{} on {unit:?}", runtime.name);
                }
            }
        }
    }
}

/// A megabyte of each opening mark, in the dialects that look for it.
#[test]
fn hostile_megabytes_are_read_to_their_end() {
    for (name, unit) in [
        ("hermes", "<tool_call>{\"name\": \"f\", \"arguments\": {"),
        ("qwen3-coder", "<tool_call>\n<function=f>\n<parameter=a>\n"),
        ("llama3-json", "\n{\"name\": \"f\", \"parameters\": "),
        ("llama-pythonic", "\n[f(a=["),
        ("mistral", "[TOOL_CALLS] [{\"name\": \"f\", \"arguments\": {"),
        ("mistral-v11", "[TOOL_CALLS]f[ARGS]{"),
        ("codeact-legacy", "\n<execute_bash>"),
        ("react", "\nAction: f\nAction Input: {"),
        ("swe-agent-thought-action", "\n```sh\n"),
        ("swe-agent-xml", "<command>"),
        ("mini-swe-agent", "<mswea_bash_command>"),
    ] {
        let text = unit.repeat((1 << 20) / unit.len());
        let markup = (dialect(name).parse)(&text);
        check_spans(&text, &markup);
        assert!(!markup.calls.is_empty(), "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_markup_is_parsed(parts in prop::collection::vec(prop::sample::select(PIECES), 0..16)) {
        let text = parts.concat();
        for dialect in ALL {
            check_spans(&text, &(dialect.parse)(&text));
            let _ = (dialect.read_observations)(&text);
            for runtime in dialect.runtimes {
                let _ = (runtime.read)(&text, &tools(), 1);
            }
        }
    }

    #[test]
    fn any_text_is_parsed(text: String) {
        for dialect in ALL {
            check_spans(&text, &(dialect.parse)(&text));
            for runtime in dialect.runtimes {
                let _ = (runtime.read)(&text, &tools(), 1);
            }
        }
    }
}
