//! Quantiles of a sample.

/// The quantile `q` (0 to 1) of values sorted upwards, by linear interpolation between the two nearest: type 7
/// of Hyndman and Fan (1996), the default of R and NumPy. `None` without a value.
pub fn quantile(sorted: &[f64], q: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let place = q.clamp(0.0, 1.0) * last as f64;
    let below = place.floor();
    let (low, high) = (sorted[below as usize], sorted[(below as usize + 1).min(last)]);
    Some(low + (place - below) * (high - low))
}

#[cfg(test)]
mod tests {
    use super::quantile;

    #[test]
    fn quantiles_are_those_of_r_and_numpy() {
        // quantile(c(1, 2, 3, 4, 10), c(.5, .95)) of R: 3.0 and 8.8
        let sample = [1.0, 2.0, 3.0, 4.0, 10.0];
        assert_eq!(quantile(&sample, 0.5), Some(3.0));
        assert!((quantile(&sample, 0.95).unwrap() - 8.8).abs() < 1e-12);
        assert_eq!(quantile(&[1.0, 2.0], 0.5), Some(1.5));
        assert_eq!(quantile(&[7.0], 0.95), Some(7.0));
        assert_eq!(quantile(&sample, 1.0), Some(10.0));
        assert_eq!(quantile(&[], 0.5), None);
    }
}
