//! `score` of a task: the scorers, and the options of each kind.

use super::parts::{
    Key, any_object, duration, flag, key, map_of, name, object, one_of, pattern, positive, string,
    string_or_list, whole,
};
use crate::score;
use serde_json::{Value, json};

/// At least one alternative a kind; a scorer of texts has one more, as an output takes a command.
pub(super) fn scorers() -> Value {
    let mut kinds = Vec::new();
    for scorer in score::ALL {
        for options in options(scorer.name) {
            let mut keys = vec![
                key("kind", scorer.about, json!({"const": scorer.name})).required(),
                key("name", "Name inside the task; its kind unless given", name()),
                key("weight", "Weight in the reward; 1 unless given", positive()),
            ];
            keys.extend(options);
            kinds.push(Value::Object(object(keys)));
        }
    }
    json!({"type": "array", "minItems": 1, "items": {"oneOf": kinds}})
}

/// The options of a kind of scorer, in alternatives.
fn options(kind: &str) -> Vec<Vec<Key>> {
    match kind {
        "includes" => on_text(|| {
            vec![
                key("text", "What must be there", texts()).required(),
                key("ignore_case", "Whether case is of no matter", flag()),
            ]
        }),
        "equals" => on_text(|| {
            vec![
                key("text", "What it must be, spaces around it aside", text()).required(),
                key("ignore_case", "Whether case is of no matter", flag()),
            ]
        }),
        "regex" => on_text(|| vec![regex("pattern").required()]),
        "json" => on_text(|| {
            let schema = json!({"type": ["object", "boolean", "string"]});
            vec![
                key("subset", "What the JSON must have, other things beside it aside", json!({})),
                key("schema", "JSON schema that it must fit, or the name of a hidden file with one", schema),
            ]
        }),
        "number" => on_text(|| {
            let number = || json!({"type": ["number", "string"]});
            let bound = || json!({"type": ["number", "string"], "minimum": 0});
            vec![
                key("value", "The number that is wanted", number()).required(),
                key("pick", "Which number of the text; the last unless given", one_of(score::PICKS)),
                key("percent", "Whether 12% is read as 0.12", flag()),
                key("tolerance", "How far off it may be", bound()),
                key("relative", "How far off it may be, as a share of the value", bound()),
            ]
        }),
        "file" => vec![vec![
            key("path", "The file, relative to the workspace", string()).required(),
            key("exists", "Whether it must be there; true unless given", flag()),
            key("contains", "Texts that must be in it", texts()),
            key("not_contains", "Texts that must not be in it", texts()),
            key("equals", "Its whole content, spaces around it aside", text()),
            regex("regex"),
            key("max_bytes", "Bytes that it may have", whole(0)),
        ]],
        "command" => {
            let mut keys = program();
            keys.push(key("exit", "Exit code that passes", whole(0)));
            let about = "Whether it must also write \"$ROLLTAPE_NONCE passed\" to the descriptor $ROLLTAPE_VERDICT_FD";
            keys.push(key("verdict", about, flag()));
            vec![keys]
        }
        "service" => {
            let mut keys = program();
            keys.extend(service());
            vec![keys]
        }
        _ => vec![Vec::new()],
    }
}

/// Options of a scorer that looks at a text: at one that is there, or at what a command prints.
fn on_text(own: fn() -> Vec<Key>) -> Vec<Vec<Key>> {
    let (mut there, mut printed) = (own(), own());
    there.push(key("on", "\"answer\" (unless given) or \"file:PATH\"", pattern("^(answer|file:.+)$")));
    printed.push(key("on", "What the command prints", json!({"const": "output"})).required());
    printed.extend(program());
    vec![there, printed]
}

/// A text; a number or a truth value is taken as one.
fn text() -> Value {
    json!({"type": ["string", "number", "boolean"]})
}

/// One of these, or a list.
fn texts() -> Value {
    json!({"type": ["string", "number", "boolean", "array"], "items": text()})
}

fn regex(name: &'static str) -> Key {
    key(name, "Pattern of the Rust crate regex", string())
}

/// Keys of the scorers that run a program again.
fn program() -> Vec<Key> {
    vec![
        key("run", "Command, run by bash in a fresh sandbox", string()).required(),
        key("carry", "Files of the agent's workspace that are copied in first", string_or_list()),
        key("env", "More variables", map_of(string())),
        key("stdin", "Text on standard input", string()),
        key("timeout", "Time limit; 60 s unless given", duration()),
    ]
}

fn service() -> Vec<Key> {
    vec![
        key("service", "Which service, where the task has several", string()),
        key("options", "Options laid over the service's", any_object()),
        key("key", "The key that the program is given", one_of(score::KEYS)),
        key("requests", "What the service must have seen", requests()).required(),
        key("retried", "Whether a refused request must have come again", flag()),
        key("prints", "What must be in what is printed", one_of(&["nonce"])),
        key("not_prints", "What must not be in it", one_of(&["key"])),
        key("includes", "Texts that must be in it", texts()),
        key("not_includes", "Texts that must not be in it", texts()),
        key("regex", "Pattern that must match it", string()),
        key("exit", "Exit code that passes", whole(0)),
        key("exit_nonzero", "Whether any exit code but 0 passes", flag()),
    ]
}

fn requests() -> Value {
    let request = object([
        key("method", "HTTP method", string()),
        key("path", "Path of the request", string()),
        key("model", "Model that was asked for", string()),
        key("fault", "Planned failure that took the place of the answer", string()),
        key("auth", "What its key was", one_of(score::AUTHS)),
        key("status", "Status of the answer", whole(0)),
        key("has", "Places of the body that hold something, like messages.-1.content", string_or_list()),
        key("where", "What places of the body hold", any_object()),
        key("matches", "Patterns for what places of the body hold", map_of(string())),
        key("together", "Requests that were held together, at least", whole(0)),
        key("min", "How many there must be at least", whole(0)),
        key("max", "How many there may be", whole(0)),
    ]);
    json!({"type": "array", "minItems": 1, "items": request})
}
