//! How reports write figures and what a model wrote.
//!
//! Invariant: no text of a model or an agent reaches a reader but through here or through the escaping of
//! the format itself.

use super::Shown;
use super::stats::Stats;
use crate::model::{AttemptRecord, Outcome};
use crate::stats::Rate;
use crate::util::text;
use std::borrow::Cow;

/// Text on one line; nothing in it steers a terminal or the CI service that shows it.
pub(super) fn one_line(text: &str) -> String {
    one_line_of(text).into_owned()
}

/// [`one_line`] that borrows what need not change.
pub(super) fn one_line_of(text: &str) -> Cow<'_, str> {
    unmarked(text::one_line_of(text))
}

/// Control characters as their pictures, bidirectional overrides as their numbers; newlines and tabs stay.
pub(super) fn visible(text: &str) -> Cow<'_, str> {
    unmarked(text::visible(text))
}

fn unmarked(shown: Cow<'_, str>) -> Cow<'_, str> {
    match shown {
        Cow::Borrowed(shown) => text::unmarked(shown),
        Cow::Owned(shown) => match text::unmarked(&shown) {
            Cow::Borrowed(_) => Cow::Owned(shown),
            Cow::Owned(safe) => Cow::Owned(safe),
        },
    }
}

/// JSON as it was, with what steers a terminal or a CI service escaped.
pub(super) fn json(bytes: &[u8]) -> Cow<'_, [u8]> {
    match std::str::from_utf8(bytes).map(text::json_unmarked) {
        Ok(Cow::Owned(safe)) => Cow::Owned(safe.into_bytes()),
        _ => Cow::Borrowed(bytes),
    }
}

/// `text` cut after `bytes` at a character, with how much was cut.
pub(super) fn capped(text: &str, bytes: usize) -> (&str, usize) {
    let end = text.floor_char_boundary(bytes);
    (&text[..end], text.len() - end)
}

/// US dollars, or `unknown`.
pub fn usd(value: Option<f64>) -> String {
    match value {
        None => "unknown".to_owned(),
        Some(0.0) => "$0".to_owned(),
        // A little is not nothing.
        Some(value) if value < 0.000_05 => "<$0.0001".to_owned(),
        Some(value) if value < 1.0 => format!("${value:.4}"),
        Some(value) => format!("${value:.2}"),
    }
}

/// The recorded cost of some attempts; where it is not known for all, of how many it is the sum.
pub(super) fn cost(stats: &Stats) -> String {
    match (stats.cost_usd, stats.known_usd) {
        (Some(_), _) | (None, (_, 0)) => usd(stats.cost_usd),
        (None, (sum, known)) => format!("{} of {known}/{}", usd(Some(sum)), stats.ran),
    }
}

/// Success and format in a sentence for each subject: different subjects have no rate together.
pub(super) fn rates<'a>(view: &'a Shown<'_>) -> Vec<(Option<&'a str>, &'a Stats)> {
    let subjects = view.subjects();
    if subjects.len() <= 1 {
        return vec![(None, view.totals())];
    }
    subjects.iter().map(|(id, stats)| (Some(*id), stats)).collect()
}

/// A whole number with thin groups, or `unknown`.
pub fn count(value: Option<u64>) -> String {
    let Some(value) = value else { return "unknown".to_owned() };
    let digits = value.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Milliseconds for people, or `unknown`.
pub(super) fn duration(ms: Option<f64>) -> String {
    match ms {
        None => "unknown".to_owned(),
        Some(ms) if ms < 1.0 => "< 1 ms".to_owned(),
        Some(ms) if ms < 1000.0 => format!("{ms:.0} ms"),
        Some(ms) if ms < 60_000.0 => format!("{:.1} s", ms / 1000.0),
        Some(ms) => format!("{} min {:.0} s", (ms / 60_000.0).floor(), (ms % 60_000.0) / 1000.0),
    }
}

/// `3/4`, or a dash where nothing was counted.
pub fn ratio(rate: Rate) -> String {
    if rate.of == 0 { "–".to_owned() } else { rate.to_string() }
}

/// `3/4 (75 %)`, or that there is nothing.
pub(super) fn rate(rate: Rate) -> String {
    // Rounded down, so that 100 % means all.
    match (rate.hits * 100).checked_div(rate.of) {
        Some(percent) => format!("{rate} ({percent} %)"),
        None => "no data".to_owned(),
    }
}

/// A reward with two digits, or a dash.
pub(super) fn reward(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.2}"))
}

/// The outcome with its kind, class or nothing.
pub fn outcome(record: &AttemptRecord) -> String {
    match &record.outcome {
        Outcome::Limit(kind) => format!("limit {}", kind.as_str()),
        Outcome::Error(error) => format!("error {}", error.class.as_str()),
        other => other.word().to_owned(),
    }
}

/// What stands beside every rate: `1 error, 2 skipped`, or nothing.
pub(super) fn beside(stats: &Stats) -> String {
    ["error", "cancelled", "skipped"]
        .into_iter()
        .filter(|word| stats.outcome(word) > 0)
        .map(|word| match (word, stats.outcome(word)) {
            ("error", n) if n > 1 => format!("{n} errors"),
            (word, n) => format!("{n} {word}"),
        })
        .collect::<Vec<_>>()
        .join(", ")
}

/// Why an attempt did not pass, in one sentence; empty for one that passed.
pub(super) fn reason(record: &AttemptRecord) -> String {
    match &record.outcome {
        Outcome::Passed => String::new(),
        Outcome::Error(error) => error.message.clone(),
        Outcome::Skipped(reason) => reason.clone(),
        Outcome::Cancelled if !record.timing.contains_key("started") => "never started".to_owned(),
        Outcome::Cancelled => "stopped before it ended".to_owned(),
        Outcome::Failed | Outcome::Invalid | Outcome::Limit(_) => record
            .scores
            .iter()
            .filter(|score| !score.passed())
            .map(|score| format!("{}: {}", score.scorer, score.reason))
            .collect::<Vec<_>>()
            .join("; "),
    }
}

#[cfg(test)]
mod tests {
    use super::{Rate, capped, count, duration, rate, usd};

    #[test]
    fn figures_say_when_they_are_unknown() {
        assert_eq!(usd(None), "unknown");
        assert_eq!(usd(Some(0.01234)), "$0.0123");
        assert_eq!((usd(Some(0.000_02)), usd(Some(0.0))), ("<$0.0001".to_owned(), "$0".to_owned()));
        assert_eq!(count(Some(1_234_567)), "1,234,567");
        assert_eq!(count(None), "unknown");
        assert_eq!(duration(Some(61_000.0)), "1 min 1 s");
        assert_eq!(rate(Rate { hits: 0, of: 0 }), "no data");
        assert_eq!(rate(Rate { hits: 999, of: 1000 }), "999/1000 (99 %)");
    }

    #[test]
    fn what_is_cut_is_cut_at_a_character() {
        assert_eq!(capped("中文", 4), ("中", 3));
    }
}
