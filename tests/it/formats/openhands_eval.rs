//! `openhands-eval-output`.

use super::abuse::{Abuse, bare_facts};
use super::openhands_v0::{clean, fixture, shape};
use crate::support;
use rolltape::model::Source;
use serde_json::{Value, json};

fn record(history: Value) -> Value {
    json!({
        "instance_id": "django-1", "instruction": "Fix it.", "history": history,
        "metadata": {"agent_class": "CodeActAgent", "llm_config": {"model": "other-model"}},
        "metrics": {"accumulated_cost": 0.5, "costs": [{"model": "m", "cost": 0.5}],
            "accumulated_token_usage": {"prompt_tokens": 250, "completion_tokens": 30, "cache_read_tokens": 40}},
        "test_result": {"git_patch": "diff --git a/a b/a"}, "error": null, "instance": {"repo": "django/django"},
    })
}

#[test]
fn a_history_of_events_and_one_of_pairs_say_the_same() {
    let events: Vec<Value> =
        serde_json::from_slice(&fixture("openhands-v0-events/parallel.json")).expect("JSON");
    // Pairs as the old writer made them: an action and what came back, an action that nothing answers alone.
    let mut pairs: Vec<Value> = Vec::new();
    let mut order: Vec<&Value> = events.iter().collect();
    order.swap(5, 6);
    for event in &order {
        match pairs.last_mut() {
            Some(last) if event.get("cause").is_some() => last[1] = (*event).clone(),
            _ => pairs.push(json!([event, null])),
        }
    }
    let first = clean("openhands-eval-output", format!("{}\n", record(Value::from(events))).as_bytes());
    let second = clean("openhands-eval-output", format!("{}\n", record(Value::from(pairs))).as_bytes());
    assert_eq!((first.warnings.len(), second.warnings.len()), (0, 0));
    let [trajectory] = first.trajectories.as_slice() else { panic!("one trajectory") };
    let other = &second.trajectories[0];
    assert_eq!(shape(trajectory), [(2, 2), (0, 0), (1, 0)]);
    assert_eq!(bare_facts(trajectory), bare_facts(other));
    assert_eq!(trajectory.id.as_deref(), Some("django-1"));
    assert_eq!(trajectory.extra["test_result"]["git_patch"], "diff --git a/a b/a");
    assert_eq!(trajectory.agent.model.as_deref(), Some("small-model"));
    let totals = trajectory.final_metrics.as_ref().expect("totals");
    assert_eq!((totals.usage.cost_usd, totals.usage.prompt_tokens), (Some(0.5), Some(250)));
}

#[test]
fn several_instances_are_several_trajectories() {
    let events =
        |text: &str| json!([{"action": "message", "source": "user", "id": 0, "args": {"content": text}}]);
    let text = format!("{}\n{}\n{}\n", record(events("a")), record(json!([])), record(Value::Null));
    let output = clean("openhands-eval-output", text.as_bytes());
    let steps: Vec<usize> = output.trajectories.iter().map(|one| one.steps.len()).collect();
    assert_eq!(steps, [1, 0, 0]);
    assert_eq!(output.trajectories[2].origin.line, 3);
}

#[test]
fn real_resolver_output() {
    let Some(folder) = support::data("openhands-eval-output") else { return };
    for path in
        super::logs::walk(&folder).iter().filter(|path| path.extension().is_some_and(|end| end == "jsonl"))
    {
        let bytes = std::fs::read(path).expect("the file");
        let output = clean("openhands-eval-output", &bytes);
        let lines: Vec<Value> =
            bytes.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
        assert_eq!(output.trajectories.len(), lines.len());
        for (trajectory, line) in output.trajectories.iter().zip(&lines) {
            let history = line["history"].as_array().expect("history");
            let flat =
                history.iter().all(|event| event.get("args").is_none() && event.get("extras").is_none());
            assert!(flat, "a new kind of file: its counts are not known");
            let users = trajectory.steps.iter().filter(|step| step.source == Source::User).count();
            let said = history.iter().filter(|event| event["action"] == "message").count();
            let acted = history.iter().filter(|event| event.get("action").is_some()).count() - said;
            let seen = history.iter().filter(|event| event.get("observation").is_some()).count();
            let counts = shape(trajectory);
            assert_eq!(trajectory.judged().count() + users, acted + said);
            assert_eq!(counts.iter().map(|(calls, _)| calls).sum::<usize>(), acted);
            assert_eq!(counts.iter().map(|(_, results)| results).sum::<usize>(), seen);
            assert!(counts.iter().all(|(calls, results)| calls >= results));
            assert_eq!(trajectory.extra["git_patch"], line["git_patch"]);
            assert_eq!(
                trajectory.final_metrics.as_ref().and_then(|totals| totals.usage.cost_usd),
                line["metrics"]["accumulated_cost"].as_f64()
            );
            let codes =
                trajectory.steps.iter().flat_map(|step| &step.observation).flat_map(|seen| &seen.results);
            let codes = codes.filter(|result| result.extra.contains_key("exit_code")).count();
            assert_eq!(codes, history.iter().filter(|event| event.get("exit_code").is_some()).count());
        }
        // Said once a trajectory: what the model wrote is not there.
        assert_eq!(output.warnings.len(), lines.len(), "{:?}", output.warnings);
    }
}

#[test]
fn bad_output_is_kept_or_said() {
    let text = concat!(
        r#"{"instance_id":"a","metadata":{"llm_config":{"model":"m"}},"metrics":{"accumulated_cost":0.5,"costs":[1]},"#,
        r#""test_result":{"git_patch":"d"},"history":[[{"id":0,"source":"user","action":"message","args":{"content":"hi"}},"#,
        r#"{"observation":"null","content":""}],[{"id":1,"source":"agent","action":"run","args":{"command":"x","thought":"é"}},"#,
        r#"{"id":2,"cause":1,"observation":"run","content":"out","extras":{"exit_code":1}}]]}"#,
        "\n",
        r#"{"issue":{"number":1},"history":[{"action":"message","content":"do"},{"action":"run","command":"ls","thought":"t"},"#,
        r#"{"observation":"run","content":"f","exit_code":0},{"action":"finish","thought":"ok","outputs":{}}],"metrics":null}"#,
    );
    Abuse { name: "openhands-eval-output", files: vec![("x".to_owned(), text.into())], structure: &[] }.run();
}
