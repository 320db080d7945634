//! `/chat/completions`: from a request to an answer, whole or in events.

use super::answer::Answer;
use super::body::{Body, refused, wrong};
use super::messages::{self, Message, Role};
use super::options::Options;
use super::stream;
use super::tools::{self, Call};
use super::usage::{FRAME, Usage, tokens};
use super::words;
use crate::model::Object;
use crate::service::Secrets;
use crate::util::digest::sha256_hex;
use serde_json::{Value, json};

/// Fixed, so that the same request always gets the same bytes.
pub(super) const CREATED: u64 = 1_735_689_600;
pub(super) const FINGERPRINT: &str = "fp_rolltape";

/// What the assistant says, before it becomes bytes.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Spoken {
    pub(super) content: String,
    /// `None`: the model does not reason.
    pub(super) reasoning: Option<String>,
    pub(super) call: Option<Call>,
    pub(super) finish: &'static str,
}

pub(super) fn answer(
    body: Result<&Value, &str>,
    beta: bool,
    options: &Options,
    secrets: &Secrets,
) -> Result<Answer, Answer> {
    let body = Body::of(body)?;
    let model = body.model()?;
    let messages = messages::read(body, beta)?;
    numbers(body)?;
    let stream = body.stream()?;
    let ends = body.ends()?;
    Body::known(model, options)?;
    let reasons = model.ends_with("reasoner");
    let (tools, choice) = tools::read(body)?;
    if reasons {
        reasoner(body, &messages, tools.is_empty())?;
    }
    let json = json_mode(body, &messages)?;
    let mut spoken = Spoken { finish: "stop", ..Spoken::default() };
    spoken.call = tools::call(&messages, &tools, &choice, &options.tool_arguments);
    let said = words::say(&messages, secrets);
    let prefix = messages.last().is_some_and(|message| message.prefix);
    spoken.content = match (&spoken.call, json, prefix) {
        (Some(_), ..) => String::new(),
        (None, true, _) => json!({"reply": said.text, "code": secrets.nonce}).to_string(),
        (None, false, true) => format!(" And so it goes on. {}", said.code),
        (None, false, false) => said.whole(),
    };
    if reasons {
        spoken.reasoning = Some(reasoning(&messages, options, secrets));
    }
    // A key that came in by any way goes out by none.
    hide(&mut spoken, &secrets.key);
    if let Some(reasoning) = &mut spoken.reasoning
        && ends.max_tokens.is_some_and(|most| tokens(reasoning) >= most)
    {
        super::body::Ends { stop: Vec::new(), ..ends.clone() }.cut(reasoning, ends.max_tokens);
        spoken.content.clear();
        spoken.finish = "length";
    } else if spoken.call.is_some() {
        spoken.finish = "tool_calls";
    } else {
        let thought = spoken.reasoning.as_deref().map_or(0, tokens);
        spoken.finish = ends.cut(&mut spoken.content, ends.max_tokens.map(|most| most - thought));
    }
    let usage = usage(&messages, &spoken);
    let nonce = spoken.content.contains(&secrets.nonce);
    let id = id(body.object());
    let frame = Frame { id: &id, model };
    Ok(match stream {
        Some(apart) => Answer::events(stream::chat(&frame, &spoken, usage, apart), nonce),
        None => Answer::good(&frame.whole(&spoken, usage), nonce),
    })
}

fn numbers(body: Body<'_>) -> Result<(), Answer> {
    body.number("temperature", 0.0, 2.0)?;
    body.number("top_p", 0.0, 1.0)?;
    body.number("frequency_penalty", -2.0, 2.0)?;
    body.number("presence_penalty", -2.0, 2.0)?;
    body.number("top_logprobs", 0.0, 20.0)
}

/// What a reasoning model does not take. Sampling parameters are ignored, as the reference says.
fn reasoner(body: Body<'_>, messages: &[Message], no_tools: bool) -> Result<(), Answer> {
    if !no_tools {
        return Err(refused("deepseek-reasoner does not support Function Calling"));
    }
    if body.flag("logprobs")? || body.given("top_logprobs").is_some() {
        return Err(refused("deepseek-reasoner does not support the parameter 'logprobs' or 'top_logprobs'"));
    }
    match messages.last() {
        Some(last) if last.role != Role::User && !last.prefix => Err(refused(
            "The last message of deepseek-reasoner must be a user message, or an assistant message with prefix \
             mode enabled",
        )),
        _ => Ok(()),
    }
}

/// Whether a JSON object was asked for.
fn json_mode(body: Body<'_>, messages: &[Message]) -> Result<bool, Answer> {
    let Some(format) = body.given("response_format") else { return Ok(false) };
    match format.get("type").and_then(Value::as_str) {
        Some("text") => Ok(false),
        Some("json_object") => {
            let told = messages.iter().any(|message| message.text.to_ascii_lowercase().contains("json"));
            told.then_some(true).ok_or_else(|| {
                refused(
                    "Prompt must contain the word 'json' in some form to use 'response_format' of type 'json_object'.",
                )
            })
        }
        Some(_) => Err(refused("This response_format type is unavailable now")),
        None => Err(wrong("The field 'response_format' needs a 'type': text or json_object")),
    }
}

fn reasoning(messages: &[Message], options: &Options, secrets: &Secrets) -> String {
    let last = messages.last().map_or("", |message| message.text.as_str());
    let mut text =
        format!("The user wrote: \"{}\". I greet them and give my code.", words::heard(last, secrets));
    if let Some(more) = &options.reasoning {
        text.push(' ');
        text.push_str(more);
    }
    text
}

fn hide(spoken: &mut Spoken, key: &str) {
    let texts = [
        Some(&mut spoken.content),
        spoken.reasoning.as_mut(),
        spoken.call.as_mut().map(|c| &mut c.arguments),
    ];
    for text in texts.into_iter().flatten() {
        if text.contains(key) {
            *text = text.replace(key, "<key>");
        }
    }
}

fn usage(messages: &[Message], spoken: &Spoken) -> Usage {
    let cost = |messages: &[Message]| messages.iter().map(|message| tokens(&message.text) + FRAME).sum();
    let answered = messages.iter().rposition(|message| message.role == Role::Assistant && !message.prefix);
    let reasoning = spoken.reasoning.as_deref().map(tokens);
    let call = spoken.call.as_ref().map_or(0, |call| tokens(&call.name) + tokens(&call.arguments));
    Usage {
        prompt: cost(messages),
        seen: answered.map_or(0, |at| cost(&messages[..at])),
        completion: tokens(&spoken.content) + call + reasoning.unwrap_or(0),
        reasoning,
    }
}

/// An id that is the same for the same request, whatever the nonce: tapes of other seeds fit.
pub(super) fn id(body: &Object) -> String {
    let text = serde_json::to_string(body).unwrap_or_default();
    let digest = sha256_hex(text.as_bytes());
    format!("{}-{}-{}-{}-{}", &digest[..8], &digest[8..12], &digest[12..16], &digest[16..20], &digest[20..32])
}

/// What all parts of an answer carry.
pub(super) struct Frame<'a> {
    pub(super) id: &'a str,
    pub(super) model: &'a str,
}

impl Frame<'_> {
    fn whole(&self, spoken: &Spoken, usage: Usage) -> Value {
        let mut message = json!({"role": "assistant", "content": spoken.content});
        if let Some(reasoning) = &spoken.reasoning {
            message["reasoning_content"] = json!(reasoning);
        }
        if let Some(call) = &spoken.call {
            message["tool_calls"] = json!([self.call(call)]);
        }
        json!({
            "id": self.id,
            "object": "chat.completion",
            "created": CREATED,
            "model": self.model,
            "choices": [{"index": 0, "message": message, "logprobs": null, "finish_reason": spoken.finish}],
            "usage": usage.json(),
            "system_fingerprint": FINGERPRINT,
        })
    }

    pub(super) fn call(&self, call: &Call) -> Value {
        json!({
            "index": 0,
            "id": format!("call_0_{}", self.id),
            "type": "function",
            "function": {"name": call.name, "arguments": call.arguments},
        })
    }
}
