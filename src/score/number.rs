//! `number`: a number in the text is the wanted one, or near enough.
//!
//! Numbers are read as people write them: signs, thousands (`1,234,567`, also with `_` or narrow spaces), decimals
//! with a point, exponents. What is part of a word, a version or an address (`x1`, `1.2.3`) is no number.

use super::options::Options;
use super::{Compiled, OptionError, Scorer, text};
use crate::suite::{ScorerSpec, Task};

/// Which number of a text is meant.
pub(crate) const PICKS: &[&str] = &["last", "first", "only"];

pub(super) static ITEM: Scorer = Scorer {
    name: "number",
    about: "the last (or first, or only) number in the answer, a file or an output is `value`, within a tolerance",
    compile,
};

/// A number in a text.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Found {
    value: f64,
    percent: bool,
}

fn compile(spec: &ScorerSpec, _: &Task) -> Result<Compiled, Vec<OptionError>> {
    let mut options = Options::new(&spec.options, "");
    let wanted = options.number("value");
    if !options.has("value") {
        options.error("'value' is missing", Some("add value = 42".to_owned()));
    }
    let pick = options.word("pick", PICKS).unwrap_or("last");
    let fraction = options.flag("percent").unwrap_or(false);
    let mut bound = |key: &'static str| {
        let bound = options.number(key).unwrap_or(0.0);
        if bound < 0.0 {
            options.error(format!("'{key}' must not be below 0"), None);
        }
        bound
    };
    let (absolute, relative) = (bound("tolerance"), bound("relative"));
    let verdict = move |text: &str| {
        let wanted = wanted.unwrap_or(f64::NAN);
        let found = match picked(text, pick) {
            Ok(found) => found,
            Err(reason) => return (false, reason),
        };
        let value = if fraction && found.percent { found.value / 100.0 } else { found.value };
        let allowed = absolute.max(relative * wanted.abs());
        let what = if pick == "only" { "the only number" } else { &format!("the {pick} number") };
        // The last bit of a difference is not the model's doing.
        let slack = 4.0 * f64::EPSILON * wanted.abs().max(value.abs());
        let off = (value - wanted).abs();
        if off <= slack {
            (true, format!("{what} is {wanted}"))
        } else if allowed > 0.0 && off <= allowed + slack {
            (true, format!("{what}, {value}, is within {allowed} of {wanted}"))
        } else if allowed > 0.0 {
            (false, format!("{what} is {value}, not within {allowed} of {wanted}"))
        } else {
            (false, format!("{what} is {value}, not {wanted}"))
        }
    };
    text::compile(options, Some(verdict))
}

fn picked(text: &str, pick: &str) -> Result<Found, String> {
    let mut all = numbers(text);
    let first = all.next();
    let last = if pick == "first" { None } else { all.last() };
    match (first, last) {
        (None, _) => Err("there is no number in it".to_owned()),
        (Some(_), Some(_)) if pick == "only" => {
            Err(format!("there are {} numbers in it, not one", numbers(text).count()))
        }
        (Some(first), last) => Ok(last.unwrap_or(first)),
    }
}

/// The number that a text is, and nothing else.
pub(super) fn whole(text: &str) -> Option<f64> {
    let text = text.trim();
    let body = text.strip_prefix(SIGNS).unwrap_or(text);
    if !body.trim_start_matches('.').starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let (end, digits) = digits(body, 0);
    let value: f64 = digits.parse().ok()?;
    let negative = body.len() < text.len() && !text.starts_with('+');
    (end == body.len() && value.is_finite()).then_some(if negative { -value } else { value })
}

const SIGNS: [char; 3] = ['-', '+', '−'];

fn numbers(text: &str) -> Scan<'_> {
    Scan { text, at: 0 }
}

/// Reads a text number by number.
struct Scan<'t> {
    text: &'t str,
    at: usize,
}

impl Iterator for Scan<'_> {
    type Item = Found;

    fn next(&mut self) -> Option<Found> {
        loop {
            let mut start = self.at + self.text[self.at..].find(|c: char| c.is_ascii_digit())?;
            let pointed = self.text[self.at..start].strip_suffix('.');
            if pointed.is_some_and(|before| !before.ends_with(|c: char| c.is_alphanumeric())) {
                start -= 1;
            }
            let head = &self.text[..start];
            let unsigned = head.strip_suffix(SIGNS).unwrap_or(head);
            let signed = unsigned.len() < head.len();
            let before = unsigned.chars().next_back();
            let glued = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
            let (end, digits) = digits(self.text, start);
            self.at = end;
            // `x1` and `1.2.3` are names.
            if (glued && !signed) || versioned(self.text, &mut self.at) {
                continue;
            }
            let Some(value) = digits.parse::<f64>().ok().filter(|value| value.is_finite()) else { continue };
            let after = self.text[end..].trim_start_matches([' ', '\u{a0}', '\u{202f}']);
            // The sign of `5-3` and `2024-01` is none of a number.
            let negative = signed && !head.ends_with('+') && !glued && before != Some(')');
            let value = if negative { -value } else { value };
            return Some(Found { value, percent: after.starts_with('%') });
        }
    }
}

/// The end of the number that starts here, and its digits as Rust reads them.
fn digits(text: &str, start: usize) -> (usize, String) {
    let run = |at: usize| text[at..].find(|c: char| !c.is_ascii_digit()).map_or(text.len(), |n| at + n);
    let mut end = run(start);
    let mut out = text[start..end].to_owned();
    if (1..=3).contains(&out.len()) {
        while let Some(mark) =
            text[end..].chars().next().filter(|c| matches!(c, ',' | '_' | '\u{a0}' | '\u{202f}'))
        {
            let group = end + mark.len_utf8();
            let stop = run(group);
            if stop - group != 3 {
                break;
            }
            out.push_str(&text[group..stop]);
            end = stop;
        }
    }
    if text[end..].starts_with('.') && run(end + 1) > end + 1 {
        let stop = run(end + 1);
        out.push_str(&text[end..stop]);
        end = stop;
    }
    if let Some(exponent) = text[end..].strip_prefix(['e', 'E']) {
        let sign = usize::from(exponent.starts_with(['-', '+']));
        let first = end + 1 + sign;
        let stop = run(first);
        if stop > first {
            out.push_str(&text[end..stop]);
            end = stop;
        }
    }
    (end, out)
}

/// Whether the number was the start of a version or an address; goes behind it then.
fn versioned(text: &str, at: &mut usize) -> bool {
    let mut any = false;
    while let Some(rest) =
        text[*at..].strip_prefix('.').filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    {
        *at = text.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        any = true;
    }
    any
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn values(text: &str) -> Vec<f64> {
        numbers(text).map(|found| found.value).collect()
    }

    #[test]
    fn numbers_are_read_as_people_write_them() {
        for (text, want) in [
            ("The answer is 42.", vec![42.0]),
            ("-3, +4 and −5.5", vec![-3.0, 4.0, -5.5]),
            ("1,234,567.5 of 1_000", vec![1_234_567.5, 1000.0]),
            ("12\u{202f}345 and 12,34", vec![12_345.0, 12.0, 34.0]),
            ("1,2345", vec![1.0, 2345.0]),
            ("6.02e23, 1E-3, 2e, 3e+", vec![6.02e23, 0.001, 2.0, 3.0]),
            (".5 and 0.25", vec![0.5, 0.25]),
            ("$5 (7) \\boxed{9}", vec![5.0, 7.0, 9.0]),
            ("5-3 on 2024-01-02", vec![5.0, 3.0, 2024.0, 1.0, 2.0]),
            ("f(x)-2 = 5km", vec![2.0, 5.0]),
            ("x1 H2O v1.2.3 10.0.0.1 a_7 1e999", vec![]),
            ("no number", vec![]),
        ] {
            assert_eq!(values(text), want, "{text}");
        }
        assert!(numbers("12.5 % or 3%").all(|found| found.percent));
    }

    #[test]
    fn a_text_is_a_number_or_not() {
        assert_eq!(whole(" 1,234 "), Some(1234.0));
        assert_eq!(whole("-.5e1"), Some(-5.0));
        for text in ["", "-", ".", "1 2", "5%", "x", "1.2.3", "--1", "1e999"] {
            assert_eq!(whole(text), None, "{text}");
        }
    }

    proptest! {
        /// What is printed is read back, alone and in prose.
        #[test]
        fn what_is_printed_is_read(value in prop::num::f64::NORMAL) {
            prop_assert_eq!(whole(&value.to_string()), Some(value));
            prop_assert_eq!(values(&format!("It is {value:e}, I say.")), [value]);
        }

        #[test]
        fn any_text_is_read(text in "[0-9.,eE%+−x_ -]{0,40}") {
            let _ = (values(&text), whole(&text));
        }
    }
}
