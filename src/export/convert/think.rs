//! Reasoning: in the text as `<think>…</think>`, or in a field.

use super::super::reason::{Reason, Reject};
use super::Think;

const OPEN: &str = "<think>";
const CLOSE: &str = "</think>";

/// Content and reasoning as the policy has them.
pub(super) fn apply(
    think: Think,
    content: String,
    field: Option<&str>,
    step: u64,
) -> Result<(String, Option<String>), Reject> {
    let field = field.filter(|text| !text.is_empty());
    if think == Think::Keep {
        return Ok(match field {
            Some(text) => (format!("{OPEN}\n{text}\n{CLOSE}\n\n{content}"), None),
            None => (content, None),
        });
    }
    let (inner, rest) = match content.trim_start().strip_prefix(OPEN) {
        Some(behind) => match behind.split_once(CLOSE) {
            Some((inner, rest)) => (Some(inner.trim().to_owned()), rest.trim_start().to_owned()),
            None => return Err(refuse(step, "a reasoning block is not closed")),
        },
        None => (None, content),
    };
    if rest.contains(OPEN) || rest.contains(CLOSE) {
        return Err(refuse(step, "reasoning stands inside the text"));
    }
    let both = match (field, inner) {
        (Some(_), Some(_)) => return Err(refuse(step, "reasoning stands in the text and beside it")),
        (field, inner) => field.map(str::to_owned).or(inner),
    };
    Ok((rest, both.filter(|text| think == Think::Field && !text.is_empty())))
}

fn refuse(step: u64, what: &str) -> Reject {
    Reject::new(Reason::ThinkNotSeparable, format!("step {step}: {what}"))
}
