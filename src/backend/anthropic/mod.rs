//! `anthropic`: the Messages API.
//!
//! Invariants: what came is kept raw; thinking that came with calls goes back with them as it came, signature included;
//! a stream without its end is no reply. Must not know: connections and retries, which are the transport's.

mod reply;
mod request;
mod stream;

use super::http::{Again, Body, Failure, KeyHeader, Post, Received, Server, from_value};
use super::{Backend, BackendKind, ModelReply, OpenError, Opening, Request};
use crate::model::{Object, Price, RunError};
use crate::util::redact::Redactor;
use async_trait::async_trait;
use std::sync::Arc;

pub(super) use reply::{from_message, is_message};
pub(super) use stream::assemble;

pub(super) static ITEM: BackendKind = BackendKind {
    name: "anthropic",
    about: "the Messages API: Anthropic's own with the key of ANTHROPIC_API_KEY, or set base_url in rolltape.toml",
    asks: true,
    open,
};

/// Version of the protocol.
const VERSION: &str = "2023-06-01";
/// The protocol asks for a limit; this one is used if the configuration names none.
const MAX_TOKENS: u64 = 4096;

struct Messages {
    server: Server,
}

fn open(opening: &Opening<'_>) -> Result<Arc<dyn Backend>, OpenError> {
    let server = Server::open(opening, KeyHeader::ApiKey, &[("anthropic-version", VERSION)])?;
    Ok(Arc::new(Messages { server }))
}

#[async_trait]
impl Backend for Messages {
    fn on_tape(&self) -> bool {
        false
    }

    fn model(&self) -> Option<String> {
        Some(self.server.model().to_owned())
    }

    fn params(&self) -> Object {
        let mut params = self.server.params().clone();
        params.entry("max_tokens").or_insert_with(|| MAX_TOKENS.into());
        params
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
        let body = request::body(request, self.server.model(), self.server.stream());
        let post = Post {
            path: "/v1/messages",
            body: body.to_string().into_bytes(),
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

fn read(received: Received, server: &Server) -> Result<ModelReply, Failure> {
    let status = received.status;
    let reply = match received.body {
        Body::Whole(bytes) => {
            let body = Received::json(&bytes, status)?;
            if let Some(failure) = from_value(&body, server.model(), server.key_name()) {
                return Err(failure);
            }
            from_message(&body).map_err(|why| {
                Failure::protocol(format!("sent a message that is none: {why}"), Again::Never)
            })?
        }
        Body::Events(chunks) => match assemble(&chunks) {
            Ok(reply) => ModelReply { sse: Some(chunks), ..reply },
            Err(fault) => return Err(fault.into_failure(server.model(), server.key_name())),
        },
    };
    if reply.finish_reason.as_deref() == Some("refusal") {
        let text = "cut its reply off by its content filter (stop reason refusal)";
        return Err(Failure::backend(text, Again::Never));
    }
    Ok(ModelReply { status, ..reply })
}
