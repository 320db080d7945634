//! Rewards for training: from scores to one number.
//!
//! Must not know: how scores came about.

use crate::model::Score;

/// Weighted mean of the scores; `None` without scores or when one of them could not judge.
pub fn weighted_mean(scores: &[Score]) -> Option<f64> {
    let mut sum = 0.0;
    let mut weights = 0.0;
    for score in scores {
        sum += score.value? * score.weight;
        weights += score.weight;
    }
    (weights > 0.0).then(|| sum / weights)
}
