//! One self-contained page: every attempt readable step by step.
//!
//! Invariant: no script, nothing loaded from anywhere, and a policy in the page that says so, its style
//! allowed by digest alone. Model text only ever becomes text nodes. A page over [`BUDGET`] shows failures
//! first and says what it left out.

mod attempt;
mod overview;
mod step;

use super::{Options, Report};
use crate::model::AttemptRecord;
use crate::store::RunView;
use crate::util::plural::plural;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};
use std::io;

pub(super) static ITEM: Report = Report {
    name: "html",
    file: Some("report.html"),
    about: "One page without scripts: every attempt step by step, findings underlined",
    render,
};

const STYLE: &str = include_str!("style.css");

/// Bytes of attempts that a page may hold.
const BUDGET: usize = 20_000_000;

fn render(view: &RunView, options: &Options, out: &mut dyn io::Write) -> io::Result<()> {
    let (attempts, left_out) = attempts(view, options, BUDGET);
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; base-uri 'none'; form-action 'none'",
        base64(&Sha256::digest(STYLE.as_bytes()))
    );
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "Rolltape: " (view.manifest.id.0) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (overview::markup(view, options))
                main {
                    (filters(view))
                    @for attempt in &attempts { (PreEscaped(attempt)) }
                    (left_out_markup(view, &left_out))
                }
                footer { "Made by rolltape from the files of the run. The page loads nothing and runs no script." }
            }
        }
    };
    out.write_all(page.into_string().as_bytes())?;
    out.write_all(b"\n")
}

/// The attempts that fit the budget, in plan order, and the positions of those that do not.
///
/// If all fit, all are there. Otherwise those that did not pass come first into the budget.
fn attempts(view: &RunView, options: &Options, budget: usize) -> (Vec<String>, Vec<usize>) {
    let render = |at: usize| attempt::markup(view, &view.records[at], options).into_string();
    let mut all = Vec::new();
    let mut bytes = 0;
    for at in 0..view.records.len() {
        let text = render(at);
        bytes += text.len();
        if bytes > budget {
            return failures_first(view, &render, budget);
        }
        all.push(text);
    }
    (all, Vec::new())
}

fn failures_first(
    view: &RunView,
    render: &dyn Fn(usize) -> String,
    budget: usize,
) -> (Vec<String>, Vec<usize>) {
    let mut order: Vec<usize> = (0..view.records.len()).collect();
    order.sort_by_key(|at| (rank(&view.records[*at]), *at));
    let (mut shown, mut left_out, mut bytes) = (Vec::new(), Vec::new(), 0);
    for at in order {
        let text = render(at);
        if bytes + text.len() > budget {
            left_out.push(at);
        } else {
            bytes += text.len();
            shown.push(text);
        }
    }
    left_out.sort_unstable();
    (shown, left_out)
}

/// What a reader looks for first.
fn rank(record: &AttemptRecord) -> u8 {
    match record.outcome.word() {
        "failed" | "invalid" | "limit" => 0,
        "error" => 1,
        "passed" => 3,
        _ => 2,
    }
}

fn left_out_markup(view: &RunView, left_out: &[usize]) -> Markup {
    html! {
        @if !left_out.is_empty() {
            section.notice #left-out {
                h2 { "Left out" }
                p {
                    "The page would have been over 20 MB: " (plural(left_out.len(), "attempt")) " of "
                    (view.records.len()) " are left out here, and failures come first. "
                    "All of them are in " code { "trajectories.jsonl" } " of the run folder."
                }
                ul { @for at in left_out {
                    @let record = &view.records[*at];
                    li { (attempt::badge(record)) " " code { (super::text::one_line(&record.id.to_string())) } }
                } }
            }
        }
    }
}

/// Which attempts are shown; plain CSS, so that it works without a script.
fn filters(view: &RunView) -> Markup {
    let passed = view.records.iter().filter(|record| record.outcome.word() == "passed").count();
    let all = view.records.len();
    html! {
        h2 { "Attempts" }
        div.filters {
            label { input type="radio" name="show" id="show-all" checked; " all " (all) }
            label { input type="radio" name="show" id="show-bad"; " not passed " (all - passed) }
            label { input type="radio" name="show" id="show-good"; " passed " (passed) }
        }
    }
}

/// RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let block =
            chunk.iter().fold(0_u32, |sum, byte| sum << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let digit = ALPHABET[(block >> (18 - 6 * place) & 63) as usize];
            out.push(if place <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::Options;
    use crate::model::{AttemptId, AttemptRecord, Drift, Object, Outcome, RunId, RunManifest, Subject};
    use crate::store::RunView;

    fn record(seq: u64, outcome: Outcome) -> AttemptRecord {
        let id = AttemptId { suite: "s".into(), task: format!("t{seq}"), subject: "a@b".into(), n: 1 };
        let subject = Subject {
            id: "a@b".into(),
            agent: "a".into(),
            backend: "b".into(),
            model: None,
            params: Object::new(),
        };
        let drift = vec![Drift { turn: 1, diff: "x".repeat(10_000) }];
        AttemptRecord { outcome, drift, ..AttemptRecord::new(seq, id, subject) }
    }

    #[test]
    fn over_the_budget_failures_come_first_and_the_rest_is_named() {
        let manifest = RunManifest {
            id: RunId("r".into()),
            suites: Vec::new(),
            tasks: Vec::new(),
            subjects: Vec::new(),
            attempts: 1,
            planned: 4,
            seed: 0,
            sandbox: String::new(),
            layers: Vec::new(),
            policy: String::new(),
            reading: String::new(),
            versions: Object::new(),
            invocation: Object::new(),
            timing: Object::new(),
        };
        let outcomes = [Outcome::Passed, Outcome::Passed, Outcome::Failed, Outcome::Cancelled];
        let records = (0..).zip(outcomes).map(|(seq, outcome)| record(seq, outcome)).collect();
        let view = RunView { dir: "nowhere".into(), manifest, records, warnings: Vec::new() };
        let (all, none) = super::attempts(&view, &Options::file(), 1_000_000);
        assert_eq!((all.len(), none), (4, Vec::new()));
        assert!(all[0].contains("t0") && all[2].contains("t2"), "plan order");
        let (shown, left_out) = super::attempts(&view, &Options::file(), 25_000);
        assert_eq!(left_out, [0, 1]);
        assert!(shown[0].contains("t2") && shown[1].contains("t3"), "failures first");
        let told = super::left_out_markup(&view, &left_out).into_string();
        assert!(told.contains("2 attempts of 4 are left out"), "{told}");
    }

    #[test]
    fn base64_is_the_one_of_the_rfc() {
        for (plain, coded) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")]
        {
            assert_eq!(super::base64(plain.as_bytes()), coded);
        }
    }
}
