//! `terminal-bench`: `results.json` of terminal-bench, of a whole run or of one trial.
//!
//! It holds no messages: a trajectory has the instruction and the outcome, and nothing that could be judged.
//! `is_resolved` may be null. Source: terminal-bench, `harness/models.py`.

use super::source::Refusal;
use super::{Format, ReadOutput, Reader, Sniff, Source, chat::expected, record};
use crate::model::{FinalMetrics, Object, Source as Speaker, Step, Trajectory, Usage};
use crate::util::json::View;

const NAME: &str = "terminal-bench";

pub(super) static ITEM: Format = Format {
    name: NAME,
    about: "results.json of terminal-bench: instructions and outcomes, no messages",
    sniff,
    marks: &[
        &["task_id", "is_resolved", "trial_name", "instruction", "failure_mode"],
        &[
            "results",
            "results[].task_id",
            "results[].is_resolved",
            "pass_at_k|accuracy|n_resolved|resolved_ids",
        ],
    ],
    read: Reader::Whole(read),
    folder: None,
    write: None,
};

fn sniff(source: &Source<'_>) -> Sniff {
    let Some(record) = source.first().filter(|record| record.is_object()) else {
        return Sniff::new(0, "holds no JSON object");
    };
    let trial = |record: View<'_>| record.get("is_resolved").is_some() && record.get("task_id").is_some();
    if trial(record) || is_run(record) && record.get("results").into_iter().flat_map(View::items).all(trial) {
        Sniff::new(95, "")
    } else {
        Sniff::new(0, "has no trial with \"task_id\" and \"is_resolved\"")
    }
}

fn is_run(record: View<'_>) -> bool {
    let figures = ["pass_at_k", "accuracy", "n_resolved", "resolved_ids"];
    record.get("results").is_some_and(View::is_array) && figures.iter().any(|key| record.get(key).is_some())
}

fn read(source: &Source<'_>) -> ReadOutput {
    if !source.first().is_some_and(is_run) {
        return record::read(source, NAME, |trial: View<'_>, _: &mut Vec<Refusal>| convert(None, trial));
    }
    record::inside(source, NAME, "results", |run, trial, _| convert(Some(run), trial))
}

fn convert(run: Option<View<'_>>, trial: View<'_>) -> Result<Trajectory, Refusal> {
    if !trial.is_object() {
        return Err(expected(trial, "a trial", "an object"));
    }
    let mut trajectory = Trajectory::default();
    let mut known = Vec::new();
    trajectory.id = trial.text_at("id").inspect(|_| known.push("id"));
    if let Some(text) = trial.get("instruction").filter(|text| text.text().is_some()) {
        known.push("instruction");
        let mut step = Step::new(1, Speaker::User, text.text().unwrap_or_default().into_owned());
        step.place = Some(text.place());
        trajectory.steps.push(step);
    }
    let mut count = |key: &'static str| trial.some(key).and_then(View::uint).inspect(|_| known.push(key));
    let usage = Usage {
        prompt_tokens: count("total_input_tokens"),
        completion_tokens: count("total_output_tokens"),
        ..Usage::default()
    };
    if usage != Usage::default() {
        trajectory.final_metrics = Some(FinalMetrics { usage, ..FinalMetrics::default() });
    }
    let rest = |record: View<'_>, known: &[&str]| -> Object {
        let members = record.members().filter(|(key, _)| !known.contains(&&**key));
        members.map(|(key, value)| (key.into_owned(), value.value())).collect()
    };
    trajectory.extra = rest(trial, &known);
    if let Some(run) = run.map(|run| rest(run, &["results"])).filter(|run| !run.is_empty()) {
        trajectory.extra.insert("run".to_owned(), run.into());
    }
    Ok(trajectory)
}
