//! Wilson's interval against values that another program worked out.

use crate::support;
use rolltape::stats::wilson;
use serde_json::Value;

/// Two-sided standard normal quantiles of the levels that occur.
fn quantile(level: f64) -> Option<f64> {
    let table =
        [(0.9, 1.644_853_626_951_472_2), (0.95, rolltape::stats::Z95), (0.99, 2.575_829_303_548_900_4)];
    table.iter().find(|(known, _)| (known - level).abs() < 1e-12).map(|(_, z)| *z)
}

#[test]
fn stats_vectors_of_one_proportion() {
    let Some(path) = support::data("stats_vectors.json") else { return };
    let file: Value = serde_json::from_str(&support::read(&path)).expect("JSON");
    let mut compared = 0;
    for vector in file["vectors"].as_array().expect("vectors") {
        let Some(wanted) = vector["expected"]["wilson"].as_array() else { continue };
        let (input, bound) = (&vector["input"], |index: usize| wanted[index].as_f64().expect("a bound"));
        let z = quantile(input["level"].as_f64().expect("a level")).expect("a level of the table");
        let hits = input["successes"].as_u64().expect("a count");
        let (low, high) = wilson(hits, input["n"].as_u64().expect("a count"), z).expect("an interval");
        assert!((low - bound(0)).abs() < 1e-9 && (high - bound(1)).abs() < 1e-9, "{vector}: {low} {high}");
        compared += 1;
    }
    assert!(compared >= 8, "{compared}");
}
