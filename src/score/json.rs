//! `json`: the text holds JSON that has a part, or that fits a schema.
//!
//! The JSON is the whole text, else the first fenced block that is JSON, else the first object or list that stands
//! somewhere in it. Nothing is fetched: a schema refers to itself and to nothing else.

use super::options::Options;
use super::{Compiled, OptionError, Scorer, text};
use crate::suite::{ScorerSpec, Task, did_you_mean};
use jsonschema::{PatternOptions, Validator};
use serde_json::{Deserializer, Value};

pub(super) static ITEM: Scorer = Scorer {
    name: "json",
    about: "the JSON in the answer, a file or an output has all of `subset`, or fits `schema`",
    compile,
};

/// Places in a text at which JSON may begin; more are not tried.
const MAX_STARTS: usize = 1000;

enum Want {
    Subset(Value),
    Schema(Box<Validator>),
}

fn compile(spec: &ScorerSpec, task: &Task) -> Result<Compiled, Vec<OptionError>> {
    let mut options = Options::new(&spec.options, "");
    let subset = options.any("subset").cloned().map(Want::Subset);
    let schema = options.any("schema").cloned();
    let schema = schema.and_then(|schema| validator(&mut options, &schema, task));
    let mut wants: Vec<Want> = schema.into_iter().chain(subset).collect();
    if !options.has("subset") && !options.has("schema") {
        let hint = "add subset = { … }, or schema = { … }".to_owned();
        options.error("'subset' or 'schema' must tell what the JSON has to be", Some(hint));
    }
    wants.shrink_to_fit();
    text::compile(options, Some(move |text: &str| verdict(text, &wants)))
}

/// The schema itself, or the name of a hidden file of the task.
fn validator(options: &mut Options<'_>, schema: &Value, task: &Task) -> Option<Want> {
    let read;
    let schema = match schema {
        Value::String(name) => {
            let Some(file) = task.hidden.get(name) else {
                let names: Vec<&str> = task.hidden.keys().map(String::as_str).collect();
                let hint = match names.as_slice() {
                    [] => "write schema = { … }, or give the task a hidden file with it".to_owned(),
                    names => did_you_mean(name, names),
                };
                options.error(format!("'schema' names no hidden file of the task: '{name}'"), Some(hint));
                return None;
            };
            match serde_json::from_slice::<Value>(&file.bytes) {
                Ok(value) => {
                    read = value;
                    &read
                }
                Err(error) => {
                    options
                        .error(format!("the schema in the hidden file '{name}' is not JSON: {error}"), None);
                    return None;
                }
            }
        }
        schema => schema,
    };
    // Patterns of linear run time, as in the scorer `regex`.
    let built = jsonschema::options().with_pattern_options(PatternOptions::regex()).build(schema);
    match built {
        Ok(validator) => Some(Want::Schema(Box::new(validator))),
        Err(error) => {
            let hint = "it is a JSON schema, with references inside itself alone".to_owned();
            let place = error.instance_path().to_string();
            let place = if place.is_empty() { String::new() } else { format!(" at {place}") };
            options.error(format!("'schema' is no schema{place}: {error}"), Some(hint));
            None
        }
    }
}

fn verdict(text: &str, wants: &[Want]) -> (bool, String) {
    let Some(found) = extract(text) else { return (false, "there is no JSON in it".to_owned()) };
    for want in wants {
        let miss = match want {
            Want::Subset(wanted) => difference(&found, wanted, &mut "$".to_owned()),
            Want::Schema(validator) => validator.iter_errors(&found).next().map(|error| {
                let place = error.instance_path().to_string();
                let place = if place.is_empty() { String::new() } else { format!(" at {place}") };
                format!("the JSON does not fit the schema{place}: {}", cut(&error.to_string()))
            }),
        };
        if let Some(miss) = miss {
            return (false, miss);
        }
    }
    let what = match wants {
        [Want::Schema(_)] => "the JSON fits the schema",
        [Want::Subset(_)] => "the JSON has all of the subset",
        _ => "the JSON fits the schema and has all of the subset",
    };
    (true, what.to_owned())
}

/// The JSON of a text: all of it, else the first fenced block, else the first object or list in it.
fn extract(text: &str) -> Option<Value> {
    if let Ok(value) = serde_json::from_str(text.trim()) {
        return Some(value);
    }
    let fences = text.split("```").skip(1).step_by(2);
    let fenced = fences.filter_map(|block| {
        // The first line names the language, if it is not JSON already.
        let after = block.split_once('\n').map_or("", |(_, rest)| rest);
        serde_json::from_str(block.trim()).or_else(|_| serde_json::from_str(after.trim())).ok()
    });
    let mut fenced = fenced;
    if let Some(value) = fenced.next() {
        return Some(value);
    }
    let starts = text.match_indices(['{', '[']).take(MAX_STARTS);
    let mut found = starts.filter_map(|(at, _)| Deserializer::from_str(&text[at..]).into_iter().next()?.ok());
    found.next()
}

/// Where `found` lacks something of `wanted`: an object has at least its keys, a list has its items one by one.
fn difference(found: &Value, wanted: &Value, path: &mut String) -> Option<String> {
    match (found, wanted) {
        (Value::Object(found), Value::Object(wanted)) => {
            for (key, wanted) in wanted {
                let length = path.len();
                path.push_str(&step(key));
                let Some(found) = found.get(key) else { return Some(format!("{path} is missing")) };
                if let Some(miss) = difference(found, wanted, path) {
                    return Some(miss);
                }
                path.truncate(length);
            }
            None
        }
        (Value::Array(found), Value::Array(wanted)) => {
            if found.len() != wanted.len() {
                let items = crate::util::plural::plural(found.len(), "item");
                return Some(format!("{path} has {items}, not {}", wanted.len()));
            }
            for (index, (found, wanted)) in found.iter().zip(wanted).enumerate() {
                let length = path.len();
                path.push_str(&format!("[{index}]"));
                if let Some(miss) = difference(found, wanted, path) {
                    return Some(miss);
                }
                path.truncate(length);
            }
            None
        }
        _ if same(found, wanted) => None,
        _ => Some(format!("{path} is {}, not {}", cut(&found.to_string()), cut(&wanted.to_string()))),
    }
}

/// `1` and `1.0` are one number.
fn same(found: &Value, wanted: &Value) -> bool {
    found == wanted || found.as_f64().is_some_and(|number| Some(number) == wanted.as_f64())
}

/// `.key`, or `["a key"]` where a dot would mislead.
fn step(key: &str) -> String {
    let plain = !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-');
    if plain { format!(".{key}") } else { format!("[{}]", Value::from(key)) }
}

/// Enough of a value for a sentence.
fn cut(text: &str) -> String {
    let short: String = text.chars().take(80).collect();
    if short.len() < text.len() { format!("{short}…") } else { short }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn json_is_found_whole_fenced_or_embedded() {
        for (text, want) in [
            (" {\"a\": 1}\n", Some(json!({"a": 1}))),
            ("42", Some(json!(42))),
            ("Here:\n```json\n{\"a\": 1}\n```\nand [2]", Some(json!({"a": 1}))),
            ("```\nnot json\n```\n```\n[1]\n```", Some(json!([1]))),
            ("``` {\"a\": 2} ```", Some(json!({"a": 2}))),
            ("The set {x} is [1, {\"b\": 2}] as asked.", Some(json!([1, {"b": 2}]))),
            ("no JSON 42", None),
            ("{\"a\": ", None),
            ("", None),
        ] {
            assert_eq!(extract(text), want, "{text}");
        }
        assert_eq!(extract(&"[".repeat(1 << 20)), None);
        assert_eq!(extract(&"{\"a\":[".repeat(1 << 16)), None);
    }

    #[test]
    fn the_first_difference_is_named_by_its_path() {
        let found = json!({"a": {"b c": [1, {"d": 2.0}]}, "e": null, "f": true});
        let miss = |wanted: Value| difference(&found, &wanted, &mut "$".to_owned());
        assert_eq!(miss(json!({"a": {"b c": [1.0, {"d": 2}]}, "e": null})), None);
        assert_eq!(miss(json!({"g": 1})).as_deref(), Some("$.g is missing"));
        assert_eq!(miss(json!({"a": {"b c": [1]}})).as_deref(), Some("$.a[\"b c\"] has 2 items, not 1"));
        assert_eq!(miss(json!({"f": true, "a": {"b c": [1, {"d": 3}]}})).as_deref(), {
            Some("$.a[\"b c\"][1].d is 2.0, not 3")
        });
        assert_eq!(miss(json!([])).as_deref().map(|text| text.ends_with("not []")), Some(true));
    }

    proptest! {
        /// Every value is a subset of itself, alone and in the middle of prose.
        #[test]
        fn a_value_has_itself(keys in prop::collection::btree_map("[a-z \"]{0,4}", "[^`]{0,6}", 0..4), n in -5i64..5) {
            let value = json!({"keys": keys, "n": [n, null, {"x": n}]});
            let found = extract(&format!("Well, {value} it is.")).expect("JSON");
            prop_assert_eq!(difference(&found, &value, &mut "$".to_owned()), None);
        }

        /// No text makes it fail in any other way than by finding nothing.
        #[test]
        fn any_text_is_read(text in "[\\[\\]{}\",:0-9a `\n]{0,60}") {
            let _ = extract(&text);
        }
    }
}
