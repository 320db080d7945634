//! Writes calls as `invoke` tags with `parameter` tags inside: DeepSeek's DSML, MiniMax.

use super::{Call, tokens};
use serde_json::Value;
use std::fmt::Write as _;

/// How a dialect spells its tags; what opens a call or a parameter has no bracket yet.
pub(super) struct Tags {
    /// Between the content and the section.
    pub(super) lead: &'static str,
    /// What opens and closes the section of all calls.
    pub(super) section: [&'static str; 2],
    pub(super) call: [&'static str; 2],
    pub(super) param: [&'static str; 2],
}

/// The content and the section of its calls. Text is written as it is, everything else as JSON; `kind` gives what
/// stands behind a parameter's name.
///
/// # Errors
/// A name or a value can't be written in these tags.
pub(super) fn write(
    tags: &Tags,
    content: &str,
    calls: &[Call<'_>],
    kind: impl Fn(&Value) -> &'static str,
) -> Result<String, String> {
    let mut out = content.to_owned();
    if calls.is_empty() {
        return Ok(out);
    }
    if !out.is_empty() {
        out.push_str(tags.lead);
    }
    let Tags {
        section: [section_open, section_close],
        call: [open, close],
        param: [param_open, param_close],
        ..
    } = tags;
    let _ = writeln!(out, "{section_open}");
    for call in calls {
        tokens::attribute("a function name", call.name)?;
        let _ = writeln!(out, "{open} name=\"{}\">", call.name);
        for (key, value) in call.arguments {
            tokens::attribute("a parameter name", key)?;
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            if text.contains(param_close) {
                return Err(format!("the value of '{key}' holds {param_close}"));
            }
            let _ = writeln!(out, "{param_open} name=\"{key}\"{}>{text}{param_close}", kind(value));
        }
        let _ = writeln!(out, "{close}");
    }
    out.push_str(section_close);
    Ok(out)
}
