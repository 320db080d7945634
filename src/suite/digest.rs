//! What a suite and a task are, in 64 digits: the same content gives the same digest everywhere.

use super::{FileSpec, Task};
use crate::model::Reading;
use crate::util::digest::sha256_parts;
use serde_json::json;
use std::collections::BTreeMap;

/// Digest over paths, executable bits and contents.
pub(super) fn of_files(files: &BTreeMap<String, FileSpec>) -> String {
    let mut parts: Vec<&[u8]> = Vec::new();
    push_files(&mut parts, files);
    sha256_parts(parts)
}

/// Digest over all that defines a task: its settings after defaults, prompt, files, hidden files,
/// solution, cheats and scorers. Where it stands in a file does not count.
pub(super) fn of_task(task: &Task) -> String {
    let settings = settings_json(task).to_string();
    let mut parts: Vec<&[u8]> = vec![settings.as_bytes(), task.prompt.as_bytes()];
    for files in [&task.files, &task.hidden] {
        parts.push(b"files");
        push_files(&mut parts, files);
    }
    parts.push(b"solution");
    if let Some(solution) = &task.solution {
        parts.push(solution.text.as_bytes());
    }
    parts.push(b"cheats");
    for (name, cheat) in &task.cheats {
        parts.extend([name.as_bytes(), cheat.text.as_bytes()]);
    }
    // Tasks without examples keep the digest that they had before there were any.
    for example in &task.examples {
        parts.extend([b"example".as_slice(), example.user.as_bytes(), example.assistant.as_bytes()]);
    }
    sha256_parts(parts)
}

fn push_files<'a>(parts: &mut Vec<&'a [u8]>, files: &'a BTreeMap<String, FileSpec>) {
    for (path, file) in files {
        parts.push(path.as_bytes());
        parts.push(if file.executable { b"x" } else { b"-" });
        parts.push(&file.bytes);
    }
}

fn settings_json(task: &Task) -> serde_json::Value {
    let reading = match &task.policy.reading {
        Reading::Strict => "strict".to_owned(),
        Reading::Runtime(None) => "runtime".to_owned(),
        Reading::Runtime(Some(name)) => format!("runtime:{name}"),
    };
    let sandbox = &task.sandbox;
    let limits = &task.limits;
    json!({
        "id": task.id,
        "policy": [task.policy.calls.as_str(), task.policy.ask, reading, task.policy.dialect],
        "limits": [limits.turns, limits.wall.map(|wall| wall.as_millis() as u64), limits.tokens, limits.usd],
        "sandbox": [
            sandbox.root, sandbox.network, sandbox.memory, sandbox.cpus, sandbox.pids, sandbox.disk,
            sandbox.require
        ],
        "reward": task.reward.as_str(),
        "services": task.services.iter().map(|service| json!([
            service.name, service.kind, service.hosts, service.port, service.key_env, service.options
        ])).collect::<Vec<_>>(),
        "needs": task.needs,
        "mounts": task.mounts.iter().map(|mount| json!([mount.env, mount.at])).collect::<Vec<_>>(),
        "score": task.score.iter().map(|score| json!([
            score.kind, score.name, score.weight, score.options
        ])).collect::<Vec<_>>(),
    })
}
