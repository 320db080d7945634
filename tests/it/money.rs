//! Costs, and limits of money and tokens: of an attempt, and of a whole run over all its workers.

use crate::support::Small;
use serde_json::{Value, json};

/// One turn costs 1 USD, and before it is made it could cost 8.192: the output is bounded by what is assumed.
const PRICE: &str = "price = { input = 0, output = 1000 }\n";
const FINISH: &str = "calls = [{ id = \"z\", name = \"finish\", arguments = '{\"message\": \"done\"}' }]\n\
                      usage = { prompt_tokens = 10, completion_tokens = 1000 }\n";
const THINK: &str = "calls = [{ id = \"t\", name = \"think\", arguments = '{\"thought\": \"hm\"}' }]\n\
                     usage = { prompt_tokens = 10, completion_tokens = 1000 }\n";

fn suite(limits: &str, head: &str, replies: &[&str]) -> Small {
    let small = Small::new(&format!(
        "[defaults]\nagent = \"tool_calling\"\nbackend = \"scripted:replies.toml\"\npolicy = \"exactly-one\"\n\
         limits = {{ {limits} }}\n[[task]]\nid = \"hello\"\nprompt = \"Finish.\"\n\
         score = [{{ kind = \"includes\", text = \"done\" }}]\n"
    ));
    let replies: String = replies
        .iter()
        .enumerate()
        .map(|(n, reply)| {
            format!("[[reply]]\ntask = \"hello\"\n{}", reply.replace("\"t\"", &format!("\"t{n}\"")))
        })
        .collect();
    small.write("own/replies.toml", &format!("schema = 1\n{head}{replies}"));
    small
}

fn live() -> String {
    format!("live = true\n{PRICE}")
}

fn words(small: &Small, out: &str) -> Vec<String> {
    let records = small.records(out);
    let word = |record: &Value| match record["limit"].as_str() {
        Some(limit) => format!("{}:{limit}", record["outcome"].as_str().unwrap()),
        None => record["outcome"].as_str().unwrap().to_owned(),
    };
    records.iter().map(word).collect()
}

fn count(words: &[String], word: &str) -> usize {
    words.iter().filter(|other| *other == word).count()
}

#[test]
fn an_attempt_costs_what_its_tokens_cost_and_nothing_is_spent_on_tape() {
    let price = "price = { input = 2.0, cached = 0.5, output = 10.0 }\n";
    let think = "calls = [{ id = \"t\", name = \"think\", arguments = '{\"thought\": \"hm\"}' }]\n\
                 usage = { prompt_tokens = 1000, cached_tokens = 400, completion_tokens = 70 }\n";
    let small = suite("turns = 9", price, &[think, FINISH]);
    small.run("one", &["--sandbox", "none"]).expect_code(0);
    let cost = |out: &str| {
        let record = &small.records(out)[0];
        let micros = |key: &str| (record[key].as_f64().unwrap() * 1e6).round();
        (micros("cost_usd"), micros("spent_usd"))
    };
    // 600 * 2 + 400 * 0.5 + 70 * 10, and 10 * 2 + 1000 * 10.
    assert_eq!(cost("one"), (2100.0 + 10020.0, 0.0));
    let usage = &small.lines("one/cassette.jsonl")[0]["usage"];
    assert!((usage["cost_usd"].as_f64().unwrap() * 1e6 - 2100.0).abs() < 1e-6, "{usage}");
    // A replay has the cost of its tape, at whatever price now.
    small.write("own/replies.toml", "schema = 1\n[[reply]]\ntask = \"hello\"\ntext = \"x\"\n");
    small.run("two", &["--sandbox", "none", "--backend", "cassette:one"]).expect_code(0);
    assert_eq!(cost("two"), cost("one"));
    // A server is paid.
    let small = suite("turns = 9", &live(), &[THINK, FINISH]);
    small.run("one", &["--sandbox", "none"]).expect_code(0);
    let record = &small.records("one")[0];
    assert_eq!((record["cost_usd"].as_f64(), record["spent_usd"].as_f64()), (Some(2.0), Some(2.0)));
}

#[test]
fn what_is_not_known_is_said_and_a_sum_says_of_how_many() {
    let small = suite("turns = 9", PRICE, &[FINISH]);
    let silent = FINISH.lines().next().unwrap();
    let script = format!(
        "schema = 1\n{PRICE}[[reply]]\ntask = \"hello\"\nattempt = 2\n{silent}\n[[reply]]\ntask = \"hello\"\n{FINISH}"
    );
    small.write("own/replies.toml", &script);
    let output = small.run("run", &["--sandbox", "none", "--attempts", "3"]).expect_code(0);
    assert!(output.stdout.contains("$2.00 of 2/3"), "{}", output.stdout);
    let records = small.records("run");
    assert_eq!(records[1]["cost_usd"], Value::Null);
    let told = small.rolltape(&["report", "run", "--format", "markdown"]).stdout;
    assert!(told.contains("$2.00 of 2/3"), "{told}");
    small.write("own/replies.toml", &script.replace(PRICE, ""));
    let output = small.run("none", &["--sandbox", "none", "--attempts", "3"]).expect_code(0);
    assert!(output.stdout.contains("unknown") && !output.stdout.contains('$'), "{}", output.stdout);
}

/// A call that broke off may be billed: its attempt does not cost what the calls before it cost.
#[test]
fn what_a_broken_call_costs_is_unknown() {
    let small = suite("turns = 9", &live(), &[THINK]);
    small.run("live", &["--sandbox", "none"]).expect_code(3);
    let record = &small.records("live")[0];
    assert_eq!((&record["outcome"], &record["turns"]), (&json!("error"), &json!(1)));
    assert_eq!((&record["cost_usd"], &record["usage"]["prompt_tokens"]), (&Value::Null, &Value::Null));
    assert_eq!(record["spent_usd"].as_f64(), Some(1.0), "as far as it is known");
    let small = suite("turns = 9", PRICE, &[THINK]);
    small.run("tape", &["--sandbox", "none"]).expect_code(3);
    assert_eq!(small.records("tape")[0]["cost_usd"].as_f64(), Some(1.0), "a tape bills nothing more");
}

#[test]
fn limits_of_an_attempt_are_scored_and_end_a_replay_at_the_same_turn() {
    for (limits, kind) in
        [("usd = 2.0", "usd"), ("tokens = 2_000", "tokens"), ("turns = 2", "turns"), ("usd = 1.5", "usd")]
    {
        let small = suite(limits, PRICE, &[THINK, THINK, THINK, FINISH]);
        small.run("one", &["--sandbox", "none"]).expect_code(1);
        let record = &small.records("one")[0];
        assert_eq!(record["limit"], kind, "{limits}");
        assert_eq!((&record["turns"], &record["success"]), (&json!(2), &json!(false)), "{limits}");
        small.run("two", &["--sandbox", "none", "--backend", "cassette:one"]).expect_code(1);
        assert_eq!(small.records("two")[0]["limit"], kind, "{limits}");
    }
    let small = suite(
        "wall = \"300ms\"",
        "",
        &[&THINK.replace("think", "execute_bash").replace("thought", "command").replace("hm", "sleep 20")],
    );
    small.run("wall", &["--sandbox", "none"]).expect_code(1);
    assert_eq!(small.records("wall")[0]["limit"], "wall");
}

#[test]
fn a_run_stops_before_its_money_is_gone_and_goes_on_with_more() {
    let small = suite("turns = 9", &live(), &[FINISH]);
    let run = ["--sandbox", "none", "--attempts", "6", "-j", "1", "--max-usd", "10"];
    let output = small.run("run", &run).expect_code(1);
    // 2 spent and 8.192 that the third call could cost are more than 10.
    let words_of = |out: &str| words(&small, out);
    assert_eq!(words_of("run"), ["passed", "passed", "cancelled", "cancelled", "cancelled", "cancelled"]);
    insta::assert_snapshot!(output.stderr.lines().next().unwrap_or_default(), @"2 of 10 USD are spent, and the next call could cost more than is left: nothing more was started (--max-usd)");
    // What was spent before counts.
    let told = small.rolltape(&["-q", "resume", "run", "--max-usd", "2"]).expect_code(2).stderr;
    insta::assert_snapshot!(told, @r"
    error: the run has used 2 of its 2 USD, and nothing is left
    hint: go on with a higher --max-usd
    ");
    small.rolltape(&["-q", "resume", "run", "--max-usd", "12.2"]).expect_code(1);
    assert_eq!(count(&words_of("run"), "passed"), 5);
    small.rolltape(&["-q", "resume", "run", "--max-usd", "20"]).expect_code(0);
    assert_eq!(words_of("run"), ["passed"; 6]);

    // One that was begun has met a limit, and is scored.
    let small = suite("turns = 9", &live(), &[THINK, FINISH]);
    let run = ["--sandbox", "none", "--attempts", "3", "-j", "1", "--max-usd", "8.5"];
    small.run("run", &run).expect_code(1);
    assert_eq!(words(&small, "run"), ["limit:usd", "cancelled", "cancelled"]);
    let record = &small.records("run")[0];
    assert_eq!((&record["turns"], &record["success"]), (&json!(1), &json!(false)));
}

#[test]
fn a_crash_forgets_no_money() {
    let small = suite("turns = 9", &live(), &[FINISH]);
    let run = ["--sandbox", "none", "--attempts", "3", "-j", "1", "--max-usd", "100"];
    small.run("run", &run).expect_code(0);
    // As if the harness had died after the last exchange and before its record.
    let journal = std::fs::read_to_string(small.path("run/attempts.jsonl")).unwrap();
    let kept: Vec<&str> = journal.split_inclusive('\n').take(2).collect();
    std::fs::write(small.path("run/attempts.jsonl"), kept.concat()).unwrap();
    let told = small.rolltape(&["-q", "resume", "run", "--max-usd", "3"]).expect_code(2).stderr;
    assert!(told.contains("has used 3 of its 3 USD"), "{told}");
}

#[test]
fn workers_share_one_purse_and_wait_for_each_other() {
    let small = suite("turns = 9", &live(), &[FINISH]);
    let run = ["--sandbox", "none", "--attempts", "12", "-j", "6", "--max-usd", "12"];
    small.run("run", &run).expect_code(1);
    let words = words(&small, "run");
    // Only one call at a time fits, yet none is refused before the fifth: 4 + 8.192 are more than 12.
    assert_eq!(count(&words, "passed"), 4, "{words:?}");
    assert_eq!(count(&words, "cancelled"), 8, "{words:?}");
    let spent: f64 = small.records("run").iter().filter_map(|record| record["spent_usd"].as_f64()).sum();
    assert!((spent - 4.0).abs() < 1e-9, "{spent}");
}

#[test]
fn tokens_of_a_run_are_limited_too_and_tapes_use_none() {
    let small = suite("turns = 9", "live = true\n", &[FINISH]);
    let run = ["--sandbox", "none", "--attempts", "4", "-j", "1", "--max-tokens", "30_000"];
    let told = small.run("bad", &run).expect_code(2).stderr;
    assert!(told.contains("--max-tokens"), "{told}");
    let run = ["--sandbox", "none", "--attempts", "40", "-j", "1", "--max-tokens", "30000"];
    let output = small.run("run", &run).expect_code(1);
    assert!(output.stderr.contains("of 30000 tokens are used"), "{}", output.stderr);
    let words = words(&small, "run");
    assert!((5..25).contains(&count(&words, "passed")), "{words:?}");
    assert_eq!(count(&words, "passed") + count(&words, "cancelled"), 40, "{words:?}");
    assert!(output.stdout.contains("40: never started"), "{}", output.stdout);
    let costs = |record: &Value| record["cost_usd"] == 0.0;
    assert!(small.records("run").iter().all(|one| (one["outcome"] == "cancelled") == costs(one)));
    let replay = [
        "--sandbox",
        "none",
        "--attempts",
        "4",
        "--backend",
        "cassette:run",
        "--max-tokens",
        "1",
        "--max-usd",
        "0.01",
    ];
    small.run("tape", &replay).expect_code(0);
}

#[test]
fn money_that_can_not_be_counted_is_refused_before_the_start() {
    let small = suite("turns = 9, usd = 1", "live = true\n", &[FINISH]);
    let mut told = small.run("run", &["--sandbox", "none", "--max-usd", "1"]).expect_code(2).stderr;
    assert!(!small.path("run/attempts.jsonl").exists());
    let dry = small.run("run", &["--sandbox", "none", "--max-usd", "1", "--dry-run"]).expect_code(2).stderr;
    assert_eq!(dry, told);
    for sum in ["0", "-1", "NaN", "much"] {
        told += &small.run("run", &["--max-usd", sum]).expect_code(2).stderr;
    }
    // A limit of the task alone is no error: its other limits hold.
    told += &small.run("run", &["--sandbox", "none"]).expect_code(0).stderr;
    insta::assert_snapshot!(told, @r"
    error: --max-usd needs the price of the back end 'scripted:replies.toml', which is unknown
    hint: set price = { input = …, output = … } under [backend.scripted] in rolltape.toml, in USD a million tokens
    error: invalid value '0' for '--max-usd <X>': a sum of US dollars is a number above 0
    hint: '--help' tells all options
    error: invalid value '-1' for '--max-usd <X>': a sum of US dollars is a number above 0
    hint: '--help' tells all options
    error: invalid value 'NaN' for '--max-usd <X>': a sum of US dollars is a number above 0
    hint: '--help' tells all options
    error: invalid value 'much' for '--max-usd <X>': a sum of US dollars is a number above 0
    hint: '--help' tells all options
    warning: the price of the back end 'scripted:replies.toml' is unknown, so that the limit of money of task 'hello' holds only for calls whose cost the back end tells
    ");
}

#[test]
fn a_dry_run_tells_the_most_that_it_can_cost() {
    let bound = |limits: &str, head: &str, more: &[&str]| {
        let small = suite(limits, head, &[FINISH]);
        let mut arguments = vec!["--sandbox", "none", "--dry-run", "--attempts", "3"];
        arguments.extend(more);
        let told = small.run("run", &arguments).expect_code(0).stdout;
        told.lines().last().unwrap_or_default().to_owned()
    };
    let told = [
        bound("turns = 9", "", &[]),
        bound("usd = 0.5", &live(), &[]),
        bound("tokens = 100, usd = 0.5", &live(), &[]),
        bound("turns = 9", &live(), &[]),
        bound("turns = 9", &live(), &["--max-usd", "7.5"]),
        bound("usd = 0.5", "live = true\n", &[]),
    ];
    insta::assert_snapshot!(told.join("\n"), @r"
    3 attempts, sandbox level none, at most 0 USD, all replies are on tape
    3 attempts, sandbox level none, at most 1.5 USD, and the last call of each attempt
    3 attempts, sandbox level none, at most 0.3 USD, and the last call of each attempt
    3 attempts, sandbox level none, at most an unknown sum: task 'hello' has no limit of usd or tokens
    3 attempts, sandbox level none, at most 7.5 USD, by --max-usd
    3 attempts, sandbox level none, at most an unknown sum: the back end 'scripted:replies.toml' has no price
    ");
}
