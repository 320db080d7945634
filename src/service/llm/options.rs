//! Options of an `llm` service, as a suite file writes them.

use super::fault::{self, Fault, Kind, Route};
use crate::model::Object;
use crate::suite::parse_duration;
use crate::util::suggest::nearest;
use serde_json::Value;
use std::time::Duration;

const KEYS: &[&str] = &[
    "fault",
    "retry_after",
    "strict_retry",
    "balance",
    "currency",
    "models",
    "delay_ms",
    "rate_limit",
    "concurrency",
    "gather",
    "reasoning",
    "tool_arguments",
];
pub(crate) const MAX_RETRY_AFTER: u64 = 3600;
pub(crate) const MAX_DELAY_MS: u64 = 60_000;
/// Requests that a limit or a gathering may be about; connections are fewer.
pub(crate) const MAX_COUNT: u64 = 100;
const MAX_WINDOW: Duration = Duration::from_secs(3600);

/// Currencies of a balance.
pub(crate) const CURRENCIES: &[&str] = &["USD", "CNY"];

/// So many requests in so much time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RateLimit {
    pub(super) requests: usize,
    pub(super) per: Duration,
}

/// All options, checked.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Options {
    pub(super) faults: Vec<Fault>,
    /// Seconds of `Retry-After` on a 429.
    pub(super) retry_after: u64,
    /// Whether what comes before the `Retry-After` of a 429 is over gets another 429.
    pub(super) strict_retry: bool,
    pub(super) balance: String,
    pub(super) currency: String,
    pub(super) models: Vec<String>,
    /// Pause before an answer, and before each further piece of a stream.
    pub(super) delay: Duration,
    /// Completions in a time; more get 429.
    pub(super) rate_limit: Option<RateLimit>,
    /// Completions that may be under way at once; more get 429.
    pub(super) concurrency: Option<usize>,
    /// Completions that are held back until so many wait together.
    pub(super) gather: Option<usize>,
    /// Words that the reasoning of a reasoning model carries.
    pub(super) reasoning: Option<String>,
    /// Laid over the arguments of a tool call, where the tool has such a parameter.
    pub(super) tool_arguments: Object,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            faults: Vec::new(),
            retry_after: 1,
            strict_retry: false,
            balance: "10.00".to_owned(),
            currency: "USD".to_owned(),
            models: vec!["deepseek-chat".to_owned(), "deepseek-reasoner".to_owned()],
            delay: Duration::ZERO,
            rate_limit: None,
            concurrency: None,
            gather: None,
            reasoning: None,
            tool_arguments: Object::new(),
        }
    }
}

impl Options {
    /// The planned failure of the next good answer on `route`; it is used up by asking.
    pub(super) fn next_fault(&mut self, route: Route) -> Option<Kind> {
        let fault = self
            .faults
            .iter_mut()
            .find(|fault| fault.route.is_none_or(|other| other == route) && fault.left != Some(0))?;
        if let Some(left) = &mut fault.left {
            *left -= 1;
        }
        Some(fault.kind)
    }

    /// Whether the account has money left.
    pub(super) fn funded(&self) -> bool {
        self.balance.bytes().any(|byte| (b'1'..=b'9').contains(&byte))
    }
}

/// Reads the options; all errors at once, one sentence each.
pub(super) fn read(options: &Object) -> Result<Options, Vec<String>> {
    let mut errors = Vec::new();
    let mut out = Options::default();
    for (key, value) in options {
        set(&mut out, key, value, &mut errors);
    }
    if errors.is_empty() { Ok(out) } else { Err(errors) }
}

fn set(out: &mut Options, key: &str, value: &Value, errors: &mut Vec<String>) {
    let done = match key {
        "fault" => strings(value)
            .ok_or_else(|| format!("'fault' must be text or a list of texts; {}", fault::HINT))
            .map(|words| {
                for word in words {
                    match Fault::parse(&word) {
                        Ok(fault) => out.faults.push(fault),
                        Err(error) => errors.push(error),
                    }
                }
            }),
        "retry_after" => value
            .as_u64()
            .filter(|seconds| *seconds <= MAX_RETRY_AFTER)
            .map(|seconds| out.retry_after = seconds)
            .ok_or_else(|| {
                format!("'retry_after' must be whole seconds, at most {MAX_RETRY_AFTER}; it is {value}")
            }),
        "strict_retry" => value
            .as_bool()
            .map(|strict| out.strict_retry = strict)
            .ok_or_else(|| format!("'strict_retry' must be true or false; it is {value}")),
        "balance" => amount(value)
            .map(|text| out.balance = text)
            .ok_or_else(|| format!("'balance' must be an amount like \"10.00\"; it is {value}")),
        "currency" => value
            .as_str()
            .filter(|word| CURRENCIES.contains(word))
            .map(|word| word.clone_into(&mut out.currency))
            .ok_or_else(|| format!("'currency' must be \"USD\" or \"CNY\"; it is {value}")),
        "models" => strings(value)
            .filter(|names| value.is_array() && !names.is_empty() && !names.iter().any(String::is_empty))
            .map(|names| out.models = names)
            .ok_or_else(|| format!("'models' must be a list of model names, at least one; it is {value}")),
        "delay_ms" => value
            .as_u64()
            .filter(|millis| *millis <= MAX_DELAY_MS)
            .map(|millis| out.delay = Duration::from_millis(millis))
            .ok_or_else(|| {
                format!("'delay_ms' must be whole milliseconds, at most {MAX_DELAY_MS}; it is {value}")
            }),
        "rate_limit" => rate_limit(value).map(|limit| out.rate_limit = Some(limit)),
        "concurrency" => count(key, value, 1).map(|limit| out.concurrency = Some(limit)),
        "gather" => count(key, value, 2).map(|size| out.gather = Some(size)),
        "reasoning" => value
            .as_str()
            .map(|text| out.reasoning = Some(text.to_owned()))
            .ok_or_else(|| format!("'reasoning' must be text; it is {value}")),
        "tool_arguments" => value
            .as_object()
            .map(|table| out.tool_arguments.clone_from(table))
            .ok_or_else(|| format!("'tool_arguments' must be a table of values by name; it is {value}")),
        _ => Err(unknown(key)),
    };
    errors.extend(done.err());
}

fn unknown(key: &str) -> String {
    match nearest(key, KEYS.iter().copied()) {
        Some(near) => format!("a service of kind 'llm' has no option '{key}'; did you mean '{near}'?"),
        None => {
            format!("a service of kind 'llm' has no option '{key}'; it has {}", KEYS.join(", "))
        }
    }
}

fn strings(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(text) => Some(vec![text.clone()]),
        Value::Array(items) => items.iter().map(|item| item.as_str().map(str::to_owned)).collect(),
        _ => None,
    }
}

/// An amount with two decimals, as text or number.
fn amount(value: &Value) -> Option<String> {
    let number = match value {
        Value::String(text) => text.parse::<f64>().ok()?,
        other => other.as_f64()?,
    };
    (number.is_finite() && (0.0..1e12).contains(&number)).then(|| format!("{number:.2}"))
}

fn count(key: &str, value: &Value, least: u64) -> Result<usize, String> {
    value
        .as_u64()
        .filter(|count| (least..=MAX_COUNT).contains(count))
        .map(|count| count as usize)
        .ok_or_else(|| format!("'{key}' must be a whole number from {least} to {MAX_COUNT}; it is {value}"))
}

/// `{ requests = 3, per = "1s" }`
fn rate_limit(value: &Value) -> Result<RateLimit, String> {
    let wrong = || {
        format!(
            "'rate_limit' must be a table like {{ requests = 3, per = \"1s\" }} with requests from 1 to {MAX_COUNT} \
             and per at most an hour; it is {value}"
        )
    };
    let table = value.as_object().ok_or_else(wrong)?;
    if let Some(key) = table.keys().find(|key| !["requests", "per"].contains(&key.as_str())) {
        let near = nearest(key, ["requests", "per"]);
        let tail =
            near.map_or_else(|| "it has requests, per".to_owned(), |near| format!("did you mean '{near}'?"));
        return Err(format!("'rate_limit' has no key '{key}'; {tail}"));
    }
    let requests =
        table.get("requests").and_then(|value| count("requests", value, 1).ok()).ok_or_else(wrong)?;
    let per = table
        .get("per")
        .and_then(Value::as_str)
        .and_then(parse_duration)
        .filter(|per| *per <= MAX_WINDOW)
        .ok_or_else(wrong)?;
    Ok(RateLimit { requests, per })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(value: Value) -> Result<Options, Vec<String>> {
        let Value::Object(object) = value else { unreachable!("an object") };
        read(&object)
    }

    #[test]
    fn faults_are_used_up_in_order_and_per_path() {
        let mut options = of(json!({"fault": ["429-once", "reset-2", "402@balance"]})).unwrap();
        let chat: Vec<_> = (0..4).map(|_| options.next_fault(Route::Chat)).collect();
        assert_eq!(chat, [Some(Kind::Status(429)), Some(Kind::Reset), Some(Kind::Reset), None]);
        assert_eq!(
            [options.next_fault(Route::Balance), options.next_fault(Route::Balance)],
            [Some(Kind::Status(402)); 2]
        );
        assert_eq!(options.next_fault(Route::Models), None);
        let all = of(json!({"fault": "503@all"})).unwrap().next_fault(Route::Fim);
        assert_eq!(all, Some(Kind::Status(503)));
    }

    #[test]
    fn every_error_is_told_at_once() {
        let errors = of(json!({
            "falt": "429", "retry_after": -1, "balance": "much", "currency": "EUR", "models": [],
            "delay_ms": "slow", "concurrency": 0, "gather": 1, "reasoning": 7, "tool_arguments": [],
            "rate_limit": {"requests": 0, "per": "1s"}, "fault": ["418", "rest-once", "cut@chats"],
        }));
        insta::assert_snapshot!(errors.unwrap_err().join("\n"));
        let faults = ["418", "429-never", "429-0", "429@nowhere", "", "hag", "nonsense"]
            .map(|word| of(json!({"fault": word})));
        insta::assert_snapshot!(faults.map(|result| result.unwrap_err().join("\n")).join("\n"));
        let limits =
            [json!(3), json!({"request": 3}), json!({"requests": 3, "per": "soon"}), json!({"x": 1})]
                .map(|limit| of(json!({"rate_limit": limit})));
        insta::assert_snapshot!(limits.map(|result| result.unwrap_err().join("\n")).join("\n"));
    }
}
