//! `openhands-completion-log`: one model call as the OpenHands SDK logs it, request and reply.
//!
//! `messages` is what was sent; `response` the reply after conversion, `raw_response` (text mode
//! only) the reply as the model wrote it. The unit is the one call of the file: the assistant
//! messages of its history belong to other files and are marked as frame.

use super::chat::{self, Chat, expected};
use super::fields::{self, Fields};
use super::source::Refusal;
use super::{Format, Reader, Sniff, Source};
use crate::model::{Object, Source as Role, Trajectory, Usage};
use crate::util::json::View;
use serde_json::Value;

const NAME: &str = "openhands-completion-log";

pub(super) static ITEM: Format = Format {
    name: NAME,
    about: "one model call as the OpenHands SDK logs it: request, reply, raw reply, usage",
    sniff,
    marks: &[&[
        "messages",
        "messages[].role",
        "response|raw_response.choices[].message",
        "kwargs|latency_sec|cost",
        "response|raw_response.model",
    ]],
    read: Reader::Records(convert),
    folder: None,
    write: None,
};

fn sniff(source: &Source<'_>) -> Sniff {
    let Some(record) = source.first() else { return Sniff::new(0, "holds no JSON object") };
    if !record.get("messages").is_some_and(View::is_array) {
        return Sniff::new(0, "has no \"messages\"");
    }
    let reply = ["raw_response", "response"].iter().find_map(|key| record.some(key));
    if reply.is_none_or(|reply| reply.get("choices").is_none()) {
        return Sniff::new(0, "has no \"response\" with \"choices\"");
    }
    let request = ["kwargs", "latency_sec", "cost"].iter().any(|key| record.get(key).is_some());
    if request || record.get("raw_response").is_some() {
        Sniff::new(95, "")
    } else {
        Sniff::new(60, "has nothing beside its messages and response that the OpenHands SDK logs")
    }
}

fn convert(record: View<'_>, _warnings: &mut Vec<Refusal>) -> Result<Trajectory, Refusal> {
    let missing = |what: &str| (record.offset(), format!("has no {what}"));
    let messages = record.get("messages").ok_or_else(|| missing("\"messages\""))?;
    if !messages.is_array() {
        return Err(expected(messages, "\"messages\"", "a list"));
    }
    let mut conversation = Chat::new();
    for message in messages.items() {
        conversation.add(message)?;
    }
    for step in &mut conversation.steps {
        if step.source == Role::Agent {
            step.frame = true;
            step.copied = Some(true);
        }
    }
    // A raw reply exists where calls were written as text.
    let raw = record.some("raw_response");
    let response = record.some("response");
    let reply = raw.or(response).ok_or_else(|| missing("\"response\""))?;
    let choice = reply.get("choices").and_then(|list| list.items().next());
    let choice = choice.ok_or_else(|| (reply.offset(), "the response has no choice".to_owned()))?;
    let message =
        choice.get("message").ok_or_else(|| (choice.offset(), "the choice has no message".to_owned()))?;
    // A native answer in text mode is logged raw without its names; the converted reply has them.
    let converted = response.and_then(|reply| reply.get("choices")?.items().next()?.get("message"));
    let stand_in = converted.filter(|_| hollow(message));
    conversation.add(stand_in.unwrap_or(message))?;
    let mut trajectory = Trajectory { steps: conversation.steps, ..Trajectory::default() };
    let mut fields = Fields::of(record);
    fields.list("messages");
    let mut answer = fields.object("response");
    let mut raw_answer = fields.object("raw_response");
    if let Some(step) = trajectory.steps.last_mut() {
        if let Some(figures) =
            answer.as_mut().or(raw_answer.as_mut()).and_then(|answer| answer.object("usage"))
        {
            let (usage, rest) = fields::usage(figures);
            (step.usage, step.metrics_extra) = (Some(usage), rest);
        }
        if let Some(cost) = fields.float("cost") {
            step.usage.get_or_insert_default().cost_usd = Some(cost);
        }
        step.timestamp = record.get("timestamp").and_then(View::float).and_then(iso_time);
        if step.timestamp.is_some() {
            fields.any("timestamp");
        }
        step.llm_calls = Some(1);
        if let Some(sent) = &mut step.reply {
            sent.finish_reason = choice.text_at("finish_reason");
            // What the log asked for, also where the model answered otherwise.
            let asked = if raw.is_some() { "openhands" } else { "native" };
            sent.dialect = Some(asked.to_owned());
        }
    }
    let kwargs = record.get("kwargs");
    let tools = fields.list("tools").or_else(|| kwargs?.some("tools").filter(|tools| tools.is_array()));
    match tools {
        Some(list) => (trajectory.agent.tools, trajectory.agent.raw_tools) = chat::tools(list),
        None => trajectory.agent.tools = chat::tools_in_prompt(&trajectory.steps),
    }
    trajectory.agent.model = reply.text_at("model");
    trajectory.id = reply.text_at("id");
    // What was read of the reply is left out of what is kept beside it: in text mode the reply after conversion is not.
    let read = |answer: Option<Fields<'_>>, part: Part| {
        answer.map(|answer| beside(answer, part, &trajectory)).unwrap_or_default()
    };
    let kept = read(answer, if raw.is_some() { Part::Head } else { Part::Message });
    let raw_kept = read(raw_answer, if stand_in.is_some() { Part::Choice } else { Part::Message });
    if let Some(step) = trajectory.steps.last_mut() {
        step.extra.extend(fields::some_object("response", kept));
        step.extra.extend(fields::some_object("raw_response", raw_kept));
    }
    trajectory.extra = extra(fields, tools);
    Ok(trajectory)
}

/// How much of a reply was read, each with what comes before.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    /// No choice.
    Head,
    /// What stands around the message of the first choice.
    Choice,
    /// That message.
    Message,
}

/// What else stands in a reply.
fn beside(mut answer: Fields<'_>, part: Part, read: &Trajectory) -> Object {
    let same =
        |value: View<'_>, read: &Option<String>| value.text().is_some_and(|it| Some(&*it) == read.as_deref());
    answer.drop_if("id", |id| same(id, &read.id));
    answer.drop_if("model", |model| same(model, &read.agent.model));
    let mut choices: Vec<Value> = Vec::new();
    if part != Part::Head
        && let Some(list) = answer.list("choices")
    {
        for (n, view) in list.items().enumerate() {
            let mut choice = Fields::of(view);
            if n == 0 {
                choice.text("finish_reason");
                choice.drop_if("index", |index| index.uint() == Some(0));
            }
            if n == 0 && part == Part::Message {
                choice.object("message");
            }
            choices.push(if view.is_object() { choice.rest().into() } else { view.value() });
        }
    }
    let mut kept = answer.rest();
    if choices.iter().any(|choice| choice.as_object().is_none_or(|choice| !choice.is_empty())) {
        kept.insert("choices".to_owned(), choices.into());
    }
    kept
}

/// Whether the message has calls of which nothing is left but empty objects.
fn hollow(message: View<'_>) -> bool {
    message.some("tool_calls").is_some_and(|calls| {
        let empty = |call: View<'_>| call.is_object() && call.members().next().is_none();
        calls.items().next().is_some() && calls.items().all(empty)
    })
}

/// Everything else, tools that were read left out of the request's parameters.
fn extra(mut fields: Fields<'_>, tools: Option<View<'_>>) -> Object {
    let kwargs = fields.object("kwargs");
    let mut extra = fields.rest();
    if let Some(mut kwargs) = kwargs {
        kwargs.drop_if("tools", |list| tools.is_some_and(|tools| tools.value() == list.value()));
        extra.insert("kwargs".to_owned(), kwargs.rest().into());
    }
    extra
}

/// Tokens of an OpenAI-like `usage`; DeepSeek names its cache hits apart.
pub(super) fn usage(usage: View<'_>) -> Usage {
    let number = |key: &str| usage.get(key).and_then(View::uint);
    let details = usage.some("prompt_tokens_details").and_then(|details| details.get("cached_tokens"));
    Usage {
        prompt_tokens: number("prompt_tokens"),
        completion_tokens: number("completion_tokens"),
        cached_tokens: details.and_then(View::uint).or_else(|| number("prompt_cache_hit_tokens")),
        cost_usd: None,
    }
}

/// Seconds since 1970 as ISO 8601.
pub(super) fn iso_time(seconds: f64) -> Option<String> {
    let millis = (seconds * 1000.0).round();
    if !millis.is_finite() {
        return None;
    }
    jiff::Timestamp::from_millisecond(millis as i64).ok().map(|time| time.to_string())
}
