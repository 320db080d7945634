//! A line of `cassette.jsonl`, to and from JSON (DESIGN 5).
//!
//! Invariant: `line_from_json(line_to_json(l)) == l`. A line of a newer major version is refused; a newer
//! minor one only adds fields, and they are passed over.

use crate::model::{CassetteLine, Object, Scope, SseChunk, Usage};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::borrow::Cow;

/// Schema version of the lines that are written, `major.minor`.
pub const SCHEMA: &str = "1.0";
const MAJOR: u32 = 1;

#[derive(Serialize, Deserialize)]
struct LineWire<'a> {
    #[serde(borrow)]
    schema: Cow<'a, str>,
    #[serde(borrow)]
    scope: Cow<'a, str>,
    #[serde(borrow, default)]
    suite: Cow<'a, str>,
    #[serde(borrow)]
    task: Cow<'a, str>,
    #[serde(borrow)]
    subject: Cow<'a, str>,
    attempt: u32,
    turn: u32,
    #[serde(borrow)]
    prefix_sha256: Cow<'a, str>,
    #[serde(default)]
    new_messages: Cow<'a, [Object]>,
    #[serde(default)]
    params: Cow<'a, Object>,
    #[serde(borrow, default)]
    tools_sha256: Cow<'a, str>,
    status: u16,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    body: Option<Cow<'a, Value>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    sse: Option<Vec<SseWire<'a>>>,
    #[serde(default)]
    usage: Option<UsageWire>,
}

#[derive(Serialize, Deserialize)]
struct SseWire<'a> {
    t_ms: u64,
    #[serde(borrow)]
    data: Cow<'a, str>,
}

/// Tokens and cost, as cassettes and scripts write them.
#[derive(Serialize, Deserialize, Clone, Copy)]
#[serde(deny_unknown_fields)]
pub(super) struct UsageWire {
    #[serde(default)]
    prompt_tokens: Option<u64>,
    #[serde(default)]
    completion_tokens: Option<u64>,
    #[serde(default)]
    cached_tokens: Option<u64>,
    #[serde(default)]
    cost_usd: Option<f64>,
}

impl From<UsageWire> for Usage {
    fn from(wire: UsageWire) -> Self {
        Usage {
            prompt_tokens: wire.prompt_tokens,
            completion_tokens: wire.completion_tokens,
            cached_tokens: wire.cached_tokens,
            cost_usd: wire.cost_usd,
        }
    }
}

/// One line as JSON, without the newline.
pub fn line_to_json(line: &CassetteLine) -> String {
    let wire = LineWire {
        schema: SCHEMA.into(),
        scope: scope_word(line.scope).into(),
        suite: line.suite.as_str().into(),
        task: line.task.as_str().into(),
        subject: line.subject.as_str().into(),
        attempt: line.attempt,
        turn: line.turn,
        prefix_sha256: line.prefix_sha256.as_str().into(),
        new_messages: Cow::Borrowed(&line.new_messages),
        params: Cow::Borrowed(&line.params),
        tools_sha256: line.tools_sha256.as_str().into(),
        status: line.status,
        body: line.body.as_ref().map(Cow::Borrowed),
        sse: line.sse.as_ref().map(|chunks| {
            chunks
                .iter()
                .map(|chunk| SseWire { t_ms: chunk.t_ms, data: chunk.data.as_str().into() })
                .collect()
        }),
        usage: line.usage.map(|usage| UsageWire {
            prompt_tokens: usage.prompt_tokens,
            completion_tokens: usage.completion_tokens,
            cached_tokens: usage.cached_tokens,
            cost_usd: usage.cost_usd,
        }),
    };
    // A buffer that grows from nothing is copied at each step.
    let mut bytes = Vec::with_capacity(1024);
    // Texts, numbers and maps with text keys can't fail to serialise, and what comes out is UTF-8.
    let _ = serde_json::to_writer(&mut bytes, &wire);
    String::from_utf8(bytes).unwrap_or_default()
}

/// Why a line is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LineError {
    /// It is of a newer schema, named here.
    Newer(String),
    /// It is no cassette line: a clause that says why.
    Broken(String),
}

/// Reads what [`line_to_json`] writes.
pub fn line_from_json(text: &str) -> Result<CassetteLine, LineError> {
    #[derive(Deserialize)]
    struct Head {
        schema: String,
    }
    let broken = |error: serde_json::Error| LineError::Broken(why(&error));
    let head: Head = serde_json::from_str(text).map_err(broken)?;
    let major = head.schema.split_once('.').and_then(|(major, minor)| {
        minor.parse::<u32>().ok()?;
        major.parse::<u32>().ok()
    });
    match major {
        Some(major) if major <= MAJOR => {}
        Some(_) => return Err(LineError::Newer(head.schema)),
        None => return Err(LineError::Broken(format!("its schema '{}' is no version", head.schema))),
    }
    let wire: LineWire = serde_json::from_str(text).map_err(broken)?;
    let scope = match &*wire.scope {
        "agent" => Scope::Agent,
        "judge" => Scope::Judge,
        other => return Err(LineError::Broken(format!("its scope '{other}' is neither agent nor judge"))),
    };
    Ok(CassetteLine {
        scope,
        suite: wire.suite.into_owned(),
        task: wire.task.into_owned(),
        subject: wire.subject.into_owned(),
        attempt: wire.attempt,
        turn: wire.turn,
        prefix_sha256: wire.prefix_sha256.into_owned(),
        new_messages: wire.new_messages.into_owned(),
        params: wire.params.into_owned(),
        tools_sha256: wire.tools_sha256.into_owned(),
        status: wire.status,
        body: wire.body.map(Cow::into_owned),
        sse: wire.sse.map(|chunks| {
            chunks
                .into_iter()
                .map(|chunk| SseChunk { t_ms: chunk.t_ms, data: chunk.data.into_owned() })
                .collect()
        }),
        usage: wire.usage.map(Usage::from),
    })
}

fn scope_word(scope: Scope) -> &'static str {
    match scope {
        Scope::Agent => "agent",
        Scope::Judge => "judge",
    }
}

/// The parser's reason; its own line number is always 1 here and only misleads.
fn why(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or(&text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn line() -> CassetteLine {
        let message = json!({"role": "user", "content": "héllo\n\"quoted\""});
        CassetteLine {
            scope: Scope::Judge,
            suite: "demo".to_owned(),
            task: "hello".to_owned(),
            subject: "codeact@echo".to_owned(),
            attempt: 2,
            turn: 3,
            prefix_sha256: "ab".repeat(32),
            new_messages: message.as_object().cloned().into_iter().collect(),
            params: json!({"z": 1.5, "a": null}).as_object().cloned().unwrap_or_default(),
            tools_sha256: String::new(),
            status: 200,
            body: Some(json!({"choices": []})),
            sse: Some(vec![SseChunk { t_ms: 7, data: "[DONE]".to_owned() }]),
            usage: Some(Usage { prompt_tokens: Some(3), cost_usd: Some(0.25), ..Usage::default() }),
        }
    }

    #[test]
    fn a_line_comes_back_as_it_was() {
        for line in
            [line(), CassetteLine { body: None, sse: None, usage: None, scope: Scope::Agent, ..line() }]
        {
            let text = line_to_json(&line);
            assert!(text.starts_with(r#"{"schema":"1.0","scope":""#), "{text}");
            assert_eq!(line_from_json(&text), Ok(line));
        }
    }

    #[test]
    fn versions_are_told_apart() {
        let text = line_to_json(&line());
        let newer = text.replace(r#""schema":"1.0""#, r#""schema":"2.0""#);
        assert_eq!(line_from_json(&newer), Err(LineError::Newer("2.0".to_owned())));
        let minor = text.replace(r#""schema":"1.0""#, r#""schema":"1.7","later":true"#);
        assert_eq!(line_from_json(&minor), Ok(line()));
        assert!(matches!(line_from_json("{}"), Err(LineError::Broken(_))));
        assert!(matches!(line_from_json(&text[..text.len() - 3]), Err(LineError::Broken(_))));
    }
}
