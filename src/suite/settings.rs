//! What suites and tasks share: policy, limits, sandbox, needs, mounts, services, scorers.

use super::hosts;
use super::network::Network;
use super::reader::{Reader, Table};
use super::{Example, Limits, MountSpec, RewardRule, SandboxSpec, ScorerSpec, ServiceSpec};
use crate::dialects;
use crate::model::{CallPolicy, LAYERS, Policy, Reading};
use crate::util::suggest::nearest;

/// What a task has unless it says otherwise.
#[derive(Debug, Clone, Default)]
pub(super) struct Settings {
    pub(super) policy: Policy,
    pub(super) limits: Limits,
    pub(super) sandbox: SandboxSpec,
    pub(super) reward: RewardRule,
    pub(super) examples: Vec<Example>,
}

impl Settings {
    /// Settings of `table` laid over these.
    pub(super) fn overlaid(&self, reader: &mut Reader<'_>, table: &Table<'_, '_>) -> Self {
        Self {
            policy: read_policy(reader, table, &self.policy),
            limits: read_limits(reader, table, &self.limits),
            sandbox: read_sandbox(reader, table, &self.sandbox),
            reward: read_reward(reader, table).unwrap_or(self.reward),
            examples: read_examples(reader, table).unwrap_or_else(|| self.examples.clone()),
        }
    }
}

/// The turns of `[[….example]]`; `None` if the table has none.
fn read_examples(reader: &mut Reader<'_>, table: &Table<'_, '_>) -> Option<Vec<Example>> {
    if !table.has("example") {
        return None;
    }
    let mut examples = Vec::new();
    for inner in reader.tables(table, "example", &format!("an example of {}", table.what)) {
        reader.known(&inner, &["user", "assistant"]);
        reader.require(&inner, "user", "it is what the user says");
        reader.require(&inner, "assistant", "it is what the model is to say to that, with its call");
        let (user, assistant) = (reader.string(&inner, "user"), reader.string(&inner, "assistant"));
        examples.extend(user.zip(assistant).map(|(user, assistant)| Example { user, assistant }));
    }
    Some(examples)
}

fn read_reward(reader: &mut Reader<'_>, table: &Table<'_, '_>) -> Option<RewardRule> {
    let word = reader.string(table, "reward")?;
    let found = [RewardRule::Mean, RewardRule::All].into_iter().find(|rule| rule.as_str() == word);
    if found.is_none() {
        let message = format!("'reward' is \"mean\" or \"all\", not \"{word}\"");
        reader.error(table.place_of("reward"), message);
    }
    found
}

fn read_policy(reader: &mut Reader<'_>, table: &Table<'_, '_>, base: &Policy) -> Policy {
    let mut policy = base.clone();
    let Some(item) = table.item("policy") else { return policy };
    let (holder, key) = if item.get_ref().is_str() {
        (table.clone(), "policy")
    } else {
        let what = format!("'policy' of {}", table.what);
        let Some(inner) = reader.table(table, "policy", what) else { return policy };
        reader.known(&inner, &["calls", "ask", "reading", "dialect"]);
        (inner, "calls")
    };
    if let Some(word) = reader.string(&holder, key) {
        match CallPolicy::parse(&word) {
            Some(calls) => policy.calls = calls,
            None => {
                let words = CallPolicy::ALL.map(CallPolicy::as_str);
                let message = format!("'{word}' is not a call policy");
                reader.unknown_word(holder.place_of(key), message, &word, &words);
            }
        }
    }
    if key == "policy" {
        return policy;
    }
    if let Some(word) = reader.string(&holder, "ask") {
        match word.as_str() {
            "allow" => policy.ask = true,
            "deny" => policy.ask = false,
            _ => {
                let message = format!("'ask' is \"allow\" or \"deny\", not \"{word}\"");
                reader.error(holder.place_of("ask"), message);
            }
        }
    }
    if let Some(word) = reader.string(&holder, "reading") {
        policy.reading = read_reading(reader, &holder, &word).unwrap_or(policy.reading);
    }
    if let Some(name) = reader.string(&holder, "dialect") {
        if dialects::find(&name).is_none() {
            let names: Vec<&str> = dialects::ALL.iter().map(|dialect| dialect.name).collect();
            let message = format!("no dialect is named '{name}'");
            reader.unknown_word(holder.place_of("dialect"), message, &name, &names);
        }
        policy.dialect = Some(name);
    }
    policy
}

fn read_reading(reader: &mut Reader<'_>, table: &Table<'_, '_>, word: &str) -> Option<Reading> {
    match word.split_once(':') {
        None if word == "strict" => Some(Reading::Strict),
        None if word == "runtime" => Some(Reading::Runtime(None)),
        Some(("runtime", name)) if dialects::find_runtime(name).is_some() => {
            Some(Reading::Runtime(Some(name.to_owned())))
        }
        _ => {
            let runtimes =
                dialects::ALL.iter().flat_map(|dialect| dialect.runtimes).map(|runtime| runtime.name);
            let named = word.strip_prefix("runtime:");
            let hint = match named.and_then(|named| nearest(named, runtimes)) {
                Some(near) => format!("did you mean 'runtime:{near}'?"),
                None => {
                    "it may be strict, runtime, or runtime:NAME with a name that rolltape check --help lists"
                        .to_owned()
                }
            };
            reader.error_hint(table.place_of("reading"), format!("'{word}' is not a reading"), hint);
            None
        }
    }
}

fn read_limits(reader: &mut Reader<'_>, table: &Table<'_, '_>, base: &Limits) -> Limits {
    let mut limits = base.clone();
    let what = format!("'limits' of {}", table.what);
    let Some(inner) = reader.table(table, "limits", what) else { return limits };
    reader.known(&inner, &["turns", "wall", "tokens", "usd", "cpu", "command", "command_cpu"]);
    if let Some(turns) = reader.whole(&inner, "turns", 1) {
        limits.turns = Some(u32::try_from(turns).unwrap_or(u32::MAX));
    }
    limits.wall = reader.duration(&inner, "wall").or(limits.wall);
    limits.tokens = reader.whole(&inner, "tokens", 1).or(limits.tokens);
    limits.usd = reader.positive(&inner, "usd").or(limits.usd);
    limits.cpu = reader.duration(&inner, "cpu").or(limits.cpu);
    limits.command = reader.duration(&inner, "command").or(limits.command);
    limits.command_cpu = reader.duration(&inner, "command_cpu").or(limits.command_cpu);
    limits
}

fn read_sandbox(reader: &mut Reader<'_>, table: &Table<'_, '_>, base: &SandboxSpec) -> SandboxSpec {
    let mut sandbox = base.clone();
    let what = format!("'sandbox' of {}", table.what);
    let Some(inner) = reader.table(table, "sandbox", what) else { return sandbox };
    let keys =
        ["root", "network", "memory", "cpus", "pids", "disk", "inodes", "open_files", "output", "require"];
    reader.known(&inner, &keys);
    if let Some(root) = reader.string(&inner, "root") {
        if root != "host" && !root.starts_with("oci:") && !root.starts_with("container:") {
            let message = format!("'root' is \"host\", \"oci:IMAGE\" or \"container:IMAGE\", not \"{root}\"");
            reader.error(inner.place_of("root"), message);
        }
        sandbox.root = root;
    }
    if let Some(network) = read_network(reader, &inner) {
        sandbox.network = network;
    }
    sandbox.memory = reader.size(&inner, "memory").or(sandbox.memory);
    sandbox.disk = reader.size(&inner, "disk").or(sandbox.disk);
    sandbox.cpus = reader.positive(&inner, "cpus").or(sandbox.cpus);
    sandbox.pids = reader.whole(&inner, "pids", 1).or(sandbox.pids);
    sandbox.inodes = reader.whole(&inner, "inodes", 1000).or(sandbox.inodes);
    sandbox.open_files = reader.whole(&inner, "open_files", 16).or(sandbox.open_files);
    sandbox.output = reader.size(&inner, "output").or(sandbox.output);
    if let Some(layers) = reader.strings(&inner, "require") {
        for layer in layers.iter().filter(|layer| !LAYERS.contains(&layer.as_str())) {
            let message = format!("no layer of the sandbox is named '{layer}'");
            reader.unknown_word(inner.place_of("require"), message, layer, &LAYERS);
        }
        sandbox.require = layers;
    }
    sandbox
}

/// `network`: a word, or a table with `allow`.
fn read_network(reader: &mut Reader<'_>, table: &Table<'_, '_>) -> Option<Network> {
    let item = table.item("network")?;
    if item.get_ref().is_str() {
        let word = reader.string(table, "network")?;
        return match word.as_str() {
            "none" => Some(Network::None),
            "full" => Some(Network::Full),
            _ => {
                let message =
                    format!("'network' is \"none\", \"full\" or {{ allow = [\"…\"] }}, not \"{word}\"");
                let hint = "none: the services of the task and nothing else; allow: these hosts, by the \
                            harness's proxy; full: all that this machine reaches";
                reader.error_hint(table.place_of("network"), message, hint);
                None
            }
        };
    }
    let inner = reader.table(table, "network", format!("'network' of {}", table.what))?;
    reader.known(&inner, &["allow"]);
    reader.require(&inner, "allow", "it lists host names: allow = [\"example.com\"]");
    let mut allowed = Vec::new();
    for text in reader.strings(&inner, "allow")? {
        match text.parse() {
            Ok(entry) => allowed.push(entry),
            Err(reason) => {
                let message = format!("{text:?} in 'allow' of {} is no host: {reason}", table.what);
                reader.error_hint(inner.place_of("allow"), message, super::network::FORMS);
            }
        }
    }
    Some(Network::Allow(allowed))
}

/// The `[[service]]` tables of a suite.
pub(super) fn read_services(reader: &mut Reader<'_>, suite: &Table<'_, '_>) -> Vec<ServiceSpec> {
    const OWN: &[&str] = &["name", "kind", "hosts", "port", "key_env"];
    let mut services: Vec<ServiceSpec> = Vec::new();
    for mut table in reader.tables(suite, "service", "a service") {
        reader.require(&table, "name", "add name = \"…\"; it names the variable ROLLTAPE_SERVICE_<NAME>_URL");
        let Some(name) = reader.string(&table, "name") else { continue };
        table.what = format!("service '{name}'");
        if !is_name(&name) {
            let message = format!("the service name '{name}' must be letters, digits, '-' and '_'");
            reader.error(table.place_of("name"), message);
        }
        if services.iter().any(|other| other.name == name) {
            reader.error(table.place_of("name"), format!("there are two services named '{name}'"));
            continue;
        }
        let variable = |name: &str| name.replace('-', "_").to_ascii_uppercase();
        if let Some(other) = services.iter().find(|other| variable(&other.name) == variable(&name)) {
            let message = format!("the services '{}' and '{name}' would share one variable", other.name);
            reader.error(table.place_of("name"), message);
        }
        reader.require(&table, "kind", "add kind = \"llm\"");
        let port = reader.whole(&table, "port", 1).and_then(|port| {
            let narrow = u16::try_from(port).ok();
            if narrow.is_none() {
                reader.error(table.place_of("port"), format!("there is no port {port}"));
            }
            narrow
        });
        let key_env = reader.string(&table, "key_env");
        for other in &services {
            let both = format!("the services '{}' and '{name}' both have", other.name);
            if port.is_some_and(|port| other.port == Some(port)) {
                reader.error(table.place_of("port"), format!("{both} the port {}", port.unwrap_or(0)));
            }
            if key_env.is_some() && other.key_env == key_env {
                let variable = key_env.as_deref().unwrap_or_default();
                reader.error(table.place_of("key_env"), format!("{both} their key in {variable}"));
            }
        }
        let hosts = hosts::read(reader, &table, port, &services);
        services.push(ServiceSpec {
            kind: reader.string(&table, "kind").unwrap_or_default(),
            hosts,
            port,
            key_env,
            options: reader.rest(&table, OWN),
            name,
        });
    }
    services
}

/// The services of a task: all of the suite or those in `services`, with the options of the task's
/// `service.NAME` laid over the suite's.
pub(super) fn task_services(
    reader: &mut Reader<'_>,
    table: &Table<'_, '_>,
    suite: &[ServiceSpec],
) -> Vec<ServiceSpec> {
    let names: Vec<&str> = suite.iter().map(|service| service.name.as_str()).collect();
    let mut services = suite.to_vec();
    if let Some(wanted) = reader.strings(table, "services") {
        for name in wanted.iter().filter(|name| !names.contains(&name.as_str())) {
            let message = format!("{} wants service '{name}', which the suite has not", table.what);
            reader.unknown_word(table.place_of("services"), message, name, &names);
        }
        services.retain(|service| wanted.contains(&service.name));
    }
    let what = format!("'service' of {}", table.what);
    if let Some(inner) = reader.table(table, "service", what) {
        reader.known(&inner, &names);
        for service in &mut services {
            let what = format!("service '{}' of {}", service.name, table.what);
            if let Some(options) = reader.table(&inner, &service.name, what) {
                service.options.extend(reader.rest(&options, &[]));
            }
        }
    }
    services
}

/// Read-only mounts of a task.
pub(super) fn read_mounts(reader: &mut Reader<'_>, table: &Table<'_, '_>) -> Vec<MountSpec> {
    let what = format!("a mount of {}", table.what);
    let mut mounts = Vec::new();
    for table in reader.tables(table, "mounts", &what) {
        reader.known(&table, &["env", "at"]);
        reader.require(&table, "env", "it names the variable that holds the host folder");
        reader.require(&table, "at", "it is the path inside");
        let (Some(env), Some(at)) = (reader.string(&table, "env"), reader.string(&table, "at")) else {
            continue;
        };
        if !at.starts_with('/') || at.split('/').any(|part| part == "..") {
            reader.error(table.place_of("at"), format!("'at' must be an absolute path, not \"{at}\""));
        }
        mounts.push(MountSpec { env, at });
    }
    mounts
}

/// The scorers of a task, in order. Kinds and options are the business of `score`.
pub(super) fn read_scorers(reader: &mut Reader<'_>, task: &Table<'_, '_>) -> Vec<ScorerSpec> {
    let what = format!("a scorer of {}", task.what);
    let mut scorers: Vec<ScorerSpec> = Vec::new();
    for table in reader.tables(task, "score", &what) {
        reader.require(&table, "kind", "add kind = \"regex\" or another of `rolltape list scorers`");
        let weight = reader.positive(&table, "weight").unwrap_or(1.0);
        let options = reader.rest(&table, &["kind", "name", "weight"]);
        let given = reader.string(&table, "name");
        let Some(kind) = reader.string(&table, "kind") else { continue };
        if let Some(name) = given.as_deref().filter(|name| !is_name(name)) {
            let message = format!("the scorer name '{name}' must be letters, digits, '-' and '_'");
            reader.error(table.place_of("name"), message);
        }
        let taken = |name: &str| scorers.iter().any(|scorer| scorer.name == name);
        if let Some(name) = given.as_deref().filter(|name| taken(name)) {
            let message = format!("{} has two scorers named '{name}'", task.what);
            reader.error(table.place_of("name"), message);
        }
        let name = given.unwrap_or_else(|| {
            let numbered = (2..).map(|n| format!("{kind}-{n}"));
            std::iter::once(kind.clone()).chain(numbered).find(|name| !taken(name)).unwrap_or_default()
        });
        let (line, column) = reader.place(table.place_of("kind").start);
        let file = reader.file().to_owned();
        scorers.push(ScorerSpec { kind, name, weight, options, file, line, column });
    }
    if scorers.is_empty() && !task.has("score") {
        let message = format!("{} has no scorers", task.what);
        let hint = "add score = [{ kind = \"…\" }]; `rolltape list scorers` shows the kinds";
        reader.error_hint(task.at.clone(), message, hint);
    } else if scorers.is_empty() && reader.errors.is_empty() {
        reader.error(task.place_of("score"), format!("the scorers of {} are an empty list", task.what));
    }
    scorers
}

/// Whether a name is safe in variables, files and ids: letters, digits, `-`, `_`.
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}
