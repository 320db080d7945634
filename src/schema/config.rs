//! `rolltape.toml`: the tables `[backend.NAME]`, `[check]` and `[redact]`.

use super::Schema;
use super::parts::{
    Key, duration, flag, key, list_of, map_of, name, object, one_of, pattern, string, within,
};
use crate::model::CallPolicy;
use crate::suite::{MAX_RETRIES, OWN_HEADERS, OWN_PARAMS};
use crate::{backend, dialects};
use serde_json::{Map, Value, json};

pub(super) static ITEM: Schema =
    Schema { name: "config", about: "rolltape.toml: back ends, and what check goes by", body };

fn body() -> Map<String, Value> {
    let mut backends = json!({
        "type": "object",
        "propertyNames": name(),
        "additionalProperties": object(profile(false)),
    });
    for preset in backend::PRESETS {
        let mut table = json!(object(profile(true)));
        table["description"] = json!(format!("{} at {}", preset.kind, preset.base_url));
        backends["properties"][preset.name] = table;
    }
    object([
        key("backend", "Back ends by name, as in --backend NAME:MODEL", backends),
        key("check", "What check goes by where no flag says otherwise", json!(check())),
        key("redact", "What is a secret, and what is none", json!(redact())),
    ])
}

fn check() -> Map<String, Value> {
    let policies: Vec<&str> = CallPolicy::ALL.iter().map(|policy| policy.as_str()).collect();
    let mut names: Vec<&str> = dialects::ALL.iter().map(|dialect| dialect.name).collect();
    names.push("native");
    let severities = || one_of(&["error", "warning", "info"]);
    object([
        key("policy", "Calls a message", one_of(&policies)),
        key("ask", "Whether a message without a call may ask the user", one_of(&["allow", "deny"])),
        key("reading", "Which reading counts", pattern("^(strict|runtime(:.+)?)$")),
        key("dialect", "How calls are written", one_of(&names)),
        key("fail_on", "Weakest finding that makes the exit code 1", severities()),
        key("tools", "File of tool definitions, relative to this one", string()),
        key("baseline", "File of accepted findings, relative to this one", string()),
        key("select", "Only these rules: ids, names or families", list_of(string())),
        key("ignore", "All but these rules", list_of(string())),
        key("severity", "Severities by rule: id, name or family", map_of(severities())),
    ])
}

fn redact() -> Map<String, Value> {
    object([
        key("allow", "Values or placeholders that are no secrets", list_of(string())),
        key("env", "Variables whose values are secrets", list_of(string())),
    ])
}

/// Keys of a back end; that of a preset has a kind already.
fn profile(preset: bool) -> Vec<Key> {
    let kinds: Vec<&str> = backend::ALL.iter().filter(|kind| kind.asks).map(|kind| kind.name).collect();
    let kind = key("kind", "How it is spoken to", one_of(&kinds));
    vec![
        if preset { kind } else { kind.required() },
        key("base_url", "Where requests go", pattern("^[Hh][Tt][Tt][Pp][Ss]?://")),
        key("key_env", "Variable that holds the key", pattern("^[A-Za-z_][A-Za-z0-9_]*$")),
        key("model", "Model, if the command line names none", string()),
        key("params", "Parameters that go into every request", params()),
        key("price", "US dollars a million tokens", json!(price())),
        key("stream", "Whether replies are streamed", flag()),
        key("timeouts", "How long is waited for what", json!(timeouts())),
        key("max_retries", "How often a request is sent again", within(0, u64::from(MAX_RETRIES))),
        key("headers", "Headers that go with every request", headers()),
    ]
}

fn params() -> Value {
    json!({"type": "object", "propertyNames": {"not": {"enum": OWN_PARAMS}}})
}

fn price() -> Map<String, Value> {
    let amount = || json!({"type": "number", "minimum": 0});
    object([
        key("input", "Prompt", amount()).required(),
        key("cached", "Prompt that the server had in its cache", amount()),
        key("output", "Reply", amount()).required(),
    ])
}

fn timeouts() -> Map<String, Value> {
    object([
        key("connect", "Name, TCP and TLS", duration()),
        key("first_byte", "From the request to the first byte of the reply's body", duration()),
        key("idle", "Between two pieces of a reply", duration()),
        key("total", "One try of a request as a whole", duration()),
    ])
}

fn headers() -> Value {
    let mut headers = map_of(pattern("^[ -~]*$"));
    let own: Vec<String> = OWN_HEADERS.iter().map(|name| any_case(name)).collect();
    headers["propertyNames"] = json!({
        "pattern": "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$",
        "not": pattern(&format!("^({})$", own.join("|"))),
    });
    headers
}

/// A pattern of a word, whatever the case of its letters.
fn any_case(word: &str) -> String {
    let letter = |letter: char| {
        if letter.is_ascii_alphabetic() {
            format!("[{}{}]", letter.to_ascii_uppercase(), letter.to_ascii_lowercase())
        } else {
            letter.to_string()
        }
    };
    word.chars().map(letter).collect()
}
