//! Names of runs.

use crate::model::RunId;
use crate::util::digest::sha256_parts;

/// Makes the sortable name of a run: UTC time, the suite's name, four hexadecimal digits of a digest
/// of all three, for example `20261123T161900-deepseek-api-3f2a`.
///
/// The name keeps letters, digits, `-` and `_` of the suite's; everything else becomes `-`; at most 40.
pub fn run_id(now: jiff::Timestamp, suite: &str, seed: u64) -> RunId {
    let time = now.strftime("%Y%m%dT%H%M%S");
    let nanos = now.as_nanosecond().to_le_bytes();
    let digest = sha256_parts([&nanos[..], suite.as_bytes(), &seed.to_le_bytes()[..]]);
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '-' };
    let name: String = suite.chars().map(plain).take(40).collect();
    let name = name.trim_matches('-');
    let name = if name.is_empty() { "run" } else { name };
    RunId(format!("{time}-{name}-{}", &digest[..4]))
}

#[cfg(test)]
mod tests {
    use super::run_id;

    #[test]
    fn names_sort_by_time_and_depend_on_nothing_else() {
        let at = |text: &str| text.parse::<jiff::Timestamp>().unwrap();
        let early = run_id(at("2026-11-23T16:19:00Z"), "deepseek-api", 0);
        assert!(early.0.starts_with("20261123T161900-deepseek-api-"), "{early}");
        assert_eq!(early, run_id(at("2026-11-23T16:19:00Z"), "deepseek-api", 0));
        assert_ne!(early, run_id(at("2026-11-23T16:19:00Z"), "deepseek-api", 1));
        assert_ne!(early, run_id(at("2026-11-23T16:19:00.000000001Z"), "deepseek-api", 0));
        assert!(early < run_id(at("2026-11-23T16:19:01Z"), "a", 0));
    }

    #[test]
    fn a_name_never_leaves_its_folder() {
        let id = run_id(jiff::Timestamp::UNIX_EPOCH, "../../etc/中文", 0);
        assert!(!id.0.contains('/') && !id.0.contains('.'), "{id}");
        assert!(run_id(jiff::Timestamp::UNIX_EPOCH, "…", 0).0.contains("-run-"));
    }
}
