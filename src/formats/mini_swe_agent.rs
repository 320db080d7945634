//! `mini-swe-agent`: trajectories of mini-swe-agent, v1 (a bare list of messages) and v2 (an object with
//! `trajectory_format`).
//!
//! A reply that broke the format is not among the messages: it stands in `extra` of the complaint that
//! followed, and is put back before it. The last message (`exit`) is the harness's own. Source:
//! mini-swe-agent 2.4, `agents/default.py` and `models/`.

use super::chat::{Chat, expected};
use super::source::Refusal;
use super::{Format, Reader, Sniff, Source};
use crate::model::{Source as Speaker, Step, Trajectory, Usage};
use crate::util::json::View;

const DIALECT: &str = "mini-swe-agent";

pub(super) static ITEM: Format = Format {
    name: "mini-swe-agent",
    about: "trajectories of mini-swe-agent v1 and v2: native calls or one code block a message",
    sniff,
    marks: &[&[
        "trajectory_format=^mini-swe-agent",
        "messages",
        "messages[].role",
        "info.mini_version",
        "info.exit_status|submission|model_stats",
    ]],
    read: Reader::Records(convert),
    folder: None,
    write: None,
};

fn sniff(source: &Source<'_>) -> Sniff {
    let Some(record) = source.first() else { return Sniff::new(0, "holds no JSON value") };
    if record.is_object() {
        return match record.text_at("trajectory_format") {
            Some(name) if name.starts_with("mini-swe-agent") => Sniff::new(100, ""),
            Some(name) => Sniff::new(0, format!("has the \"trajectory_format\" '{name}'")),
            None => Sniff::new(0, "has no \"trajectory_format\""),
        };
    }
    let marks = ["COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT", "mswea_bash_command"];
    let told = record.items().take(2).filter_map(|message| message.text_at("content"));
    if told.into_iter().any(|text| marks.iter().any(|mark| text.contains(mark))) {
        Sniff::new(95, "")
    } else {
        Sniff::new(0, "has no prompt of mini-swe-agent at its start")
    }
}

fn convert(record: View<'_>, warnings: &mut Vec<Refusal>) -> Result<Trajectory, Refusal> {
    let messages = if record.is_array() {
        record
    } else if record.is_object() {
        record.get("messages").ok_or_else(|| (record.offset(), "has no \"messages\"".to_owned()))?
    } else {
        return Err(expected(record, "a record", "a list of messages or an object with \"messages\""));
    };
    if !messages.is_array() {
        return Err(expected(messages, "\"messages\"", "a list"));
    }
    let native = messages.items().any(|message| {
        message.some("tool_calls").is_some() || message.text_at("role").as_deref() == Some("tool")
    });
    let mut chat = Chat::in_dialect((!native).then_some(DIALECT));
    for message in messages.items() {
        add(message, &mut chat, warnings)?;
    }
    let mut trajectory = Trajectory { steps: chat.steps, ..Trajectory::default() };
    DIALECT.clone_into(&mut trajectory.agent.name);
    if let Some(info) = record.some("info") {
        trajectory.agent.version = info.text_at("mini_version").unwrap_or_default();
        let config = info.some("config").and_then(|config| config.some("model"));
        trajectory.agent.model = config.and_then(|model| model.text_at("model_name"));
    }
    let rest = record.members().filter(|(key, _)| key != "messages");
    trajectory.extra = rest.map(|(key, value)| (key.into_owned(), value.value())).collect();
    Ok(trajectory)
}

fn add(message: View<'_>, chat: &mut Chat, warnings: &mut Vec<Refusal>) -> Result<(), Refusal> {
    if message.text_at("role").as_deref() == Some("exit") {
        let mut step = Step::new(
            chat.steps.len() as u64 + 1,
            Speaker::User,
            message.text_at("content").unwrap_or_default(),
        );
        step.place = message.get("content").filter(|text| text.text().is_some()).map(View::place);
        step.extra = message.object();
        if step.place.is_some() {
            step.extra.shift_remove("content");
        }
        chat.steps.push(step);
        return Ok(());
    }
    let extra = message.some("extra");
    let refused = extra.filter(|extra| extra.text_at("interrupt_type").as_deref() == Some("FormatError"));
    if let Some(extra) = refused {
        restore(extra, chat, warnings)?;
    }
    let before = chat.steps.len();
    chat.add(message)?;
    if let Some(step) = chat.steps.get_mut(before)
        && step.source == Speaker::Agent
        && let Some(extra) = extra
    {
        figures(step, extra);
    }
    Ok(())
}

/// Puts back the reply that the complaint is about.
fn restore(extra: View<'_>, chat: &mut Chat, warnings: &mut Vec<Refusal>) -> Result<(), Refusal> {
    let choice = extra.some("response").and_then(|response| response.some("choices")?.items().next());
    let before = chat.steps.len();
    if let Some(message) = choice.and_then(|choice| choice.some("message")) {
        chat.add(message)?;
    } else if let Some(text) = extra.some("model_response").filter(|text| text.text().is_some()) {
        chat.say(text);
    } else {
        warnings.push((extra.offset(), "the reply that broke the format is not in the log".to_owned()));
    }
    if let Some(step) = chat.steps.get_mut(before) {
        figures(step, extra);
    }
    Ok(())
}

/// Tokens, cost, finish reason and time of a reply, from its `extra`.
fn figures(step: &mut Step, extra: View<'_>) {
    let response = extra.some("response");
    let tokens = response.and_then(|response| response.some("usage"));
    let count = |key: &str| tokens.and_then(|tokens| tokens.some(key)).and_then(View::uint);
    let cached = tokens.and_then(|tokens| tokens.some("prompt_tokens_details")?.some("cached_tokens"));
    // Cost 0 is what is written when the price is not known.
    let cost = extra.some("cost").and_then(View::float).filter(|cost| *cost > 0.0);
    let usage = Usage {
        prompt_tokens: count("prompt_tokens"),
        completion_tokens: count("completion_tokens"),
        cached_tokens: cached.and_then(View::uint),
        cost_usd: cost,
    };
    if usage != Usage::default() {
        step.usage = Some(usage);
    }
    let choice = response.and_then(|response| response.some("choices")?.items().next());
    if let Some(reply) = &mut step.reply {
        reply.finish_reason = choice.and_then(|choice| choice.text_at("finish_reason"));
    }
    step.model = response.and_then(|response| response.text_at("model"));
}
