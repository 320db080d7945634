//! Probe results as JSON: the evidence that is kept, so that `score` can judge again without running.

use super::ProbeResult;
use crate::model::Object;
use crate::util::digest::hex;
use serde_json::{Value, json};

impl ProbeResult {
    /// The evidence that is kept: `{"probe": "file"|"run"|"unavailable", …}`. File content is `text`, or
    /// `base16` if it is no UTF-8.
    pub fn to_json(&self) -> Value {
        match self {
            ProbeResult::File { bytes: Some(bytes), .. } => match std::str::from_utf8(bytes) {
                Ok(text) => json!({"probe": "file", "text": text}),
                Err(_) => json!({"probe": "file", "base16": hex(bytes)}),
            },
            ProbeResult::File { bytes: None, reason } => json!({"probe": "file", "missing": reason}),
            ProbeResult::Run { exit_code, stdout, stderr, requests, verdict } => {
                let mut told = json!({
                    "probe": "run",
                    "exit_code": exit_code,
                    "stdout": stdout,
                    "stderr": stderr,
                    "requests": requests,
                });
                if let (Some(object), Some(verdict)) = (told.as_object_mut(), verdict) {
                    object.insert("verdict".to_owned(), Value::from(verdict.as_str()));
                }
                told
            }
            ProbeResult::Unavailable { reason } => json!({"probe": "unavailable", "reason": reason}),
        }
    }

    /// Reads what [`ProbeResult::to_json`] writes. The error is one lower-case sentence.
    pub fn from_json(value: &Value) -> Result<Self, String> {
        let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        match text("probe").as_deref() {
            Some("file") => {
                let bytes = match (text("text"), text("base16")) {
                    (Some(text), _) => Some(text.into_bytes()),
                    (None, Some(digits)) => Some(unhex(&digits).ok_or("a kept file is not hexadecimal")?),
                    (None, None) => None,
                };
                Ok(ProbeResult::File { bytes, reason: text("missing") })
            }
            Some("run") => Ok(ProbeResult::Run {
                exit_code: value.get("exit_code").and_then(Value::as_i64).map(|code| code as i32),
                stdout: text("stdout").ok_or("a kept probe has no stdout")?,
                stderr: text("stderr").ok_or("a kept probe has no stderr")?,
                requests: value.get("requests").map(objects).unwrap_or_default(),
                verdict: text("verdict"),
            }),
            Some("unavailable") => {
                Ok(ProbeResult::Unavailable { reason: text("reason").unwrap_or_default() })
            }
            _ => Err("the evidence holds a probe of an unknown kind".to_owned()),
        }
    }
}

fn objects(list: &Value) -> Vec<Object> {
    list.as_array().into_iter().flatten().filter_map(|item| item.as_object().cloned()).collect()
}

fn unhex(digits: &str) -> Option<Vec<u8>> {
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let byte = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
    (0..digits.len()).step_by(2).map(byte).collect()
}
