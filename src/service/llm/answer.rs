//! What the server answers: a pure function of the request, the secrets and the faults that are left.
//!
//! Source of the shapes: DeepSeek's API reference, and for 401 the body that the public server gave in a
//! recorded transcript, byte for byte.

use super::options::{Options, Route};
use crate::service::Secrets;
use crate::util::digest::sha256_hex;
use serde_json::{Map, Value, json};
use std::fmt::Write as _;

/// Whether the request showed the right key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Auth {
    Ok,
    Missing,
    Bad,
}

impl Auth {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Auth::Ok => "ok",
            Auth::Missing => "missing",
            Auth::Bad => "bad",
        }
    }

    /// Judges an `Authorization` value; the scheme's case does not count.
    pub(super) fn of(header: Option<&str>, key: &str) -> Self {
        match header.map(str::trim).filter(|value| !value.is_empty()) {
            None => Auth::Missing,
            Some(value) => match token(value) {
                Some(token) if token == key => Auth::Ok,
                _ => Auth::Bad,
            },
        }
    }
}

/// The token of a bearer value.
pub(super) fn token(value: &str) -> Option<&str> {
    let (scheme, token) = value.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// An answer before it becomes bytes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: String,
    /// Whether `body` is a stream of events.
    pub(super) stream: bool,
    pub(super) retry_after: Option<u64>,
    /// Whether the nonce is in it.
    pub(super) nonce: bool,
}

impl Answer {
    fn good(body: String, stream: bool) -> Self {
        Self { status: 200, body, stream, retry_after: None, nonce: true }
    }

    /// The error of that status with its usual sentence.
    pub(super) fn usual(status: u16, retry_after: u64) -> Self {
        let message = match status {
            400 => "Invalid request format",
            401 => "Authentication Fails (no such user)",
            402 => "Insufficient Balance",
            404 => "Not found",
            405 => "Method not allowed",
            408 => "The request body did not arrive in time",
            413 => "The request body is too large",
            422 => "Invalid parameters",
            429 => "Rate limit reached",
            503 => "The server is overloaded",
            _ => "Internal server error",
        };
        let retry_after = (status == 429).then_some(retry_after);
        Self { retry_after, ..Self::error(status, message) }
    }

    /// An error with its own sentence.
    pub(super) fn error(status: u16, message: &str) -> Self {
        let (kind, code) = match status {
            401 => ("authentication_error", "invalid_request_error"),
            402 => ("unknown_error", "invalid_request_error"),
            429 => ("rate_limit_error", "rate_limit_reached"),
            500 => ("server_error", "internal_error"),
            503 => ("server_error", "service_unavailable"),
            _ => ("invalid_request_error", "invalid_request_error"),
        };
        let body = json!({"error": {"message": message, "type": kind, "param": null, "code": code}});
        Self { status, body: body.to_string(), stream: false, retry_after: None, nonce: false }
    }
}

/// The route of a path, with or without `/v1`; a query and a final slash do not count.
pub(super) fn route(path: &str) -> Option<Route> {
    let path = path.strip_prefix("/v1").filter(|rest| rest.starts_with('/')).unwrap_or(path);
    match path.trim_end_matches('/') {
        "/chat/completions" => Some(Route::Chat),
        "/models" => Some(Route::Models),
        "/user/balance" => Some(Route::Balance),
        _ => None,
    }
}

/// A request as far as the answer depends on it.
pub(super) struct Asked<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) auth: Auth,
    /// The body as JSON; `Err` is the parser's reason.
    pub(super) body: Result<&'a Value, &'a str>,
    /// Whether it comes before the `Retry-After` of an earlier 429 is over, and that matters.
    pub(super) early: bool,
}

/// Answers. Order: path, method, key, body, then faults, so that a fault only takes the place of a good answer.
pub(super) fn answer(asked: &Asked<'_>, options: &mut Options, secrets: &Secrets) -> Answer {
    let Some(route) = route(asked.path) else {
        return Answer::error(404, &format!("There is nothing at {}", asked.path));
    };
    let wanted = if route == Route::Chat { "POST" } else { "GET" };
    if asked.method != wanted {
        return Answer::error(405, &format!("{} takes {wanted}, not {}", asked.path, asked.method));
    }
    if asked.auth != Auth::Ok {
        return Answer::usual(401, 0);
    }
    let good = match route {
        Route::Chat => chat(asked.body, options, secrets),
        Route::Models => Ok(Answer::good(models(options, secrets), false)),
        Route::Balance => Ok(Answer::good(balance(options, secrets), false)),
    };
    match good {
        Ok(_) if asked.early => Answer::usual(429, options.retry_after),
        Ok(answer) => match options.next_fault(route) {
            Some(status) => Answer::usual(status, options.retry_after),
            None => answer,
        },
        Err(refusal) => refusal,
    }
}

fn models(options: &Options, secrets: &Secrets) -> String {
    let own = format!("mock-{}", secrets.nonce);
    let list: Vec<Value> = options
        .models
        .iter()
        .chain([&own])
        .map(|id| json!({"id": id, "object": "model", "owned_by": "deepseek"}))
        .collect();
    json!({"object": "list", "data": list}).to_string()
}

fn balance(options: &Options, secrets: &Secrets) -> String {
    let available = options.balance.bytes().any(|byte| (b'1'..=b'9').contains(&byte));
    json!({
        "is_available": available,
        "balance_infos": [{
            "currency": options.currency,
            "total_balance": options.balance,
            "granted_balance": "0.00",
            "topped_up_balance": options.balance,
        }],
        "request_id": secrets.nonce,
    })
    .to_string()
}

fn chat(body: Result<&Value, &str>, options: &Options, secrets: &Secrets) -> Result<Answer, Answer> {
    let body = body.map_err(|why| Answer::error(400, &format!("The body is not JSON: {why}")))?;
    let wrong = |what: &str| Answer::error(422, what);
    let body = body.as_object().ok_or_else(|| wrong("The body must be a JSON object"))?;
    let model =
        body.get("model").and_then(Value::as_str).ok_or_else(|| wrong("The field 'model' is missing"))?;
    let last = last_message(body).map_err(wrong)?;
    // Clients send nulls for what they leave out.
    let given = |name: &str| body.get(name).filter(|value| !value.is_null());
    if given("temperature").is_some_and(|value| value.as_f64().is_none_or(|t| !(0.0..=2.0).contains(&t))) {
        return Err(wrong("The field 'temperature' must be a number from 0 to 2"));
    }
    let stream = match given("stream") {
        None => false,
        Some(value) => value.as_bool().ok_or_else(|| wrong("The field 'stream' must be true or false"))?,
    };
    if !options.models.iter().any(|known| known == model) {
        return Err(Answer::error(400, "Model Not Exist"));
    }
    let text = reply_text(&last, secrets);
    let count = |text: &str| text.chars().count().div_ceil(4) as u64;
    let (prompt, completion) = (count(&last) + 4, count(&text));
    let mut whole = json!({
        "id": id(body),
        "object": "chat.completion",
        // Fixed, so that the same request always gets the same bytes.
        "created": 1_735_689_600,
        "model": model,
        "choices": [{
            "index": 0,
            "message": {"role": "assistant", "content": text},
            "logprobs": null,
            "finish_reason": "stop",
        }],
        "usage": {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
            "prompt_tokens_details": {"cached_tokens": 0},
            "prompt_cache_hit_tokens": 0,
            "prompt_cache_miss_tokens": prompt,
        },
        "system_fingerprint": "fp_rolltape",
    });
    if stream {
        return Ok(Answer::good(events(&mut whole, &text), true));
    }
    Ok(Answer::good(whole.to_string(), false))
}

/// Text of the last message, after all of them were checked.
fn last_message(body: &Map<String, Value>) -> Result<String, &'static str> {
    let messages =
        body.get("messages").and_then(Value::as_array).ok_or("The field 'messages' must be a list")?;
    let mut last = None;
    for message in messages {
        let role = message.get("role").and_then(Value::as_str);
        if !role.is_some_and(|role| ["system", "user", "assistant", "tool"].contains(&role)) {
            return Err("Every message needs a 'role': system, user, assistant or tool");
        }
        last = Some(match message.get("content") {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Array(parts)) => {
                parts.iter().filter_map(|part| part.get("text").and_then(Value::as_str)).collect()
            }
            None | Some(Value::Null) => String::new(),
            Some(_) => return Err("The 'content' of a message must be text"),
        });
    }
    last.ok_or("The field 'messages' must not be empty")
}

/// A polite echo with the nonce; a key in the prompt is not echoed.
fn reply_text(last: &str, secrets: &Secrets) -> String {
    let heard: String = last.replace(&secrets.key, "<key>").chars().take(200).collect();
    format!("Hello! You wrote: \"{}\". My code for this answer is {}.", heard.trim(), secrets.nonce)
}

/// An id that is the same for the same request, whatever the nonce: tapes of other seeds fit.
fn id(body: &Map<String, Value>) -> String {
    let text = serde_json::to_string(body).unwrap_or_default();
    let digest = sha256_hex(text.as_bytes());
    format!("{}-{}-{}-{}-{}", &digest[..8], &digest[8..12], &digest[12..16], &digest[16..20], &digest[20..32])
}

/// The same answer as a stream of events: role, text in two pieces, end with usage.
fn events(whole: &mut Value, text: &str) -> String {
    let usage = whole["usage"].take();
    let mut out = String::new();
    let mut event = |delta: Value, finish: Value, usage: Option<&Value>| {
        let mut chunk = json!({
            "id": whole["id"], "object": "chat.completion.chunk", "created": whole["created"],
            "model": whole["model"], "system_fingerprint": whole["system_fingerprint"],
            "choices": [{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}],
        });
        if let Some(usage) = usage {
            chunk["usage"] = usage.clone();
        }
        // Writing to a string can't fail.
        let _ = write!(out, "data: {chunk}\n\n");
    };
    let middle = text.char_indices().nth(text.chars().count() / 2).map_or(0, |(at, _)| at);
    event(json!({"role": "assistant", "content": ""}), Value::Null, None);
    event(json!({"content": text[..middle]}), Value::Null, None);
    event(json!({"content": text[middle..]}), Value::Null, None);
    event(json!({"content": ""}), json!("stop"), Some(&usage));
    out.push_str("data: [DONE]\n\n");
    out
}
