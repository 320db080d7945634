//! Durations and sizes as people write them.

use std::time::Duration;

/// `"500ms"`, `"30s"`, `"10m"`, `"1h30m"`, `"2d"`: whole numbers, each with its unit, above zero in sum.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = 0u64;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let (number, after) = split_number(rest)?;
        let end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, next) = after.split_at(end);
        let millis: u64 = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        };
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(millis)?)?;
        rest = next;
    }
    (total > 0).then(|| Duration::from_millis(total))
}

/// `"64KiB"`, `"512MiB"`, `"1GiB"`, `"2GB"`, `"100B"`: a whole number above zero and a unit, in bytes.
pub(crate) fn size(text: &str) -> Option<u64> {
    let (number, unit) = split_number(text)?;
    let factor: u64 = match unit.trim_start() {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor).filter(|bytes| *bytes > 0)
}

fn split_number(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_whole_numbers_with_units() {
        assert_eq!(duration("10m"), Some(Duration::from_secs(600)));
        assert_eq!(duration("1h30m"), Some(Duration::from_secs(5400)));
        assert_eq!(duration("500ms"), Some(Duration::from_millis(500)));
        for bad in ["", "10", "m", "10 m", "1.5h", "-1s", "0s", "10x", "99999999999999999999s", "٣s"] {
            assert_eq!(duration(bad), None, "{bad}");
        }
    }

    #[test]
    fn sizes_are_whole_numbers_with_units() {
        assert_eq!(size("1GiB"), Some(1 << 30));
        assert_eq!(size("2 GB"), Some(2_000_000_000));
        for bad in ["", "1", "GiB", "1.5GiB", "0B", "1gib", "1G", "99999999999TiB"] {
            assert_eq!(size(bad), None, "{bad}");
        }
    }
}
