//! What `suite.toml` and `task.toml` share: a key that is added to the parser is added here, and in one place.

use super::parts::{
    Key, any_object, duration, flag, key, list_of, map_of, name, object, one_of, pattern, positive, size,
    string, string_or_list, strings, whole,
};
use crate::dialects;
use crate::model::{CallPolicy, LAYERS};
use crate::suite::RewardRule;
use crate::{score, service};
use serde_json::{Map, Value, json};

/// Keys of `[defaults]` and of every task.
pub(super) fn shared() -> Vec<Key> {
    vec![
        key("policy", "How many calls a message may hold, and which reading of it counts", policy()),
        key("limits", "Limits of one attempt; scored all the same when hit", json!(limits())),
        key("sandbox", "What the agent's sandbox has", json!(sandbox())),
        key("reward", "How scores become the reward: their weighted mean, or that only if all pass", {
            one_of(&[RewardRule::Mean, RewardRule::All].map(RewardRule::as_str))
        }),
    ]
}

/// Keys of every task, be it in `suite.toml` or in a folder.
pub(super) fn task() -> Vec<Key> {
    let mut keys = shared();
    keys.extend([
        key("services", "Names of the suite's services that run; all unless given", strings()),
        key("service", "By name of a service, options laid over the suite's", map_of(any_object())),
        key(
            "needs",
            "Tools (curl) or powers (install, private-net, cgroup, root-inside); unmet: skipped",
            strings(),
        ),
        key("mounts", "Read-only folders of the host, named by variables", list_of(json!(mount()))),
        key("score", "The scorers, in order", scorers()).required(),
    ]);
    keys
}

fn policy() -> Value {
    let calls = one_of(&CallPolicy::ALL.map(CallPolicy::as_str));
    let runtimes =
        dialects::ALL.iter().flat_map(|dialect| dialect.runtimes.iter().map(|runtime| runtime.name));
    let mut readings = vec!["strict".to_owned(), "runtime".to_owned()];
    readings.extend(runtimes.map(|name| format!("runtime:{name}")));
    let dialects: Vec<&str> = dialects::ALL.iter().map(|dialect| dialect.name).collect();
    let table = object([
        key("calls", "Calls a message", calls.clone()),
        key("ask", "Whether a message without a call may ask the user", one_of(&["allow", "deny"])),
        key("reading", "What the model wrote, or what a runtime makes of it", json!({"enum": readings})),
        key("dialect", "How calls are written in text", one_of(&dialects)),
    ]);
    json!({"anyOf": [calls, table]})
}

fn limits() -> Map<String, Value> {
    object([
        key("turns", "Turns of the agent", whole(1)),
        key("wall", "Wall clock, scoring excluded", duration()),
        key("tokens", "Prompt and completion tokens together", whole(1)),
        key("usd", "US dollars", positive()),
    ])
}

fn sandbox() -> Map<String, Value> {
    object([
        key("root", "What stands under /", pattern("^(host|oci:.*|container:.*)$")),
        key("network", "A sandbox reaches the services of its task and nothing else", one_of(&["none"])),
        key("memory", "Memory", size()),
        key("cpus", "Processors", positive()),
        key("pids", "Processes", whole(1)),
        key("disk", "Disk", size()),
        key("require", "Layers that must be on", list_of(one_of(&LAYERS))),
    ])
}

fn mount() -> Map<String, Value> {
    object([
        key("env", "Variable that names the host folder", string()).required(),
        key("at", "Path inside", pattern("^/")).required(),
    ])
}

/// `[[service]]`: its own keys, and the options of its kind.
pub(super) fn services() -> Value {
    let kinds = service::ALL.iter().map(|kind| {
        let mut keys = vec![
            key("name", "Name; also in the variable ROLLTAPE_SERVICE_<NAME>_URL", name()).required(),
            key("kind", kind.about, json!({"const": kind.name})).required(),
            key("hosts", "Host names that resolve to it inside the sandbox", strings()),
            key(
                "port",
                "Port inside the sandbox",
                json!({"type": "integer", "minimum": 1, "maximum": 65535}),
            ),
            key("key_env", "Variable in which the agent finds its key", string()),
        ];
        keys.extend(service_options(kind.name));
        Value::Object(object(keys))
    });
    list_of(json!({"oneOf": kinds.collect::<Vec<_>>()}))
}

/// The options of a kind of service.
fn service_options(kind: &str) -> Vec<Key> {
    match kind {
        "llm" => vec![
            key("fault", "Planned failures: STATUS[-COUNT][@PATH], for example 429-once", string_or_list()),
            key(
                "retry_after",
                "Seconds of Retry-After on a 429",
                json!({"type": "integer", "minimum": 0, "maximum": 3600}),
            ),
            key("strict_retry", "Whether what comes too early gets another 429", flag()),
            key("balance", "What /user/balance tells", json!({"type": ["string", "number"]})),
            key("currency", "Its currency", one_of(&["USD", "CNY"])),
            key("models", "Names of the models", json!({"type": "array", "items": string(), "minItems": 1})),
        ],
        _ => Vec::new(),
    }
}

/// The scorers of a task: one alternative a kind.
fn scorers() -> Value {
    let kinds = score::ALL.iter().map(|scorer| {
        let mut keys = vec![
            key("kind", scorer.about, json!({"const": scorer.name})).required(),
            key("name", "Name inside the task; its kind unless given", name()),
            key("weight", "Weight in the reward; 1 unless given", positive()),
        ];
        keys.extend(scorer_options(scorer.name));
        Value::Object(object(keys))
    });
    json!({"type": "array", "minItems": 1, "items": {"oneOf": kinds.collect::<Vec<_>>()}})
}

/// The options of a kind of scorer.
fn scorer_options(kind: &str) -> Vec<Key> {
    let on = || key("on", "\"answer\" (unless given) or \"file:PATH\"", pattern("^(answer|file:.+)$"));
    let regex = |name| key(name, "Pattern of the Rust crate regex", string());
    match kind {
        "includes" => vec![
            key("text", "What must be there", string_or_list()).required(),
            key("ignore_case", "Whether case is of no matter", flag()),
            on(),
        ],
        "equals" => vec![
            key("text", "What it must be, spaces around it aside", string()).required(),
            key("ignore_case", "Whether case is of no matter", flag()),
            on(),
        ],
        "regex" => vec![regex("pattern").required(), on()],
        "file" => vec![
            key("path", "The file, relative to the workspace", string()).required(),
            key("exists", "Whether it must be there; true unless given", flag()),
            key("contains", "Texts that must be in it", string_or_list()),
            key("not_contains", "Texts that must not be in it", string_or_list()),
            key("equals", "Its whole content, spaces around it aside", string()),
            regex("regex"),
            key("max_bytes", "Bytes that it may have", whole(0)),
        ],
        "command" => {
            let mut keys = program();
            keys.push(key("exit", "Exit code that passes", whole(0)));
            keys
        }
        "service" => {
            let mut keys = program();
            keys.extend(service_scorer());
            keys
        }
        _ => Vec::new(),
    }
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

fn service_scorer() -> Vec<Key> {
    let requests = object([
        key("method", "HTTP method", string()),
        key("path", "Path of the request", string()),
        key("model", "Model that was asked for", string()),
        key("auth", "What its key was", one_of(&["ok", "missing", "bad"])),
        key("status", "Status of the answer", whole(0)),
        key("min", "How many there must be at least", whole(0)),
        key("max", "How many there may be", whole(0)),
    ]);
    vec![
        key("service", "Which service, where the task has several", string()),
        key("options", "Options laid over the service's", any_object()),
        key("key", "The key that the program is given", one_of(&["good", "wrong"])),
        key("requests", "What the service must have seen", {
            json!({"type": "array", "minItems": 1, "items": requests})
        })
        .required(),
        key("retried", "Whether a refused request must have come again", flag()),
        key("prints", "What must be in what is printed", one_of(&["nonce"])),
        key("not_prints", "What must not be in it", one_of(&["key"])),
        key("includes", "Texts that must be in it", string_or_list()),
        key("not_includes", "Texts that must not be in it", string_or_list()),
        key("regex", "Pattern that must match it", string()),
        key("exit", "Exit code that passes", whole(0)),
        key("exit_nonzero", "Whether any exit code but 0 passes", flag()),
    ]
}
