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

impl Price {
    /// What a call cost: its cached tokens at their price, all other prompt tokens at the full one. A call that does
    /// not tell of cached tokens had none. `None` if the tokens are not known.
    pub fn cost(&self, usage: &Usage) -> Option<f64> {
        let (prompt, completion) = usage.prompt_tokens.zip(usage.completion_tokens)?;
        let cached = usage.cached_tokens.unwrap_or(0).min(prompt);
        let rate = self.cached.unwrap_or(self.input);
        let millions = |tokens: u64| tokens as f64 / 1e6;
        Some(
            millions(prompt - cached) * self.input
                + millions(cached) * rate
                + millions(completion) * self.output,
        )
    }

    /// The most that tokens of unknown kind can cost.
    pub fn most(&self, tokens: u64) -> f64 {
        tokens as f64 / 1e6 * self.input.max(self.output).max(self.cached.unwrap_or(0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_costs_what_its_tokens_cost() {
        let price = Price { input: 2.0, cached: Some(0.5), output: 10.0 };
        let usage = |prompt, cached, completion| Usage {
            prompt_tokens: prompt,
            completion_tokens: completion,
            cached_tokens: cached,
            cost_usd: None,
        };
        let cost = |price: &Price, usage| price.cost(&usage).map(|cost| (cost * 1e6).round());
        assert_eq!(cost(&price, usage(Some(100), Some(40), Some(7))), Some(120.0 + 20.0 + 70.0));
        assert_eq!(cost(&price, usage(Some(100), None, Some(7))), Some(270.0));
        assert_eq!(cost(&Price { cached: None, ..price }, usage(Some(100), Some(40), Some(0))), Some(200.0));
        // More cached tokens than prompt tokens is nonsense, and no reason for a price below nothing.
        assert_eq!(cost(&price, usage(Some(10), Some(40), Some(0))), Some(5.0));
        assert_eq!(cost(&price, usage(None, Some(40), Some(7))), None);
        assert_eq!(cost(&price, usage(Some(1), Some(1), None)), None);
        assert!((price.most(1000) - 0.01).abs() < 1e-12);
    }
}
