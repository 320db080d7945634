//! What a server that gives no reply says, as one typed sentence.

use super::{Again, Failure, wait};
use crate::model::ErrorClass;
use hyper::header::{HeaderMap, LOCATION};
use serde_json::Value;
use std::time::Duration;

/// Characters that are quoted of what a server says.
const MAX_QUOTE: usize = 300;

/// Whom and what was asked, for the sentence.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) model: &'a str,
    /// Variable of the key; `None` if no key was sent.
    pub(super) key: Option<&'a str>,
    pub(super) path: &'a str,
}

/// A status that is not 2xx.
pub(super) fn from_status(
    status: u16,
    headers: &HeaderMap,
    body: &[u8],
    asked: Asked<'_>,
    now: jiff::Timestamp,
) -> Failure {
    if (300..400).contains(&status) {
        return redirect(status, headers);
    }
    let value = serde_json::from_slice::<Value>(body).unwrap_or(Value::Null);
    let said = Said::new(&value, body);
    judge(status, &said, asked, wait::told(headers, now))
}

/// An error that came with status 200: as a whole body, or in the middle of a stream. `None` if it is none.
pub(in crate::backend) fn from_value(value: &Value, model: &str, key: Option<&str>) -> Option<Failure> {
    let error = value.get("error").filter(|error| !error.is_null())?;
    let said = Said::new(value, value.to_string().as_bytes());
    let code = error.get("code").and_then(Value::as_u64).and_then(|code| u16::try_from(code).ok());
    let kind = said.kind.as_str();
    let status = code.filter(|code| (400..600).contains(code)).unwrap_or(match kind {
        "authentication_error" => 401,
        "permission_error" => 403,
        "rate_limit_error" | "rate_limit_exceeded" => 429,
        "overloaded_error" => 529,
        "api_error" | "server_error" | "internal_error" | "timeout_error" | "internal_server_error" => 500,
        _ => 400,
    });
    let failure = judge(status, &said, Asked { model, key, path: "" }, None);
    // The status in the sentence would be one that was never sent.
    let text = failure.text.replacen(&format!("status {status}"), "an error inside a reply of status 200", 1);
    Some(Failure { text, ..failure })
}

/// The start of what came, for a sentence about something that is no reply.
pub(in crate::backend) fn quote(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut short: String = text.chars().take(MAX_QUOTE).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    if short.is_empty() { "nothing".to_owned() } else { format!("'{short}'") }
}

/// Only the host is told: an address may carry a token.
fn redirect(status: u16, headers: &HeaderMap) -> Failure {
    let target = headers.get(LOCATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let host = target
        .split_once("//")
        .map(|(_, rest)| rest.split(['/', '?', '#']).next().unwrap_or(rest))
        .map(|authority| authority.rsplit('@').next().unwrap_or(authority));
    let to = match host {
        Some(host) if !host.is_empty() => format!("to the host '{host}'"),
        _ => "to another path of its own".to_owned(),
    };
    let text = format!(
        "points {to} (status {status}), and a key never follows a redirect; set base_url to where it points"
    );
    Failure::backend(text, Again::Never)
}

/// What a server says in its body.
struct Said {
    /// Its sentence, or the start of the body.
    text: String,
    /// Code and type, in small letters.
    kind: String,
    /// All of it in small letters, to look for words.
    words: String,
}

impl Said {
    fn new(value: &Value, body: &[u8]) -> Self {
        let error = value.get("error").unwrap_or(value);
        let word = |key: &str| error.get(key).and_then(Value::as_str);
        let text = error.as_str().or(word("message")).or(word("detail")).or(word("error"));
        let text = text.map_or_else(|| quote(body), |text| quote(text.as_bytes()));
        let kind = word("code").or(word("type")).unwrap_or_default().to_lowercase();
        let words = format!("{kind} {} {}", word("type").unwrap_or_default(), text).to_lowercase();
        Self { text, kind, words }
    }

    fn tells(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.words.contains(word))
    }

    fn of_context(&self) -> bool {
        self.tells(&[
            "context_length",
            "exceed_context",
            "context length",
            "context size",
            "context window",
            "prompt is too long",
            "input is too long",
            "too many tokens",
        ])
    }

    fn of_filter(&self) -> bool {
        self.tells(&["content_filter", "content_policy", "content management policy", "content exists risk"])
    }

    fn of_model(&self) -> bool {
        let no = [
            "not exist",
            "not found",
            "not_found",
            "no such",
            "unknown",
            "not a valid",
            "invalid model",
            "not supported",
        ];
        self.tells(&["model"]) && self.tells(&no)
    }
}

fn judge(status: u16, said: &Said, asked: Asked<'_>, told: Option<Duration>) -> Failure {
    let model = asked.model;
    let why = format!("(status {status}: {})", said.text);
    let never = |text: String| Failure::backend(text, Again::Never);
    let auth = |text: String| Failure { class: ErrorClass::BackendAuth, text, again: Again::Never };
    let key = asked.key.map(|variable| format!("the key of {variable}"));
    match status {
        401 | 403 => auth(match key {
            Some(key) => format!("refuses {key} {why}"),
            None => format!("asks for a key, and none is set up with key_env {why}"),
        }),
        402 => auth(format!("wants money for {} {why}", key.unwrap_or_else(|| "what is asked".to_owned()))),
        429 if said.tells(&["insufficient_quota"]) => auth(format!(
            "says that the quota of {} is used up {why}",
            key.unwrap_or_else(|| "the account".to_owned())
        )),
        429 => Failure::backend(format!("is asked too often {why}"), Again::Hold(told)),
        503 | 529 => Failure::backend(format!("has too much to do {why}"), Again::Hold(told)),
        501 | 505 => never(format!("can't do what is asked {why}")),
        500..=599 => Failure::backend(
            format!("failed {why}"),
            told.map_or(Again::Soon, |wait| Again::Hold(Some(wait))),
        ),
        408 => Failure::backend(format!("gave up waiting {why}"), Again::Soon),
        _ if said.of_context() => {
            never(format!("says that the conversation is too long for the model '{model}' {why}"))
        }
        _ if said.of_filter() => never(format!("refuses the conversation by its content filter {why}")),
        _ if said.of_model() => never(format!(
            "knows no model '{model}' {why}; name another with --backend NAME:MODEL or in rolltape.toml"
        )),
        404 | 405 => never(format!("has no {} below its base_url {why}", asked.path.trim_start_matches('/'))),
        _ => never(format!("refuses the request {why}")),
    }
}
