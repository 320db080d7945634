//! Scorers over evidence: what passes, what fails, what can't be judged, and that keeping loses nothing.

use rolltape::model::Object;
use rolltape::score::{Compiled, Evidence, Probe, ProbeResult, compile};
use rolltape::suite::{FileSpec, Suite, parse};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A key of a probe, put together at run time so that it is in no file.
fn key() -> String {
    format!("sk-{}", "0123456789abcdef".repeat(2))
}
const NONCE: &str = "n0nce4711";

fn suite(score: &str) -> Suite {
    let text = format!(
        "schema = 1\nname = \"s\"\n[[service]]\nname = \"api\"\nkind = \"llm\"\n\
         [[task]]\nid = \"t\"\nprompt = \"x\"\nscore = [{score}]\n"
    );
    let file = FileSpec { bytes: text.into_bytes(), executable: false };
    parse("", &BTreeMap::from([("suite.toml".to_owned(), file)])).expect("a good suite")
}

fn compiled(score: &str) -> Compiled {
    let suite = suite(score);
    let task = &suite.tasks[0];
    compile(&task.score[0], task).unwrap_or_else(|errors| panic!("{errors:?}"))
}

/// The verdict, and the same again over evidence that was kept as text and read back.
fn judged(scorer: &Compiled, probes: Vec<ProbeResult>, answer: Option<&str>) -> (Option<f64>, String) {
    let kept: Vec<ProbeResult> = probes
        .iter()
        .map(|probe| {
            let text = probe.to_json().to_string();
            let value: Value = serde_json::from_str(&text).expect("JSON");
            ProbeResult::from_json(&value).expect("what was written")
        })
        .collect();
    assert_eq!(kept, probes, "keeping loses nothing");
    let evidence = |probes| Evidence { answer: answer.map(str::to_owned), probes, ..Evidence::default() };
    let now = (scorer.judge)(&evidence(probes));
    let later = (scorer.judge)(&evidence(kept));
    assert_eq!(now, later, "judging again is the same judging");
    now
}

fn request(path: &str, status: u64, auth: &str) -> Object {
    let value = json!({"method": "POST", "path": path, "status": status, "auth": auth,
        "model": "deepseek-chat", "body": null, "nonce": status == 200});
    value.as_object().cloned().expect("an object")
}

fn run(code: Option<i32>, stdout: &str, stderr: &str, requests: Vec<Object>) -> ProbeResult {
    ProbeResult::run(code, stdout, stderr, requests, Some((&key(), NONCE)))
}

fn value(scorer: &Compiled, probe: ProbeResult) -> Option<f64> {
    judged(scorer, vec![probe], None).0
}

const SERVICE: &str = r#"{ kind = "service", run = "bash app.sh", carry = ["app.sh"],
  requests = [{ path = "/chat/completions", status = 200, auth = "ok" }], prints = "nonce", not_prints = "key" }"#;

fn service() -> Compiled {
    compiled(&SERVICE.replace('\n', " "))
}

#[test]
fn service_plans_one_probe_with_fresh_secrets() {
    let scorer = service();
    let [Probe::Run { command, carry, hidden, service, wrong_key, timeout_ms, .. }] = &scorer.probes[..]
    else {
        panic!("{:?}", scorer.probes);
    };
    assert_eq!((command.as_str(), carry.as_slice()), ("bash app.sh", &["app.sh".to_owned()][..]));
    assert_eq!((service.as_deref(), *hidden, *wrong_key, *timeout_ms), (Some("api"), false, false, 60_000));
}

#[test]
fn service_needs_both_the_call_and_its_result() {
    let scorer = service();
    let good = || vec![request("/v1/chat/completions?x=1", 200, "ok")];
    let said = format!("Hello, {NONCE}.\n");
    assert_eq!(value(&scorer, run(Some(0), &said, "", good())), Some(1.0));
    assert_eq!(value(&scorer, run(Some(0), &said, "", Vec::new())), Some(0.0), "words without a call");
    assert_eq!(value(&scorer, run(Some(0), "Hello!", "", good())), Some(0.0), "a call without its result");
    assert_eq!(
        value(&scorer, run(Some(0), "Hello, <nonce>.", "", good())),
        Some(0.0),
        "the placeholder itself"
    );
    assert_eq!(value(&scorer, run(Some(0), "", &said, good())), Some(0.0), "stderr is not the answer");
    let refused = vec![request("/chat/completions", 401, "bad")];
    assert_eq!(value(&scorer, run(Some(0), &said, "", refused)), Some(0.0), "a refused call");
    assert_eq!(value(&scorer, run(Some(3), &said, "", good())), Some(0.0), "a bad exit code");
    assert_eq!(value(&scorer, run(None, &said, "", good())), Some(0.0), "out of time");
    for told in [key(), key()[4..20].to_owned()] {
        assert_eq!(value(&scorer, run(Some(0), &said, &told, good())), Some(0.0), "the key is told");
    }
    let masked = format!("{}…{}", &key()[..6], &key()[31..]);
    assert_eq!(value(&scorer, run(Some(0), &said, &masked, good())), Some(1.0), "a masked key is fine");
}

#[test]
fn service_tells_every_miss() {
    let scorer = service();
    let (_, reason) = judged(&scorer, vec![run(Some(1), &key(), "", Vec::new())], None);
    insta::assert_snapshot!(reason, @"the service saw 0 of at least 1 requests with path /chat/completions, auth ok, status 200; what the service replied was not printed; the key was printed; the program ended with exit code 1, not 0");
}

#[test]
fn no_evidence_is_no_verdict() {
    let lost = || ProbeResult::Unavailable { reason: "the sandbox did not start".to_owned() };
    for score in [
        SERVICE.replace('\n', " "),
        r#"{ kind = "command", run = "true" }"#.to_owned(),
        r#"{ kind = "file", path = "a" }"#.to_owned(),
        r#"{ kind = "file", path = "a", exists = false }"#.to_owned(),
        r#"{ kind = "equals", text = "a", on = "file:a" }"#.to_owned(),
    ] {
        let scorer = compiled(&score);
        assert_eq!(
            judged(&scorer, vec![lost()], None),
            (None, "the sandbox did not start".to_owned()),
            "{score}"
        );
        assert_eq!(judged(&scorer, Vec::new(), None).0, None, "{score}");
    }
}

#[test]
fn retries_are_counted() {
    let scorer = compiled(
        r#"{ kind = "service", run = "x", carry = "app.sh", retried = true, requests = [{ status = 429, min = 2, max = 2 }] }"#,
    );
    let requests =
        |list: &[u64]| list.iter().map(|status| request("/chat/completions", *status, "ok")).collect();
    assert_eq!(value(&scorer, run(Some(0), "", "", requests(&[429, 429, 200]))), Some(1.0));
    for bad in [&[429, 200][..], &[429, 429, 429, 200], &[429, 429], &[200, 429, 429], &[]] {
        assert_eq!(value(&scorer, run(Some(0), "", "", requests(bad))), Some(0.0), "{bad:?}");
    }
}

#[test]
fn requests_are_told_apart_by_what_they_hold() {
    let scorer = compiled(
        r#"{ kind = "service", run = "x", carry = "app.sh", requests = [{ where = { stream = true, "messages.-1.role" = "user", temperature = 1 }, has = ["messages.2"], matches = { "messages.0.content" = "(?i)violet" }, together = 2, fault = "cut" }] }"#,
    );
    let good = || {
        let mut good = request("/chat/completions", 200, "ok");
        let messages =
            json!([{"role": "user", "content": "Violet!"}, {"role": "assistant"}, {"role": "user"}]);
        good.insert("body".to_owned(), json!({"stream": true, "temperature": 1.0, "messages": messages}));
        good.insert("together".to_owned(), json!(3));
        good.insert("fault".to_owned(), json!("cut"));
        good
    };
    assert_eq!(value(&scorer, run(Some(0), "", "", vec![good()])), Some(1.0));
    let without = |change: &dyn Fn(&mut Object)| {
        let mut bad = good();
        change(&mut bad);
        value(&scorer, run(Some(0), "", "", vec![bad]))
    };
    let in_body = |place: &'static str, value: Value| {
        move |bad: &mut Object| *bad["body"].pointer_mut(place).expect("a place") = value.clone()
    };
    assert_eq!(without(&in_body("/stream", json!(false))), Some(0.0));
    assert_eq!(without(&in_body("/temperature", json!(1.5))), Some(0.0));
    assert_eq!(without(&in_body("/messages/0/content", json!("green"))), Some(0.0));
    assert_eq!(without(&in_body("/messages", json!([{"role": "user", "content": "violet"}]))), Some(0.0));
    assert_eq!(without(&in_body("", Value::Null)), Some(0.0));
    assert_eq!(without(&|bad| drop(bad.remove("together"))), Some(0.0));
    assert_eq!(without(&|bad| drop(bad.remove("fault"))), Some(0.0));
    let reason = judged(&scorer, vec![run(Some(0), "", "", Vec::new())], None).1;
    insta::assert_snapshot!(reason, @"the service saw 0 of at least 1 requests with fault cut, 2 together, 'messages.2' in the body, 'stream' true, 'messages.-1.role' user, 'temperature' 1, 'messages.0.content' like /(?i)violet/");
}

#[test]
fn a_program_can_be_asked_to_send_nothing() {
    let scorer = compiled(
        r#"{ kind = "service", run = "x", carry = "app.sh", requests = [{ max = 0 }], exit_nonzero = true }"#,
    );
    assert_eq!(value(&scorer, run(Some(1), "", "", Vec::new())), Some(1.0));
    let sent = vec![request("/models", 404, "missing")];
    let (score, reason) = judged(&scorer, vec![run(Some(1), "", "", sent)], None);
    assert_eq!(score, Some(0.0));
    assert_eq!(reason, "the service saw 1 requests with anything, not at most 0");
}

#[test]
fn a_wrong_key_is_asked_for_and_must_fail_loudly() {
    let scorer = compiled(
        r#"{ kind = "service", run = "x", carry = "app.sh", key = "wrong", exit_nonzero = true, regex = '(?i)\bkey\b', requests = [{ status = 401, auth = "bad" }, { status = 200, max = 0 }] }"#,
    );
    assert!(matches!(scorer.probes[..], [Probe::Run { wrong_key: true, .. }]));
    let refused = || vec![request("/chat/completions", 401, "bad")];
    assert_eq!(value(&scorer, run(Some(2), "", "the key is bad", refused())), Some(1.0));
    assert_eq!(value(&scorer, run(Some(0), "", "the key is bad", refused())), Some(0.0));
    assert_eq!(value(&scorer, run(Some(2), "", "it is bad", refused())), Some(0.0));
    assert_eq!(value(&scorer, run(Some(2), "", "the key is bad", Vec::new())), Some(0.0));
}

#[test]
fn commands_are_judged_by_their_exit_code() {
    let scorer =
        compiled(r#"{ kind = "command", run = "true", exit = 4, timeout = "2s", carry = ["a", "b/c"] }"#);
    assert!(matches!(scorer.probes[..], [Probe::Run { hidden: true, timeout_ms: 2000, .. }]));
    assert_eq!(value(&scorer, run(Some(4), "", "", Vec::new())), Some(1.0));
    assert_eq!(value(&scorer, run(Some(0), "PASS", "", Vec::new())), Some(0.0));
    assert_eq!(value(&scorer, run(None, "", "", Vec::new())), Some(0.0));
}

#[test]
fn files_are_judged_by_what_was_kept() {
    let kept = |text: &str| ProbeResult::File { bytes: Some(text.as_bytes().to_vec()), reason: None };
    let absent = || ProbeResult::File { bytes: None, reason: None };
    let odd = || ProbeResult::File { bytes: None, reason: Some("it is a link".to_owned()) };
    let scorer = compiled(
        r#"{ kind = "file", path = "a", contains = ["x", "y"], not_contains = "z", regex = '^x', equals = "x y" }"#,
    );
    assert_eq!(value(&scorer, kept("x y\n")), Some(1.0));
    for bad in [kept("x"), kept("x y z"), kept("y x"), kept("x  y"), absent(), odd()] {
        assert_eq!(value(&scorer, bad), Some(0.0));
    }
    let gone = compiled(r#"{ kind = "file", path = "a", exists = false }"#);
    assert_eq!(value(&gone, absent()), Some(1.0));
    assert_eq!(value(&gone, kept("")), Some(0.0));
    assert_eq!(value(&gone, odd()), Some(0.0));
    let bytes = ProbeResult::File { bytes: Some(vec![0xff, 0, b'x']), reason: None };
    assert_eq!(value(&compiled(r#"{ kind = "file", path = "a" }"#), bytes), Some(1.0));
}

#[test]
fn text_scorers_look_at_the_answer_or_a_file() {
    let answer = |score: &str, text: Option<&str>| judged(&compiled(score), Vec::new(), text).0;
    let includes = r#"{ kind = "includes", text = ["Yes", "42"], ignore_case = true }"#;
    assert_eq!(answer(includes, Some("yes, it is 42")), Some(1.0));
    assert_eq!(answer(includes, Some("yes, it is 41")), Some(0.0));
    assert_eq!(answer(includes, None), Some(0.0), "no answer is a fact, not a lack of evidence");
    assert_eq!(answer(r#"{ kind = "equals", text = "a" }"#, Some(" a\n")), Some(1.0));
    assert_eq!(answer(r#"{ kind = "equals", text = "a" }"#, Some("A")), Some(0.0));
    assert_eq!(answer(r#"{ kind = "regex", pattern = '^\d+$' }"#, Some("123")), Some(1.0));
    assert_eq!(answer(r#"{ kind = "regex", pattern = '^\d+$' }"#, Some("12a")), Some(0.0));
    let on_file = compiled(r#"{ kind = "equals", text = "a", on = "file:out/a.txt" }"#);
    assert!(matches!(&on_file.probes[..], [Probe::File { path, .. }] if path == "out/a.txt"));
    let kept = ProbeResult::File { bytes: Some(b"a\n".to_vec()), reason: None };
    assert_eq!(judged(&on_file, vec![kept], Some("b")).0, Some(1.0));
}

#[test]
fn a_hostile_pattern_or_text_costs_linear_time() {
    let scorer = compiled(r#"{ kind = "regex", pattern = '^(a+)+$' }"#);
    let text = format!("{}b", "a".repeat(200_000));
    assert_eq!(judged(&scorer, Vec::new(), Some(&text)).0, Some(0.0));
    let suite = suite(r#"{ kind = "regex", pattern = '(?:a{1000}){1000}' }"#);
    let errors = compile(&suite.tasks[0].score[0], &suite.tasks[0]).err().expect("too large a pattern");
    assert_eq!(errors[0].message, "'pattern' is too large a pattern");
}
