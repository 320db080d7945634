//! Who wants to know: a listener that is told things as they happen.

use std::fmt;

/// Tells whoever listens; what is told is theirs. A listener never fails and never waits.
pub struct Tell<T>(Box<dyn Fn(T) + Send + Sync>);

impl<T> Tell<T> {
    /// Tells `listener`.
    pub fn new(listener: impl Fn(T) + Send + Sync + 'static) -> Self {
        Self(Box::new(listener))
    }

    /// Tells `what`.
    pub fn tell(&self, what: T) {
        (self.0)(what);
    }
}

impl<T> fmt::Debug for Tell<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tell")
    }
}
