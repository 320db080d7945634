//! `openai_chat`: chat completions, as OpenAI made them and many servers speak them.
//!
//! Invariants: what came is kept raw, as one body or as the events of a stream; a stream without its finish reason is
//! no reply. Must not know: connections and retries, which are the transport's.

mod stream;

use super::http::{Again, Body, Failure, KeyHeader, Post, Received, Server, from_value};
use super::recorded::Fault;
use super::{Backend, BackendKind, ModelReply, OpenError, Opening, Request, chat};
use crate::model::{Object, Price, RunError, ToolDef};
use crate::util::redact::Redactor;
use async_trait::async_trait;
use serde_json::{Value, json};
use std::sync::Arc;

pub(super) use stream::assemble;

pub(super) static ITEM: BackendKind = BackendKind {
    name: "openai_chat",
    about: "any server with /chat/completions: set base_url in rolltape.toml, or take a preset below",
    asks: true,
    open,
};

struct Chat {
    server: Server,
}

fn open(opening: &Opening<'_>) -> Result<Arc<dyn Backend>, OpenError> {
    Ok(Arc::new(Chat { server: Server::open(opening, KeyHeader::Bearer, &[])? }))
}

#[async_trait]
impl Backend for Chat {
    fn on_tape(&self) -> bool {
        false
    }

    fn model(&self) -> Option<String> {
        Some(self.server.model().to_owned())
    }

    fn params(&self) -> Object {
        self.server.params().clone()
    }

    fn price(&self) -> Option<Price> {
        self.server.price()
    }

    fn warnings(&self) -> Vec<String> {
        self.server.warnings()
    }

    fn secrets(&self) -> Vec<(String, String)> {
        self.server.secrets()
    }

    fn notes(&self) -> Vec<String> {
        self.server.notes()
    }

    async fn complete(&self, request: &Request<'_>, secrets: &Redactor) -> Result<ModelReply, RunError> {
        let post = Post {
            path: "/chat/completions",
            body: self.body(request).to_string().into_bytes(),
            is_end: stream::is_end,
            turn: request.turn,
            troubles: &request.troubles,
            secrets,
        };
        let reply = self.server.ask(&post, |received| read(received, &self.server)).await?;
        self.server.answered(reply.model.as_deref());
        Ok(reply)
    }
}

impl Chat {
    fn body(&self, request: &Request) -> Value {
        let mut body = Object::new();
        body.insert("model".to_owned(), self.server.model().into());
        let messages = request.messages.iter().map(|message| Value::Object(chat::message(message)));
        body.insert("messages".to_owned(), messages.collect());
        body.extend(request.params.clone());
        if let Some(tools) = request.tools.as_ref().filter(|tools| !tools.is_empty()) {
            body.insert("tools".to_owned(), tools.iter().map(tool).collect());
        }
        body.insert("stream".to_owned(), self.server.stream().into());
        if self.server.stream() {
            body.insert("stream_options".to_owned(), json!({"include_usage": true}));
        }
        Value::Object(body)
    }
}

fn tool(tool: &ToolDef) -> Value {
    let function = json!({"name": tool.name, "description": tool.description, "parameters": tool.parameters});
    json!({"type": "function", "function": function})
}

fn read(received: Received, server: &Server) -> Result<ModelReply, Failure> {
    let status = received.status;
    let reply = match received.body {
        Body::Whole(bytes) => {
            let body = Received::json(&bytes, status)?;
            if let Some(failure) = from_value(&body, server.model(), server.key_name()) {
                return Err(failure);
            }
            let broken =
                |why| Failure::protocol(format!("sent a chat completion that is none: {why}"), Again::Never);
            let reply = chat::from_body(&body).map_err(broken)?;
            if says_nothing(&body) {
                let text = "sent a message with neither text nor calls (its content is null)";
                return Err(Failure::protocol(text, Again::Soon));
            }
            reply
        }
        Body::Events(chunks) => match stream::assemble(&chunks) {
            Ok(reply) => ModelReply { sse: Some(chunks), ..reply },
            Err(fault) => return Err(fault.into_failure(server.model(), server.key_name())),
        },
    };
    match reply.finish_reason.as_deref() {
        Some("content_filter") => Err(Failure::backend(
            "cut its reply off by its content filter (finish reason content_filter)",
            Again::Never,
        )),
        Some(reason @ ("insufficient_system_resource" | "error")) => Err(Failure::backend(
            format!("gave up in the middle of its reply (finish reason {reason})"),
            Again::Soon,
        )),
        _ => Ok(ModelReply { status, ..reply }),
    }
}

/// Whether the content is null and nothing stands in its place. An empty text is the model's own; this is not.
fn says_nothing(body: &Value) -> bool {
    let message = &body["choices"][0]["message"];
    let calls = message.get("tool_calls").and_then(Value::as_array).is_some_and(|calls| !calls.is_empty());
    message["content"].is_null() && !calls && chat::reasoning(message).is_none()
}

impl Fault {
    /// As the transport takes it.
    pub(super) fn into_failure(self, model: &str, key: Option<&str>) -> Failure {
        match self {
            Fault::Error(value) => from_value(&value, model, key)
                .unwrap_or_else(|| Failure::protocol("broke off its stream with an error", Again::Soon)),
            Fault::Cut => {
                Failure::protocol("broke off its stream: it ended without a finish reason", Again::Soon)
            }
            Fault::Broken(why) => {
                Failure::protocol(format!("sent a stream that is none: {why}"), Again::Never)
            }
        }
    }
}
