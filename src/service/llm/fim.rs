//! `/beta/completions`: text between a beginning and an end.
//!
//! The answer is a comment that tells how many characters stand before and after, so that it depends on both, and
//! carries the nonce.

use super::answer::Answer;
use super::body::{Body, refused, wrong};
use super::chat::{CREATED, FINGERPRINT, Frame, id};
use super::options::Options;
use super::stream;
use super::usage::{FRAME, Usage, tokens};
use crate::service::Secrets;
use serde_json::{Value, json};

pub(super) fn answer(
    body: Result<&Value, &str>,
    beta: bool,
    options: &Options,
    secrets: &Secrets,
) -> Result<Answer, Answer> {
    if !beta {
        return Err(refused(
            "completions api is only available when using beta api (set base_url to end in /beta)",
        ));
    }
    let body = Body::of(body)?;
    let model = body.model()?;
    let prompt = body.object().get("prompt").and_then(Value::as_str);
    let prompt = prompt.ok_or_else(|| wrong("The field 'prompt' must be text"))?;
    let suffix = match body.given("suffix") {
        None => "",
        Some(value) => value.as_str().ok_or_else(|| wrong("The field 'suffix' must be text"))?,
    };
    body.number("temperature", 0.0, 2.0)?;
    body.number("top_p", 0.0, 1.0)?;
    body.number("frequency_penalty", -2.0, 2.0)?;
    body.number("presence_penalty", -2.0, 2.0)?;
    body.number("logprobs", 0.0, 20.0)?;
    let echo = body.flag("echo")?;
    let stream = body.stream()?;
    let ends = body.ends()?;
    Body::known(model, options)?;
    if model.ends_with("reasoner") {
        return Err(refused(format!("{model} does not support FIM completion")));
    }
    if echo && !suffix.is_empty() {
        return Err(refused("'echo' does not go together with 'suffix'"));
    }
    let length = |text: &str| text.chars().count();
    let mut text = format!(
        " # filled in: {} characters before, {} after, code {}\n",
        length(prompt),
        length(suffix),
        secrets.nonce
    );
    let finish = ends.cut(&mut text, ends.max_tokens);
    let usage = Usage {
        prompt: tokens(prompt) + tokens(suffix) + FRAME,
        completion: tokens(&text),
        ..Usage::default()
    };
    if echo {
        text.insert_str(0, &prompt.replace(&secrets.key, "<key>"));
    }
    let nonce = text.contains(&secrets.nonce);
    let id = id(body.object());
    let frame = Frame { id: &id, model };
    if let Some(apart) = stream {
        return Ok(Answer::events(stream::fim(&frame, &text, finish, usage, apart), nonce));
    }
    let whole = json!({
        "id": id,
        "object": "text_completion",
        "created": CREATED,
        "model": model,
        "choices": [{"text": text, "index": 0, "logprobs": null, "finish_reason": finish}],
        "usage": usage.json(),
        "system_fingerprint": FINGERPRINT,
    });
    Ok(Answer::good(&whole, nonce))
}
