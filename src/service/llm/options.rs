//! Options of an `llm` service, as a suite file writes them.

use crate::model::Object;
use crate::util::suggest::nearest;
use serde_json::Value;

const KEYS: &[&str] = &["fault", "retry_after", "strict_retry", "balance", "currency", "models"];
/// Statuses that a fault can have.
const STATUSES: &[u16] = &[400, 401, 402, 422, 429, 500, 503];
const MAX_RETRY_AFTER: u64 = 3600;
const FAULT_HINT: &str = "write STATUS[-COUNT][@PATH], for example '429-once', '500-3' or '402@balance'";

/// What a path of the server is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    /// `/chat/completions`
    Chat,
    /// `/models`
    Models,
    /// `/user/balance`
    Balance,
}

/// A planned failure: takes the place of the first `left` answers that would have been good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) status: u16,
    /// `None`: always.
    pub(super) left: Option<u32>,
    /// `None`: on every path.
    pub(super) route: Option<Route>,
}

/// All options, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) faults: Vec<Fault>,
    /// Seconds of `Retry-After` on a 429.
    pub(super) retry_after: u64,
    /// Whether what comes before the `Retry-After` of a 429 is over gets another 429.
    pub(super) strict_retry: bool,
    pub(super) balance: String,
    pub(super) currency: String,
    pub(super) models: Vec<String>,
}

impl Options {
    /// The planned failure of the next good answer on `route`; it is used up by asking.
    pub(super) fn next_fault(&mut self, route: Route) -> Option<u16> {
        let fault = self
            .faults
            .iter_mut()
            .find(|fault| fault.route.is_none_or(|other| other == route) && fault.left != Some(0))?;
        if let Some(left) = &mut fault.left {
            *left -= 1;
        }
        Some(fault.status)
    }
}

/// Reads the options; all errors at once, one sentence each.
pub(super) fn read(options: &Object) -> Result<Options, Vec<String>> {
    let mut errors = Vec::new();
    let mut out = Options {
        faults: Vec::new(),
        retry_after: 1,
        strict_retry: false,
        balance: "10.00".to_owned(),
        currency: "USD".to_owned(),
        models: vec!["deepseek-chat".to_owned(), "deepseek-reasoner".to_owned()],
    };
    for (key, value) in options {
        let done = match key.as_str() {
            "fault" => strings(value)
                .ok_or_else(|| format!("'fault' must be text or a list of texts; {FAULT_HINT}"))
                .and_then(|words| words.iter().map(|word| fault(word)).collect())
                .map(|faults| out.faults = faults),
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
                .filter(|word| ["USD", "CNY"].contains(word))
                .map(|word| word.clone_into(&mut out.currency))
                .ok_or_else(|| format!("'currency' must be \"USD\" or \"CNY\"; it is {value}")),
            "models" => strings(value)
                .filter(|names| value.is_array() && !names.is_empty() && !names.iter().any(String::is_empty))
                .map(|names| out.models = names)
                .ok_or_else(|| {
                    format!("'models' must be a list of model names, at least one; it is {value}")
                }),
            _ => Err(unknown(key)),
        };
        errors.extend(done.err());
    }
    if errors.is_empty() { Ok(out) } else { Err(errors) }
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

fn fault(text: &str) -> Result<Fault, String> {
    let wrong = |what: String| format!("the fault '{text}' {what}; {FAULT_HINT}");
    let (head, path) = match text.split_once('@') {
        Some((head, path)) => (head, Some(path)),
        None => (text, None),
    };
    let (status, count) = match head.split_once('-') {
        Some((status, count)) => (status, Some(count)),
        None => (head, None),
    };
    let status = status.parse::<u16>().ok().filter(|status| STATUSES.contains(status)).ok_or_else(|| {
        let known: Vec<String> = STATUSES.iter().map(u16::to_string).collect();
        wrong(format!("has no status of {}", known.join(", ")))
    })?;
    let left =
        match count {
            None | Some("always") => None,
            Some("once") => Some(1),
            Some("twice") => Some(2),
            Some(count) => Some(count.parse::<u32>().ok().filter(|count| *count > 0).ok_or_else(|| {
                wrong(format!("has the count '{count}', not once, twice, always or a number"))
            })?),
        };
    let route = match path {
        None | Some("chat") => Some(Route::Chat),
        Some("models") => Some(Route::Models),
        Some("balance") => Some(Route::Balance),
        Some("all") => None,
        Some(other) => {
            return Err(wrong(format!("has the path '{other}', not chat, models, balance or all")));
        }
    };
    Ok(Fault { status, left, route })
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
        let mut options = of(json!({"fault": ["429-once", "500-2", "402@balance"]})).unwrap();
        let chat: Vec<_> = (0..4).map(|_| options.next_fault(Route::Chat)).collect();
        assert_eq!(chat, [Some(429), Some(500), Some(500), None]);
        assert_eq!([options.next_fault(Route::Balance), options.next_fault(Route::Balance)], [Some(402); 2]);
        assert_eq!(options.next_fault(Route::Models), None);
        assert_eq!(of(json!({"fault": "503@all"})).unwrap().next_fault(Route::Models), Some(503));
    }

    #[test]
    fn every_error_is_told_at_once() {
        let errors = of(json!({
            "falt": "429", "retry_after": -1, "balance": "much", "currency": "EUR", "models": [],
        }));
        insta::assert_snapshot!(errors.unwrap_err().join("\n"), @r#"
        a service of kind 'llm' has no option 'falt'; did you mean 'fault'?
        'retry_after' must be whole seconds, at most 3600; it is -1
        'balance' must be an amount like "10.00"; it is "much"
        'currency' must be "USD" or "CNY"; it is "EUR"
        'models' must be a list of model names, at least one; it is []
        "#);
        let faults = ["418", "429-never", "429-0", "429@nowhere", ""].map(|word| of(json!({"fault": word})));
        insta::assert_snapshot!(faults.map(|result| result.unwrap_err().join("\n")).join("\n"), @r"
        the fault '418' has no status of 400, 401, 402, 422, 429, 500, 503; write STATUS[-COUNT][@PATH], for example '429-once', '500-3' or '402@balance'
        the fault '429-never' has the count 'never', not once, twice, always or a number; write STATUS[-COUNT][@PATH], for example '429-once', '500-3' or '402@balance'
        the fault '429-0' has the count '0', not once, twice, always or a number; write STATUS[-COUNT][@PATH], for example '429-once', '500-3' or '402@balance'
        the fault '429@nowhere' has the path 'nowhere', not chat, models, balance or all; write STATUS[-COUNT][@PATH], for example '429-once', '500-3' or '402@balance'
        the fault '' has no status of 400, 401, 402, 422, 429, 500, 503; write STATUS[-COUNT][@PATH], for example '429-once', '500-3' or '402@balance'
        ");
    }
}
