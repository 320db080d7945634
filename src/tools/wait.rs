//! How long a tool waits for what it has started.
//!
//! Invariant: the time until a command or cell begins counts neither as its silence nor as its time, and no wait is
//! over before what has come meanwhile was looked at. Must not know: what is waited for.

use super::Options;
use std::time::Duration;
use tokio::time::Instant;

/// How long to wait.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wait {
    /// Without new output.
    pub(super) silence: Option<Duration>,
    /// In all.
    pub(super) total: Duration,
    /// For the begin.
    pub(super) start: Duration,
}

impl Wait {
    /// With a `timeout` of the call, silence is fine; without one, `silence` may shorten what the options say. What
    /// prints on is then not waited for much longer: a key was sent, and whoever sent it wants to send another.
    pub(super) fn new(
        timeout: Option<Duration>,
        silence: Option<Duration>,
        start: Duration,
        options: &Options,
    ) -> Self {
        match timeout {
            Some(total) => Self { silence: None, total, start },
            None => Self {
                silence: Some(silence.unwrap_or(options.soft_timeout)),
                total: silence.map_or(options.busy_timeout, |silence| options.busy_timeout.min(silence * 3)),
                start,
            },
        }
    }
}

/// Why a wait is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Overdue {
    /// It did not begin.
    Unbegun,
    /// Nothing was printed for a while.
    Silent,
    /// It prints on and on.
    Busy,
    /// The time that the call gave is over.
    Timeout,
}

/// What a wait has seen.
#[derive(Debug)]
pub(super) struct Pace {
    start: Instant,
    begun: Option<Instant>,
    changed: Instant,
    received: u64,
}

impl Pace {
    /// From now on; it may have begun before.
    pub(super) fn new(begun: bool, received: u64) -> Self {
        let start = Instant::now();
        Self { start, begun: begun.then_some(start), changed: start, received }
    }

    /// Notes how it stands.
    pub(super) fn look(&mut self, begun: bool, received: u64, now: Instant) {
        let begins = begun && self.begun.is_none();
        if begins {
            self.begun = Some(now);
        }
        if begins || received != self.received {
            self.received = received;
            self.changed = now;
        }
    }

    /// Whether it has begun.
    pub(super) fn has_begun(&self) -> bool {
        self.begun.is_some()
    }

    /// When the wait is over, and why.
    pub(super) fn deadline(&self, wait: Wait) -> (Instant, Overdue) {
        let Some(begun) = self.begun else { return (self.start + wait.start, Overdue::Unbegun) };
        let end = begun + wait.total;
        match wait.silence {
            Some(silence) if self.changed + silence < end => (self.changed + silence, Overdue::Silent),
            Some(_) => (end, Overdue::Busy),
            None => (end, Overdue::Timeout),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_before_the_begin_is_no_silence() {
        let options = Options::default();
        let wait = Wait::new(None, None, Duration::from_mins(1), &options);
        let mut pace = Pace::new(false, 0);
        let start = pace.start;
        let at = |seconds| start + Duration::from_secs(seconds);
        // Noise before the begin changes nothing.
        pace.look(false, 7, at(1));
        assert_eq!(pace.deadline(wait), (at(60), Overdue::Unbegun));
        pace.look(true, 7, at(50));
        assert_eq!(pace.deadline(wait), (at(60), Overdue::Silent));
        pace.look(true, 8, at(59));
        assert_eq!(pace.deadline(wait), (at(69), Overdue::Silent));
        pace.look(true, 9, at(165));
        assert_eq!(pace.deadline(wait), (at(170), Overdue::Busy));
        let timed = Wait::new(Some(Duration::from_secs(2)), None, Duration::from_mins(1), &options);
        assert_eq!(pace.deadline(timed), (at(52), Overdue::Timeout));
    }
}
