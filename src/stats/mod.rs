//! Pure statistics: rates with their denominators and intervals.
//!
//! Must not know: records, reports, randomness that is not passed in.

mod quantile;
mod wilson;

pub use quantile::quantile;
pub use wilson::{Z95, wilson};

/// A rate with what it is a rate of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rate {
    /// How many were.
    pub hits: u64,
    /// Out of how many.
    pub of: u64,
}

impl Rate {
    /// The share, or `None` when nothing was counted.
    pub fn share(self) -> Option<f64> {
        (self.of > 0).then(|| self.hits as f64 / self.of as f64)
    }
}

impl std::fmt::Display for Rate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.hits, self.of)
    }
}
