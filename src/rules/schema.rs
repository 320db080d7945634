//! Calls against the tool list, once for text calls and native calls; FC006 to FC010 pick their share.

use super::arguments;
use super::view::{Message, View};
use super::{At, Found, Weight};
use crate::dialects::{RefusalKind, RuntimeReading};
use crate::model::{Arguments, Object, Severity, Span, ToolCall, ToolDef};
use serde_json::Value;

/// A deviation from the tool list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    UnknownFunction,
    UnknownParameter,
    MissingParameter,
    BadType,
    BadEnum,
    /// Blanks around a value of the list: FC010's too, and lighter.
    BlankEnum,
}

struct Issue {
    kind: Kind,
    span: Option<Span>,
    strict: Severity,
    text: String,
}

/// Names under which runtimes know tools besides their own.
const ALIASES: &[(&str, &str)] = &[
    ("str_replace_editor", "file_editor"),
    ("str_replace", "file_editor"),
    ("bash", "terminal"),
    ("execute_bash", "terminal"),
];

/// Reports all deviations of one kind in a message.
pub(super) fn report(view: &View, message: &Message, kind: Kind, found: &mut Found) {
    if view.tools.is_none() {
        return;
    }
    let mut issues = Vec::new();
    if !view.native {
        for call in message.text_calls() {
            if let Some(arguments) = &call.arguments {
                whole(view, &call.name, Some(call.name_span), &arguments.value, kind, &mut issues);
                continue;
            }
            let values = call.params.iter().map(|param| {
                (
                    param.name.as_str(),
                    Some(param.name_span),
                    Given::Text(param.value.text(&message.text)),
                    Some(param.value),
                )
            });
            check(view, &call.name, Some(call.name_span), &values.collect::<Vec<_>>(), &mut issues);
        }
    }
    let mut issues: Vec<(Issue, Option<&ToolCall>)> = issues.into_iter().map(|issue| (issue, None)).collect();
    for call in message.native_calls() {
        let mut own = Vec::new();
        whole(view, &call.name, None, &call.arguments, kind, &mut own);
        issues.extend(own.into_iter().map(|issue| (issue, Some(call))));
    }
    let refused = refusal(message).filter(|(refused, _)| *refused == kind);
    let mut told = false;
    let is_asked =
        |issue: &Issue| issue.kind == kind || (issue.kind == Kind::BlankEnum && kind == Kind::BadEnum);
    for (issue, call) in issues.into_iter().filter(|(issue, _)| is_asked(issue)) {
        let runtime = if view.native {
            Some(issue.strict)
        } else {
            // The runtime looks at the first call alone and stops at its first complaint.
            let same = refused.is_some() && !told;
            told |= same;
            same.then_some(Severity::Error)
        };
        let weight = Weight { strict: Some(issue.strict), runtime };
        let at = call.map_or_else(|| At::message(message, issue.span), |call| At::call(message, call));
        found.add(at, weight, issue.text);
    }
    if let Some((_, sentence)) = refused
        && !told
    {
        let span = message.markup.calls.first().map(|call| call.name_span);
        let text = format!("the runtime refuses the call: {}", sentence.trim_end_matches('.'));
        found.add(At::message(message, span), Weight::runtime(Severity::Error), text);
    }
}

/// A JSON object inside a JSON string.
pub(super) fn encoded_twice(raw: &str) -> Option<Object> {
    let Ok(Value::String(inner)) = serde_json::from_str::<Value>(raw) else { return None };
    serde_json::from_str::<Object>(&inner).ok()
}

/// Arguments that are one JSON value against the tool's schema.
fn whole(
    view: &View,
    name: &str,
    span: Option<Span>,
    given: &Arguments,
    kind: Kind,
    issues: &mut Vec<Issue>,
) {
    let Some(tool) = view.tool(name) else {
        if kind == Kind::UnknownFunction {
            issues.push(unknown_function(view, name, span));
        }
        return;
    };
    if kind == Kind::UnknownFunction {
        return;
    }
    // An object inside a string is FC017's to warn of; what it holds is judged all the same.
    let inner;
    let object = match (&given.parsed, &given.raw) {
        (Some(object), _) => object,
        (None, Some(raw)) => {
            let Some(object) = encoded_twice(raw) else { return };
            inner = object;
            &inner
        }
        (None, None) => return,
    };
    by_schema(view, tool, span, object, issues);
}

/// A tool list that holds no valid schema is read as far as it goes.
fn by_schema(view: &View, tool: &ToolDef, span: Option<Span>, object: &Object, issues: &mut Vec<Issue>) {
    let skip = |name: &str| name == "security_risk" && never_asks_risk(view);
    let Some(all) = arguments::deviations(&view.validators, tool, object, &skip) else {
        let values = object.iter().map(|(name, value)| (name.as_str(), None, Given::Json(value), None));
        check(view, &tool.name, span, &values.collect::<Vec<_>>(), issues);
        return;
    };
    issues.extend(all.into_iter().map(|deviation| {
        let strict = if deviation.kind == Kind::BlankEnum { Severity::Warning } else { Severity::Error };
        Issue { kind: deviation.kind, span, strict, text: deviation.text }
    }));
}

fn refusal<'a>(message: &'a Message) -> Option<(Kind, &'a str)> {
    let Some(RuntimeReading::Error { kind, message, .. }) = &message.seen else { return None };
    let kind = match kind {
        RefusalKind::UnknownFunction => Kind::UnknownFunction,
        RefusalKind::UnknownParameter(_) => Kind::UnknownParameter,
        RefusalKind::MissingParameters(_) => Kind::MissingParameter,
        RefusalKind::BadType(_) => Kind::BadType,
        RefusalKind::BadEnum(_) => Kind::BadEnum,
        RefusalKind::NoCall | RefusalKind::SeveralCalls | RefusalKind::Other => return None,
    };
    Some((kind, message))
}

/// A value as it was given.
#[derive(Clone, Copy)]
enum Given<'a> {
    Text(&'a str),
    Json(&'a Value),
}

type Param<'a> = (&'a str, Option<Span>, Given<'a>, Option<Span>);

fn unknown_function(view: &View, name: &str, span: Option<Span>) -> Issue {
    let alias = ALIASES.iter().find(|(alias, own)| *alias == name && view.tool(own).is_some());
    let (strict, text) = match alias {
        Some((_, own)) => (Severity::Info, format!("'{name}' is another name of '{own}'")),
        None => (Severity::Error, format!("no tool is named {}", super::quote(name))),
    };
    Issue { kind: Kind::UnknownFunction, span, strict, text }
}

fn check(view: &View, name: &str, span: Option<Span>, params: &[Param], issues: &mut Vec<Issue>) {
    let Some(tool) = view.tool(name) else {
        issues.push(unknown_function(view, name, span));
        return;
    };
    let properties = tool.parameters.get("properties").and_then(Value::as_object);
    for (param, name_span, given, value_span) in params {
        let Some(properties) = properties else { continue };
        let Some(schema) = properties.get(*param) else {
            let open = tool.parameters.get("additionalProperties");
            if !open.is_some_and(|open| open == &Value::Bool(true) || open.is_object()) {
                let text = format!("'{name}' has no parameter {}", super::quote(param));
                let span = *name_span;
                issues.push(Issue { kind: Kind::UnknownParameter, span, strict: Severity::Error, text });
            }
            continue;
        };
        if let Some(expected) = wrong_type(schema, *given) {
            let text = format!("parameter '{param}' of '{name}' is not {expected}");
            issues.push(Issue { kind: Kind::BadType, span: *value_span, strict: Severity::Error, text });
        } else if let Some(issue) = wrong_enum(schema, *given, name, param, *value_span) {
            issues.push(issue);
        }
    }
    let required = tool.parameters.get("required").and_then(Value::as_array).into_iter().flatten();
    let missing: Vec<&str> = required
        .filter_map(Value::as_str)
        .filter(|wanted| !params.iter().any(|(param, ..)| param == wanted))
        .filter(|wanted| *wanted != "security_risk" || !never_asks_risk(view))
        .collect();
    if !missing.is_empty() {
        let list = missing.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ");
        let text = format!("'{name}' is called without {list}");
        issues.push(Issue { kind: Kind::MissingParameter, span, strict: Severity::Error, text });
    }
}

/// OpenHands V1 lists `security_risk` as required and never demands it.
fn never_asks_risk(view: &View) -> bool {
    view.tool("terminal").is_some() || view.tool("file_editor").is_some()
}

/// What the value should be, if it is not. Text values are only ever converted to integers and arrays.
fn wrong_type(schema: &Value, given: Given) -> Option<&'static str> {
    let types: Vec<&str> = match schema.get("type")? {
        Value::String(one) => vec![one.as_str()],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => return None,
    };
    let fits = |kind: &str| match (given, kind) {
        (Given::Text(text), "integer") => is_integer(text.trim()),
        (Given::Text(text), "array") => {
            serde_json::from_str::<Value>(text).is_ok_and(|value| value.is_array())
        }
        (Given::Json(value), "integer") => {
            value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|n| n.fract() == 0.0)
        }
        (Given::Json(value), "number") => value.is_number(),
        (Given::Json(value), "boolean") => value.is_boolean(),
        (Given::Json(value), "array") => value.is_array(),
        (Given::Json(value), "object") => value.is_object(),
        (Given::Json(value), "string") => value.is_string(),
        (Given::Json(value), "null") => value.is_null(),
        _ => true,
    };
    if types.iter().any(|kind| fits(kind)) {
        return None;
    }
    Some(match types.first().copied()? {
        "integer" => "an integer",
        "array" => "a JSON array",
        "number" => "a number",
        "boolean" => "a boolean",
        "object" => "an object",
        "null" => "null",
        _ => "a string",
    })
}

fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

fn wrong_enum(schema: &Value, given: Given, name: &str, param: &str, span: Option<Span>) -> Option<Issue> {
    let allowed = schema.get("enum")?.as_array()?;
    let is_allowed = |text: &str| {
        allowed.iter().any(|value| {
            value.as_str().map_or_else(|| value.to_string().as_str() == text, |word| word == text)
        })
    };
    let (ok, trimmed) = match given {
        Given::Text(text) => (is_allowed(text), is_allowed(text.trim())),
        Given::Json(value) => {
            (allowed.contains(value), value.as_str().is_some_and(|text| is_allowed(text.trim())))
        }
    };
    if ok {
        return None;
    }
    let list = allowed.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let (strict, text) = if trimmed {
        (Severity::Warning, format!("parameter '{param}' of '{name}' has blanks around its value"))
    } else {
        (Severity::Error, format!("parameter '{param}' of '{name}' is not one of {list}"))
    };
    Some(Issue { kind: Kind::BadEnum, span, strict, text })
}
