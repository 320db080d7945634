//! What is tried: attacks from the real data, and our own in `tests/fixtures/attacks.toml`.

use crate::support;
use serde::Deserialize;
use serde_json::Value;

/// Who says whether an attack got through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Oracle {
    /// A line `BREACH` of its own, beside the checks on the host.
    Print,
    /// The host alone.
    Host,
    /// Every scorer of the reference task.
    Score,
    /// The answers of the shell tool.
    Tool,
}

/// What an attack does where nothing holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bare {
    /// It gets through, in a root that can be thrown away.
    Breaks,
    /// It deceives a scorer that trusts the place where the agent worked.
    Deceives,
    /// It is not tried.
    Left,
}

/// One attack.
#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) id: String,
    pub(super) group: String,
    /// Program and arguments before the command.
    pub(super) interp: Vec<String>,
    pub(super) command: String,
    pub(super) oracle: Oracle,
    pub(super) bare: Bare,
    /// The layer that holds it, of those that level `process` lacks.
    pub(super) layer: Option<String>,
    /// Limits in MiB, and processes.
    pub(super) memory: Option<u64>,
    pub(super) disk: Option<u64>,
    pub(super) pids: Option<u64>,
    /// Whether the task comes with a repository.
    pub(super) git: bool,
}

/// Layers that level `process` lacks, for attacks of the real data. Of the groups that are not here it holds all.
fn layer(id: &str, group: &str) -> Option<&'static str> {
    Some(match (id, group) {
        ("fs-disk-fill", _) => "disk-quota",
        ("pr-fork-bomb", _) => "cgroup-pids",
        ("pr-mem", _) => "cgroup-memory",
        ("ipc-sysv", _) => "ipcns",
        // Only who may set capabilities can take them out of the bounding set; `no_new_privs` voids it.
        ("pv-caps", _) => "userns",
        (_, "net") => "netns",
        (_, "proc") => "pidns",
        (_, "fs") => "mountns",
        _ => return None,
    })
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The attacks of the real data, if it is there: every case of the file.
pub(super) fn given() -> Option<Vec<Case>> {
    let file: Value =
        serde_json::from_str(&support::read(&support::data("sandbox_attacks.json")?)).expect("JSON");
    assert_eq!(file["version"], 1, "the contract of another version");
    let cases: Vec<Case> = file["attacks"].as_array().expect("attacks").iter().map(given_case).collect();
    assert!(!cases.is_empty(), "the file holds no attack");
    Some(cases)
}

fn given_case(value: &Value) -> Case {
    let (id, group, control) = (text(&value["id"]), text(&value["group"]), text(&value["control"]));
    let oracle = match value["oracle"].as_str() {
        Some("stdout" | "stdout+host") => Oracle::Print,
        Some("host") => Oracle::Host,
        Some("score") => Oracle::Score,
        Some("protocol") => Oracle::Tool,
        other => panic!("{id}: the oracle {other:?} is unknown here"),
    };
    let bare = match (control.starts_with("BREACH"), oracle) {
        (true, Oracle::Score) => Bare::Deceives,
        (true, _) => Bare::Breaks,
        (false, _) => Bare::Left,
    };
    let limit = |name: &str| value["limits"][name].as_u64();
    Case {
        layer: layer(&id, &group).map(str::to_owned),
        interp: value["interp"].as_array().expect("interp").iter().map(text).collect(),
        command: text(&value["command"]),
        oracle,
        bare,
        memory: limit("memory_mib"),
        disk: limit("disk_mib"),
        pids: limit("pids"),
        git: value["needs"].as_str().is_some_and(|needs| needs.contains("git")),
        id,
        group,
    }
}

#[derive(Deserialize)]
struct Own {
    attack: Vec<OwnCase>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OwnCase {
    id: String,
    group: String,
    /// For readers of the file.
    #[serde(rename = "tries")]
    _tries: String,
    with: String,
    script: String,
    judge: String,
    bare: Option<String>,
    layer: Option<String>,
    memory: Option<u64>,
    disk: Option<u64>,
    pids: Option<u64>,
}

/// Our own attacks.
pub(super) fn own() -> Vec<Case> {
    let file: Own = toml::from_str(include_str!("../../../fixtures/attacks.toml")).expect("our attacks");
    file.attack.into_iter().map(own_case).collect()
}

fn own_case(own: OwnCase) -> Case {
    let oracle = match own.judge.as_str() {
        "print" => Oracle::Print,
        "host" => Oracle::Host,
        "score" => Oracle::Score,
        "tool" => Oracle::Tool,
        other => panic!("{}: nobody judges by '{other}'", own.id),
    };
    let bare = match own.bare.as_deref() {
        Some("breaks") => Bare::Breaks,
        Some("deceives") => Bare::Deceives,
        None => Bare::Left,
        Some(other) => panic!("{}: 'bare' is not '{other}'", own.id),
    };
    Case {
        interp: [own.with.as_str(), "-c"].map(str::to_owned).to_vec(),
        command: own.script,
        oracle,
        bare,
        layer: own.layer,
        memory: own.memory,
        disk: own.disk,
        pids: own.pids,
        git: false,
        id: own.id,
        group: own.group,
    }
}
