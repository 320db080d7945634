//! The agent `tool_calling`: native calls, in a sandbox without isolation, from a script.

use crate::support::Small;
use serde_json::{Value, json};

const SUITE: &str = r#"[defaults]
agent = "tool_calling"
backend = "scripted:replies.toml"
policy = "exactly-one"
limits = { turns = 10, wall = "60s" }
[[task]]
id = "hello"
prompt = "Say hello."
score = [{ kind = "includes", text = "done" }]
"#;

const FINISH: &str = "calls = [{ id = \"z\", name = \"finish\", arguments = '{\"message\": \"done\"}' }]";

/// A suite whose model answers with these tables in turn.
fn scripted(suite: &str, replies: &[&str]) -> Small {
    let small = Small::new(suite);
    let replies: String =
        replies.iter().map(|reply| format!("[[reply]]\ntask = \"hello\"\n{reply}\n")).collect();
    small.write("own/replies.toml", &format!("schema = 1\n{replies}"));
    small
}

fn call(id: &str, name: &str, arguments: &str) -> String {
    format!("calls = [{{ id = \"{id}\", name = \"{name}\", arguments = '{arguments}' }}]")
}

fn contents(step: &Value) -> Vec<&str> {
    let results = step["observation"]["results"].as_array().map(Vec::as_slice).unwrap_or_default();
    results.iter().map(|result| result["content"].as_str().unwrap_or_default()).collect()
}

/// Rules of the FC family in the record, and in what `check` finds in the run's folder: they must be equal.
fn rules(small: &Small, out: &str, policy: &str) -> Vec<String> {
    let of = |findings: &Value| -> Vec<String> {
        let findings = findings.as_array().expect("findings").iter();
        let told = findings.map(|finding| {
            format!("{} {} {}", finding["rule"].as_str().unwrap(), finding["message"], finding["text"])
        });
        told.filter(|told| told.starts_with("FC")).collect()
    };
    let record = &small.records(out)[0];
    let checked = small.rolltape(&["check", out, "--format", "json", "--policy", policy]);
    let checked: Value = serde_json::from_str(&checked.stdout).expect("JSON");
    assert_eq!(of(&record["findings"]), of(&checked["findings"]));
    assert_eq!(record["messages"], checked["messages"]);
    assert_eq!(record["calls"], checked["calls"]);
    of(&record["findings"]).into_iter().map(|told| told.split(' ').next().unwrap().to_owned()).collect()
}

#[test]
fn calls_run_and_results_and_reasoning_go_back_in_the_protocols_order() {
    let look = call("a", "execute_bash", "{\"command\": \"echo hello | tr a-z A-Z\"}");
    let look = format!("text = \"I look.\"\nreasoning = \"First look.\"\n{look}");
    let small = scripted(SUITE, &[&look, FINISH]);
    small.run("one", &["--sandbox", "none"]).expect_code(0);
    let steps = small.steps("one");
    assert_eq!(steps[2]["message"], "I look.");
    assert_eq!(steps[2]["reasoning_content"], "First look.");
    assert_eq!(steps[2]["tool_calls"][0]["tool_call_id"], "a");
    assert!(contents(&steps[2])[0].starts_with("HELLO"), "{}", steps[2]);
    let system = steps[0]["message"].as_str().unwrap();
    assert!(!system.contains("<function") && system.contains("tool interface"), "{system}");
    let tape = small.lines("one/cassette.jsonl");
    assert_eq!(tape[1]["new_messages"][0]["role"], "tool");
    assert_eq!(tape[1]["new_messages"][0]["tool_call_id"], "a");
    assert_eq!(tape[0]["tools_sha256"].as_str().map(str::len), Some(64));
    assert!(rules(&small, "one", "exactly-one").is_empty());

    // The tape says the same again, and nothing drifts.
    small.run("two", &["--sandbox", "none", "--backend", "cassette:one"]).expect_code(0);
    assert_eq!(small.steps("two"), steps);
    assert_eq!(small.records("two")[0]["drift"], json!([]));
}

#[test]
fn every_violation_runs_nothing_and_every_call_gets_its_result() {
    let touch = "{\"command\": \"touch ran\"}";
    let look = call("l", "execute_bash", "{\"command\": \"ls -A | wc -l\"}");
    let two = format!(
        "calls = [{{ id = \"a\", name = \"execute_bash\", arguments = '{touch}' }}, \
         {{ id = \"b\", name = \"think\", arguments = '{{\"thought\": \"x\"}}' }}]"
    );
    let cases = [
        ("FC001", "text = \"I am done.\"".to_owned()),
        ("FC002", two),
        ("FC006", call("a", "shell", touch)),
        ("FC007", call("a", "execute_bash", "{\"command\": \"touch ran\", \"cwd\": \"/\"}")),
        ("FC008", call("a", "execute_bash", "{}")),
        ("FC015", "text = \"<function=think>\\n<parameter=thought>x</parameter>\\n</function>\"".to_owned()),
        ("FC017", call("a", "execute_bash", "{\"command\": \"touch ran\"")),
        ("FC020", call("", "execute_bash", touch)),
    ];
    for (rule, reply) in &cases {
        let small = scripted(SUITE, &[reply, &look, FINISH]);
        small.run("run", &["--sandbox", "none"]).expect_code(0);
        let steps = small.steps("run");
        let calls = steps[2]["tool_calls"].as_array().map_or(0, Vec::len);
        let told = contents(&steps[2]);
        assert_eq!(told.len(), calls, "{rule}: {}", steps[2]);
        let complaint = told.first().copied().or_else(|| steps[3]["message"].as_str()).unwrap();
        assert!(complaint.contains(&format!("- {rule}: ")), "{rule}: {complaint}");
        assert!(told.iter().skip(1).all(|text| text.starts_with("Not run")), "{rule}: {told:?}");
        let look = steps.iter().find(|step| step["tool_calls"][0]["tool_call_id"] == "l").expect("a look");
        assert!(contents(look)[0].starts_with('0'), "{rule} ran something: {look}");
        let found = rules(&small, "run", "exactly-one");
        assert!(found.iter().any(|found| found == rule), "{rule}: {found:?}");
        assert_eq!(small.records("run")[0]["format_ok"], false, "{rule}");
        // What went back to the model has an id for every call, each once.
        let tape = small.lines("run/cassette.jsonl");
        let answered = tape[1]["new_messages"].as_array().unwrap();
        let ids: Vec<&str> = answered.iter().filter_map(|message| message["tool_call_id"].as_str()).collect();
        assert_eq!(ids.len(), calls, "{rule}: {answered:?}");
        assert!(ids.iter().all(|id| !id.is_empty()), "{rule}: {ids:?}");
    }
}

#[test]
fn an_id_that_was_used_before_is_refused_and_replaced_in_the_conversation() {
    let think = call("a", "think", "{\"thought\": \"x\"}");
    let small = scripted(SUITE, &[&think, &think, FINISH]);
    small.run("run", &["--sandbox", "none"]).expect_code(0);
    let steps = small.steps("run");
    assert!(contents(&steps[3])[0].contains("- FC020: "), "{}", steps[3]);
    assert_eq!(steps[3]["tool_calls"][0]["tool_call_id"], "a", "the trajectory keeps what was written");
    let tape = small.lines("run/cassette.jsonl");
    assert_eq!(tape[1]["new_messages"][0]["tool_call_id"], "a");
    assert_eq!(tape[2]["new_messages"][0]["tool_call_id"], "call_2");
    assert_eq!(rules(&small, "run", "exactly-one"), ["FC020"]);
}

#[test]
fn three_violations_in_a_row_end_it_as_invalid() {
    let bad = call("a", "nothing", "{}");
    let small = scripted(SUITE, &[&bad, &call("b", "nothing", "{}"), &call("c", "nothing", "{}"), FINISH]);
    let output = small.run("run", &["--sandbox", "none"]).expect_code(1);
    assert!(output.stdout.contains("invalid"), "{}", output.stdout);
    let record = &small.records("run")[0];
    assert_eq!((record["outcome"].as_str(), record["turns"].as_u64()), (Some("invalid"), Some(3)));
    // Nobody answers the last one: it ends the conversation.
    assert_eq!(rules(&small, "run", "exactly-one").iter().filter(|rule| *rule == "FC006").count(), 3);
}

#[test]
fn many_calls_run_in_order_where_the_policy_lets_them() {
    let suite = SUITE.replace("exactly-one", "at-least-one");
    let two = "calls = [{ id = \"a\", name = \"execute_bash\", arguments = '{\"command\": \"echo 1 > n\"}' }, \
               { id = \"b\", name = \"execute_bash\", arguments = '{\"command\": \"cat n\"}' }]";
    let small = scripted(&suite, &[two, FINISH]);
    small.run("run", &["--sandbox", "none"]).expect_code(0);
    let told = small.steps("run");
    assert!(contents(&told[2])[1].starts_with('1'), "{}", told[2]);
    let tape = small.lines("run/cassette.jsonl");
    let ids: Vec<&str> = tape[1]["new_messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| message["tool_call_id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, ["a", "b"]);
    assert!(rules(&small, "run", "at-least-one").is_empty());
}

#[test]
fn arguments_in_a_string_are_a_warning_and_run() {
    let twice = "calls = [{ id = \"a\", name = \"execute_bash\", arguments = '\"{\\\"command\\\": \\\"echo in\\\"}\"' }]";
    let small = scripted(SUITE, &[twice, FINISH]);
    small.run("run", &["--sandbox", "none"]).expect_code(0);
    let steps = small.steps("run");
    assert!(contents(&steps[2])[0].starts_with("in"), "{}", steps[2]);
    assert_eq!(small.records("run")[0]["format_ok"], true);
    assert_eq!(rules(&small, "run", "exactly-one"), ["FC017"]);
}

#[test]
fn text_and_native_calls_run_side_by_side_and_each_keeps_its_own_rate() {
    let suite = SUITE
        .replace("policy = \"exactly-one\"", "policy = { calls = \"exactly-one\", dialect = \"openhands\" }");
    // The same replies: good as native calls, no call at all as text.
    let text = "text = \"<function=finish>\\n<parameter=message>done</parameter>\\n</function>\"";
    let small = scripted(&suite, &[FINISH, text]);
    let both = ["--sandbox", "none", "--agent", "codeact", "--agent", "tool_calling"];
    let output = small.run("run", &both).expect_code(0);
    let records = small.records("run");
    let told: Vec<(&str, bool)> = records
        .iter()
        .map(|record| (record["subject_id"].as_str().unwrap(), record["format_ok"].as_bool().unwrap()))
        .collect();
    assert_eq!(
        told,
        [("codeact@scripted:replies.toml", false), ("tool_calling@scripted:replies.toml", true)]
    );
    assert!(output.stdout.contains("codeact@scripted:replies.toml: success 1/1"), "{}", output.stdout);
    assert!(!output.stdout.contains("format 1/2"), "{}", output.stdout);
    let summary = small.rolltape(&["report", "run", "--format", "json"]);
    let summary: Value = serde_json::from_str(&summary.stdout).expect("JSON");
    assert_eq!(summary["totals"]["format"], Value::Null);
    small.rolltape(&["resume", "run"]).expect_code(0);
}

#[test]
fn a_script_that_says_nothing_and_a_bad_price_are_refused() {
    let small = scripted(SUITE, &["reasoning = \"hm\""]);
    let told = small.run("run", &["--sandbox", "none"]).expect_code(2).stderr;
    small.write(
        "own/replies.toml",
        "schema = 1\nprice = { input = -1, output = 2 }\n[[reply]]\ntask = \"hello\"\ntext = \"x\"\n",
    );
    let told = told + &small.run("run", &["--sandbox", "none"]).expect_code(2).stderr;
    insta::assert_snapshot!(told, @r"
    error: back end 'scripted:replies.toml' can't be opened: a reply of the script own/replies.toml for task 'hello' has neither 'text' nor 'calls'
    hint: a script has 'schema = 1' and [[reply]] tables with 'task' and 'text' or 'calls'
    error: back end 'scripted:replies.toml' can't be opened: the price of the script own/replies.toml is below nothing, or no number
    hint: prices are US dollars a million tokens
    ");
}
