//! How long to wait before a request is sent again.

use hyper::header::{DATE, HeaderMap, RETRY_AFTER};
use std::hash::{BuildHasher as _, Hasher as _};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// The longest wait, whatever a server asks for.
const MAX_WAIT: Duration = Duration::from_mins(2);
/// The longest wait that we choose.
const MAX_BACKOFF: Duration = Duration::from_secs(30);
const FIRST_BACKOFF: Duration = Duration::from_millis(500);
/// What a server that says "at once" gets.
const MIN_HOLD: Duration = Duration::from_millis(50);

/// The wait before try `tried + 1`: it doubles, and is cut by chance to between a half and the whole.
pub(super) fn backoff(tried: u32) -> Duration {
    let full = FIRST_BACKOFF.saturating_mul(1 << tried.saturating_sub(1).min(10)).min(MAX_BACKOFF);
    full.mul_f64(0.5 + chance() / 2.0)
}

/// What a reply says of the time to wait: `retry-after-ms`, or `retry-after` in seconds or as a date. Absurd values
/// are cut to [`MAX_WAIT`], negative ones and words are passed over.
pub(super) fn told(headers: &HeaderMap, now: jiff::Timestamp) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let seconds = |text: &str| text.parse::<f64>().ok().filter(|seconds| *seconds >= 0.0);
    let capped = |seconds: f64| Duration::from_secs_f64(seconds.min(MAX_WAIT.as_secs_f64()));
    if let Some(millis) = text("retry-after-ms").and_then(seconds) {
        return Some(capped(millis / 1000.0));
    }
    let after = text(RETRY_AFTER.as_str())?;
    if let Some(seconds) = seconds(after) {
        return Some(capped(seconds));
    }
    // The server's own clock counts, if it tells it: ours may be wrong.
    let date = |text: &str| jiff::fmt::rfc2822::parse(text).ok().map(|date| date.timestamp());
    let now = text(DATE.as_str()).and_then(date).unwrap_or(now);
    Some(capped(date(after)?.duration_since(now).as_secs_f64().max(0.0)))
}

/// A duration for people: `1.5 s`, `200 ms`.
pub(super) fn shown(time: Duration) -> String {
    if time < Duration::from_secs(1) {
        format!("{} ms", time.as_millis())
    } else {
        format!("{} s", time.as_secs_f64())
    }
}

/// A number from 0 up to 1. What it decides is seen in no output but `timing`.
fn chance() -> f64 {
    let random = std::hash::RandomState::new().build_hasher().finish();
    (random >> 11) as f64 / (1u64 << 53) as f64
}

/// Holds back all workers of a back end while its server is too busy. They come back spread over some time.
#[derive(Default)]
pub(super) struct Gate {
    shut: Mutex<Option<(Instant, Duration)>>,
}

impl Gate {
    /// Nobody asks before `wait` is over; gives the wait that counts.
    pub(super) fn hold(&self, wait: Duration) -> Duration {
        let wait = wait.clamp(MIN_HOLD, MAX_WAIT);
        let until = Instant::now() + wait;
        let spread = (wait / 4).clamp(MIN_HOLD, Duration::from_secs(5));
        let mut shut = self.shut.lock().unwrap_or_else(PoisonError::into_inner);
        if shut.is_none_or(|(other, _)| other < until) {
            *shut = Some((until, spread));
        }
        wait
    }

    /// Waits until one may ask.
    pub(super) async fn pass(&self) {
        let mut passed = None;
        loop {
            let shut = *self.shut.lock().unwrap_or_else(PoisonError::into_inner);
            // One that has waited for this very time goes; a later one is waited for anew.
            let Some((until, spread)) = shut.filter(|(until, _)| Some(*until) != passed) else { return };
            if until <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(until + spread.mul_f64(chance())).await;
            passed = Some(until);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderName;

    #[test]
    fn what_servers_say_of_the_wait() {
        let now: jiff::Timestamp = "2026-11-26T12:00:00Z".parse().unwrap();
        let wait = |pairs: &[(&'static str, &str)]| {
            let pairs =
                pairs.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
            told(&pairs.collect(), now).map(|wait| wait.as_millis())
        };
        assert_eq!(wait(&[]), None);
        for (text, want) in [
            ("3", Some(3000)),
            ("0.5", Some(500)),
            ("0", Some(0)),
            ("1e9", Some(120_000)),
            ("99999999999999999999999", Some(120_000)),
            ("inf", Some(120_000)),
            ("-5", None),
            ("nan", None),
            ("soon", None),
            ("Thu, 26 Nov 2026 12:00:30 GMT", Some(30_000)),
            ("Thu, 26 Nov 2026 11:00:00 GMT", Some(0)),
            ("Thu, 26 Nov 2099 12:00:00 GMT", Some(120_000)),
        ] {
            assert_eq!(wait(&[("retry-after", text)]), want, "{text}");
        }
        assert_eq!(wait(&[("retry-after-ms", "250"), ("retry-after", "3")]), Some(250));
        let date = ("date", "Thu, 26 Nov 2026 12:00:25 GMT");
        assert_eq!(wait(&[("retry-after", "Thu, 26 Nov 2026 12:00:30 GMT"), date]), Some(5000));
    }

    #[test]
    fn the_wait_doubles_within_bounds() {
        for tried in 1..=40 {
            let full = (0.5 * f64::from(1u32 << (tried - 1u32).min(10))).min(30.0);
            let wait = backoff(tried).as_secs_f64();
            assert!((full / 2.0..=full).contains(&wait), "{tried}: {wait}");
        }
    }

    #[test]
    fn all_workers_wait_and_come_back_apart() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let times = runtime.block_on(async {
            let gate = std::sync::Arc::new(Gate::default());
            assert_eq!(gate.hold(Duration::from_millis(200)), Duration::from_millis(200));
            // A shorter wait does not open it before.
            gate.hold(Duration::ZERO);
            let began = Instant::now();
            let workers: Vec<_> = (0..20)
                .map(|_| {
                    let gate = gate.clone();
                    tokio::spawn(async move {
                        gate.pass().await;
                        began.elapsed()
                    })
                })
                .collect();
            let mut times = Vec::new();
            for worker in workers {
                times.push(worker.await.unwrap());
            }
            times
        });
        let (first, last) = (times.iter().min().unwrap(), times.iter().max().unwrap());
        assert!(*first >= Duration::from_millis(199), "{times:?}");
        assert!(last.saturating_sub(*first) >= Duration::from_millis(10), "{times:?}");
    }
}
