//! What a whole run may spend: one purse for all its workers.
//!
//! A call holds the most that it can cost before it is made, and gives back what it did not use. Invariant: what is
//! spent and held never exceeds the limits, unless a reply costs more than its bound. Where the bound fits only once
//! other calls have given back, the call waits for them. Must not know: attempts, back ends, records.

use crate::model::LimitKind;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Money and tokens.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Amount {
    /// US dollars.
    pub usd: f64,
    /// Prompt and completion tokens together.
    pub tokens: u64,
}

impl Amount {
    fn plus(self, other: Self) -> Self {
        Self { usd: self.usd + other.usd, tokens: self.tokens.saturating_add(other.tokens) }
    }

    fn minus(self, other: Self) -> Self {
        Self { usd: (self.usd - other.usd).max(0.0), tokens: self.tokens.saturating_sub(other.tokens) }
    }
}

/// Limits of a run; `None` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Caps {
    /// US dollars.
    pub usd: Option<f64>,
    /// Prompt and completion tokens together.
    pub tokens: Option<u64>,
}

impl Caps {
    /// The limit that an amount is over, if it is.
    fn broken_by(self, amount: Amount) -> Option<LimitKind> {
        // A rounding error of sums is no money.
        if self.usd.is_some_and(|max| amount.usd > max + 1e-12) {
            return Some(LimitKind::Usd);
        }
        self.tokens.is_some_and(|max| amount.tokens > max).then_some(LimitKind::Tokens)
    }
}

#[derive(Debug, Default)]
struct State {
    spent: Amount,
    held: Amount,
    refused: Option<LimitKind>,
}

/// The purse of a run.
#[derive(Debug)]
pub struct Purse {
    caps: Caps,
    state: Mutex<State>,
    changed: Notify,
}

impl Purse {
    /// A purse with these limits, from which so much was taken before (by the part of the run that is resumed).
    pub fn new(caps: Caps, spent: Amount) -> Self {
        let state = State { spent, ..State::default() };
        Self { caps, state: Mutex::new(state), changed: Notify::new() }
    }

    /// Holds `bound` for a call, once it fits.
    ///
    /// # Errors
    /// The limit for which it can never fit, as too much is spent already.
    pub async fn hold(self: &Arc<Self>, bound: Amount) -> Result<Held, LimitKind> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // From here on no change is missed.
            changed.as_mut().enable();
            {
                let mut state = self.state();
                if let Some(kind) = self.caps.broken_by(state.spent.plus(bound)) {
                    state.refused = Some(kind);
                    return Err(kind);
                }
                if self.caps.broken_by(state.spent.plus(state.held).plus(bound)).is_none() {
                    state.held = state.held.plus(bound);
                    return Ok(Held { purse: Arc::clone(self), bound, cost: bound });
                }
            }
            changed.await;
        }
    }

    /// The limit for which a call was refused: nothing new is worth a start.
    pub fn refused(&self) -> Option<LimitKind> {
        self.state().refused
    }

    /// What was spent so far; a call that went wrong counts with its bound, as nobody knows what it cost.
    pub fn spent(&self) -> Amount {
        self.state().spent
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is held for one call. Dropped without [`Held::settle`], all of it counts as spent: whether a call that was
/// cut off is billed, nobody knows.
#[derive(Debug)]
pub struct Held {
    purse: Arc<Purse>,
    bound: Amount,
    cost: Amount,
}

impl Held {
    /// The call is over and cost so much.
    pub fn settle(mut self, cost: Amount) {
        self.cost = cost;
    }

    /// The most that the call can cost.
    pub fn bound(&self) -> Amount {
        self.bound
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        {
            let mut state = self.purse.state();
            state.held = state.held.minus(self.bound);
            state.spent = state.spent.plus(self.cost);
        }
        self.purse.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn usd(usd: f64) -> Amount {
        Amount { usd, tokens: 0 }
    }

    fn purse(max: f64) -> Arc<Purse> {
        Arc::new(Purse::new(Caps { usd: Some(max), tokens: None }, Amount::default()))
    }

    #[tokio::test]
    async fn what_is_not_used_comes_back_and_what_was_cut_off_does_not() {
        let purse = purse(1.0);
        purse.hold(usd(0.6)).await.unwrap().settle(usd(0.1));
        assert_eq!(purse.spent(), usd(0.1));
        drop(purse.hold(usd(0.6)).await.unwrap());
        assert!((purse.spent().usd - 0.7).abs() < 1e-9);
        assert_eq!(purse.refused(), None);
        assert_eq!(purse.hold(usd(0.31)).await.unwrap_err(), LimitKind::Usd);
        assert_eq!(purse.refused(), Some(LimitKind::Usd));
        purse.hold(usd(0.3)).await.unwrap().settle(usd(0.3));
    }

    #[tokio::test]
    async fn a_call_waits_for_the_others_and_is_refused_only_when_it_can_never_fit() {
        let purse = purse(1.0);
        let first = purse.hold(usd(0.8)).await.unwrap();
        let other = Arc::clone(&purse);
        let waiting = tokio::spawn(async move { other.hold(usd(0.8)).await.map(drop) });
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(!waiting.is_finished());
        first.settle(usd(0.05));
        assert_eq!(waiting.await.unwrap(), Ok(()));
        // 0.85 is spent now: the call before was dropped unsettled.
        assert_eq!(purse.hold(usd(0.2)).await.unwrap_err(), LimitKind::Usd);
    }

    #[tokio::test]
    async fn many_workers_never_spend_more_than_there_is() {
        let caps = Caps { usd: Some(1.0), tokens: Some(700) };
        let purse = Arc::new(Purse::new(caps, Amount { usd: 0.0, tokens: 100 }));
        let mut workers = tokio::task::JoinSet::new();
        for _ in 0..40 {
            let purse = Arc::clone(&purse);
            workers.spawn(async move {
                let mut calls = 0;
                while let Ok(held) = purse.hold(Amount { usd: 0.03, tokens: 20 }).await {
                    tokio::task::yield_now().await;
                    held.settle(Amount { usd: 0.02, tokens: 13 });
                    calls += 1;
                }
                calls
            });
        }
        let calls: u64 = workers.join_all().await.into_iter().sum();
        let spent = purse.spent();
        // (700 - 100 - 20) / 13 full calls, and one more.
        assert_eq!((calls, spent.tokens), (45, 685));
        assert_eq!(purse.refused(), Some(LimitKind::Tokens));
    }
}
