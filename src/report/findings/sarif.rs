//! SARIF 2.1.0, as code scanning services read it.
//!
//! Every rule stands in `tool.driver.rules` with its manual. Columns count characters (`unicodeCodePoints`), ends
//! are exclusive. Files are named by relative, percent-encoded URIs; what lies outside the current folder by
//! `file:` URIs. `partialFingerprints` are of the content, numbered where the same content occurs several times.

use super::{Entry, Unread, Where};
use crate::model::{Location, Severity};
use crate::rules::{self, Rule};
use crate::util::text::{json_unmarked, one_line};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// All but the unreserved characters of RFC 3986 and the slash.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// Id of the folder of a run, which `trajectories.jsonl` lies in.
const RUN: &str = "RUN";

/// A log of one run of the tool. Absolute paths below `cwd` are named relatively.
pub fn log(entries: &[Entry<'_>], unread: &[Unread<'_>], cwd: Option<&Path>) -> String {
    let mut seen: BTreeMap<(String, &str), u64> = BTreeMap::new();
    let results: Vec<Value> = entries
        .iter()
        .map(|entry| {
            let whole = match &entry.place {
                Where::File { path, .. } => uri(path, cwd),
                Where::Attempt(id) => id.clone(),
            };
            let times = seen.entry((whole, &entry.content)).or_default();
            *times += 1;
            result(entry, *times, cwd)
        })
        .collect();
    let mut run = json!({
        "tool": { "driver": {
            "name": "rolltape",
            "version": env!("CARGO_PKG_VERSION"),
            "semanticVersion": env!("CARGO_PKG_VERSION"),
            "rules": rules::ALL.iter().copied().map(descriptor).collect::<Vec<_>>(),
        }},
        "invocations": [{
            "executionSuccessful": unread.is_empty(),
            "toolExecutionNotifications": unread.iter().map(|one| notification(one, cwd)).collect::<Vec<_>>(),
        }],
        "columnKind": "unicodeCodePoints",
        "results": results,
    });
    if entries.iter().any(|entry| matches!(entry.place, Where::Attempt(_))) {
        run["originalUriBaseIds"] =
            json!({ RUN: { "description": { "text": "the folder of the run, wherever it lies" } } });
    }
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [run],
    });
    json_unmarked(&format!("{log:#}\n")).into_owned()
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    }
}

/// A rule with its manual.
fn descriptor(rule: &Rule) -> Value {
    let manual = rule.manual.split_once('\n').map_or("", |(_, rest)| rest).trim();
    let what = section(manual, "What").unwrap_or(rule.about);
    let why = section(manual, "Why").map(|why| format!("\n\n{why}")).unwrap_or_default();
    let problem = match rule.severity {
        Severity::Info => "recommendation",
        severity => severity.as_str(),
    };
    json!({
        "id": rule.id,
        "name": rule.name,
        "shortDescription": { "text": rule.about },
        "fullDescription": { "text": what },
        "help": { "text": format!("{what}{why}"), "markdown": manual },
        "defaultConfiguration": { "level": level(rule.severity) },
        "properties": { "tags": [rule.family()], "problem.severity": problem },
    })
}

/// The text under a heading of a manual.
fn section<'a>(manual: &'a str, heading: &str) -> Option<&'a str> {
    let (_, rest) = manual.split_once(&format!("## {heading}\n"))?;
    Some(rest.split("\n## ").next().unwrap_or(rest).trim())
}

fn result(entry: &Entry<'_>, times: u64, cwd: Option<&Path>) -> Value {
    let finding = entry.finding;
    let mut message = one_line(&finding.text);
    let location = match &entry.place {
        Where::File { path, end } => json!({ "physicalLocation": {
            "artifactLocation": { "uri": uri(path, cwd) },
            "region": region(finding.location.as_ref(), *end),
        }}),
        Where::Attempt(id) => {
            let id = one_line(id);
            message = match finding.step {
                Some(step) => format!("{message} (step {step} of {id})"),
                None => format!("{message} ({id})"),
            };
            json!({
                "physicalLocation": { "artifactLocation": { "uri": "trajectories.jsonl", "uriBaseId": RUN } },
                "logicalLocations": [{ "fullyQualifiedName": id, "kind": "trajectory" }],
            })
        }
    };
    let mut result = json!({
        "ruleId": finding.rule,
        "level": level(finding.severity),
        "message": { "text": message },
        "locations": [location],
        "partialFingerprints": { "findingContent/v1": format!("{}:{times}", entry.content) },
        "properties": {
            "readings": finding.readings.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "step": finding.step,
            "message": finding.message,
            "byteStart": finding.span.map(|span| span.start),
            "byteEnd": finding.span.map(|span| span.end),
        },
    });
    // A run of another version may name rules that this one does not know.
    if let Some(index) = rules::ALL.iter().position(|rule| rule.id == finding.rule) {
        result["ruleIndex"] = index.into();
    }
    result
}

fn region(start: Option<&Location>, end: Option<&Location>) -> Value {
    let mut region = Map::new();
    region.insert("startLine".to_owned(), start.map_or(1, |at| at.line).into());
    if let (Some(start), Some(end)) = (start, end) {
        region.insert("startColumn".to_owned(), start.column.into());
        region.insert("endLine".to_owned(), end.line.into());
        region.insert("endColumn".to_owned(), end.column.into());
    }
    Value::Object(region)
}

fn notification(unread: &Unread<'_>, cwd: Option<&Path>) -> Value {
    let mut place = json!({ "artifactLocation": { "uri": uri(unread.path, cwd) } });
    if unread.line > 0 {
        place["region"] = json!({ "startLine": unread.line });
    }
    json!({
        "level": "error",
        "message": { "text": one_line(unread.message) },
        "locations": [{ "physicalLocation": place }],
    })
}

/// A path as a URI reference.
pub fn uri(path: &str, cwd: Option<&Path>) -> String {
    let below = cwd.and_then(|cwd| Path::new(path).strip_prefix(cwd).ok()).and_then(Path::to_str);
    let path = below.filter(|below| !below.is_empty()).unwrap_or(path);
    let mut relative = path;
    while let Some(rest) = relative.strip_prefix("./") {
        relative = rest.trim_start_matches('/');
    }
    let encoded = utf8_percent_encode(relative, PATH);
    if relative.starts_with('/') { format!("file://{encoded}") } else { encoded.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_relative_and_encoded_where_they_can() {
        let cwd = Some(Path::new("/home/me"));
        for (path, wanted) in [
            ("a b/ü.json", "a%20b/%C3%BC.json"),
            ("././/a:b.json", "a%3Ab.json"),
            ("../x#1?.json", "../x%231%3F.json"),
            ("/home/me/logs/a.json", "logs/a.json"),
            ("/home/other/a.json", "file:///home/other/a.json"),
            ("100%\n", "100%25%0A"),
        ] {
            assert_eq!(uri(path, cwd), wanted, "{path}");
        }
    }

    #[test]
    fn every_rule_has_something_to_say() {
        for rule in rules::ALL {
            let value = descriptor(rule);
            for key in ["/shortDescription/text", "/fullDescription/text", "/help/text", "/help/markdown"] {
                let text = value.pointer(key).and_then(Value::as_str).unwrap_or_default();
                assert!(text.len() > 10, "{} {key}: {text}", rule.id);
            }
            assert!(section(rule.manual, "What").is_some(), "{}", rule.id);
        }
    }
}
