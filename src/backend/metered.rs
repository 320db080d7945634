//! The back end as an agent sees it: counted, limited, recorded, redacted.

use super::purse::{Amount, Purse};
use super::{Backend, ChatMessage, ModelReply, Request, Stop, Troubles, bound, call_ids, chat, recorded};
use crate::model::{
    AttemptId, CassetteLine, Drift, ErrorClass, Exchanged, LimitKind, Object, Price, RunError, Scope,
    SseChunk, ToolDef, Usage,
};
use crate::util::digest::{Growing, sha256_hex};
use crate::util::redact::Redactor;
use crate::util::tell::Tell;
use serde_json::{Value, json};
use std::sync::Arc;

/// What an attempt may use of a model.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Budget {
    /// Turns.
    pub turns: Option<u32>,
    /// Prompt and completion tokens together.
    pub tokens: Option<u64>,
    /// US dollars, as recorded: a replay ends where the recording did. Calls of unknown cost count for nothing.
    pub usd: Option<f64>,
}

/// What is asked of a model.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// The whole conversation.
    pub messages: &'a [ChatMessage],
    /// Native tools.
    pub tools: Option<&'a [ToolDef]>,
    /// Parameters of this request alone; those of the subject are laid over them.
    pub params: Option<&'a Object>,
    /// Messages at the beginning that were there at the last turn; `None`: all of that turn, and its reply.
    pub known: Option<usize>,
}

impl<'a> Ask<'a> {
    /// The next turn of one conversation.
    pub fn new(messages: &'a [ChatMessage]) -> Self {
        Self { messages, tools: None, params: None, known: None }
    }
}

/// A back end with the attempt's counters around it.
pub struct Metered {
    backend: Arc<dyn Backend>,
    attempt: AttemptId,
    params: Object,
    budget: Budget,
    purse: Option<Arc<Purse>>,
    price: Option<Price>,
    redactor: Redactor,
    exchanges: Option<Tell<Exchanged>>,
    turns: u32,
    used_tokens: u64,
    used_usd: f64,
    /// The tools that were asked with last, and their digest.
    tools: (Vec<ToolDef>, String),
    usage: Option<Usage>,
    /// Digest of the replies so far.
    replies: Growing,
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
        exchanges: Option<Tell<Exchanged>>,
    ) -> Self {
        Self {
            price: backend.price(),
            backend,
            attempt,
            params,
            budget,
            purse: None,
            redactor,
            exchanges,
            turns: 0,
            used_tokens: 0,
            used_usd: 0.0,
            tools: (Vec::new(), String::new()),
            usage: None,
            replies: Growing::default(),
            seen: 0,
            drift: Vec::new(),
            troubles: Troubles::new(),
        }
    }

    /// The same with the purse of the run, from which calls are paid that are not on tape.
    #[must_use]
    pub fn with_purse(self, purse: Option<Arc<Purse>>) -> Self {
        Self { purse: purse.filter(|_| !self.backend.on_tape()), ..self }
    }

    /// Turns so far.
    pub fn turns(&self) -> u32 {
        self.turns
    }

    /// Usage so far; unknown as soon as one reply did not tell, or one call broke off.
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

    /// Money spent so far, as far as it is known: nothing on tape.
    pub fn spent_usd(&self) -> f64 {
        if self.on_tape() { 0.0 } else { self.used_usd }
    }

    /// Model that is asked for, if the back end has one.
    pub fn model(&self) -> Option<String> {
        self.backend.model()
    }

    /// Whether replies come from a tape.
    pub fn on_tape(&self) -> bool {
        self.backend.on_tape()
    }

    /// One reply to the conversation so far. A limit that is already reached stops before the call.
    pub async fn complete(
        &mut self,
        messages: &[ChatMessage],
        tools: Option<&[ToolDef]>,
    ) -> Result<ModelReply, Stop> {
        self.ask(Ask { tools, ..Ask::new(messages) }).await
    }

    /// [`Metered::complete`] with all that may be said.
    pub async fn ask(&mut self, ask: Ask<'_>) -> Result<ModelReply, Stop> {
        if let Some(kind) = self.reached() {
            return Err(Stop::Limit(kind));
        }
        let mut params = ask.params.cloned().unwrap_or_default();
        params.extend(self.params.clone());
        let held = match &self.purse {
            Some(purse) => {
                let bound = bound::of(ask.messages, ask.tools, &params, self.price.as_ref());
                Some(purse.hold(bound).await.map_err(Stop::Limit)?)
            }
            None => None,
        };
        let request = Request {
            attempt: self.attempt.clone(),
            scope: Scope::Agent,
            turn: self.turns + 1,
            messages: ask.messages,
            params,
            tools: ask.tools,
            new_from: ask.known.unwrap_or(self.seen).min(ask.messages.len()),
            prefix_sha256: self.replies.so_far(),
            troubles: self.troubles.clone(),
        };
        // A call that breaks off, or is dropped with its attempt, may be billed all the same.
        let known = self.usage;
        if !self.on_tape() {
            self.usage = Some(Usage::default());
        }
        let mut answered = self.backend.complete(&request, &self.redactor).await;
        if !self.on_tape() {
            answered = answered.and_then(|reply| call_ids::told_apart(reply, request.messages));
        }
        let mut reply = match answered {
            Ok(reply) => reply,
            Err(error) => {
                let free = costs_nothing(&error);
                if let (Some(held), true) = (held, free) {
                    held.settle(Amount::default());
                }
                if free {
                    self.usage = known;
                }
                return Err(error.into());
            }
        };
        self.turns += 1;
        if let Some(usage) = &mut reply.usage {
            // What the back end itself says, or said on the tape, is nearer to the bill than our sum.
            usage.cost_usd = usage.cost_usd.or_else(|| self.price?.cost(usage));
        }
        let usage = reply.usage.unwrap_or_default();
        if let Some(held) = held {
            let bound = held.bound();
            held.settle(Amount {
                usd: usage.cost_usd.unwrap_or(bound.usd),
                tokens: usage.total_tokens().unwrap_or(bound.tokens),
            });
        }
        self.used_tokens = self.used_tokens.saturating_add(usage.total_tokens().unwrap_or(0));
        self.used_usd += usage.cost_usd.unwrap_or(0.0);
        self.usage = Some(known.map_or(usage, |sum| sum.plus(usage)));
        self.drift.extend(reply.drift.clone());
        self.record(&request, &reply);
        self.seen = ask.messages.len() + 1;
        Ok(reply)
    }

    /// The limit of the attempt that is reached, if one is.
    fn reached(&self) -> Option<LimitKind> {
        if self.budget.turns.is_some_and(|max| self.turns >= max) {
            return Some(LimitKind::Turns);
        }
        if self.budget.tokens.is_some_and(|max| self.used_tokens >= max) {
            return Some(LimitKind::Tokens);
        }
        self.budget.usd.is_some_and(|max| self.used_usd >= max).then_some(LimitKind::Usd)
    }

    /// The digest of a tool list; the same list comes every turn.
    fn tools_sha256(&mut self, tools: Option<&[ToolDef]>) -> String {
        let Some(tools) = tools else { return String::new() };
        if self.tools.0 != tools || self.tools.1.is_empty() {
            self.tools = (tools.to_vec(), tools_digest(tools));
        }
        self.tools.1.clone()
    }

    fn record(&mut self, request: &Request<'_>, reply: &ModelReply) {
        self.replies.add(&self.redactor.redact(&reply.text));
        for call in &reply.calls {
            // Ids are by chance, so that a tape fits without them.
            let text = format!("\u{1}{}\u{1}{}", call.name, chat::arguments(call));
            self.replies.add(&self.redactor.redact(&text));
        }
        self.replies.add("\0");
        if self.exchanges.is_none() {
            return;
        }
        let tools_sha256 = self.tools_sha256(request.tools);
        let Some(exchanges) = &self.exchanges else { return };
        let sse = reply.sse.as_ref().and_then(|chunks| self.stream(chunks, reply));
        let new_messages =
            request.new_messages().map(|message| self.redacted(chat::message(message))).collect();
        let line = CassetteLine {
            scope: request.scope,
            suite: self.attempt.suite.clone(),
            task: self.attempt.task.clone(),
            subject: self.attempt.subject.clone(),
            attempt: self.attempt.n,
            turn: request.turn,
            prefix_sha256: request.prefix_sha256.clone(),
            new_messages,
            params: self.redacted(request.params.clone()),
            tools_sha256,
            status: reply.status,
            body: match (&reply.body, &sse) {
                (None, None) => Some(chat::to_body(reply)),
                (body, _) => body.clone(),
            }
            .map(|body| self.redactor.redact_value(body)),
            sse,
            usage: reply.usage,
        };
        exchanges.tell(Exchanged { attempt: self.attempt.clone(), line });
    }

    /// Messages and parameters may carry a key.
    fn redacted(&self, object: Object) -> Object {
        self.redactor.redact_object(object)
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

/// A request that was refused costs nothing. Of any other that went wrong nobody knows: its purse keeps what it
/// holds, and the usage of its attempt is unknown.
fn costs_nothing(error: &RunError) -> bool {
    matches!(error.class, ErrorClass::BackendAuth | ErrorClass::CassetteMiss)
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
