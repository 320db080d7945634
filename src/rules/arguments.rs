//! Native arguments against the JSON Schema of a tool.
//!
//! Most arguments fit, and most schemas are plain: a walk over both settles that without building anything. Every
//! doubt goes to the `jsonschema` crate, whose word counts. Nothing is fetched, patterns run in linear time.
//! Beyond JSON Schema: where a tool lists its parameters and says nothing of others, another one is unknown.

use super::schema::Kind;
use crate::model::{Object, ToolDef};
use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{JsonType, PatternOptions, Retrieve, Uri, ValidationError, Validator};
use serde_json::Value;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

/// What does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Deviation {
    pub(super) kind: Kind,
    pub(super) text: String,
}

/// Compiled schemas of the tools of one trajectory; `None` for one that is no schema.
#[derive(Default)]
pub(super) struct Validators(RefCell<HashMap<usize, Option<Rc<Validator>>>>);

impl Validators {
    fn of(&self, tool: &ToolDef) -> Option<Rc<Validator>> {
        let key = std::ptr::from_ref(tool) as usize;
        self.0.borrow_mut().entry(key).or_insert_with(|| compile(&tool.parameters).ok().map(Rc::new)).clone()
    }
}

/// Compiles a schema; the error is a sentence without a final period.
pub(super) fn compile(schema: &Value) -> Result<Validator, String> {
    let options = jsonschema::options().with_pattern_options(PatternOptions::regex());
    options.with_retriever(Nothing).build(schema).map_err(|error| {
        let place = error.instance_path().to_string();
        if place.is_empty() { error.to_string() } else { format!("{error} at {place}") }
    })
}

/// Fetches nothing, whatever other crates turn on.
struct Nothing;

impl Retrieve for Nothing {
    fn retrieve(&self, _: &Uri<String>) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        Err("nothing is fetched".into())
    }
}

/// Deviations of the arguments from the tool's schema; `None` if that is no schema, so that nobody can tell.
pub(super) fn deviations(
    validators: &Validators,
    tool: &ToolDef,
    arguments: &Object,
    skip_required: &dyn Fn(&str) -> bool,
) -> Option<Vec<Deviation>> {
    let schema = &tool.parameters;
    let mut out = Vec::new();
    if is_closed_list(schema) {
        let known = schema.get("properties").and_then(Value::as_object);
        for name in arguments.keys().filter(|name| known.is_some_and(|known| !known.contains_key(*name))) {
            out.push(unknown(&tool.name, &[], name));
        }
    }
    if schema.is_null() || fits_object(schema, arguments, 0) {
        return Some(out);
    }
    let validator = validators.of(tool)?;
    let value = Value::Object(arguments.clone());
    for error in validator.iter_errors(&value) {
        convert(&tool.name, &error, skip_required, &mut out);
    }
    Some(out)
}

/// Whether the schema lists parameters and leaves open whether there are others: then there are none.
fn is_closed_list(schema: &Value) -> bool {
    let open = [
        "additionalProperties",
        "unevaluatedProperties",
        "patternProperties",
        "$ref",
        "allOf",
        "anyOf",
        "oneOf",
    ];
    schema.get("properties").is_some_and(Value::is_object)
        && open.iter().all(|key| schema.get(*key).is_none())
}

/// Schemas that lie deeper go to the exact way.
const DEPTH: usize = 16;
/// Keywords that say nothing of a value.
const REMARKS: &[&str] = &[
    "title",
    "description",
    "default",
    "examples",
    "example",
    "deprecated",
    "readOnly",
    "writeOnly",
    "$schema",
    "$id",
    "$comment",
    "$defs",
    "definitions",
    "format",
    "strict",
    "nullable",
];

/// Whether the value fits for sure. `false` means that the exact way has to tell.
fn fits(schema: &Value, value: &Value, depth: usize) -> bool {
    let Value::Object(rules) = schema else { return schema == &Value::Bool(true) };
    if depth > DEPTH {
        return false;
    }
    if let Value::Object(object) = value {
        return fits_object(schema, object, depth);
    }
    rules.iter().all(|(key, rule)| match key.as_str() {
        "properties" | "required" | "additionalProperties" => true,
        "items" => match value {
            Value::Array(items) => rule.is_object() && items.iter().all(|item| fits(rule, item, depth + 1)),
            _ => true,
        },
        "minItems" => {
            value.as_array().is_none_or(|items| rule.as_u64().is_some_and(|n| items.len() as u64 >= n))
        }
        "maxItems" => {
            value.as_array().is_none_or(|items| rule.as_u64().is_some_and(|n| items.len() as u64 <= n))
        }
        "minLength" => {
            value.as_str().is_none_or(|text| rule.as_u64().is_some_and(|n| text.chars().count() as u64 >= n))
        }
        "maxLength" => {
            value.as_str().is_none_or(|text| rule.as_u64().is_some_and(|n| text.chars().count() as u64 <= n))
        }
        "minimum" => value.as_i64().map_or(!value.is_number(), |n| rule.as_i64().is_some_and(|low| n >= low)),
        "maximum" => {
            value.as_i64().map_or(!value.is_number(), |n| rule.as_i64().is_some_and(|high| n <= high))
        }
        other => plain_rule(other, rule, value, depth),
    })
}

fn fits_object(schema: &Value, object: &Object, depth: usize) -> bool {
    let Value::Object(rules) = schema else { return schema == &Value::Bool(true) };
    if depth > DEPTH {
        return false;
    }
    let properties = rules.get("properties").and_then(Value::as_object);
    let is_type = |rule: &Value| match rule {
        Value::String(word) => word == "object",
        Value::Array(words) => words.iter().any(|word| word == "object"),
        _ => false,
    };
    rules.iter().all(|(key, rule)| match key.as_str() {
        "type" => is_type(rule),
        "properties" => rule.as_object().is_some_and(|properties| {
            object
                .iter()
                .all(|(name, value)| properties.get(name).is_none_or(|schema| fits(schema, value, depth + 1)))
        }),
        "required" => rule.as_array().is_some_and(|names| {
            names.iter().all(|name| name.as_str().is_some_and(|name| object.contains_key(name)))
        }),
        "additionalProperties" => {
            let known = |name: &str| properties.is_some_and(|properties| properties.contains_key(name));
            object.iter().all(|(name, value)| known(name) || fits(rule, value, depth + 1))
        }
        "items" | "minItems" | "maxItems" | "minLength" | "maxLength" | "minimum" | "maximum" => true,
        "anyOf" => rule
            .as_array()
            .is_some_and(|list| list.iter().any(|schema| fits_object(schema, object, depth + 1))),
        other => REMARKS.contains(&other),
    })
}

fn plain_rule(key: &str, rule: &Value, value: &Value, depth: usize) -> bool {
    let is_type = |word: &Value| match word.as_str() {
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        Some("array") => value.is_array(),
        Some("null") => value.is_null(),
        _ => false,
    };
    match key {
        "type" => match rule {
            Value::Array(words) => words.iter().any(is_type),
            word => is_type(word),
        },
        // Numbers that are written in two ways go to the exact way.
        "enum" => !value.is_array() && rule.as_array().is_some_and(|list| list.contains(value)),
        "const" => !value.is_array() && rule == value,
        "anyOf" => {
            rule.as_array().is_some_and(|list| list.iter().any(|schema| fits(schema, value, depth + 1)))
        }
        other => REMARKS.contains(&other),
    }
}

fn unknown(tool: &str, path: &[String], name: &str) -> Deviation {
    let text = if path.is_empty() {
        format!("'{tool}' has no parameter {}", super::quote(name))
    } else {
        format!("{} of '{tool}' has no property {}", parameter(path), super::quote(name))
    };
    Deviation { kind: Kind::UnknownParameter, text }
}

/// `parameter 'a.b.0'`
fn parameter(path: &[String]) -> String {
    format!("parameter {}", super::quote(&path.join(".")))
}

fn convert(
    tool: &str,
    error: &ValidationError<'_>,
    skip_required: &dyn Fn(&str) -> bool,
    out: &mut Vec<Deviation>,
) {
    let path: Vec<String> = error.instance_path().as_str().split('/').skip(1).map(unescaped).collect();
    let whose =
        if path.is_empty() { format!("'{tool}'") } else { format!("{} of '{tool}'", parameter(&path)) };
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected }
        | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
            out.extend(unexpected.iter().map(|name| unknown(tool, &path, name)));
        }
        ValidationErrorKind::Required { property } => {
            let name = property.as_str().unwrap_or("");
            if path.is_empty() && skip_required(name) {
                return;
            }
            let text = if path.is_empty() {
                format!("'{tool}' is called without '{name}'")
            } else {
                format!("{whose} is without '{name}'")
            };
            out.push(Deviation { kind: Kind::MissingParameter, text });
        }
        ValidationErrorKind::Type { kind } => {
            let text = format!("{whose} is not {}", type_words(kind));
            out.push(Deviation { kind: Kind::BadType, text });
        }
        ValidationErrorKind::Enum { options } => {
            let allowed: Vec<Value> = options.as_array().cloned().unwrap_or_default();
            out.push(listed(&whose, error.instance().as_str(), &allowed));
        }
        ValidationErrorKind::Constant { expected_value } => {
            out.push(listed(&whose, error.instance().as_str(), &[(**expected_value).clone()]));
        }
        ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => {
            alternatives(tool, &whose, error, context, skip_required, out);
        }
        other => {
            let text = format!("{whose} does not fit the schema: keyword '{}'", other.keyword());
            out.push(Deviation { kind: Kind::BadType, text });
        }
    }
}

/// The one alternative whose type is right is the one that was meant.
fn alternatives(
    tool: &str,
    whose: &str,
    error: &ValidationError<'_>,
    context: &[Vec<ValidationError<'static>>],
    skip_required: &dyn Fn(&str) -> bool,
    out: &mut Vec<Deviation>,
) {
    let here = error.instance_path().as_str();
    let of_type = |branch: &&Vec<ValidationError<'static>>| {
        !branch.iter().any(|inner| {
            matches!(inner.kind(), ValidationErrorKind::Type { .. }) && inner.instance_path().as_str() == here
        })
    };
    let mut meant = context.iter().filter(of_type);
    if let (Some(branch), None) = (meant.next(), meant.next()) {
        for inner in branch {
            convert(tool, inner, skip_required, out);
        }
        return;
    }
    out.push(Deviation { kind: Kind::BadType, text: format!("{whose} fits none of its alternatives") });
}

/// A value that is not in a list; blanks around it are told as such.
fn listed(whose: &str, given: Option<&str>, allowed: &[Value]) -> Deviation {
    let trimmed = given.is_some_and(|text| allowed.iter().any(|value| value.as_str() == Some(text.trim())));
    if trimmed {
        let text = format!("{whose} has blanks around its value");
        return Deviation { kind: Kind::BlankEnum, text };
    }
    let list = allowed.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    Deviation { kind: Kind::BadEnum, text: format!("{whose} is not one of {list}") }
}

fn type_words(kind: &TypeKind) -> String {
    let word = |kind: JsonType| match kind {
        JsonType::Integer => "an integer",
        JsonType::Array => "a JSON array",
        JsonType::Number => "a number",
        JsonType::Boolean => "a boolean",
        JsonType::Object => "an object",
        JsonType::Null => "null",
        JsonType::String => "a string",
    };
    match kind {
        TypeKind::Single(kind) => word(*kind).to_owned(),
        TypeKind::Multiple(kinds) => kinds.iter().map(word).collect::<Vec<_>>().join(" or "),
    }
}

/// A part of a JSON pointer.
fn unescaped(part: &str) -> String {
    part.replace("~1", "/").replace("~0", "~")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn told(schema: &Value, arguments: Value) -> Vec<(Kind, String)> {
        let tool = ToolDef { name: "f".to_owned(), description: String::new(), parameters: schema.clone() };
        let Value::Object(arguments) = arguments else { panic!("an object") };
        let validators = Validators::default();
        let all = deviations(&validators, &tool, &arguments, &|_| false).expect("a schema");
        all.into_iter().map(|deviation| (deviation.kind, deviation.text)).collect()
    }

    #[test]
    fn nested_schemas_are_judged() {
        let schema = json!({"type": "object", "properties": {
            "filter": {"type": "object", "properties": {
                "since": {"type": "integer", "minimum": 2000},
                "kind": {"enum": ["a", "b"]},
            }, "required": ["kind"], "additionalProperties": false},
            "tags": {"type": "array", "items": {"type": "string"}},
            "either": {"anyOf": [{"type": "string", "enum": ["x"]}, {"type": "null"}]},
        }, "required": ["filter"]});
        let one = |arguments: Value| told(&schema, arguments);
        assert_eq!(one(json!({"filter": {"kind": "a", "since": 2020}, "tags": ["x"], "either": null})), []);
        for (arguments, kind, text) in [
            (json!({}), Kind::MissingParameter, "'f' is called without 'filter'"),
            (json!({"filter": {}}), Kind::MissingParameter, "parameter 'filter' of 'f' is without 'kind'"),
            (
                json!({"filter": {"kind": "c"}}),
                Kind::BadEnum,
                "parameter 'filter.kind' of 'f' is not one of \"a\", \"b\"",
            ),
            (
                json!({"filter": {"kind": " a "}}),
                Kind::BlankEnum,
                "parameter 'filter.kind' of 'f' has blanks around its value",
            ),
            (
                json!({"filter": {"kind": "a", "more": 1}}),
                Kind::UnknownParameter,
                "parameter 'filter' of 'f' has no property 'more'",
            ),
            (
                json!({"filter": {"kind": "a", "since": "x"}}),
                Kind::BadType,
                "parameter 'filter.since' of 'f' is not an integer",
            ),
            (
                json!({"filter": {"kind": "a", "since": 1}}),
                Kind::BadType,
                "parameter 'filter.since' of 'f' does not fit the schema: keyword 'minimum'",
            ),
            (
                json!({"filter": {"kind": "a"}, "tags": [1]}),
                Kind::BadType,
                "parameter 'tags.0' of 'f' is not a string",
            ),
            (
                json!({"filter": {"kind": "a"}, "either": "y"}),
                Kind::BadEnum,
                "parameter 'either' of 'f' is not one of \"x\"",
            ),
            (
                json!({"filter": {"kind": "a"}, "other": 1}),
                Kind::UnknownParameter,
                "'f' has no parameter 'other'",
            ),
        ] {
            assert_eq!(one(arguments), [(kind, text.to_owned())]);
        }
    }

    #[test]
    fn what_is_no_schema_judges_nothing() {
        let tool = ToolDef {
            name: "f".to_owned(),
            description: String::new(),
            parameters: json!({"type": "objekt"}),
        };
        assert_eq!(deviations(&Validators::default(), &tool, &Object::new(), &|_| false), None);
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(json!(null)),
            Just(json!(true)),
            Just(json!(1)),
            Just(json!(-3)),
            Just(json!(2.5)),
            Just(json!(2.0)),
            Just(json!("a")),
            Just(json!("bcd")),
            Just(json!("")),
        ];
        leaf.prop_recursive(3, 12, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::vec((prop::sample::select(vec!["p", "q", "r"]), inner), 0..3).prop_map(
                    |pairs| {
                        Value::Object(pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
                    }
                ),
            ]
        })
    }

    fn schemas() -> impl Strategy<Value = Value> {
        let kinds =
            prop::sample::select(vec!["string", "integer", "number", "boolean", "array", "object", "null"]);
        let leaf = prop_oneof![
            kinds.clone().prop_map(|kind| json!({"type": kind})),
            Just(json!({"enum": ["a", 1, 2.0, null]})),
            Just(json!({"const": "a"})),
            Just(json!({"type": "string", "minLength": 1, "maxLength": 2})),
            Just(json!({"type": "integer", "minimum": 0, "maximum": 1})),
            Just(json!({"type": ["string", "null"], "description": "x"})),
            Just(json!({})),
            Just(json!(true)),
            Just(json!(false)),
            Just(json!({"pattern": "^a"})),
        ];
        leaf.prop_recursive(3, 12, 3, |inner| {
            prop_oneof![
                (inner.clone(), inner.clone(), any::<bool>())
                    .prop_map(|(p, q, open)| json!({"type": "object",
                    "properties": {"p": p, "q": q}, "required": ["p"], "additionalProperties": open})),
                (inner.clone(), 0..2_u64)
                    .prop_map(|(items, n)| json!({"type": "array", "items": items, "minItems": n})),
                (inner.clone(), inner.clone()).prop_map(|(one, two)| json!({"anyOf": [one, two]})),
                inner.prop_map(
                    |rest| json!({"properties": {"p": {"type": "string"}}, "additionalProperties": rest})
                ),
            ]
        })
    }

    proptest! {
        /// The short way never says yes where the exact one says no.
        #[test]
        fn what_fits_at_a_glance_fits(schema in schemas(), value in values()) {
            if fits(&schema, &value, 0) {
                let exact = compile(&schema).expect("a schema");
                prop_assert!(exact.is_valid(&value), "{schema} {value}");
            }
        }
    }
}
