//! What a suite and a task are, in 64 digits: the same content gives the same digest everywhere.

use super::{FileSpec, SandboxSpec, ServiceSpec, Task};
use crate::model::{Object, Reading};
use crate::util::digest::sha256_parts;
use serde::Serialize;
use std::borrow::Cow;
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
    // Plain values and maps with text keys can't fail to serialise.
    let settings = serde_json::to_string(&settings(task)).unwrap_or_default();
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
    // So do tasks whose newer limits are the usual ones.
    let newer = |task: &Task| {
        let SandboxSpec { inodes, open_files, output, .. } = &task.sandbox;
        (*inodes, *open_files, *output, task.limits.cpu, task.limits.command)
    };
    let usual = SandboxSpec::default();
    let limits = newer(task);
    let told = format!("{limits:?}");
    if limits != (usual.inodes, usual.open_files, usual.output, None, None) {
        parts.extend([b"limits".as_slice(), told.as_bytes()]);
    }
    let command_cpu = format!("{:?}", task.limits.command_cpu);
    if task.limits.command_cpu.is_some() {
        parts.extend([b"command_cpu".as_slice(), command_cpu.as_bytes()]);
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

/// The settings that a digest covers. Names, order and shape stay, for digests of different versions are compared.
#[derive(Serialize)]
struct Settings<'a> {
    id: &'a str,
    policy: (&'a str, bool, Cow<'a, str>, Option<&'a str>),
    limits: (Option<u32>, Option<u64>, Option<u64>, Option<f64>),
    sandbox: (&'a str, String, Option<u64>, Option<f64>, Option<u64>, Option<u64>, &'a [String]),
    reward: &'a str,
    services: Vec<(&'a str, &'a str, &'a [String], Option<u16>, Option<&'a str>, &'a Object)>,
    needs: &'a [String],
    mounts: Vec<(&'a str, &'a str)>,
    score: Vec<(&'a str, &'a str, f64, &'a Object)>,
}

fn settings<'a>(task: &'a Task) -> Settings<'a> {
    let policy = &task.policy;
    let reading = match &policy.reading {
        Reading::Strict => Cow::Borrowed("strict"),
        Reading::Runtime(None) => Cow::Borrowed("runtime"),
        Reading::Runtime(Some(name)) => Cow::Owned(format!("runtime:{name}")),
    };
    let sandbox = &task.sandbox;
    let limits = &task.limits;
    let service = |service: &'a ServiceSpec| {
        let ServiceSpec { name, kind, hosts, port, key_env, options } = service;
        (name.as_str(), kind.as_str(), hosts.as_slice(), *port, key_env.as_deref(), options)
    };
    Settings {
        id: &task.id,
        policy: (policy.calls.as_str(), policy.ask, reading, policy.dialect.as_deref()),
        limits: (limits.turns, limits.wall.map(|wall| wall.as_millis() as u64), limits.tokens, limits.usd),
        sandbox: (
            &sandbox.root,
            sandbox.network.to_string(),
            sandbox.memory,
            sandbox.cpus,
            sandbox.pids,
            sandbox.disk,
            &sandbox.require,
        ),
        reward: task.reward.as_str(),
        services: task.services.iter().map(service).collect(),
        needs: &task.needs,
        mounts: task.mounts.iter().map(|mount| (mount.env.as_str(), mount.at.as_str())).collect(),
        score: task
            .score
            .iter()
            .map(|score| (score.kind.as_str(), score.name.as_str(), score.weight, &score.options))
            .collect(),
    }
}
