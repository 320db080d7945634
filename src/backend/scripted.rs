//! `scripted:PATH`: replies from a TOML file, in order for each task and attempt.
//!
//! ```toml
//! schema = 1
//! price = { input = 0.28, cached = 0.028, output = 0.42 }   # USD a million tokens
//! live = true          # its price is spent, as if it were a server's: to try out limits of money
//! [[reply]]
//! task = "hello"
//! attempt = 1          # left out: for every attempt that has no replies of its own
//! text = '''…'''      # may be left out where there are calls
//! calls = [{ id = "c1", name = "think", arguments = '{"thought": "hm"}' }]
//! finish_reason = "stop"
//! reasoning = "…"
//! usage = { prompt_tokens = 10, completion_tokens = 5, cached_tokens = 0 }
//! ```

use super::wire::UsageWire;
use super::{Backend, BackendKind, ModelReply, OpenError, Opening, Request, chat, files};
use crate::model::{Arguments, ErrorClass, Object, Price, RunError, ToolCall};
use crate::util::plural::plural;
use crate::util::redact::Redactor;
use async_trait::async_trait;
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::Arc;

pub(super) static ITEM: BackendKind =
    BackendKind { name: "scripted", about: "replies from a TOML file: scripted:PATH", asks: false, open };

const HINT: &str = "a script has 'schema = 1' and [[reply]] tables with 'task' and 'text' or 'calls'";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Script {
    schema: u32,
    #[serde(default)]
    model: Option<String>,
    price: Option<Priced>,
    #[serde(default)]
    live: bool,
    #[serde(default)]
    reply: Vec<Scripted>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Scripted {
    task: String,
    attempt: Option<u32>,
    text: Option<String>,
    #[serde(default)]
    calls: Vec<Call>,
    finish_reason: Option<String>,
    reasoning: Option<String>,
    usage: Option<UsageWire>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Call {
    /// Left out: a call without one, as broken servers send it.
    #[serde(default)]
    id: String,
    name: String,
    arguments: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Priced {
    input: f64,
    cached: Option<f64>,
    output: f64,
}

impl Scripted {
    fn reply(self, model: Option<String>) -> ModelReply {
        let call = |call: Call| ToolCall {
            id: call.id,
            name: call.name,
            arguments: Arguments::text(call.arguments),
            extra: Object::new(),
            place: None,
        };
        let usual = if self.calls.is_empty() { "stop" } else { "tool_calls" };
        let mut reply = ModelReply {
            text: self.text.unwrap_or_default(),
            calls: self.calls.into_iter().map(call).collect(),
            reasoning: self.reasoning,
            finish_reason: Some(self.finish_reason.unwrap_or_else(|| usual.to_owned())),
            usage: self.usage.map(Into::into),
            model,
            status: 200,
            ..ModelReply::default()
        };
        reply.body = Some(chat::to_body(&reply));
        reply
    }
}

struct Player {
    path: String,
    model: Option<String>,
    price: Option<Price>,
    live: bool,
    replies: HashMap<(String, Option<u32>), Vec<ModelReply>>,
}

fn open(opening: &Opening<'_>) -> Result<Arc<dyn Backend>, OpenError> {
    let path = files::named("scripted", opening.arg, opening.base, "replies.toml")?;
    let shown = path.display().to_string();
    let bytes = files::read(&path, "script")?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        (format!("the script {shown} is not UTF-8 from byte {at} on"), Some(HINT.to_owned()))
    })?;
    let script: Script = toml::from_str(&text).map_err(|error| {
        let place = error.span().map(|span| place(&text, span.start)).unwrap_or_default();
        let what = error.message().lines().next().unwrap_or("it is not TOML").to_owned();
        (format!("the script {shown}{place} can't be read: {what}"), Some(HINT.to_owned()))
    })?;
    if script.schema != 1 {
        let message = format!("the script {shown} has schema {}, and this version reads 1", script.schema);
        return Err((message, Some(HINT.to_owned())));
    }
    if script.reply.is_empty() {
        return Err((format!("the script {shown} has no reply"), Some(HINT.to_owned())));
    }
    let mut replies: HashMap<_, Vec<ModelReply>> = HashMap::new();
    for scripted in script.reply {
        if scripted.text.is_none() && scripted.calls.is_empty() {
            let task = scripted.task;
            let message =
                format!("a reply of the script {shown} for task '{task}' has neither 'text' nor 'calls'");
            return Err((message, Some(HINT.to_owned())));
        }
        let position = (scripted.task.clone(), scripted.attempt);
        replies.entry(position).or_default().push(scripted.reply(script.model.clone()));
    }
    let price =
        script.price.map(|price| Price { input: price.input, cached: price.cached, output: price.output });
    let bad = |price: &Price| {
        [Some(price.input), price.cached, Some(price.output)]
            .iter()
            .flatten()
            .any(|usd| !usd.is_finite() || *usd < 0.0)
    };
    if price.as_ref().is_some_and(bad) {
        let message = format!("the price of the script {shown} is below nothing, or no number");
        return Err((message, Some("prices are US dollars a million tokens".to_owned())));
    }
    let price = opening.settings.price.or(price);
    Ok(Arc::new(Player { path: shown, model: script.model, price, live: script.live, replies }))
}

/// `:line:column` of a byte, both from 1.
fn place(text: &str, at: usize) -> String {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    format!(":{line}:{column}")
}

#[async_trait]
impl Backend for Player {
    fn on_tape(&self) -> bool {
        // Nothing is spent on a script either, unless it plays a server.
        !self.live
    }

    fn model(&self) -> Option<String> {
        self.model.clone()
    }

    fn params(&self) -> Object {
        Object::new()
    }

    fn price(&self) -> Option<Price> {
        self.price
    }

    async fn complete(&self, request: &Request<'_>, _secrets: &Redactor) -> Result<ModelReply, RunError> {
        let (task, attempt) = (&request.attempt.task, request.attempt.n);
        let of = |attempt| self.replies.get(&(task.clone(), attempt));
        let failed = |what: String| RunError::new(ErrorClass::Backend, what);
        let Some(replies) = of(Some(attempt)).or_else(|| of(None)) else {
            return Err(failed(format!(
                "the script {} has no reply for task '{task}', attempt {attempt}",
                self.path
            )));
        };
        let turn = request.turn as usize;
        turn.checked_sub(1).and_then(|index| replies.get(index)).cloned().ok_or_else(|| {
            failed(format!(
                "the script {} has {} for task '{task}', attempt {attempt}, and turn {turn} asks for one more",
                self.path,
                plural(replies.len(), "reply").replace("replys", "replies"),
            ))
        })
    }
}
