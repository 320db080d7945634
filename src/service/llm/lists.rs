//! The lists that an account can ask for: its models and its balance.

use super::options::Options;
use crate::service::Secrets;
use serde_json::{Value, json};

/// `/models`: those of the options, and one that only this server has.
pub(super) fn models(options: &Options, secrets: &Secrets) -> Value {
    let own = format!("mock-{}", secrets.nonce);
    let list: Vec<Value> = options
        .models
        .iter()
        .chain([&own])
        .map(|id| json!({"id": id, "object": "model", "owned_by": "deepseek"}))
        .collect();
    json!({"object": "list", "data": list})
}

/// `/user/balance`
pub(super) fn balance(options: &Options, secrets: &Secrets) -> Value {
    json!({
        "is_available": options.funded(),
        "balance_infos": [{
            "currency": options.currency,
            "total_balance": options.balance,
            "granted_balance": "0.00",
            "topped_up_balance": options.balance,
        }],
        "request_id": secrets.nonce,
    })
}
