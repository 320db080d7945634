//! Scorers `json` and `number`: what passes, why not, and slips of their options with their place.

use rolltape::cli::suite_files::render;
use rolltape::score::{Evidence, ProbeResult, compile_all};
use rolltape::suite::{FileSpec, Suite, parse};
use std::collections::BTreeMap;
use std::fmt::Write as _;

fn suite(scores: &[&str]) -> Suite {
    let text = format!(
        "schema = 1\nname = \"s\"\n[[task]]\nid = \"t\"\nprompt = \"x\"\n\
         tests = {{ \"fit.json\" = '{{\"type\": \"object\", \"required\": [\"a\"]}}', \"bad.json\" = '{{' }}\nscore = [\n{}\n]\n",
        scores.join(",\n")
    );
    let file = FileSpec { bytes: text.into_bytes(), executable: false };
    parse("s", &BTreeMap::from([("suite.toml".to_owned(), file)])).expect("a good suite")
}

/// `1 reason` or `0 reason` of an answer.
fn told(score: &str, answer: &str) -> String {
    let compiled = compile_all(&suite(&[score])).unwrap_or_else(|errors| panic!("{}", render(&errors)));
    let evidence = Evidence { answer: Some(answer.to_owned()), ..Evidence::default() };
    let (value, reason) = (compiled[0][0].judge)(&evidence);
    format!("{} {reason}", value.expect("a verdict"))
}

#[test]
fn json_is_judged_by_subset_and_by_schema() {
    let subset = "{ kind = \"json\", subset = { a = 1, b = [{ c = \"x\" }] } }";
    let schema =
        "{ kind = \"json\", schema = { properties = { a = { type = \"integer\", pattern = \"^a+$\" } } } }";
    let file = "{ kind = \"json\", schema = \"fit.json\" }";
    let both = "{ kind = \"json\", schema = \"fit.json\", subset = { b = true } }";
    let mut text = String::new();
    for (score, answer) in [
        (subset, "{\"a\": 1.0, \"b\": [{\"c\": \"x\", \"d\": 2}], \"e\": null}"),
        (subset, "Sure:\n```json\n{\"a\": 1, \"b\": [{\"c\": \"y\"}]}\n```"),
        (subset, "{\"a\": 1}"),
        (subset, "I can't."),
        (schema, "It is {\"a\": 5}."),
        (schema, "{\"a\": \"five\"}"),
        (file, "{\"a\": 0}"),
        (file, "[]"),
        (both, "{\"a\": 0, \"b\": true}"),
        (both, "{\"a\": 0, \"b\": false}"),
    ] {
        let _ = writeln!(text, "{}", told(score, answer));
    }
    insta::assert_snapshot!("json_reasons", text);
}

#[test]
fn numbers_are_judged_within_their_tolerance() {
    let mut text = String::new();
    for (options, answer) in [
        ("value = 42", "6 times 7 is 42."),
        ("value = 42", "41.999"),
        ("value = \"1,234\"", "about 1234"),
        ("value = 3.14159, tolerance = 0.01", "3.14"),
        ("value = 0.3, tolerance = 0.1", "0.2"),
        ("value = 100, relative = 0.05", "106"),
        ("value = -5, pick = \"first\"", "-5 and 7"),
        ("value = 5, pick = \"only\"", "5 or 6"),
        ("value = 0.125, percent = true", "It is 12.5 %."),
        ("value = 12.5", "It is 12.5 %."),
        ("value = 5", "none"),
    ] {
        let _ = writeln!(text, "{}", told(&format!("{{ kind = \"number\", {options} }}"), answer));
    }
    insta::assert_snapshot!("number_reasons", text);
}

#[test]
fn what_a_command_prints_can_be_judged() {
    let score = "{ kind = \"number\", value = 7, on = \"output\", run = \"cat n\", carry = [\"n\"], timeout = \"5s\" }";
    let compiled = compile_all(&suite(&[score])).expect("a good suite");
    let judged = |probe: ProbeResult| {
        let evidence = Evidence { probes: vec![probe], ..Evidence::default() };
        (compiled[0][0].judge)(&evidence)
    };
    assert_eq!(compiled[0][0].probes.len(), 1);
    assert_eq!(judged(ProbeResult::run(Some(0), "7\n", "", Vec::new(), None)).0, Some(1.0));
    assert_eq!(judged(ProbeResult::run(Some(1), "7\n", "", Vec::new(), None)).0, Some(0.0));
    assert_eq!(judged(ProbeResult::run(None, "7\n", "", Vec::new(), None)).0, Some(0.0));
    assert_eq!(judged(ProbeResult::Unavailable { reason: "gone".to_owned() }).0, None);
}

#[test]
fn slips_of_options_have_their_place() {
    let errors = compile_all(&suite(&[
        "{ kind = \"json\" }",
        "{ kind = \"json\", schema = { type = \"objekt\" } }",
        "{ kind = \"json\", schema = { \"$ref\" = \"https://example.org/schema.json\" } }",
        "{ kind = \"json\", schema = { \"$ref\" = \"file:///etc/passwd\" } }",
        "{ kind = \"json\", schema = \"fitt.json\" }",
        "{ kind = \"json\", schema = \"bad.json\" }",
        "{ kind = \"json\", schema = { pattern = \"(?=x)\" } }",
        "{ kind = \"number\" }",
        "{ kind = \"number\", value = \"many\", tolerance = -1, pick = \"midle\", relativ = 1 }",
        "{ kind = \"equals\", text = [1], on = \"outputs\" }",
        "{ kind = \"equals\", text = 5, on = \"output\" }",
    ]))
    .err()
    .expect("errors");
    insta::assert_snapshot!("slips_of_values", render(&errors));
}
