//! SARIF 2.1.0, as code scanning services read it.
//!
//! Every rule stands in `tool.driver.rules` with its manual. Columns count characters (`unicodeCodePoints`), ends
//! are exclusive. Files are named by relative, percent-encoded URIs; what lies outside the current folder by
//! `file:` URIs. `partialFingerprints` are of the content, numbered where the same content occurs several times.

use super::pieces::{indented, list};
use super::{Entry, Unread, Where};
use crate::model::{Location, Severity};
use crate::rules::{self, Rule};
use crate::util::digest::sha256;
use crate::util::text::one_line;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::collections::HashMap;
use std::io::{self, Write};
use std::path::Path;

/// All but the unreserved characters of RFC 3986 and the slash.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// Id of the folder of a run, which `trajectories.jsonl` lies in.
const RUN: &str = "RUN";

/// Writes a log of one run of the tool. Absolute paths below `cwd` are named relatively.
///
/// # Errors
/// Those of the entries and of `out`.
pub fn write<'a>(
    out: &mut dyn Write,
    entries: impl Iterator<Item = io::Result<Entry<'a>>>,
    unread: impl Iterator<Item = io::Result<Unread<'a>>>,
    cwd: Option<&Path>,
) -> io::Result<()> {
    let mut unread = unread.peekable();
    let tool = json!({ "driver": {
        "name": "rolltape",
        "version": env!("CARGO_PKG_VERSION"),
        "semanticVersion": env!("CARGO_PKG_VERSION"),
        "rules": rules::ALL.iter().copied().map(descriptor).collect::<Vec<_>>(),
    }});
    out.write_all(
        b"{\n  \"$schema\": \"https://json.schemastore.org/sarif-2.1.0.json\",\n  \"version\": \"2.1.0\",\n  \"runs\": [\n    {\n",
    )?;
    write!(out, "      \"tool\": {},\n      \"invocations\": [\n        {{\n", indented(&tool, 3))?;
    writeln!(out, "          \"executionSuccessful\": {},", unread.peek().is_none())?;
    list(out, 5, "toolExecutionNotifications", unread.map(|one| Ok(notification(&one?, cwd))))?;
    out.write_all(b"\n        }\n      ],\n      \"columnKind\": \"unicodeCodePoints\",\n")?;
    let mut seen = Seen::default();
    let mut attempts = false;
    let results = entries.map(|entry| {
        let entry = entry?;
        attempts |= matches!(entry.place, Where::Attempt(_));
        Ok(result(&entry, seen.again(&entry, cwd), cwd))
    });
    list(out, 3, "results", results)?;
    if attempts {
        let base = json!({ RUN: { "description": { "text": "the folder of the run, wherever it lies" } } });
        write!(out, ",\n      \"originalUriBaseIds\": {}", indented(&base, 3))?;
    }
    out.write_all(b"\n    }\n  ]\n}\n")
}

/// How often each content came in each place. Of a place and a content 96 bits of their digest are kept: a few bytes
/// for each of millions, and no two of those are ever the same by chance.
#[derive(Default)]
struct Seen(HashMap<[u8; 12], u32>);

impl Seen {
    /// Counts an entry: 1 for the first of its kind.
    fn again(&mut self, entry: &Entry<'_>, cwd: Option<&Path>) -> u32 {
        let whole = match &entry.place {
            Where::File { path, .. } => Cow::Owned(uri(path, cwd)),
            Where::Attempt(id) => Cow::Borrowed(id.as_str()),
        };
        let mut key = [0; 12];
        key.copy_from_slice(&sha256([whole.as_bytes(), entry.content.as_bytes()])[..12]);
        let times = self.0.entry(key).or_default();
        *times += 1;
        *times
    }
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

fn result(entry: &Entry<'_>, times: u32, cwd: Option<&Path>) -> Value {
    let finding = &entry.finding;
    let mut message = one_line(&finding.text);
    let location = match &entry.place {
        Where::File { path, end } => json!({ "physicalLocation": {
            "artifactLocation": { "uri": uri(path, cwd) },
            "region": region(finding.location.as_ref(), end.as_ref()),
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
    let mut place = json!({ "artifactLocation": { "uri": uri(&unread.path, cwd) } });
    if unread.line > 0 {
        place["region"] = json!({ "startLine": unread.line });
    }
    json!({
        "level": "error",
        "message": { "text": one_line(&unread.message) },
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
    fn what_is_written_in_pieces_is_the_whole_as_it_is_printed() {
        let finding = crate::model::Finding {
            rule: rules::ALL[0].id,
            name: rules::ALL[0].name,
            severity: Severity::Warning,
            readings: Vec::new(),
            step: Some(1),
            message: None,
            span: None,
            location: None,
            text: "ä \"b\"".to_owned(),
        };
        let file = Where::File { path: "a b".into(), end: None };
        for (place, errors) in [(file, 2), (Where::Attempt("s/t/u/1".to_owned()), 0)] {
            for count in [0, 3] {
                let finding = Cow::Borrowed(&finding);
                let entry = Entry { finding, place: place.clone(), content: "c".to_owned() };
                let unread = Unread { path: "x".into(), line: 3, message: "torn".into() };
                let (entries, unread) = (vec![entry; count], vec![unread; errors]);
                let mut out = Vec::new();
                write(&mut out, entries.into_iter().map(Ok), unread.into_iter().map(Ok), None)
                    .expect("written");
                let text = String::from_utf8(out).expect("UTF-8");
                let value: Value = serde_json::from_str(&text).expect("JSON");
                assert_eq!(text, format!("{value:#}\n"));
                let run = &value["runs"][0];
                assert_eq!(run["results"].as_array().map(Vec::len), Some(count));
                assert_eq!(run["invocations"][0]["executionSuccessful"], errors == 0);
                assert_eq!(run.get("originalUriBaseIds").is_some(), errors == 0 && count > 0);
                let prints = (1..=count).map(|n| Value::from(format!("c:{n}")));
                let told = run["results"].as_array().into_iter().flatten();
                assert!(told.map(|one| one["partialFingerprints"]["findingContent/v1"].clone()).eq(prints));
            }
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
