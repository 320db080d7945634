//! Wilson's score interval of a proportion.

/// Standard normal quantile of a two-sided level of 95 %.
pub const Z95: f64 = 1.959_963_984_540_054;

/// The score interval (Wilson 1927, formula without continuity correction): `(low, high)`, both in 0 to 1.
///
/// `z` is the standard normal quantile of the two-sided level, [`Z95`] for 95 %. `None` without an observation, and
/// where more were hit than counted.
pub fn wilson(hits: u64, of: u64, z: f64) -> Option<(f64, f64)> {
    if of == 0 || hits > of {
        return None;
    }
    let (n, share) = (of as f64, hits as f64 / of as f64);
    let weight = z * z / n;
    let middle = share + weight / 2.0;
    let half = z * (share * (1.0 - share) / n + weight / (4.0 * n)).sqrt();
    let bound = |value: f64| (value / (1.0 + weight)).clamp(0.0, 1.0);
    // At the ends one bound is exact, and rounding must not move it.
    let low = if hits == 0 { 0.0 } else { bound(middle - half) };
    let high = if hits == of { 1.0 } else { bound(middle + half) };
    Some((low, high))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values_come_out() {
        let near =
            |(low, high): (f64, f64), (a, b): (f64, f64)| (low - a).abs() < 1e-12 && (high - b).abs() < 1e-12;
        // (p + z²/2n ± z·sqrt(p(1-p)/n + z²/4n²)) / (1 + z²/n), worked out apart with 60 digits.
        let seven = wilson(7, 10, Z95).unwrap();
        assert!(near(seven, (0.396_778_147_461_145_3, 0.892_208_732_593_698_9)), "{seven:?}");
        assert_eq!(wilson(0, 10, Z95).map(|(low, _)| low), Some(0.0));
        assert_eq!(wilson(10, 10, Z95).map(|(_, high)| high), Some(1.0));
        assert_eq!((wilson(0, 0, Z95), wilson(2, 1, Z95)), (None, None));
    }
}
