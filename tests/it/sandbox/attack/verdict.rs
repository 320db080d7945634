//! Whether an attack was held, by what the host, the records and the answers say.

use super::case::{Case, Oracle};
use super::ground::Ground;
use super::lab::Run;

/// One thing that went wrong.
#[derive(Debug)]
pub(super) struct Complaint {
    /// Some kinds may be what a missing layer lets through ([`super::EXPLAINED`]); the rest never is.
    pub(super) kind: &'static str,
    pub(super) text: String,
}

/// All complaints about a run.
pub(super) fn judge(case: &Case, run: &Run, ground: &mut Ground) -> Vec<Complaint> {
    let mut found: Vec<Complaint> =
        ground.damage().into_iter().map(|(kind, text)| Complaint { kind, text }).collect();
    let mut say = |kind: &'static str, text: String| found.push(Complaint { kind, text });
    for left in &run.told.left {
        say("left", format!("2 s after the end there was still: {left}"));
    }
    if run.told.code != 1 {
        let talk =
            run.written.iter().find(|(path, _)| path.ends_with("stderr")).map(|(_, text)| text.as_str());
        say("harness", format!("the program ended with {}: {}", run.told.code, talk.unwrap_or_default()));
    }
    let plain = &run.records.get("plain").map(|record| record["outcome"].clone()).unwrap_or_default();
    if plain != "passed" {
        say("neighbour", format!("the plain task beside it is {plain}"));
    }
    if run.answers.get("plain").is_some_and(|answers| answers.iter().any(|text| text.contains(&ground.token)))
    {
        say("neighbour", "the plain task sees what the attack wrote".to_owned());
    }
    let named = run.command.contains(&ground.token);
    for (path, text) in &run.written {
        // A command that names the token is in the trajectory; then the answers tell.
        if !named && text.contains(&ground.token) {
            say("token", format!("the token is in {path}"));
        }
    }
    for (task, record) in run.records.iter().filter(|(task, _)| *task != "plain") {
        let outcome = record["outcome"].as_str().unwrap_or_default();
        if !matches!(outcome, "failed" | "limit") {
            say(
                "score",
                format!("the attempt of {task} is {outcome}: {} {}", record["error"], record["scores"]),
            );
        }
        let values = record["scores"].as_array().into_iter().flatten();
        for score in values.filter(|score| score["value"] != 0.0 && score["value"] != 0) {
            say("score", format!("scorer {} of {task} gave {}", score["scorer"], score["value"]));
        }
        let answers = run.answers.get(task).map(Vec::as_slice).unwrap_or_default();
        answered(case, answers, named.then_some(ground.token.as_str()), record, &mut say);
    }
    special(case, run, &mut say);
    found
}

fn answered(
    case: &Case,
    answers: &[String],
    token: Option<&str>,
    record: &serde_json::Value,
    say: &mut impl FnMut(&'static str, String),
) {
    let [first, second, ..] = answers else {
        if record["limit"].is_null() {
            say("tool", format!("the tool answered {} calls of 2", answers.len()));
        }
        return;
    };
    if first.lines().any(|line| line.starts_with("BREACH")) && case.oracle == Oracle::Print {
        say("print", format!("it says: {}", first.replace('\n', " | ")));
    }
    if token.is_some_and(|token| first.contains(token)) {
        say("token", "the token is in the tool's answer".to_owned());
    }
    let held = first.lines().any(|line| line.starts_with("HELD"));
    let broke = first.lines().any(|line| line.starts_with("BREACH"));
    // Without a word of its own it counts only if the harness says why.
    let reason =
        !record["limit"].is_null() || first.contains("exit code 137") || first.contains("exit code 159");
    if case.oracle == Oracle::Print && !held && !broke && !reason {
        say("silence", format!("it gave no verdict and no reason: {}", first.replace('\n', " | ")));
    }
    // What eats all that it gets may still be at it; the agent can end it.
    let eats = case.group == "resource" && first.contains("timed out after");
    if !second.contains("next 42") && !eats {
        say("tool", format!("the next call was answered with: {}", second.replace('\n', " | ")));
    }
    let ended = first.contains("exit code") || first.contains("A new one was started");
    if case.oracle == Oracle::Tool && !ended {
        say("tool", format!("the call of the attack did not end: {}", first.replace('\n', " | ")));
    }
}

/// What only some attacks are asked.
fn special(case: &Case, run: &Run, say: &mut impl FnMut(&'static str, String)) {
    let answer = run.answers.get("attack").and_then(|answers| answers.first()).cloned().unwrap_or_default();
    let reasons: Vec<&str> = run.records.get("attack").map_or(Vec::new(), |record| {
        let scores = record["scores"].as_array().into_iter().flatten();
        scores.filter_map(|score| score["reason"].as_str()).collect()
    });
    let refused = || reasons.iter().any(|reason| reason.contains("not a regular file"));
    match case.id.as_str() {
        "fs-fifo-artifact" | "fs-symlink-artifact" | "fs-odd-artefacts" if !refused() => {
            say("score", format!("no scorer says what answer.txt is: {reasons:?}"));
        }
        "pr-leak-inherit" if !answer.contains("exit code 0") => {
            say("tool", format!("the call did not return: {answer}"));
        }
        "pr-output-flood" | "tool-flood"
            if answer.len() > 1 << 20 || !answer.contains(" bytes are left out here") =>
        {
            say("tool", format!("an answer of {} bytes does not say what it lacks", answer.len()));
        }
        "sc-end-marker-exec" if !answer.contains("A new one was started") => {
            say("tool", format!("nothing is said of the new shell: {answer}"));
        }
        _ => {}
    }
    if run.told.memory > 64 << 10 {
        say("memory", format!("the harness held {} KiB of its own", run.told.memory));
    }
    if let Some(disk) = case.disk.filter(|_| !run.off.contains_key("disk-quota"))
        && run.told.disk > (disk + 1) << 20
    {
        say("disk", format!("the host gave {} bytes", run.told.disk));
    }
}
