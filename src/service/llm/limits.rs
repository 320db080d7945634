//! What depends on the clock or on other requests: rate limit, requests at once, gathering, early retries.

use super::options::{Options, RateLimit};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// How much too early a retry may come.
const LENIENCE: Duration = Duration::from_millis(50);
/// How long the first of a gathering waits for the others.
const PATIENCE: Duration = Duration::from_secs(2);

/// Times of requests, kept while one is answered.
#[derive(Default)]
pub(super) struct Times {
    /// When the last planned 429 is over.
    busy_until: Option<Instant>,
    /// When completions were answered.
    answered: VecDeque<Instant>,
}

impl Times {
    /// Seconds that a good request is to wait after a planned 429, where too early a retry is refused again.
    pub(super) fn early(&self, options: &Options, now: Instant) -> Option<u64> {
        let early = options.strict_retry && self.busy_until.is_some_and(|until| now < until);
        early.then_some(options.retry_after)
    }

    /// Seconds that a good completion is to wait, as a limit is reached.
    pub(super) fn busy(&mut self, options: &Options, under_way: usize, now: Instant) -> Option<u64> {
        if options.concurrency.is_some_and(|most| under_way >= most) {
            return Some(options.retry_after);
        }
        let RateLimit { requests, per } = options.rate_limit?;
        while self.answered.front().is_some_and(|first| now.duration_since(*first) >= per) {
            self.answered.pop_front();
        }
        let first = self.answered.front().filter(|_| self.answered.len() >= requests)?;
        let left = per.saturating_sub(now.duration_since(*first));
        Some(left.as_secs() + u64::from(left.subsec_nanos() > 0))
    }

    /// A fault said how long to wait.
    pub(super) fn refused(&mut self, seconds: u64, now: Instant) {
        // A client's clock may be a little faster than this one.
        self.busy_until = now.checked_add(Duration::from_secs(seconds).saturating_sub(LENIENCE));
    }

    pub(super) fn completed(&mut self, options: &Options, now: Instant) {
        if options.rate_limit.is_some() {
            self.answered.push_back(now);
        }
    }
}

/// Counts an answer as long as it is being sent.
pub(super) struct UnderWay(Arc<AtomicUsize>);

impl UnderWay {
    pub(super) fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(count))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Holds requests back until enough of them wait, so that "at once" does not hang on chance.
#[derive(Default)]
pub(super) struct Gathering {
    group: Mutex<Group>,
    full: Notify,
}

#[derive(Default)]
struct Group {
    number: u64,
    /// Places in the log of those that wait.
    places: Vec<usize>,
}

impl Gathering {
    /// Waits for `size` requests. When the group is complete, or when this one's time is over, `told` gets the
    /// places of all that waited together.
    pub(super) async fn wait(&self, size: usize, place: usize, told: impl Fn(&mut [usize])) {
        let full = self.full.notified();
        tokio::pin!(full);
        // From here on a notice is not missed.
        full.as_mut().enable();
        let number = {
            let mut group = self.lock();
            group.places.push(place);
            if group.places.len() >= size {
                self.release(&mut group, &told);
                return;
            }
            group.number
        };
        if tokio::time::timeout(PATIENCE, full).await.is_err() {
            let mut group = self.lock();
            if group.number == number {
                self.release(&mut group, &told);
            }
        }
    }

    fn release(&self, group: &mut Group, told: &impl Fn(&mut [usize])) {
        group.number += 1;
        told(&mut group.places);
        group.places.clear();
        self.full.notify_waiters();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Group> {
        self.group.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_frees_when_its_first_request_is_old() {
        let options = Options {
            rate_limit: Some(RateLimit { requests: 2, per: Duration::from_millis(2500) }),
            ..Options::default()
        };
        let mut times = Times::default();
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        for millis in [0, 1000] {
            assert_eq!(times.busy(&options, 0, at(millis)), None);
            times.completed(&options, at(millis));
        }
        assert_eq!(times.busy(&options, 0, at(1100)), Some(2));
        assert_eq!(times.busy(&options, 0, at(2499)), Some(1));
        assert_eq!(times.busy(&options, 0, at(2500)), None);
        times.completed(&options, at(2500));
        assert_eq!(times.busy(&options, 0, at(2600)), Some(1));
    }
}
