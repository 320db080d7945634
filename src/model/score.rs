//! What a scorer has to say about an attempt.

/// A score between 0 and 1, or none where the scorer could not judge.
#[derive(Debug, Clone, PartialEq)]
pub struct Score {
    /// Name of the scorer, unique inside the task (`service`, `regex-2` …).
    pub scorer: String,
    /// 0 to 1; `None` means that the scorer could not judge, which is an error, never a zero.
    pub value: Option<f64>,
    /// Weight in the reward, above 0.
    pub weight: f64,
    /// One sentence that tells why.
    pub reason: String,
}

impl Score {
    /// Whether the scorer is fully satisfied.
    pub fn passed(&self) -> bool {
        self.value.is_some_and(|value| value >= 1.0)
    }
}
