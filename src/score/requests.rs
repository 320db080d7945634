//! What a service must have seen: conditions on its requests, and how many have to meet them.

use super::OptionError;
use super::options::Options;
use crate::model::Object;
use regex::Regex;
use serde_json::Value;

/// What the key of a request can have been.
pub(crate) const AUTHS: &[&str] = &["ok", "missing", "bad"];

/// Requests that must, or must not, have been seen.
pub(super) struct Expect {
    fields: Vec<(&'static str, Value)>,
    /// Requests that were held together, at least (see the option `gather` of the service).
    together: Option<u64>,
    /// Places in the body and what stands there.
    body: Vec<(String, Wanted)>,
    min: u64,
    max: Option<u64>,
}

/// What a place in the body must hold.
enum Wanted {
    /// Anything but null.
    Something,
    Equal(Value),
    Matching(Regex),
}

impl Expect {
    /// Reads one table of `requests`.
    pub(super) fn read(table: &Object) -> (Self, Vec<OptionError>) {
        let mut options = Options::new(table, "'requests'");
        let mut fields: Vec<(&'static str, Value)> = Vec::new();
        for key in ["method", "path", "model", "fault"] {
            fields.extend(options.string(key).map(|text| (key, Value::String(text))));
        }
        let auth = options.word("auth", AUTHS);
        fields.extend(auth.map(|word| ("auth", Value::String(word.to_owned()))));
        fields.extend(options.whole("status").map(|status| ("status", Value::from(status))));
        let mut body = Vec::new();
        for place in options.strings("has").unwrap_or_default() {
            body.push((place, Wanted::Something));
        }
        for (place, value) in options.table("where").into_iter().flatten() {
            body.push((place.clone(), Wanted::Equal(value.clone())));
        }
        for (place, pattern) in options.env("matches") {
            let regex = options.pattern(&format!("matches.{place}"), &pattern);
            body.extend(regex.map(|regex| (place, Wanted::Matching(regex))));
        }
        let together = options.whole("together");
        let max = options.whole("max");
        let min = options.whole("min").unwrap_or(u64::from(max != Some(0)));
        (Self { fields, together, body, min, max }, options.finish())
    }

    /// What is amiss with the requests, if anything is.
    pub(super) fn miss(&self, requests: &[Object]) -> Option<String> {
        let count = requests.iter().filter(|request| self.fits(request)).count() as u64;
        let wanted = self.words();
        if count < self.min {
            return Some(format!("the service saw {count} of at least {} requests with {wanted}", self.min));
        }
        let max = self.max.filter(|max| count > *max)?;
        Some(format!("the service saw {count} requests with {wanted}, not at most {max}"))
    }

    fn fits(&self, request: &Object) -> bool {
        let fields = self.fields.iter().all(|(key, wanted)| match (*key, request.get(*key)) {
            ("path", Some(Value::String(path))) => Value::String(plain_path(path)) == *wanted,
            (_, found) => found == Some(wanted),
        });
        let held = request.get("together").and_then(Value::as_u64).unwrap_or(1);
        let body = request.get("body").unwrap_or(&Value::Null);
        fields
            && self.together.is_none_or(|least| held >= least)
            && self.body.iter().all(|(place, wanted)| wanted.fits(at(body, place)))
    }

    fn words(&self) -> String {
        let mut words: Vec<String> =
            self.fields.iter().map(|(key, value)| format!("{key} {}", bare(value))).collect();
        words.extend(self.together.map(|least| format!("{least} together")));
        words.extend(self.body.iter().map(|(place, wanted)| match wanted {
            Wanted::Something => format!("'{place}' in the body"),
            Wanted::Equal(value) => format!("'{place}' {}", bare(value)),
            Wanted::Matching(regex) => format!("'{place}' like /{regex}/"),
        }));
        if words.is_empty() { "anything".to_owned() } else { words.join(", ") }
    }
}

impl Wanted {
    fn fits(&self, found: Option<&Value>) -> bool {
        let found = found.unwrap_or(&Value::Null);
        match self {
            Wanted::Something => !found.is_null(),
            // 1 and 1.0 are one number.
            Wanted::Equal(wanted) if wanted.is_number() => wanted.as_f64() == found.as_f64(),
            Wanted::Equal(wanted) => wanted == found,
            Wanted::Matching(regex) => match found {
                Value::Null => false,
                Value::String(text) => regex.is_match(text),
                other => regex.is_match(&other.to_string()),
            },
        }
    }
}

fn bare(value: &Value) -> String {
    value.to_string().trim_matches('"').to_owned()
}

/// The value at a place like `messages.0.content`; numbers below zero count from the end of a list.
fn at<'a>(body: &'a Value, place: &str) -> Option<&'a Value> {
    place.split('.').try_fold(body, |value, step| match value {
        Value::Array(items) => {
            let index = step.parse::<i64>().ok()?;
            let index = if index < 0 { index + items.len() as i64 } else { index };
            items.get(usize::try_from(index).ok()?)
        }
        other => other.get(step),
    })
}

/// A path without its query and without the prefix `/v1`, which names the same thing.
pub(super) fn plain_path(path: &str) -> String {
    let path = path.split(['?', '#']).next().unwrap_or(path);
    path.strip_prefix("/v1").filter(|rest| rest.starts_with('/')).unwrap_or(path).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn places_are_found_from_both_ends() {
        let body = json!({"messages": [{"role": "system"}, {"role": "user"}], "a": {"b": null}});
        for (place, found) in [
            ("messages.0.role", Some(json!("system"))),
            ("messages.-1.role", Some(json!("user"))),
            ("messages.-2.role", Some(json!("system"))),
            ("messages.-3.role", None),
            ("messages.2", None),
            ("messages.x", None),
            ("a.b", Some(json!(null))),
            ("a.b.c", None),
            ("", None),
        ] {
            assert_eq!(at(&body, place), found.as_ref(), "{place}");
        }
    }
}
