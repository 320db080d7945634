//! `openai-completion-log`: one call of OpenAI's chat API as proxies log it: the request with its `messages`, the
//! response with its `choices`, side by side or in one object.
//!
//! The unit is the one call of the record: the assistant messages of its history belong to other records and are
//! marked as frame. Of several choices the first is the reply; the others are kept as extra.

use super::chat::{self, Chat, expected};
use super::fields::Fields;
use super::openhands_completion_log::{iso_time, usage};
use super::source::Refusal;
use super::{Format, Reader, Sniff, Source};
use crate::model::{Object, Source as Role, Trajectory};
use crate::util::json::View;

const NAME: &str = "openai-completion-log";

pub(super) static ITEM: Format = Format {
    name: NAME,
    about: "one call of OpenAI's chat API as proxies log it: request and response",
    sniff,
    marks: &[&[
        "request|request_body|body",
        "messages[].role",
        "request|request_body|body.messages[].role",
        "response|response_body",
        "response|response_body.choices[].message",
    ]],
    read: Reader::Records(convert),
    folder: None,
    write: None,
};

const REQUEST: [&str; 3] = ["request", "request_body", "body"];
const RESPONSE: [&str; 2] = ["response", "response_body"];

/// The request of a record: itself where it is flat, else a member, or the body inside that.
fn request(record: View<'_>) -> Option<(Vec<&'static str>, View<'_>)> {
    part(record, &REQUEST, "messages")
}

fn response(record: View<'_>) -> Option<(Vec<&'static str>, View<'_>)> {
    part(record, &RESPONSE, "choices")
}

/// Where the object with `key` stands: the way to it, and the object.
fn part<'a>(record: View<'a>, names: &[&'static str], key: &str) -> Option<(Vec<&'static str>, View<'a>)> {
    let fits = |view: &View<'_>| view.get(key).is_some_and(View::is_array);
    if fits(&record) {
        return Some((Vec::new(), record));
    }
    names.iter().find_map(|name| {
        let outer = record.some(name)?;
        if fits(&outer) {
            return Some((vec![*name], outer));
        }
        let inner = outer.some("body").filter(fits)?;
        Some((vec![*name, "body"], inner))
    })
}

fn sniff(source: &Source<'_>) -> Sniff {
    let Some(record) = source.first().filter(|record| record.is_object()) else {
        return Sniff::new(0, "holds no JSON object");
    };
    let Some((asked, _)) = request(record) else { return Sniff::new(0, "has no request with \"messages\"") };
    if response(record).is_none() {
        return Sniff::new(0, "has no response with \"choices\"");
    }
    let sdk = ["kwargs", "latency_sec", "cost", "raw_response"].iter().any(|key| record.get(key).is_some());
    if sdk && asked.is_empty() {
        return Sniff::new(60, "has \"messages\" beside \"response\", as the OpenHands SDK logs them");
    }
    Sniff::new(93, "")
}

fn convert(record: View<'_>, warnings: &mut Vec<Refusal>) -> Result<Trajectory, Refusal> {
    if !record.is_object() {
        return Err(expected(record, "a record", "an object with a request and a response"));
    }
    let missing = |what: &str| (record.offset(), format!("has no {what}"));
    let (asked_at, asked) = request(record).ok_or_else(|| missing("request with \"messages\""))?;
    let (told_at, told) = response(record).ok_or_else(|| missing("response with \"choices\""))?;
    let mut chat = Chat::new();
    for message in asked.get("messages").into_iter().flat_map(View::items) {
        chat.add(message)?;
    }
    for step in chat.steps.iter_mut().filter(|step| step.source == Role::Agent) {
        step.frame = true;
        step.copied = Some(true);
    }
    let mut fields = Fields::of(asked);
    fields.mark("messages");
    let mut trajectory = Trajectory::default();
    match fields.list("tools").or_else(|| fields.list("functions")) {
        Some(list) => (trajectory.agent.tools, trajectory.agent.raw_tools) = chat::tools(list),
        None => trajectory.agent.tools = chat::tools_in_prompt(&chat.steps),
    }
    let wanted = fields.string("model");
    let flat = asked_at.is_empty() && told_at.is_empty();
    let mut reply = Fields::of(told);
    let served = if flat { None } else { reply.string("model") };
    let id = if flat { fields.string("id") } else { reply.string("id") };
    let mut choices = told.get("choices").into_iter().flat_map(View::items);
    let choice = choices.next().ok_or_else(|| (told.offset(), "the response has no choice".to_owned()))?;
    let others: Vec<_> = choices.map(View::value).collect();
    let figures = if flat { fields.member("usage") } else { reply.member("usage") };
    let made = if flat { &mut fields } else { &mut reply };
    let time = made.take("created", |time| time.float().and_then(iso_time).is_some());
    made.mark("choices");
    made.drop_if("object", |kind| kind.text().as_deref() == Some("chat.completion"));
    let mut more = Fields::of(choice);
    let Some(message) = more.member("message") else {
        return Err((choice.offset(), "the choice has no message".to_owned()));
    };
    chat.add(message)?;
    let finish_reason = more.string("finish_reason");
    more.take("index", |index| index.uint() == Some(0));
    let choice_rest = more.rest();
    match chat.steps.last_mut().filter(|step| step.source == Role::Agent) {
        Some(step) => {
            if let Some(figures) = figures {
                step.usage = Some(usage(figures));
                step.metrics_extra = usage_rest(figures);
            }
            step.timestamp = time.and_then(View::float).and_then(iso_time);
            step.llm_calls = Some(1);
            step.model = served.clone().filter(|served| Some(served) != wanted.as_ref() && wanted.is_some());
            if !choice_rest.is_empty() {
                step.extra.insert("choice".to_owned(), choice_rest.into());
            }
            if let Some(sent) = &mut step.reply {
                sent.finish_reason = finish_reason;
            }
        }
        None => warnings.push((message.offset(), "the reply is no message of an assistant".to_owned())),
    }
    trajectory.agent.model = wanted.or(served);
    trajectory.id = id;
    trajectory.steps = chat.steps;
    trajectory.extra = extra(record, (&asked_at, fields), (&told_at, reply));
    if !others.is_empty() {
        trajectory.extra.insert("other_choices".to_owned(), others.into());
    }
    Ok(trajectory)
}

/// What the usage holds beside the counts.
fn usage_rest(figures: View<'_>) -> Object {
    let mut fields = Fields::of(figures);
    for key in ["prompt_tokens", "completion_tokens"] {
        fields.take(key, |count| count.uint().is_some());
    }
    fields.rest()
}

/// What is left over of the record, the request and the response.
fn extra(
    record: View<'_>,
    (asked_at, asked): (&[&'static str], Fields<'_>),
    (told_at, told): (&[&'static str], Fields<'_>),
) -> Object {
    let mut out = Object::new();
    if asked_at.is_empty() {
        out = asked.rest();
        told_at.first().map(|name| out.shift_remove(*name));
    } else {
        let known: Vec<&str> = asked_at.iter().chain(told_at).copied().collect();
        out.extend(chat::rest(record, &[known[0], told_at.first().copied().unwrap_or(known[0])]));
        if told_at.is_empty() {
            out.shift_remove("choices");
        }
        put(&mut out, record, asked_at, asked.rest());
    }
    if !told_at.is_empty() {
        put(&mut out, record, told_at, told.rest());
    } else if !asked_at.is_empty() {
        // The response is the record itself: what was taken of it is not extra.
        let left = told.rest();
        out.retain(|key, _| left.contains_key(key) || asked_at.first() == Some(&key.as_str()));
    }
    out
}

/// Puts what is left of an inner object, and of the one around it, under its name.
fn put(out: &mut Object, record: View<'_>, way: &[&'static str], left: Object) {
    let Some(name) = way.first() else { return };
    let mut whole = Object::new();
    if way.len() > 1
        && let Some(outer) = record.get(name)
    {
        whole.extend(chat::rest(outer, &["body"]));
        if !left.is_empty() {
            whole.insert("body".to_owned(), left.into());
        }
    } else {
        whole = left;
    }
    if !whole.is_empty() {
        out.insert((*name).to_owned(), whole.into());
    }
}
