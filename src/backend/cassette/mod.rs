//! `cassette:PATH`: replays recorded exchanges by position.
//!
//! Position is task, subject, attempt, turn and the replies so far. Invariants: what was recorded is what is
//! replied; an observation that differs is drift, told with a diff, never an error; a conversation that leaves the
//! tape is `cassette_miss`, never a made-up reply. Comparisons are made on redacted text.

mod tape;

use super::{Backend, BackendKind, ModelReply, OpenError, Opening, Request, cassette_miss, files, recorded};
use crate::diff::unified;
use crate::model::{Arguments, CassetteLine, Drift, ErrorClass, Object, Price, RunError, ToolCall};
use crate::util::redact::Redactor;
use async_trait::async_trait;
use serde_json::Value;
use std::fmt::Write as _;
use std::sync::Arc;
use tape::Tape;

pub(super) static ITEM: BackendKind = BackendKind {
    name: "cassette",
    about: "replays recorded exchanges: cassette:FILE or FOLDER",
    asks: false,
    open,
};

/// Bytes of the diff of one drift.
const MAX_DIFF: usize = 4096;

struct Cassette {
    tape: Tape,
    warnings: Vec<String>,
    /// For lines whose cost was not recorded.
    price: Option<Price>,
}

fn open(opening: &Opening<'_>) -> Result<Arc<dyn Backend>, OpenError> {
    let mut path = files::named("cassette", opening.arg, opening.base, "trajectories/deepseek-api")?;
    if path.is_dir() {
        let inside = path.join("cassette.jsonl");
        if !inside.exists() {
            let message = format!("the folder {} has no cassette.jsonl", path.display());
            let hint = "name a run folder, or a folder under trajectories/ that holds a recording";
            return Err((message, Some(hint.to_owned())));
        }
        path = inside;
    }
    let bytes = files::read(&path, "cassette")?;
    let (tape, warnings) = tape::read(&path.display().to_string(), &bytes)?;
    Ok(Arc::new(Cassette { tape, warnings, price: opening.settings.price }))
}

#[async_trait]
impl Backend for Cassette {
    fn on_tape(&self) -> bool {
        true
    }

    fn model(&self) -> Option<String> {
        self.tape.model.clone()
    }

    fn params(&self) -> Object {
        Object::new()
    }

    fn price(&self) -> Option<Price> {
        self.price
    }

    fn warnings(&self) -> Vec<String> {
        self.warnings.clone()
    }

    async fn complete(&self, request: &Request<'_>, secrets: &Redactor) -> Result<ModelReply, RunError> {
        let line = self.tape.find(request).map_err(cassette_miss)?;
        let mut reply = replay(line, secrets).map_err(|why| {
            let message = format!(
                "the reply of task '{}', attempt {}, turn {} in {} can't be replayed: {why}",
                line.task, line.attempt, line.turn, self.tape.path
            );
            RunError::new(ErrorClass::BackendProtocol, message)
        })?;
        reply.drift = drift(line, request, secrets);
        Ok(reply)
    }
}

/// The recorded reply with this attempt's values in the place of placeholders.
fn replay(line: &CassetteLine, secrets: &Redactor) -> Result<ModelReply, String> {
    if !(200..300).contains(&line.status) {
        return Err(format!("it has the status {}", line.status));
    }
    let mut reply = match (&line.body, &line.sse) {
        (Some(body), _) => recorded::from_body(&restore(body.clone(), secrets))?,
        (None, Some(chunks)) => whole(recorded::from_stream(chunks)?, secrets),
        (None, None) => return Err("it has no body".to_owned()),
    };
    reply.status = line.status;
    reply.usage = line.usage.or(reply.usage);
    Ok(reply)
}

/// A streamed reply with this attempt's values. The events stay as they are on the tape.
fn whole(reply: ModelReply, secrets: &Redactor) -> ModelReply {
    let text = |text: &str| secrets.restore(text);
    let call = |call: ToolCall| ToolCall {
        name: text(&call.name),
        arguments: match &call.arguments.raw {
            Some(raw) => Arguments::text(text(raw)),
            None => Arguments {
                raw: None,
                parsed: call.arguments.parsed.map(|object| match restore(Value::Object(object), secrets) {
                    Value::Object(object) => object,
                    _ => Object::new(),
                }),
            },
        },
        ..call
    };
    ModelReply {
        text: text(&reply.text),
        reasoning: reply.reasoning.as_deref().map(text),
        calls: reply.calls.into_iter().map(call).collect(),
        ..reply
    }
}

fn restore(value: Value, secrets: &Redactor) -> Value {
    match value {
        Value::String(text) => Value::String(secrets.restore(&text)),
        Value::Array(items) => Value::Array(items.into_iter().map(|item| restore(item, secrets)).collect()),
        Value::Object(object) => {
            Value::Object(object.into_iter().map(|(key, item)| (key, restore(item, secrets))).collect())
        }
        other => other,
    }
}

/// The difference between the messages on the tape and those of now, if there is one.
fn drift(line: &CassetteLine, request: &Request<'_>, secrets: &Redactor) -> Option<Drift> {
    // A result of a call is headed by the call that it answers.
    let head =
        |role: &str, call: Option<&str>| call.map_or_else(|| role.to_owned(), |id| format!("{role} {id}"));
    let now: Vec<(String, String)> = request
        .new_messages()
        .map(|message| {
            let role = head(message.role.as_str(), message.call_id.as_deref());
            (role, secrets.redact(&message.content).into_owned())
        })
        .collect();
    let field = |message: &Object, key: &str| message.get(key).and_then(Value::as_str).map(str::to_owned);
    let then: Vec<(String, String)> = line
        .new_messages
        .iter()
        .map(|message| {
            let role = field(message, "role").unwrap_or_default();
            let call = field(message, "tool_call_id");
            (head(&role, call.as_deref()), field(message, "content").unwrap_or_default())
        })
        .collect();
    let same = now.len() == then.len()
        && now.iter().zip(&then).all(|(now, then)| now.0 == then.0 && now.1 == then.1);
    if same {
        return None;
    }
    // A first message with one role needs no heading; the roles differ only when an agent was changed.
    let headed = now.len() != 1 || then.len() != 1 || now[0].0 != then[0].0;
    let text = |role: &str, content: &str, out: &mut String| {
        if headed {
            // Writing to a string can't fail.
            let _ = writeln!(out, "[{role}]");
        }
        out.push_str(content);
        out.push('\n');
    };
    let (mut old, mut new) = (String::new(), String::new());
    for (role, content) in &then {
        text(role, content, &mut old);
    }
    for (role, content) in &now {
        text(role, content, &mut new);
    }
    Some(Drift { turn: request.turn, diff: unified(&old, &new, "tape", "now", MAX_DIFF) })
}
