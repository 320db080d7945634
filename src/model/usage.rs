//! Tokens and money of model calls. What is not known is `None`, never 0.

/// Tokens and cost of one model call, or of several added up.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Usage {
    /// Prompt tokens, cached ones included.
    pub prompt_tokens: Option<u64>,
    /// Completion tokens, reasoning included where the back end counts it there.
    pub completion_tokens: Option<u64>,
    /// Prompt tokens that came from the provider's cache.
    pub cached_tokens: Option<u64>,
    /// US dollars, as recorded.
    pub cost_usd: Option<f64>,
}

impl Usage {
    /// Adds another call's usage. A figure that either side lacks becomes unknown.
    #[must_use]
    pub fn plus(self, other: Usage) -> Usage {
        Usage {
            prompt_tokens: self.prompt_tokens.zip(other.prompt_tokens).map(|(a, b)| a.saturating_add(b)),
            completion_tokens: self
                .completion_tokens
                .zip(other.completion_tokens)
                .map(|(a, b)| a.saturating_add(b)),
            cached_tokens: self.cached_tokens.zip(other.cached_tokens).map(|(a, b)| a.saturating_add(b)),
            cost_usd: self.cost_usd.zip(other.cost_usd).map(|(a, b)| a + b),
        }
    }

    /// Usage of no call at all.
    pub fn zero() -> Usage {
        Usage {
            prompt_tokens: Some(0),
            completion_tokens: Some(0),
            cached_tokens: Some(0),
            cost_usd: Some(0.0),
        }
    }

    /// Prompt and completion tokens together, if both are known.
    pub fn total_tokens(&self) -> Option<u64> {
        self.prompt_tokens.zip(self.completion_tokens).map(|(a, b)| a.saturating_add(b))
    }
}

/// Totals of a trajectory as ATIF's `final_metrics` has them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FinalMetrics {
    /// Totals over all steps.
    pub usage: Usage,
    /// Number of steps as the producer counted them.
    pub total_steps: Option<u64>,
    /// What else stood there.
    pub extra: super::Object,
}

/// What tokens cost, in US dollars a million.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Price {
    /// Prompt tokens.
    pub input: f64,
    /// Prompt tokens that came from the provider's cache; `None`: as other prompt tokens.
    pub cached: Option<f64>,
    /// Completion tokens.
    pub output: f64,
}
