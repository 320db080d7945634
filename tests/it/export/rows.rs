//! What the targets write.

use super::{Bench, native, plain, rows_of, sample};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn arguments_are_text_or_an_object_as_the_target_wants_them() {
    let bench = Bench::new();
    let written = r#"{"path":"/a", "depth" : 1}"#;
    let source = bench.lines("a.jsonl", &[native("What is there?", written)]);
    let openai = &bench.rows(&source, "openai-sft", &[])[0];
    let call = &openai["messages"][2];
    assert_eq!(call["tool_calls"][0]["function"]["arguments"], written, "as the model wrote it");
    assert_eq!(
        (&call["content"], keys(openai)),
        (&json!(""), vec!["messages", "tools", "parallel_tool_calls"])
    );
    assert_eq!(keys(&openai["messages"][3]), ["role", "content", "tool_call_id"]);
    assert_eq!(openai["parallel_tool_calls"], true, "the policy of what comes from elsewhere is not known");

    let trl = &bench.rows(&source, "trl-sft", &[])[0];
    let function = &trl["messages"][2]["tool_calls"][0]["function"];
    assert_eq!(function["arguments"], json!({"path": "/a", "depth": 1}));
    assert_eq!(trl["messages"][3]["name"], "look");
    assert_eq!(keys(trl), ["messages", "tools"]);

    let sharegpt = &bench.rows(&source, "sharegpt", &[])[0];
    let from: Vec<&str> = sharegpt["conversations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["from"].as_str().unwrap())
        .collect();
    assert_eq!(from, ["system", "human", "function_call", "observation", "gpt"]);
    let call: Value = serde_json::from_str(sharegpt["conversations"][2]["value"].as_str().unwrap()).unwrap();
    assert_eq!(call, json!({"name": "look", "arguments": {"path": "/a", "depth": 1}}));
    let tools: Value = serde_json::from_str(sharegpt["tools"].as_str().unwrap()).unwrap();
    assert_eq!(tools[0]["name"], "look");
}

#[test]
fn native_calls_go_into_the_text_and_back() {
    let bench = Bench::new();
    let source = bench.lines("a.jsonl", &[native("What is there?", r#"{"path":"/a","depth":1}"#)]);
    let text = &bench.rows(&source, "trl-sft", &["--calls", "text"])[0];
    let call = "<function=look>\n<parameter=path>/a</parameter>\n<parameter=depth>1</parameter>\n</function>";
    assert_eq!(text["messages"][2], json!({"role": "assistant", "content": call}));
    assert_eq!(text["messages"][3]["role"], "user");
    assert_eq!(text["messages"][3]["content"], "EXECUTION RESULT of [look]:\ntwo files");
    assert!(text["messages"][0]["content"].as_str().unwrap().starts_with("You help.\n\n"));
    assert!(text["messages"][0]["content"].as_str().unwrap().contains("BEGIN FUNCTION #1: look"));
    assert_eq!(text["tools"], json!([]));

    let back = bench.lines("b.jsonl", &[json!({"messages": text["messages"]})]);
    let native = &bench.rows(&back, "trl-sft", &["--calls", "native"])[0];
    assert_eq!(native["messages"][0], json!({"role": "system", "content": "You help."}), "the list is cut");
    let function = &native["messages"][2]["tool_calls"][0]["function"];
    assert_eq!(function["arguments"], json!({"path": "/a", "depth": 1}), "typed as the tool says");
    assert_eq!(native["messages"][3]["content"], "two files");
    assert_eq!(native["tools"][0]["function"]["name"], "look");
}

#[test]
fn a_run_gives_what_passed_and_says_what_it_left_out() {
    let bench = Bench::new();
    let rows = bench.rows(&sample(), "trl-sft", &[]);
    assert_eq!(rows.len(), 4);
    assert_eq!(bench.reasons().iter().filter(|reason| *reason == "bad-format").count(), 3);
    for row in &rows {
        let messages = row["messages"].as_array().unwrap();
        assert_eq!(messages.last().unwrap()["role"], "assistant", "no observation trails");
        assert!(messages.iter().all(|message| message["content"].is_string()));
    }
    let failed = bench.rows(&sample(), "trl-sft", &["--only", "failed"]);
    let all = bench.rows(&sample(), "trl-sft", &["--only", "all"]);
    let one = bench.rows(&sample(), "trl-sft", &["--only", "all", "--max-per-task", "1"]);
    assert_eq!((failed.len(), all.len(), one.len()), (1, 8, 4));
    assert!(bench.reasons().iter().all(|reason| reason == "over-task-cap"));
    let masked = bench.rows(&sample(), "openai-sft", &["--mask-errors"]);
    let weights: Vec<i64> = masked
        .iter()
        .flat_map(|row| row["messages"].as_array().unwrap())
        .filter_map(|message| message["weight"].as_i64())
        .collect();
    assert!(masked.len() > 4 && !weights.is_empty() && weights.iter().all(|weight| *weight == 0));
    let native = bench.rows(&sample(), "openai-sft", &["--calls", "native"]);
    assert!(native.iter().all(|row| row["parallel_tool_calls"] == false), "exactly one call a message");
}

#[test]
fn pairs_part_at_one_message() {
    let bench = Bench::new();
    for pair in ["turn", "rest"] {
        let rows = bench.rows(&sample(), "trl-dpo", &["--pair", pair]);
        assert_eq!(rows.len(), 3);
        for row in &rows {
            let last = row["prompt"].as_array().unwrap().last().unwrap()["role"].clone();
            assert!(last == "user" || last == "tool", "{last}");
            assert_ne!(row["chosen"][0], row["rejected"][0]);
            assert_eq!(row["chosen"][0]["role"], "assistant");
            let turns = row["chosen"].as_array().unwrap().len();
            assert_eq!(turns == 1, pair == "turn");
        }
        let kinds: BTreeSet<&str> = rows.iter().map(|row| row["pair_kind"].as_str().unwrap()).collect();
        assert_eq!(kinds, BTreeSet::from(["format", "outcome"]));
    }
    // Two answers to one question: a call, and none although one is due.
    let mut call = native("Which?", r#"{"path": "/x"}"#);
    call["messages"].as_array_mut().unwrap().truncate(3);
    let mut talk = call.clone();
    talk["messages"][2] = json!({"role": "assistant", "content": "I don't know."});
    let source = bench.lines("two.jsonl", &[talk, call]);
    let rows = bench.rows(&source, "trl-dpo", &[]);
    assert_eq!((rows.len(), &rows[0]["pair_kind"]), (1, &json!("format")));
    assert!(rows[0]["chosen"][0].get("tool_calls").is_some() && rows[0]["tools"] != json!([]));
    let elsewhere = [plain("Say a.", "a"), plain("Say b.", "b")];
    let source = bench.lines("a.jsonl", &elsewhere);
    let said = bench.export(&[&source, "--target", "trl-dpo", "-o", "none"]).expect_code(1);
    assert!(said.stderr.contains("no-pair 2"), "{}", said.stderr);
}

#[test]
fn groups_hold_attempts_with_rewards() {
    let bench = Bench::new();
    let prompts = bench.rows(&sample(), "trl-grpo", &[]);
    assert_eq!(prompts.len(), 4);
    // Names that the trainer gives to reward functions itself.
    let taken = ["completions", "prompts", "completion_ids", "trainer_state", "log_extra", "log_metric"];
    assert!(keys(&prompts[0]).iter().all(|key| !taken.contains(key)));
    assert!(prompts.iter().all(|row| row["attempts_scored"] == 2 && row["mean_reward"].is_f64()));
    let groups = rows_of(&bench.path("out/groups/train.jsonl"));
    assert_eq!(groups.len(), 8, "one a task and subject");
    for group in &groups {
        let k = usize::try_from(group["k"].as_u64().unwrap()).unwrap();
        for column in ["completions", "rewards", "outcome_ok", "format_ok", "attempt_ids"] {
            assert_eq!(group[column].as_array().unwrap().len(), k, "{column}");
        }
        assert_eq!(group["all_equal"], true, "one attempt is like itself");
        assert_eq!(group["completions"][0][0]["role"], "assistant");
    }
    bench.export(&[&sample(), "--target", "trl-grpo", "--drop-equal", "-o", "few"]).expect_code(0);
    assert!(!bench.path("few/groups").exists());
}

#[test]
fn what_must_not_be_learned_is_masked_or_rejected() {
    let bench = Bench::new();
    let step = |id: u64, source: &str, text: &str, copied: bool| {
        let mut step = json!({"step_id": id, "source": source, "message": text});
        if copied {
            step["is_copied_context"] = json!(true);
        }
        step
    };
    let trajectory = json!({
        "schema_version": "ATIF-v1.8", "agent": {"name": "a", "version": "1"},
        "steps": [step(1, "user", "Go.", false), step(2, "agent", "old", true), step(3, "user", "On.", false),
            step(4, "agent", "new", false)],
    });
    let source = bench.lines("a.jsonl", &[trajectory]);
    let rows = bench.rows(&source, "openai-sft", &[]);
    assert_eq!(rows[0]["messages"][1], json!({"role": "assistant", "content": "old", "weight": 0}));
    assert!(rows[0]["messages"][3].get("weight").is_none());
    for target in ["trl-sft", "sharegpt"] {
        let said = bench.export(&[&source, "--target", target, "-o", "none"]).expect_code(1);
        assert!(said.stderr.contains("masked-turn 1"), "{}", said.stderr);
    }
}

#[test]
fn reasoning_goes_where_it_is_asked_to() {
    let bench = Bench::new();
    let mut beside = plain("Q", "A");
    beside["messages"][1]["reasoning_content"] = "hm".into();
    let source = bench.lines("a.jsonl", &[beside, plain("Q2", "<think>\nso\n</think>\nB")]);
    let answers =
        |rows: &[Value]| -> Vec<Value> { rows.iter().map(|row| row["messages"][1].clone()).collect() };
    let said = |text: &str| json!({"role": "assistant", "content": text});
    let keep = answers(&bench.rows(&source, "trl-sft", &[]));
    assert_eq!(keep, [said("<think>\nhm\n</think>\n\nA"), said("<think>\nso\n</think>\nB")]);
    assert_eq!(answers(&bench.rows(&source, "trl-sft", &["--think", "strip"])), [said("A"), said("B")]);
    let field = answers(&bench.rows(&source, "trl-sft", &["--think", "field"]));
    let with =
        |text: &str, why: &str| json!({"role": "assistant", "content": text, "reasoning_content": why});
    assert_eq!(field, [with("A", "hm"), with("B", "so")]);
}

#[test]
fn several_calls_are_split_on_request_alone() {
    let bench = Bench::new();
    let call =
        |id: &str| json!({"id": id, "type": "function", "function": {"name": "f", "arguments": "{\"a\":1}"}});
    let answer = |id: &str| json!({"role": "tool", "tool_call_id": id, "content": id});
    let row = json!({"messages": [
        {"role": "user", "content": "Go."},
        {"role": "assistant", "content": "Both.", "tool_calls": [call("x"), call("y")]},
        answer("y"), answer("x"),
        {"role": "assistant", "content": "Done."},
    ]});
    let source = bench.lines("a.jsonl", &[row]);
    let whole = &bench.rows(&source, "trl-sft", &[])[0];
    assert_eq!(whole["messages"][1]["tool_calls"].as_array().unwrap().len(), 2);
    let split = &bench.rows(&source, "trl-sft", &["--split-calls"])[0];
    let told: Vec<String> = split["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| {
            let id = message["tool_calls"][0]["id"]
                .as_str()
                .or(message["tool_call_id"].as_str())
                .unwrap_or_default();
            format!("{}:{}{id}", message["role"].as_str().unwrap(), message["content"].as_str().unwrap())
        })
        .collect();
    assert_eq!(
        told,
        ["user:Go.", "assistant:Both.x", "tool:xx", "assistant:y", "tool:yy", "assistant:Done."]
    );
    for (target, calls, reason) in [
        ("sharegpt", "native", "text-with-call"),
        ("sharegpt", "text", "parallel-calls"),
        ("openai-sft", "native", "tools-unknown"),
    ] {
        let arguments = [&source, "--target", target, "--calls", calls, "-o", "none"];
        let said = bench.export(&arguments).expect_code(1);
        assert!(said.stderr.contains(&format!("{reason} 1")), "{}", said.stderr);
    }
}

#[test]
fn splits_keep_tasks_and_prompts_apart() {
    let bench = Bench::new();
    let rows: Vec<Value> =
        (0..60).flat_map(|n| [plain(&format!("Q{n}"), "first"), plain(&format!("Q{n}"), "second")]).collect();
    let source = bench.lines("a.jsonl", &rows);
    let split = ["--split", "train=0.6,validation=0.2,test=0.2"];
    let train = bench.rows(&source, "trl-sft", &split);
    let mut seen: Vec<BTreeSet<String>> = Vec::new();
    for name in ["train", "validation", "test"] {
        let rows = rows_of(&bench.path(&format!("out/{name}.jsonl")));
        seen.push(rows.iter().map(|row| row["messages"][0]["content"].to_string()).collect());
        assert_eq!(rows.len(), seen[seen.len() - 1].len() * 2, "both answers of a prompt stay together");
    }
    assert!(seen.iter().all(|prompts| prompts.len() > 3), "{seen:?}");
    assert_eq!(seen.iter().map(BTreeSet::len).sum::<usize>(), 60);
    assert_ne!(train, bench.rows(&source, "trl-sft", &["--seed", "7", split[0], split[1]]));
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let bench = Bench::new();
    let rows: Vec<Value> =
        (0..700).map(|n| native(&format!("Q{n}"), &format!("{{\"path\":\"/{n}\"}}"))).collect();
    let source = bench.lines("a.jsonl", &rows);
    let mut all = Vec::new();
    for threads in ["1", "3"] {
        let out = format!("out{threads}");
        let arguments =
            ["export", &source, "--target", "sharegpt", "--split", "train=0.5,test=0.5", "-o", &out];
        crate::support::Rolltape::new(&arguments)
            .cwd(bench.folder.path())
            .env("RAYON_NUM_THREADS", threads)
            .run()
            .expect_code(0);
        let mut files: Vec<_> = fs::read_dir(bench.path(&out))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|path| (path.file_name().unwrap().to_owned(), fs::read(&path).unwrap()))
            .collect();
        files.sort();
        all.push(files);
    }
    assert_eq!(all[0].len(), 8);
    assert_eq!(all[0], all[1]);
}

#[test]
fn rows_with_a_new_shape_come_first() {
    let bench = Bench::new();
    let mut rows: Vec<Value> = (0..5).map(|n| plain(&format!("Q{n}"), "A")).collect();
    rows.push(native("late", "{}"));
    let source = bench.lines("a.jsonl", &rows);
    let written = bench.rows(&source, "trl-sft", &[]);
    let asked: Vec<&str> = written
        .iter()
        .map(|row| {
            row["messages"].as_array().unwrap().iter()
        .find(|message| message["role"] == "user").unwrap()["content"].as_str().unwrap()
        })
        .collect();
    assert_eq!(asked, ["Q0", "late", "Q1", "Q2", "Q3", "Q4"]);
    let card = fs::read_to_string(bench.path("out/README.md")).unwrap();
    assert!(card.contains("  - name: \"messages\"\n    list: json\n"), "{card}");
}

#[test]
fn turns_of_one_side_are_merged_and_counted() {
    let bench = Bench::new();
    let said = |role: &str, text: &str| json!({"role": role, "content": text});
    let row = json!({"messages": [said("user", "a"), said("user", "b"), said("assistant", "c"),
        said("assistant", "d"), said("user", "trails")]});
    let source = bench.lines("a.jsonl", &[row]);
    let rows = bench.rows(&source, "sharegpt", &[]);
    let turn = |from: &str, value: &str| json!({"from": from, "value": value});
    assert_eq!(rows[0]["conversations"], json!([turn("human", "a\n\nb"), turn("gpt", "c\n\nd")]));
    let card = fs::read_to_string(bench.path("out/README.md")).unwrap();
    assert!(card.contains("- turns of one side, merged into the one before them: 2"), "{card}");
    assert!(card.contains("- messages behind the model's last one, left out: 1"), "{card}");
    let plain = bench.rows(&source, "trl-sft", &[]);
    assert_eq!(plain[0]["messages"].as_array().unwrap().len(), 4, "this target needs no turns in turn");
}
