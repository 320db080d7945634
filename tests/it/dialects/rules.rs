//! What the rules say of messages in each dialect: the same faults have the same names.

use rolltape::model::{Policy, Reading, ReadingKind, Reply, Source, Step, ToolDef, Trajectory};
use rolltape::rules::judge;
use serde_json::json;

/// Ids and severities of the FC findings in the strict reading.
fn found(name: &str, text: &str, finish: Option<&str>) -> String {
    let mut trajectory = Trajectory::default();
    let functions = ["f", "bash", "execute_bash"];
    let parameters = json!({"type": "object", "properties": {"a": {}, "command": {}, "input": {}}});
    trajectory.agent.tools = Some(
        functions
            .iter()
            .map(|name| ToolDef {
                name: (*name).to_owned(),
                description: String::new(),
                parameters: parameters.clone(),
            })
            .collect(),
    );
    let mut step = Step::new(1, Source::Agent, text);
    let finish_reason = finish.map(str::to_owned);
    step.reply = Some(Reply { text: text.to_owned(), finish_reason, ..Reply::default() });
    trajectory.steps = vec![step, Step::new(2, Source::User, "go on"), Step::new(3, Source::User, "go on")];
    let policy =
        Policy { dialect: Some(name.to_owned()), reading: Reading::Strict, ask: false, ..Policy::default() };
    let judgement = judge(&trajectory, &policy);
    let mut ids: Vec<String> = judgement
        .findings
        .iter()
        // No run of messages, and no schema: those rules are others'.
        .filter(|finding| {
            finding.rule.starts_with("FC") && !["FC019", "FC022", "FC023"].contains(&finding.rule)
        })
        .filter(|finding| finding.readings.contains(&ReadingKind::Strict))
        .map(|finding| format!("{}{}", finding.rule, &finding.severity.as_str()[..1]))
        .collect();
    ids.dedup();
    ids.join(" ")
}

/// A dialect and messages in it: one call, a call that is cut inside its value, a call without its end, an unknown
/// function, an invented result.
struct Sample {
    name: &'static str,
    one: &'static str,
    cut: &'static str,
    open: Option<&'static str>,
    unknown: Option<&'static str>,
    invented: &'static str,
}

const SAMPLES: &[Sample] = &[
    Sample {
        name: "hermes",
        one: "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1}}\n</tool_call>",
        cut: "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": \"v",
        open: Some("<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1}}"),
        unknown: Some("<tool_call>\n{\"name\": \"q\", \"arguments\": {}}\n</tool_call>"),
        invented: "\n<tool_response>\nok\n</tool_response>",
    },
    Sample {
        name: "qwen3-coder",
        one: "<tool_call>\n<function=f>\n<parameter=a>\n1\n</parameter>\n</function>\n</tool_call>",
        cut: "<tool_call>\n<function=f>\n<parameter=a>\n1",
        open: Some("<tool_call>\n<function=f>\n<parameter=a>\n1\n</parameter>\n</function>"),
        unknown: Some("<tool_call>\n<function=q>\n</function>\n</tool_call>"),
        invented: "\n<tool_response>\nok\n</tool_response>",
    },
    Sample {
        name: "llama3-json",
        one: "{\"name\": \"f\", \"parameters\": {\"a\": 1}}",
        cut: "{\"name\": \"f\", \"parameters\": {\"a\": \"v",
        open: Some("{\"name\": \"f\", \"parameters\": {\"a\": 1}"),
        unknown: Some("{\"name\": \"q\", \"parameters\": {}}"),
        invented: "\n<|start_header_id|>ipython<|end_header_id|>\n\nok",
    },
    Sample {
        name: "llama-pythonic",
        one: "[f(a=1)]",
        cut: "[f(a=\"v",
        open: Some("[f(a=1)"),
        unknown: Some("[q()]"),
        invented: "\n<|start_header_id|>ipython<|end_header_id|>\n\nok",
    },
    Sample {
        name: "mistral",
        one: "[TOOL_CALLS] [{\"name\": \"f\", \"arguments\": {\"a\": 1}}]",
        cut: "[TOOL_CALLS] [{\"name\": \"f\", \"arguments\": {\"a\": \"v",
        open: Some("[TOOL_CALLS] [{\"name\": \"f\", \"arguments\": {\"a\": 1}}"),
        unknown: Some("[TOOL_CALLS] [{\"name\": \"q\", \"arguments\": {}}]"),
        invented: "[TOOL_RESULTS]ok[/TOOL_RESULTS]",
    },
    Sample {
        name: "mistral-v11",
        one: "[TOOL_CALLS]f[ARGS]{\"a\": 1}",
        cut: "[TOOL_CALLS]f[ARGS]{\"a\": \"v",
        open: None,
        unknown: Some("[TOOL_CALLS]q[ARGS]{}"),
        invented: "[TOOL_RESULTS]ok[/TOOL_RESULTS]",
    },
    Sample {
        name: "codeact-legacy",
        one: "<execute_bash>\nls\n</execute_bash>",
        cut: "",
        open: Some("<execute_bash>\nls\n"),
        unknown: Some("<execute_ipython>\n1\n</execute_ipython>"),
        invented: "\nOBSERVATION:\nok",
    },
    Sample {
        name: "react",
        one: "Action: f\nAction Input: v",
        cut: "Action: f\nAction Input: {\"a\": \"v",
        open: None,
        unknown: Some("Action: q\nAction Input: v"),
        invented: "\nObservation: ok",
    },
    Sample {
        name: "swe-agent-thought-action",
        one: "```\nls\n```",
        cut: "```\nls",
        open: None,
        unknown: None,
        invented: "\nOBSERVATION:\nok",
    },
    Sample {
        name: "swe-agent-xml",
        one: "<command>ls</command>",
        cut: "<command>ls",
        open: None,
        unknown: None,
        invented: "\nOBSERVATION:\nok",
    },
    Sample {
        name: "swe-agent-bash-block",
        one: "```bash\nls\n```",
        cut: "```bash\nls",
        open: None,
        unknown: None,
        invented: "\nOBSERVATION:\nok",
    },
    Sample {
        name: "mini-swe-agent",
        one: "```mswea_bash_command\nls\n```",
        cut: "```mswea_bash_command\nls",
        open: None,
        unknown: None,
        invented: "\n<returncode>0</returncode>\n<output>\nok</output>",
    },
];

#[test]
fn the_same_faults_have_the_same_names() {
    for Sample { name, one, cut, open, unknown, invented } in SAMPLES {
        let is = |text: &str, wanted: &str| {
            let ids = found(name, text, Some("stop"));
            assert_eq!(ids, wanted, "{name} of {text:?}");
        };
        is("I think.", "FC001e");
        is(one, "");
        is(&format!("I think.\n{one}\n"), "");
        is(&format!("{one}\n{one}"), "FC002e");
        is(&format!("{one}{invented}"), "FC013e");
        if *name == "react" {
            // Text behind a text is part of it.
            is("Action: f\nAction Input: {\"a\": 1}\nDone.", "FC003e");
        } else {
            is(&format!("{one}\nDone."), "FC003e");
        }
        if !cut.is_empty() {
            let ids = found(name, cut, Some("stop"));
            // Bad JSON is told by the rule for arguments as well.
            assert_eq!(
                ids.replace("FC017e", "").trim(),
                if *name == "react" { "" } else { "FC004e" },
                "{name} of {cut:?}"
            );
            assert!(found(name, cut, Some("length")).starts_with("FC005e"), "{name} of {cut:?}");
        }
        if let Some(open) = open {
            assert!(found(name, open, Some("stop")).starts_with("FC004i"), "{name} of {open:?}");
        }
        if let Some(unknown) = unknown {
            is(unknown, "FC006e");
        }
        is(&format!("<think>\n{one}\n</think>"), "FC014e");
        is("<\u{ff5c}tool\u{2581}calls\u{2581}begin\u{ff5c}>", "FC015e");
    }
}

#[test]
fn refusals_of_runtimes_are_told() {
    let trajectory =
        |text: &str| Trajectory { steps: vec![Step::new(1, Source::Agent, text)], ..Trajectory::default() };
    let told = |runtime: &str, text: &str| {
        let reading = Reading::Runtime(Some(runtime.to_owned()));
        let policy = Policy { reading, ask: false, ..Policy::default() };
        let judgement = judge(&trajectory(text), &policy);
        let ids = judgement
            .findings
            .iter()
            .map(|finding| finding.rule)
            .filter(|id| ["FC001", "FC002"].contains(id));
        (ids.collect::<Vec<_>>(), judgement.compliant, judgement.calls)
    };
    assert_eq!(told("mini-swe-agent-v2", "```mswea_bash_command\nls\n```"), (vec![], 1, 1));
    assert_eq!(told("mini-swe-agent-v2", "nothing"), (vec!["FC001"], 0, 0));
    let two = "```mswea_bash_command\na\n```\n```mswea_bash_command\nb\n```";
    assert_eq!(told("mini-swe-agent-v2", two), (vec!["FC002"], 0, 0));
    // SWE-agent runs the last of two blocks without a word.
    assert_eq!(told("swe-agent-thought-action", "```\na\n```\n```\nb\n```").1, 1);
}

#[test]
fn the_dialect_of_a_text_is_found_by_its_mark() {
    let name = |text: &str| rolltape::dialects::detect(text).map(|dialect| dialect.name);
    for Sample { name: own, one, .. } in SAMPLES {
        let sure = ["hermes", "qwen3-coder", "mistral", "mistral-v11", "codeact-legacy", "mini-swe-agent"];
        assert_eq!(name(one), sure.contains(own).then_some(*own), "{one:?}");
    }
    assert_eq!(name("<|python_tag|>{\"name\": \"f\"}"), Some("llama3-json"));
    assert_eq!(name("<|python_start|>[f()]<|python_end|>"), Some("llama-pythonic"));
    assert_eq!(name("the `<tool_call>` tag"), None);
    assert_eq!(name("the `<tool_call>` tag\n<function=f>\n</function>"), Some("openhands"));
}
