//! Time as a parameter. Durations are monotonic, so a jump of the wall clock fires no timeout.

use std::time::{Duration, Instant};

/// A source of time.
pub trait Clock: Send + Sync {
    /// Wall-clock time.
    fn now(&self) -> jiff::Timestamp;
    /// Monotonic time since some fixed point of this clock.
    fn elapsed(&self) -> Duration;
}

/// The machine's clock.
#[derive(Debug)]
pub struct SystemClock {
    start: Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self { start: Instant::now() }
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one home of the wall clock")]
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::now()
    }

    fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }
}

/// A clock that stands still, for tests.
#[derive(Debug, Clone, Copy, Default)]
pub struct FixedClock {
    /// What [`Clock::now`] returns.
    pub now: jiff::Timestamp,
}

impl Clock for FixedClock {
    fn now(&self) -> jiff::Timestamp {
        self.now
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }
}
