//! The passes of `check` alone, in memory, by CPU time of one core: the quick way of the FC rules, and the search for secrets.

#![allow(clippy::disallowed_methods, clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints")]

mod common;

use common::corpus::{Calls, chat};
use common::{cpu_of, figure, rate};
use rolltape::model::Policy;
use rolltape::rules::{self, Options, quick::Quick};
use rolltape::util::redact::Redactor;
use std::hint::black_box;

fn main() {
    let off: Vec<&'static str> =
        rules::ALL.iter().filter(|rule| rule.family() != "FC").map(|rule| rule.id).collect();
    let options = Options { off: &off, ..Options::default() };
    for (what, calls) in [("text calls", Calls::Text), ("native calls", Calls::Native)] {
        let lines: Vec<String> = (0..1000).map(|number| chat(number, calls).to_string()).collect();
        let bytes: u64 = lines.iter().map(|line| line.len() as u64).sum();
        let mut left = 0;
        let time = cpu_of(|| {
            let mut quick = Quick::new(&Policy::default(), &options).unwrap();
            left = lines.iter().filter(|line| black_box(quick.line(line.as_bytes())).is_none()).count();
        });
        figure(
            &format!("quick way, {what}, {left} of {} lines left", lines.len()),
            &rate(bytes, time),
            "",
            "",
        );
        let redactor = Redactor::default();
        let mut hits = 0;
        let time =
            cpu_of(|| hits = lines.iter().map(|line| black_box(redactor.scan(line)).len()).sum::<usize>());
        figure(&format!("secret scan, {what}, {hits} found"), &rate(bytes, time), "≥ 300 MB/s", "600 MB/s");
    }
}
