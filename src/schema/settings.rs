//! What `suite.toml` and `task.toml` share: a key that is added to the parser is added here, and in one place.

use super::parts::{
    Key, any_object, duration, id, key, list_of, map_of, object, one_of, pattern, positive, size, string,
    strings, whole,
};
use super::scorers::scorers;
use crate::dialects;
use crate::model::{CallPolicy, LAYERS};
use crate::suite::RewardRule;
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
        key("example", "Turns before the prompt that show the model what to do", list_of(json!(example()))),
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

/// Keys of a task that stands in the file; rows of a data set need not be named.
pub(super) fn inline_task(named: bool) -> Vec<Key> {
    let files = || map_of(string());
    let own = key("id", "Id inside the suite", id());
    let mut keys = vec![
        if named { own.required() } else { own },
        key("prompt", "What the agent is asked", string()).required(),
        key("files", "Files of the workspace: path and text; one that starts with #! is executable", files()),
        key(
            "tests",
            "Hidden files, under $ROLLTAPE_TESTS when scored; they run the agent's program with $ROLLTAPE_AS_AGENT before it",
            files(),
        ),
        key("solution", "Bash script that solves the task", string()),
        key("cheats", "Bash scripts by name that must score 0", files()),
    ];
    keys.extend(task());
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

fn example() -> Map<String, Value> {
    object([
        key("user", "What the user says", string()).required(),
        key("assistant", "What the model is to say to that, with its call", string()).required(),
    ])
}

fn limits() -> Map<String, Value> {
    object([
        key("turns", "Turns of the agent", whole(1)),
        key("wall", "Wall clock, scoring excluded", duration()),
        key("tokens", "Prompt and completion tokens together", whole(1)),
        key("usd", "US dollars", positive()),
        key("cpu", "CPU time of all programs of the attempt", duration()),
        key(
            "command",
            "Wall clock of one bash command or cell; it is ended, and the attempt goes on",
            duration(),
        ),
        key("command_cpu", "CPU time of one bash command or cell, in the same way", duration()),
    ])
}

fn sandbox() -> Map<String, Value> {
    object([
        key("root", "What stands under /", pattern("^(host|oci:.*|container:.*)$")),
        key(
            "network",
            "What it reaches beside the services of its task: nothing, some hosts by a proxy, or all that this machine does",
            json!({"anyOf": [
                one_of(&["none", "full"]),
                object([key("allow", crate::suite::ALLOW_FORMS, strings()).required()]),
            ]}),
        ),
        key("memory", "Memory", size()),
        key("cpus", "Processors", positive()),
        key("pids", "Processes", whole(1)),
        key("disk", "Disk", size()),
        key("inodes", "Files, folders and links", whole(1000)),
        key("open_files", "Open files of one process", whole(16)),
        key("output", "What all programs together may print", size()),
        key("require", "Layers that must be on", list_of(one_of(&LAYERS))),
    ])
}

fn mount() -> Map<String, Value> {
    object([
        key("env", "Variable that names the host folder", string()).required(),
        key("at", "Path inside", pattern("^/")).required(),
    ])
}
