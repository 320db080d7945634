//! `echo`: replies with the last user prompt. For trying things out and for measuring the harness.

use super::{Backend, BackendKind, ModelReply, OpenError, Opening, Request, Role, chat};
use crate::model::{Object, RunError};
use crate::util::redact::Redactor;
use async_trait::async_trait;
use std::sync::Arc;

pub(super) static ITEM: BackendKind =
    BackendKind { name: "echo", about: "replies with the last user prompt", asks: false, open };

struct Echo;

fn open(opening: &Opening<'_>) -> Result<Arc<dyn Backend>, OpenError> {
    match opening.arg {
        None => Ok(Arc::new(Echo)),
        Some(arg) => Err((
            format!("the back end 'echo' takes nothing after a colon, but got '{arg}'"),
            Some("write --backend echo".to_owned()),
        )),
    }
}

#[async_trait]
impl Backend for Echo {
    fn on_tape(&self) -> bool {
        true
    }

    fn model(&self) -> Option<String> {
        None
    }

    fn params(&self) -> Object {
        Object::new()
    }

    async fn complete(&self, request: &Request<'_>, _secrets: &Redactor) -> Result<ModelReply, RunError> {
        let last = request.messages.iter().rev().find(|message| message.role == Role::User);
        let mut reply = ModelReply {
            text: last.map(|message| message.content.clone()).unwrap_or_default(),
            finish_reason: Some("stop".to_owned()),
            status: 200,
            ..ModelReply::default()
        };
        reply.body = Some(chat::to_body(&reply));
        Ok(reply)
    }
}
