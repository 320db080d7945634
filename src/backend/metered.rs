//! The back end as an agent sees it: counted, limited, recorded, redacted.

use super::{Backend, ChatMessage, ModelReply, Request, Stop, Troubles, chat, recorded};
use crate::model::{
    AttemptId, CassetteLine, Drift, Exchanged, LimitKind, Object, Scope, SseChunk, ToolDef, Usage,
};
use crate::util::digest::sha256_hex;
use crate::util::redact::Redactor;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::sync::mpsc::UnboundedSender;

/// What an attempt may use of a model.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Budget {
    /// Turns.
    pub turns: Option<u32>,
    /// Prompt and completion tokens together.
    pub tokens: Option<u64>,
}

/// A back end with the attempt's counters around it.
pub struct Metered {
    backend: Arc<dyn Backend>,
    attempt: AttemptId,
    params: Object,
    budget: Budget,
    redactor: Redactor,
    exchanges: Option<UnboundedSender<Exchanged>>,
    turns: u32,
    used_tokens: u64,
    usage: Option<Usage>,
    replies: String,
    seen: usize,
    drift: Vec<Drift>,
    troubles: Troubles,
}

impl Metered {
    /// Wraps `backend` for one attempt.
    pub fn new(
        backend: Arc<dyn Backend>,
        attempt: AttemptId,
        params: Object,
        budget: Budget,
        redactor: Redactor,
        exchanges: Option<UnboundedSender<Exchanged>>,
    ) -> Self {
        Self {
            backend,
            attempt,
            params,
            budget,
            redactor,
            exchanges,
            turns: 0,
            used_tokens: 0,
            usage: None,
            replies: String::new(),
            seen: 0,
            drift: Vec::new(),
            troubles: Troubles::new(),
        }
    }

    /// The same counters with nobody recording any more.
    #[must_use]
    pub fn silent(self) -> Self {
        Self { exchanges: None, ..self }
    }

    /// Turns so far.
    pub fn turns(&self) -> u32 {
        self.turns
    }

    /// Usage so far; unknown as soon as one reply did not tell.
    pub fn usage(&self) -> Usage {
        self.usage.unwrap_or_else(Usage::zero)
    }

    /// Drift so far.
    pub fn drift(&self) -> &[Drift] {
        &self.drift
    }

    /// What back ends had to try again; the list goes on while this is away.
    pub fn troubles(&self) -> Troubles {
        self.troubles.clone()
    }

    /// Whether replies come from a tape.
    pub fn on_tape(&self) -> bool {
        self.backend.on_tape()
    }

    /// One reply to the conversation so far. A limit that is already reached stops before the call.
    pub async fn complete(
        &mut self,
        messages: &[ChatMessage],
        tools: Option<Vec<ToolDef>>,
    ) -> Result<ModelReply, Stop> {
        if self.budget.turns.is_some_and(|max| self.turns >= max) {
            return Err(Stop::Limit(LimitKind::Turns));
        }
        if self.budget.tokens.is_some_and(|max| self.used_tokens >= max) {
            return Err(Stop::Limit(LimitKind::Tokens));
        }
        let request = Request {
            attempt: self.attempt.clone(),
            scope: Scope::Agent,
            turn: self.turns + 1,
            messages: messages.to_vec(),
            params: self.params.clone(),
            tools,
            new_from: self.seen.min(messages.len()),
            prefix_sha256: sha256_hex(self.replies.as_bytes()),
            troubles: self.troubles.clone(),
        };
        let reply = self.backend.complete(&request, &self.redactor).await?;
        self.turns += 1;
        let usage = reply.usage.unwrap_or_default();
        self.used_tokens += usage.total_tokens().unwrap_or(0);
        self.usage = Some(self.usage.map_or(usage, |sum| sum.plus(usage)));
        self.drift.extend(reply.drift.clone());
        self.record(&request, &reply);
        self.seen = messages.len() + 1;
        Ok(reply)
    }

    fn record(&mut self, request: &Request, reply: &ModelReply) {
        self.replies.push_str(&self.redactor.redact(&reply.text));
        for call in &reply.calls {
            // Ids are by chance, so that a tape fits without them.
            let text = format!("\u{1}{}\u{1}{}", call.name, chat::arguments(call));
            self.replies.push_str(&self.redactor.redact(&text));
        }
        self.replies.push('\0');
        let Some(exchanges) = &self.exchanges else { return };
        let sse = reply.sse.as_ref().and_then(|chunks| self.stream(chunks, reply));
        let new_messages =
            request.new_messages().map(|message| self.redacted(&chat::message(message))).collect();
        let line = CassetteLine {
            scope: request.scope,
            suite: self.attempt.suite.clone(),
            task: self.attempt.task.clone(),
            subject: self.attempt.subject.clone(),
            attempt: self.attempt.n,
            turn: request.turn,
            prefix_sha256: request.prefix_sha256.clone(),
            new_messages,
            params: self.redacted(&request.params),
            tools_sha256: request.tools.as_deref().map(tools_digest).unwrap_or_default(),
            status: reply.status,
            body: match (&reply.body, &sse) {
                (None, None) => Some(chat::to_body(reply)),
                (body, _) => body.clone(),
            }
            .map(|body| self.redactor.redact_value(body)),
            sse,
            usage: reply.usage,
        };
        // A closed channel means that the run is over; the reply itself is still good.
        let _ = exchanges.send(Exchanged { attempt: self.attempt.clone(), line });
    }

    /// Messages and parameters may carry a key.
    fn redacted(&self, object: &Object) -> Object {
        match self.redactor.redact_value(Value::Object(object.clone())) {
            Value::Object(object) => object,
            _ => Object::new(),
        }
    }

    /// A stream without secrets. One that comes in pieces can't be found in any of them, and what is taken out of a
    /// piece may not be what is taken out of the whole; then there is none, and the body that is made of the reply
    /// stands for it.
    fn stream(&self, chunks: &[SseChunk], reply: &ModelReply) -> Option<Vec<SseChunk>> {
        let clean = |chunk: &SseChunk| SseChunk {
            t_ms: chunk.t_ms,
            data: self.redactor.redact(&chunk.data).into_owned(),
        };
        let chunks: Vec<SseChunk> = chunks.iter().map(clean).collect();
        let again = recorded::from_stream(&chunks).ok()?;
        let same = |again: &str, was: &str| again == self.redactor.redact(was);
        let calls = again.calls.iter().zip(&reply.calls).all(|(again, was)| {
            same(&again.name, &was.name) && same(&chat::arguments(again), &chat::arguments(was))
        });
        let reasoning = |reply: &ModelReply| reply.reasoning.clone().unwrap_or_default();
        let fits = same(&again.text, &reply.text) && same(&reasoning(&again), &reasoning(reply));
        (calls && fits && again.calls.len() == reply.calls.len()).then_some(chunks)
    }
}

fn tools_digest(tools: &[ToolDef]) -> String {
    let list: Vec<Value> = tools
        .iter()
        .map(
            |tool| json!({"name": tool.name, "description": tool.description, "parameters": tool.parameters}),
        )
        .collect();
    sha256_hex(Value::Array(list).to_string().as_bytes())
}
