//! One self-contained page: an index to search, every attempt step by step, two side by side.
//!
//! Invariant: nothing is loaded from anywhere, and a policy in the page says so: its style and its script are
//! allowed by digest alone. Model text is data for the script, which makes text nodes of it and nothing else.
//! What is opened on demand is packed ([`pool`]), so that the index is there at once; a page over [`BUDGET`] says
//! what it left out, and failures come first. Without scripts the totals remain.

mod detail;
mod overview;
mod pairs;
mod parts;
mod pool;
mod rows;
mod step;

use super::{Options, Report, Shown};
use crate::model::AttemptRecord;
use crate::store::RunView;
use crate::util::plural::plural;
use detail::Detail;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use pool::Pool;
use rayon::prelude::*;
use rows::Opened;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::io;

pub(super) static ITEM: Report = Report {
    name: "html",
    file: Some("report.html"),
    about: "One page: an index to search, attempts step by step, findings underlined, two side by side",
    render,
};

const STYLE: &str = concat!(include_str!("page/style.css"), include_str!("page/views.css"));

/// The script, in the order in which its parts need each other.
const SCRIPT: &str = concat!(
    "(() => {\n'use strict';\n",
    include_str!("page/data.js"),
    include_str!("page/dom.js"),
    include_str!("page/index.js"),
    include_str!("page/attempt.js"),
    include_str!("page/compare.js"),
    include_str!("page/main.js"),
    "})();\n",
);

/// Source without indentation, blank lines and lines of comment: what the page needs of it.
fn compact(source: &str) -> String {
    let lines = source.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//"));
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// Bytes that a page may have.
const BUDGET: usize = 20_000_000;

/// Attempts that the index lists.
const ROWS: usize = 20_000;

/// Attempts that are read at a time.
const WINDOW: usize = 64;

/// The parts of the page that a script reads.
struct Data {
    index: String,
    timing: Option<String>,
    chunks: Vec<String>,
    /// Attempts whose steps are left out.
    left_out: usize,
}

#[expect(clippy::unnecessary_wraps, reason = "reports have one signature")]
fn render(view: &Shown<'_>, options: &Options, out: &mut Vec<u8>) -> io::Result<()> {
    let (script, style) = (compact(SCRIPT), compact(STYLE));
    let top = overview::markup(view, options).into_string();
    let listed = listed(view, ROWS);
    let data = data(&listed, options, BUDGET.saturating_sub(top.len() + style.len() + script.len() + 10_000));
    let digest = |text: &str| format!("'sha256-{}'", pool::base64(&Sha256::digest(text.as_bytes())));
    let policy = format!(
        "default-src 'none'; script-src {}; style-src {}; base-uri 'none'; form-action 'none'",
        digest(&script),
        digest(&style)
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
                style { (PreEscaped(&style)) }
            }
            body {
                div #overview { (PreEscaped(top)) (left_out(view, listed.records.len(), data.left_out)) }
                main #main tabindex="-1" {}
                footer {
                    p #keys hidden {
                        kbd { "/" } " search · " kbd { "j" } " " kbd { "k" } " next and previous attempt · " kbd { "n" } " "
                        kbd { "p" } " next and previous finding · " kbd { "u" } " back"
                    }
                    p { "Made by rolltape from the files of the run. The page loads nothing." }
                }
                (block("index", &data.index))
                @if let Some(timing) = &data.timing {
                    script #timing type="application/json" data-timing { (PreEscaped(timing)) }
                }
                script { (PreEscaped(&script)) }
                // Last, so that the index is on the screen while these are still read.
                @for (at, chunk) in data.chunks.iter().enumerate() {
                    script id={ "c" (at) } type="application/json" { (PreEscaped(format!("\"{chunk}\""))) }
                }
            }
        }
    };
    *out = page.into_string().into_bytes();
    out.push(b'\n');
    Ok(())
}

fn block(id: &str, json: &str) -> Markup {
    html! { script id=(id) type="application/json" { (PreEscaped(json)) } }
}

/// The run with the records that the index has room for, failures first, in plan order.
fn listed(view: &RunView, rows: usize) -> Cow<'_, RunView> {
    if view.records.len() <= rows {
        return Cow::Borrowed(view);
    }
    let mut order = by_rank(view);
    order.truncate(rows);
    order.sort_unstable();
    let records = order.into_iter().map(|at| view.records[at].clone()).collect();
    Cow::Owned(RunView {
        dir: view.dir.clone(),
        manifest: view.manifest.clone(),
        records,
        warnings: Vec::new(),
        remembered: view.remembered.clone(),
    })
}

fn left_out(view: &RunView, listed: usize, without_steps: usize) -> Markup {
    let all = view.records.len();
    html! {
        @if listed < all || without_steps > 0 {
            p.notice #left-out {
                "This page has no room for the whole run, and failures come first. "
                @if listed < all { (plural(all - listed, "attempt")) " of " (all) " counted above, but not listed. " }
                @if without_steps > 0 {
                    "Of " (plural(without_steps, "attempt")) " of " (listed) " the steps are left out, to stay under 20 MB. "
                }
                "All is in " code { "attempts.jsonl" } " and " code { "trajectories.jsonl" } " of the run folder."
            }
        }
    }
}

/// Positions of all records, those first that a reader looks for first.
fn by_rank(view: &RunView) -> Vec<usize> {
    let mut order: Vec<usize> = (0..view.records.len()).collect();
    order.sort_by_key(|at| (rank(&view.records[*at]), *at));
    order
}

/// Reads the attempts, failures first, and packs as many as fit into `budget` bytes.
fn data(view: &RunView, options: &Options, budget: usize) -> Data {
    let order = by_rank(view);
    let mut pool = Pool::default();
    let mut opened = Opened { attempts: vec![None; order.len()], pairs: Vec::new(), starts: Vec::new() };
    let mut times = vec![Vec::new(); order.len()];
    let mut caps = vec![None; order.len()];
    let tape = view.trajectories();
    for window in order.chunks(WINDOW) {
        let read: Vec<Detail> =
            window.par_iter().map(|at| detail::read(view, &tape, &view.records[*at])).collect();
        for (at, detail) in window.iter().zip(read) {
            opened.attempts[*at] = Some(pool.add(detail.parts));
            (times[*at], caps[*at]) = (detail.times, detail.cap);
        }
        if pool.pack() > budget {
            break;
        }
    }
    let pairs = pairs::plan(view, &caps);
    opened.pairs = pairs::add(view, &caps, &pairs, &mut pool);
    opened.starts = pool.seal();
    let timing = options.timing.then(|| rows::timing(view, &times));
    let mut index = rows::index(view, &opened);
    let taken = index.len() + timing.as_ref().map_or(0, String::len);
    let chunks = pool.finish(budget.saturating_sub(taken));
    if chunks.len() < opened.starts.len() {
        let fits = |list: &pool::Chunks| list.iter().all(|chunk| *chunk < chunks.len());
        opened.attempts.iter_mut().for_each(|entry| *entry = entry.take().filter(|entry| fits(&entry.1)));
        opened.pairs.retain(|pair| fits(&pair.3));
        opened.starts.truncate(chunks.len());
        index = rows::index(view, &opened);
    }
    let left_out = opened.attempts.iter().filter(|entry| entry.is_none()).count();
    Data { index, timing, chunks, left_out }
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

#[cfg(test)]
mod tests {
    use super::super::Options;
    use crate::model::{AttemptId, AttemptRecord, Drift, Object, Outcome, RunId, RunManifest, Subject};
    use crate::store::{Remembered, RunView};
    use crate::util::digest::sha256_hex;

    /// A record that weighs about a third of a megabyte, in a chunk of its own, and packs badly.
    fn record(seq: u64, outcome: Outcome) -> AttemptRecord {
        let id = AttemptId { suite: "s".into(), task: format!("t{seq}"), subject: "a@b".into(), n: 1 };
        let subject = Subject {
            id: "a@b".into(),
            agent: "a".into(),
            backend: "b".into(),
            model: None,
            params: Object::new(),
        };
        let noise =
            |turn| (0..150).map(|at| sha256_hex(format!("{seq} {turn} {at}").as_bytes())).collect::<String>();
        let drift = (0..30).map(|turn| Drift { turn, diff: noise(turn) }).collect();
        AttemptRecord { outcome, drift, ..AttemptRecord::new(seq, id, subject) }
    }

    #[test]
    fn over_the_budget_failures_come_first_and_the_rest_is_counted() {
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
        let (dir, remembered) = ("nowhere".into(), Remembered::default());
        let view = RunView { dir, manifest, records, warnings: Vec::new(), remembered };
        let options = Options::file();
        let kept = |budget| {
            let data = super::data(&view, &options, budget);
            let size = data.index.len() + data.chunks.iter().map(String::len).sum::<usize>();
            assert!(size <= budget, "{size} bytes of {budget}");
            let index: serde_json::Value = serde_json::from_str(&data.index).unwrap();
            let rows = index[5].as_array().unwrap();
            assert_eq!(rows.len(), 4, "each attempt has its row");
            (rows.iter().map(|row| !row[13].is_null()).collect::<Vec<_>>(), data.left_out)
        };
        assert_eq!(kept(10_000_000), (vec![true; 4], 0));
        assert_eq!(kept(700_000), (vec![false, false, true, true], 2), "failures, then what was stopped");
        let told = super::left_out(&view, 4, 2).into_string();
        assert!(told.contains("Of 2 attempts of 4 the steps are left out"), "{told}");
        let listed = super::listed(&view, 3);
        let names: Vec<&str> = listed.records.iter().map(|record| record.id.task.as_str()).collect();
        assert_eq!(names, ["t0", "t2", "t3"]);
        let told = super::left_out(&view, 3, 0).into_string();
        assert!(told.contains("1 attempt of 4 counted above, but not listed"), "{told}");
    }
}
