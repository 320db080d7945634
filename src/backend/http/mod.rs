//! A model server over HTTP: one transport for all kinds of back ends that ask one.
//!
//! Invariants: a reply is handed on only when it has ended as its protocol says; a key goes to the configured host and
//! to no other, as no redirect is followed; each wait has a limit with a name; what a server does wrong is an error
//! of the harness, never a reply. Proxies of the environment are not used. Must not know: messages and replies.

mod connect;
mod exchange;
mod refusal;
mod wait;

use super::{OpenError, Opening, Troubles};
use crate::model::{ErrorClass, Object, Price, RunError};
use crate::util::plural::plural;
use crate::util::redact::Redactor;
use crate::util::text::printable;
use crate::util::url::Base;
use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::SendRequest;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub(super) use exchange::{Body, Received};
pub(super) use refusal::from_value;

/// What is sent again unless the configuration says otherwise.
const MAX_RETRIES: u32 = 4;

/// A server that is asked, shared by all attempts of a back end.
pub(super) struct Server {
    base: Base,
    model: String,
    stream: bool,
    params: Object,
    price: Option<Price>,
    warnings: Vec<String>,
    key: Option<Key>,
    headers: HeaderMap,
    connector: connect::Connector,
    limits: Limits,
    max_retries: u32,
    idle: Mutex<Vec<SendRequest<Full<Bytes>>>>,
    gate: wait::Gate,
    seen: Mutex<Seen>,
}

/// The key and the variable that it came from.
struct Key {
    variable: String,
    value: String,
}

#[derive(Debug, Clone, Copy)]
struct Limits {
    connect: Duration,
    first_byte: Duration,
    idle: Duration,
    total: Duration,
}

#[derive(Default)]
struct Seen {
    /// The refusal that ends all asking.
    refused: Option<RunError>,
    retried: u64,
    last_reason: String,
    /// Other models that answered, and how often.
    others: BTreeMap<String, u64>,
}

/// How a kind of back end presents its key.
#[derive(Debug, Clone, Copy)]
pub(super) enum KeyHeader {
    /// `authorization: Bearer …`.
    Bearer,
    /// `x-api-key: …`.
    ApiKey,
}

/// One request.
pub(super) struct Post<'a> {
    /// Path below the base address.
    pub(super) path: &'static str,
    /// JSON.
    pub(super) body: Vec<u8>,
    /// Whether an event is the last one of a stream.
    pub(super) is_end: fn(data: &str) -> bool,
    /// Turn of the attempt, for what is told of retries.
    pub(super) turn: u32,
    /// Where retries are told.
    pub(super) troubles: &'a Troubles,
    /// Takes secrets out of what a server says.
    pub(super) secrets: &'a Redactor,
}

/// Why one try gave no reply.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Failure {
    /// Class.
    pub(super) class: ErrorClass,
    /// A clause that follows "the server HOST".
    pub(super) text: String,
    /// Whether it is worth another try.
    pub(super) again: Again,
}

/// Whether and when a request is sent again.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Again {
    /// The same request would fail the same way.
    Never,
    /// After a short wait that grows.
    Soon,
    /// The server is too busy for all workers; it may tell how long to wait.
    Hold(Option<Duration>),
}

impl Failure {
    /// The server can't be asked, or says that it failed.
    pub(super) fn backend(text: impl Into<String>, again: Again) -> Self {
        Self { class: ErrorClass::Backend, text: text.into(), again }
    }

    /// What came is no reply.
    pub(super) fn protocol(text: impl Into<String>, again: Again) -> Self {
        Self { class: ErrorClass::BackendProtocol, text: text.into(), again }
    }
}

impl Server {
    /// Everything that can be wrong without asking is found here. `own` are headers of the protocol.
    pub(super) fn open(
        opening: &Opening<'_>,
        how: KeyHeader,
        own: &[(&'static str, &'static str)],
    ) -> Result<Self, OpenError> {
        let settings = opening.settings;
        let Some(url) = &settings.base_url else {
            let hint = "set base_url in its table [backend.NAME] of rolltape.toml, or name a preset of `rolltape list backends`";
            return Err(("it has no base_url".to_owned(), Some(hint.to_owned())));
        };
        let base = Base::parse(url).map_err(|why| (format!("its base_url {why}"), None))?;
        let model = opening.arg.filter(|arg| !arg.is_empty()).map(str::to_owned).or(settings.model.clone());
        let Some(model) = model else {
            let hint =
                "write --backend NAME:MODEL, or set model in its table [backend.NAME] of rolltape.toml";
            return Err(("it has no model".to_owned(), Some(hint.to_owned())));
        };
        let key = key(opening)?;
        let mut headers = HeaderMap::new();
        let configured = settings.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in own.iter().copied().chain(configured) {
            let told = || (format!("its header '{name}' can't be sent"), None);
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| told())?;
            headers.insert(name, HeaderValue::from_str(value).map_err(|_| told())?);
        }
        if let Some(key) = &key {
            let (name, text) = match how {
                KeyHeader::Bearer => ("authorization", format!("Bearer {}", key.value)),
                KeyHeader::ApiKey => ("x-api-key", key.value.clone()),
            };
            let mut value = HeaderValue::from_str(&text).map_err(|_| bad_key(&key.variable))?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        let mut warnings = Vec::new();
        if let Some(key) = key.as_ref().filter(|_| !base.tls && !base.is_loopback()) {
            warnings.push(format!("the key of {} goes to {} without TLS", key.variable, base.authority()));
        }
        let other = settings.model.as_ref().filter(|own| **own != model);
        if let (Some(own), Some(_)) = (other, settings.price) {
            warnings.push(format!("the price set up is that of '{own}'; what '{model}' costs is unknown"));
        }
        let stream = settings.stream.unwrap_or(true);
        let times = settings.timeouts;
        let total = times.total.unwrap_or(Duration::from_mins(10));
        // A reply that is not streamed shows its first byte when the model is done.
        let first_byte = if stream { Duration::from_mins(2) } else { total };
        Ok(Self {
            connector: connect::Connector::new(&base)?,
            price: settings.price.filter(|_| other.is_none()),
            base,
            model,
            stream,
            params: settings.params.clone(),
            warnings,
            key,
            headers,
            limits: Limits {
                connect: times.connect.unwrap_or(Duration::from_secs(10)),
                first_byte: times.first_byte.unwrap_or(first_byte),
                idle: times.idle.unwrap_or(Duration::from_mins(1)),
                total,
            },
            max_retries: settings.max_retries.unwrap_or(MAX_RETRIES),
            idle: Mutex::default(),
            gate: wait::Gate::default(),
            seen: Mutex::default(),
        })
    }

    /// The model that is asked for.
    pub(super) fn model(&self) -> &str {
        &self.model
    }

    /// The variable of the key, if there is one.
    pub(super) fn key_name(&self) -> Option<&str> {
        self.key.as_ref().map(|key| key.variable.as_str())
    }

    /// Whether replies are streamed.
    pub(super) fn stream(&self) -> bool {
        self.stream
    }

    /// Parameters of the configuration.
    pub(super) fn params(&self) -> &Object {
        &self.params
    }

    /// What tokens of this very model cost.
    pub(super) fn price(&self) -> Option<Price> {
        self.price
    }

    /// What the user should know before anything is asked.
    pub(super) fn warnings(&self) -> Vec<String> {
        self.warnings.clone()
    }

    /// The key, which must not be written anywhere.
    pub(super) fn secrets(&self) -> Vec<(String, String)> {
        let key = self.key.as_ref();
        key.map(|key| (format!("<SECRET:{}>", key.variable), key.value.clone())).into_iter().collect()
    }

    /// What came up while it was asked.
    pub(super) fn notes(&self) -> Vec<String> {
        let seen = self.seen();
        let mut notes = Vec::new();
        if seen.retried > 0 {
            let times = plural(usize::try_from(seen.retried).unwrap_or(usize::MAX), "request");
            notes.push(format!("{times} had to be sent again; the last time, {}", seen.last_reason));
        }
        for (other, times) in &seen.others {
            let host = self.base.authority();
            notes.push(format!(
                "asked for '{}', the server {host} let '{other}' answer, {times}×",
                self.model
            ));
        }
        notes
    }

    /// Keeps in mind which model answered.
    pub(super) fn answered(&self, model: Option<&str>) {
        let Some(model) = model.filter(|model| !is_same_model(&self.model, model)) else { return };
        let shown: String = printable(model).chars().take(100).collect();
        let mut seen = self.seen();
        // A server that thinks up a new name each time must not fill the memory.
        if seen.others.len() < 20 || seen.others.contains_key(&shown) {
            *seen.others.entry(shown).or_default() += 1;
        }
    }

    /// One reply, as `read` makes it of what came. Tries again what is worth it.
    pub(super) async fn ask<T>(
        &self,
        post: &Post<'_>,
        read: impl Fn(Received) -> Result<T, Failure>,
    ) -> Result<T, RunError> {
        let mut tried = 0;
        loop {
            self.gate.pass().await;
            if let Some(error) = self.seen().refused.clone() {
                return Err(error);
            }
            let failure = match self.once(post).await.and_then(&read) {
                Ok(reply) => {
                    post.troubles.over();
                    return Ok(reply);
                }
                Err(failure) => failure,
            };
            tried += 1;
            let mut error = self.error(&failure, post.secrets);
            if failure.class == ErrorClass::BackendAuth {
                self.seen().refused = Some(error.clone());
            }
            if failure.again == Again::Never || tried > self.max_retries {
                post.troubles.over();
                if tried > 1 {
                    error.message.push_str(&format!(" ({tried} tries)"));
                }
                return Err(error);
            }
            let wait = match failure.again {
                Again::Hold(told) => self.gate.hold(told.unwrap_or_else(|| wait::backoff(tried))),
                Again::Soon | Again::Never => wait::backoff(tried),
            };
            post.troubles.again(post.turn, wait, &error.message);
            self.note_retry(&error.message);
            if failure.again == Again::Soon {
                tokio::time::sleep(wait).await;
            }
        }
    }

    fn error(&self, failure: &Failure, secrets: &Redactor) -> RunError {
        let text = printable(&failure.text).replace(['\n', '\t'], " ");
        let text = format!("the server {} {text}", self.base.authority());
        // A server may say our own key back.
        RunError::new(failure.class, secrets.redact(&text).into_owned())
    }

    fn note_retry(&self, reason: &str) {
        let mut seen = self.seen();
        seen.retried += 1;
        reason.clone_into(&mut seen.last_reason);
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(opening: &Opening<'_>) -> Result<Option<Key>, OpenError> {
    let Some(variable) = &opening.settings.key_env else { return Ok(None) };
    let value = (opening.var)(variable).unwrap_or_default().trim().to_owned();
    if value.is_empty() {
        let message = format!("the variable {variable}, which holds its key, is not set");
        let hint = format!("export {variable}=…, or name another variable with key_env in rolltape.toml");
        return Err((message, Some(hint)));
    }
    if value.chars().any(|c| c.is_control() || c.is_whitespace()) || !value.is_ascii() {
        return Err(bad_key(variable));
    }
    Ok(Some(Key { variable: variable.clone(), value }))
}

fn bad_key(variable: &str) -> OpenError {
    (
        format!("the key in {variable} holds what no key holds: a space, a line end or a special character"),
        None,
    )
}

/// Servers add a date or a path to the name, or leave the maker out; that is no other model.
fn is_same_model(asked: &str, answered: &str) -> bool {
    let last = |name: &str| name.rsplit('/').next().unwrap_or(name).to_ascii_lowercase();
    let (asked, answered) = (last(asked), last(answered));
    answered.starts_with(&asked) || asked.starts_with(&answered)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_makers_make_no_other_model() {
        for (asked, answered) in [
            ("gpt-4o", "gpt-4o-2024-08-06"),
            ("deepseek/deepseek-chat", "deepseek-chat"),
            ("smollm2-135m-instruct", "/models/SmolLM2-135M-Instruct.Q4_1.gguf"),
            ("llama3:latest", "llama3"),
        ] {
            assert!(is_same_model(asked, answered), "{asked} {answered}");
        }
        assert!(!is_same_model("deepseek-chat", "gpt-4o"));
    }
}
