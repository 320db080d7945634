//! `openai-chat`: messages of OpenAI's chat API, bare or in an object with `messages`.

use super::chat::{self, Chat, expected};
use super::fields::Fields;
use super::source::Refusal;
use super::{Format, Reader, Sniff, Source, Writer};
use crate::model::Trajectory;
use crate::util::json::View;

mod write;

pub(super) use write::{definitions, told_in_prompt};

const NAME: &str = "openai-chat";

pub(super) static ITEM: Format = Format {
    name: NAME,
    about: "messages of OpenAI's chat API: JSON or JSON Lines, native or text calls",
    sniff,
    marks: &[&[
        "messages",
        "messages[].role=system|developer|user|assistant|tool|function",
        "messages[].content",
    ]],
    read: Reader::Records(convert),
    folder: None,
    write: Some(Writer::Lines(write::line)),
};

fn sniff(source: &Source<'_>) -> Sniff {
    let Some(record) = source.first() else { return Sniff::new(0, "holds no JSON object or list") };
    let messages = if record.is_array() {
        record
    } else if let Some(messages) = record.get("messages") {
        messages
    } else {
        return Sniff::new(0, "has no \"messages\"");
    };
    let logged = ["response", "choices"].iter().any(|key| {
        record.some(key).is_some_and(|reply| {
            reply.is_array() && key == &"choices" || reply.get("choices").is_some_and(View::is_array)
        })
    });
    if logged {
        return Sniff::new(40, "has the choices of a response beside its messages");
    }
    if record.get("trajectory_format").is_some() {
        return Sniff::new(30, "names another \"trajectory_format\"");
    }
    if !messages.is_array() {
        // Damaged records among good ones must not hide the format.
        return Sniff::new(50, "has \"messages\" that are no list");
    }
    let Some(first) = messages.items().next() else {
        return if record.is_object() { Sniff::new(60, "") } else { Sniff::new(0, "is an empty list") };
    };
    let roles = messages.items().all(|message| message.get("role").is_some());
    let blocks = messages.items().any(|message| {
        message.get("content").is_some_and(|content| {
            content.items().any(|part| {
                part.get("type")
                    .and_then(View::text)
                    .is_some_and(|kind| matches!(&*kind, "tool_use" | "tool_result" | "thinking"))
            })
        })
    });
    if blocks {
        return Sniff::new(20, "has content blocks of another API");
    }
    if super::anthropic::has_system(record) {
        return Sniff::new(20, "has \"system\" beside its messages");
    }
    if !first.is_object() || !roles {
        // One damaged message must not hide the format; where none has a role, it is another one.
        let some = messages.items().any(|message| !message.is_object() || message.get("role").is_some());
        let why = "has messages without a \"role\"";
        return Sniff::new(if record.is_object() && some { 50 } else { 0 }, why);
    }
    let keys = ["content", "tool_calls", "function_call"];
    let other = |message: View<'_>| {
        keys.iter().all(|key| message.get(key).is_none())
            && ["text", "blocks", "parts"].iter().any(|key| message.get(key).is_some())
    };
    if messages.items().all(other) {
        return Sniff::new(20, "has messages with something else in the place of \"content\"");
    }
    Sniff::new(80, "")
}

fn convert(record: View<'_>, _warnings: &mut Vec<Refusal>) -> Result<Trajectory, Refusal> {
    let messages = if record.is_array() {
        record
    } else if record.is_object() {
        let missing = || (record.offset(), "has no \"messages\"".to_owned());
        record.get("messages").ok_or_else(missing)?
    } else {
        return Err(expected(record, "a record", "an object with \"messages\" or a list of messages"));
    };
    if !messages.is_array() {
        return Err(expected(messages, "\"messages\"", "a list"));
    }
    let mut conversation = Chat::new();
    for message in messages.items() {
        conversation.add(message)?;
    }
    let mut trajectory = Trajectory { steps: conversation.steps, ..Trajectory::default() };
    let mut fields = Fields::of(record);
    fields.mark("messages");
    match fields.list("tools").or_else(|| fields.list("functions")) {
        Some(list) => (trajectory.agent.tools, trajectory.agent.raw_tools) = chat::tools(list),
        None => trajectory.agent.tools = chat::tools_in_prompt(&trajectory.steps),
    }
    trajectory.agent.model = fields.string("model");
    trajectory.id = fields.string("id");
    trajectory.extra = fields.rest();
    Ok(trajectory)
}
