//! What stands above the steps: where the trajectory comes from, whose it is, and its figures.

use super::lay::masked;
use super::page::{DIM, PLAIN, Page, tone};
use crate::model::{AttemptRecord, Finding, Severity, Source, Trajectory, Usage};
use crate::report::{count, usd};
use crate::util::plural::plural;
use crate::util::text::{name, one_line, width};
use std::collections::BTreeSet;

/// Policy and reading under which findings hold.
pub(super) struct Judged<'a> {
    pub(super) findings: &'a [Finding],
    pub(super) policy: String,
    pub(super) reading: String,
}

pub(super) fn show(
    page: &mut Page,
    trajectory: &Trajectory,
    record: Option<&AttemptRecord>,
    judged: Option<&Judged<'_>>,
) {
    let origin = &trajectory.origin;
    let place = if origin.line > 1 { format!(":{}", origin.line) } else { String::new() };
    if !origin.path.is_empty() {
        field(page, "file", &format!("{}{place} ({})", name(&origin.path), origin.format));
    }
    if let Some(record) = record {
        attempt(page, record);
    }
    let ids = [("trajectory", trajectory.id.as_deref()), ("session", trajectory.session_id.as_deref())];
    let attempt = record.map(|record| record.id.to_string());
    for (what, id) in ids {
        if let Some(id) = id.filter(|id| attempt.as_deref() != Some(*id)) {
            field(page, what, &one_line(id));
        }
    }
    field(page, "agent", &agent(trajectory));
    field(page, "model", &model(trajectory));
    field(page, "steps", &steps(trajectory));
    let (tokens, cost) = usage(trajectory);
    field(page, "tokens", &tokens);
    field(page, "cost", &cost);
    let mut times = trajectory.steps.iter().filter_map(|step| step.timestamp.as_deref());
    if let Some(first) = times.next() {
        let last = times.next_back().map(|last| format!(" to {}", one_line(last))).unwrap_or_default();
        field(page, "time", &format!("{}{last}", one_line(first)));
    }
    if let Some(reference) = &trajectory.continued_ref {
        field(page, "goes on", &format!("from {}", one_line(reference)));
    }
    if let Some(notes) = &trajectory.notes {
        field(page, "notes", notes);
    }
    if let Some(judged) = judged {
        findings(page, judged);
    }
}

fn field(page: &mut Page, what: &str, text: &str) {
    let label = page.paint(DIM, &format!("{what:<11}"));
    page.beside(&label, 11, PLAIN, &masked(text));
}

fn attempt(page: &mut Page, record: &AttemptRecord) {
    let word = |value: Option<bool>| value.map_or("unknown", |yes| if yes { "yes" } else { "no" });
    let outcome = crate::report::outcome(record);
    let style = match record.outcome.word() {
        "passed" => anstyle::AnsiColor::Green.on_default(),
        "skipped" | "cancelled" => tone(Severity::Warning),
        _ => tone(Severity::Error),
    };
    field(page, "attempt", &one_line(&record.id.to_string()));
    let label = page.paint(DIM, "outcome    ");
    page.beside(&label, 11, style, &outcome);
    let reward = record.reward.map_or("unknown".to_owned(), |reward| format!("{reward:.2}"));
    let verdicts =
        format!("success {}, format ok {}, reward {reward}", word(record.success), word(record.format_ok));
    field(page, "verdicts", &verdicts);
}

fn agent(trajectory: &Trajectory) -> String {
    let agent = &trajectory.agent;
    let name = if agent.name.is_empty() { "unknown".to_owned() } else { one_line(&agent.name) };
    let version =
        if agent.version.is_empty() { String::new() } else { format!(" {}", one_line(&agent.version)) };
    let tools = match (&agent.tools, &agent.raw_tools) {
        (Some(tools), _) => plural(tools.len(), "tool"),
        (None, Some(raw)) => format!("{}, not all readable", plural(raw.len(), "tool")),
        (None, None) => "tools unknown".to_owned(),
    };
    format!("{name}{version}, {tools}")
}

fn model(trajectory: &Trajectory) -> String {
    let own = trajectory.steps.iter().filter_map(|step| step.model.as_deref());
    let models: BTreeSet<&str> = trajectory.agent.model.as_deref().into_iter().chain(own).collect();
    if models.is_empty() {
        return "unknown".to_owned();
    }
    models.into_iter().map(one_line).collect::<Vec<_>>().join(", ")
}

fn steps(trajectory: &Trajectory) -> String {
    let count = |source| trajectory.steps.iter().filter(|step| step.source == source).count();
    let calls = trajectory.steps.iter().map(|step| step.calls.len()).sum();
    let subagents = match trajectory.subagents.len() {
        0 => String::new(),
        n => format!("; {}", plural(n, "subagent")),
    };
    format!(
        "{} ({} system, {} user, {} agent), {}{subagents}",
        trajectory.steps.len(),
        count(Source::System),
        count(Source::User),
        count(Source::Agent),
        plural(calls, "call")
    )
}

/// Tokens and cost: as the producer added them up, else of the steps that tell them.
fn usage(trajectory: &Trajectory) -> (String, String) {
    let told = trajectory.final_metrics.as_ref().map(|metrics| metrics.usage);
    let replies: Vec<Option<Usage>> = trajectory.judged().map(|step| step.usage).collect();
    let sum = |of: &dyn Fn(&Usage) -> Option<f64>| {
        if let Some(total) = told.as_ref().and_then(of) {
            return Some((total, replies.len()));
        }
        let known: Vec<f64> = replies.iter().flatten().filter_map(of).collect();
        (!known.is_empty()).then(|| (known.iter().sum::<f64>(), known.len()))
    };
    let of = |known: usize| {
        if known < replies.len() {
            format!(" in {known} of {} replies", replies.len())
        } else {
            String::new()
        }
    };
    let prompt = sum(&|usage| usage.prompt_tokens.map(|tokens| tokens as f64));
    let completion = sum(&|usage| usage.completion_tokens.map(|tokens| tokens as f64));
    let shown = |figure: Option<(f64, usize)>, what: &str| match figure {
        Some((tokens, _)) => format!("{} {what}", count(Some(tokens as u64))),
        None => format!("{what} unknown"),
    };
    let tokens = match (prompt, completion) {
        (None, None) => "unknown".to_owned(),
        _ => {
            let known = prompt.or(completion).map_or(0, |(_, known)| known);
            format!("{}, {}{}", shown(prompt, "prompt"), shown(completion, "completion"), of(known))
        }
    };
    let cost = match sum(&|usage| usage.cost_usd) {
        Some((cost, known)) => format!("{}{}", usd(Some(cost)), of(known)),
        None => "unknown".to_owned(),
    };
    (tokens, cost)
}

fn findings(page: &mut Page, judged: &Judged<'_>) {
    let count = |severity| judged.findings.iter().filter(|finding| finding.severity == severity).count();
    let all = [(Severity::Error, "error"), (Severity::Warning, "warning"), (Severity::Info, "info")];
    let told: Vec<(Severity, String)> = all
        .into_iter()
        .filter(|(severity, _)| count(*severity) > 0)
        .map(|(severity, word)| {
            let number = count(severity);
            let text =
                if severity == Severity::Info { format!("{number} {word}") } else { plural(number, word) };
            (severity, text)
        })
        .collect();
    let plain = told.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>().join(", ");
    if told.is_empty() {
        field(page, "findings", "none");
    } else if width(&plain) > page.room(11) {
        field(page, "findings", &plain);
    } else {
        let label = page.paint(DIM, "findings   ");
        let told: Vec<String> =
            told.iter().map(|(severity, text)| page.paint(tone(*severity), text)).collect();
        page.line(&format!("{label}{}", told.join(", ")));
    }
    field(
        page,
        "judged",
        &format!("policy {}, reading {}", one_line(&judged.policy), one_line(&judged.reading)),
    );
}
