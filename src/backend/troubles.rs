//! What went wrong on the way to the replies of one attempt, told beside the record.
//!
//! Invariant: what is told here is a server's or a network's doing, never the model's. Must not know: back ends.

use serde_json::{Value, json};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Requests of one attempt that had to be sent again. Cheap to clone; all clones are one list.
#[derive(Debug, Clone, Default)]
pub struct Troubles {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    began: Option<Instant>,
    retries: Vec<Retry>,
    pending: Option<String>,
}

#[derive(Debug)]
struct Retry {
    turn: u32,
    at: Duration,
    wait: Duration,
    reason: String,
}

impl PartialEq for Troubles {
    /// Whether both are one list.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }
}

impl Troubles {
    /// An empty list whose time begins now.
    pub fn new() -> Self {
        let inner = Inner { began: Some(Instant::now()), ..Inner::default() };
        Self { inner: Arc::new(Mutex::new(inner)) }
    }

    /// A request failed and is sent again after `wait`. `reason` is one clean sentence.
    pub fn again(&self, turn: u32, wait: Duration, reason: &str) {
        self.with(|inner| {
            let at = inner.began.get_or_insert_with(Instant::now).elapsed();
            inner.retries.push(Retry { turn, at, wait, reason: reason.to_owned() });
            inner.pending = Some(reason.to_owned());
        });
    }

    /// The request that failed has its reply, or was given up.
    pub fn over(&self) {
        self.with(|inner| inner.pending = None);
    }

    /// Why the request that is under way failed last, if it did.
    pub fn pending(&self) -> Option<String> {
        self.with(|inner| inner.pending.clone())
    }

    /// The list as `timing.retries` of a record has it; `None` if there is nothing to tell.
    pub fn to_json(&self) -> Option<Value> {
        self.with(|inner| {
            let list: Vec<Value> = inner
                .retries
                .iter()
                .map(|retry| {
                    let (at, wait) = (retry.at.as_millis() as u64, retry.wait.as_millis() as u64);
                    json!({"turn": retry.turn, "at_ms": at, "wait_ms": wait, "reason": retry.reason})
                })
                .collect();
            (!list.is_empty()).then_some(Value::Array(list))
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut Inner) -> T) -> T {
        // A list is whole after a panic elsewhere.
        act(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_is_pending_until_it_is_over() {
        let troubles = Troubles::new();
        assert_eq!((troubles.to_json(), troubles.pending()), (None, None));
        troubles.clone().again(
            2,
            Duration::from_millis(1500),
            "the server x has too much to do (status 429)",
        );
        assert!(troubles.pending().is_some());
        troubles.over();
        assert_eq!(troubles.pending(), None);
        let list = troubles.to_json().unwrap();
        assert_eq!((&list[0]["turn"], &list[0]["wait_ms"]), (&json!(2), &json!(1500)));
    }
}
