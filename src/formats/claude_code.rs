//! `claude-code`: sessions of Claude Code, one JSON object a line.
//!
//! Lines form a tree by `uuid` and `parentUuid`. The conversation is the path to the last leaf; branches that were
//! left, and sidechains, are embedded trajectories. One message of the API stands on several lines with one
//! `message.id`, its usage on each of them. Files of subagents, `SESSION/subagents/agent-ID.jsonl`, are read with
//! their session and tied to the calls that started them. Source: sessions of Claude Code 1.0 to 2.1 and the readers
//! of them that are public.

mod lines;
mod steps;

use super::events::Values;
use super::record::LineCounter;
use super::{Folder, Format, Group, ReadOutput, Reader, Sniff, Source};
use crate::model::{Object, Trajectory};
use crate::util::json::View;
use lines::Lines;
use std::collections::{BTreeMap, HashMap};

const NAME: &str = "claude-code";

pub(super) static ITEM: Format = Format {
    name: NAME,
    about: "sessions of Claude Code, with the files of their subagents",
    sniff,
    marks: &[
        &[
            "type=user|assistant|system",
            "message",
            "message.role",
            "sessionId",
            "uuid",
            "parentUuid",
            "timestamp",
        ],
        &["type=summary", "summary", "leafUuid"],
        &["type=file-history-snapshot", "snapshot", "messageId"],
    ],
    read: Reader::Whole(read),
    folder: Some(Folder { claim, confirm, read: read_folder }),
    write: None,
};

fn sniff(source: &Source<'_>) -> Sniff {
    let Some(record) = source.first().filter(|record| record.is_object()) else {
        return Sniff::new(0, "holds no JSON object");
    };
    let kind = record.text_at("type").unwrap_or_default();
    let has = |key: &str| record.get(key).is_some();
    let named = has("sessionId") || has("uuid") && has("parentUuid");
    match &*kind {
        "user" | "assistant" if named && record.get("message").is_some_and(View::is_object) => {
            Sniff::new(96, "")
        }
        "summary" if has("summary") && has("leafUuid") => Sniff::new(96, ""),
        "file-history-snapshot" if has("snapshot") => Sniff::new(95, ""),
        kind if named && lines::is_known(kind) => Sniff::new(92, ""),
        _ => Sniff::new(0, "has no \"type\" of a session's line beside \"sessionId\" or \"uuid\""),
    }
}

fn read(source: &Source<'_>) -> ReadOutput {
    session(source, NAME)
}

/// Reads one file.
fn session(source: &Source<'_>, format: &'static str) -> ReadOutput {
    let mut output = ReadOutput { format, ..ReadOutput::default() };
    let sources = std::slice::from_ref(source);
    let mut values = Values::scan(sources);
    let mut remarks = Vec::new();
    {
        let views: Vec<View<'_>> = values.iter(sources).map(|value| value.view).collect();
        let lines = Lines::of(&views, &mut remarks);
        for part in lines.parts() {
            let mut trajectory = steps::trajectory(&part, &lines, &mut remarks);
            let inner = part.inner.iter().map(|inner| steps::trajectory(inner, &lines, &mut remarks));
            let subagents: Vec<Trajectory> = inner.collect();
            tie(&mut trajectory, &subagents);
            trajectory.subagents = subagents;
            output.trajectories.push(trajectory);
        }
    }
    let mut counter = LineCounter::new(source.bytes);
    for trajectory in &mut output.trajectories {
        set_lines(trajectory, source, &mut counter);
    }
    values.remark(remarks.into_iter().map(|remark| (0, remark)).collect());
    values.tell(sources, &mut output);
    if output.trajectories.is_empty() && output.errors.is_empty() {
        output.errors.push(source.error(source.start, "the session holds no message"));
    }
    output
}

/// Path and line of a trajectory and of those that are embedded in it.
fn set_lines(trajectory: &mut Trajectory, source: &Source<'_>, counter: &mut LineCounter<'_>) {
    let offset = usize::try_from(trajectory.origin.offset).unwrap_or(usize::MAX);
    trajectory.origin.line = counter.line_of(offset);
    source.path.clone_into(&mut trajectory.origin.path);
    NAME.clone_into(&mut trajectory.origin.format);
    trajectory.subagents.iter_mut().for_each(|inner| set_lines(inner, source, counter));
}

/// Lets the results that subagents gave refer to them: by the agent's id, else by the prompt that started it.
fn tie(trajectory: &mut Trajectory, subagents: &[Trajectory]) {
    let mut by_agent: HashMap<String, (usize, usize)> = HashMap::new();
    let mut by_call: HashMap<&str, (usize, usize)> = HashMap::new();
    let mut by_prompt: HashMap<String, Vec<(usize, usize)>> = HashMap::new();
    for (n, step) in trajectory.steps.iter().enumerate() {
        for (m, result) in step.observation.iter().flat_map(|seen| &seen.results).enumerate() {
            let agent = result.extra.get("toolUseResult").and_then(|told| told.get("agentId")?.as_str());
            by_agent.extend(agent.map(|agent| (agent.to_owned(), (n, m))));
            by_call.extend(result.call_id.as_deref().map(|id| (id, (n, m))));
        }
    }
    // From the last call to the first: those with one prompt started their agents in order, and the first is taken first.
    for call in trajectory.steps.iter().rev().flat_map(|step| step.calls.iter().rev()) {
        let prompt = call.arguments.parsed.as_ref().and_then(|object| object.get("prompt")?.as_str());
        if let (Some(prompt), Some(at)) = (prompt, by_call.get(&*call.id)) {
            by_prompt.entry(prompt.to_owned()).or_default().push(*at);
        }
    }
    for subagent in subagents {
        let Some(id) = &subagent.id else { continue };
        let prompt = subagent.steps.first().map(|step| step.message.text());
        let at = by_agent.get(id).copied().or_else(|| by_prompt.get_mut(&*prompt?)?.pop());
        let Some((step, result)) = at else { continue };
        let results = trajectory.steps[step].observation.as_mut().map(|seen| &mut seen.results[result]);
        if let Some(result) = results {
            result.subagents.push(Object::from_iter([("trajectory_id".to_owned(), id.clone().into())]));
        }
    }
}

/// `SESSION.jsonl` and `SESSION/subagents/agent-ID.jsonl`.
fn claim(paths: &[&str]) -> Vec<Group> {
    let mut groups: BTreeMap<&str, Group> = BTreeMap::new();
    for (index, path) in paths.iter().enumerate() {
        let Some((session, file)) = path.rsplit_once("/subagents/") else { continue };
        if !file.starts_with("agent-") || file.contains('/') {
            continue;
        }
        if file.strip_suffix(".jsonl").is_some() {
            groups.entry(session).or_default().files.push(index);
        } else if file.strip_suffix(".meta.json").is_some() {
            groups.entry(session).or_default().beside.push(index);
        }
    }
    for (index, path) in paths.iter().enumerate() {
        if let Some(group) = path.strip_suffix(".jsonl").and_then(|session| groups.get_mut(session)) {
            group.files.insert(0, index);
        }
    }
    groups.retain(|session, group| {
        let first = group.files.first().and_then(|index| paths[*index].strip_suffix(".jsonl"));
        group.files.len() > 1 && first == Some(*session)
    });
    groups.into_values().collect()
}

fn confirm(sources: &[Source<'_>]) -> bool {
    sources.iter().all(|source| sniff(source).confidence >= 50)
}

fn read_folder(sources: &[Source<'_>]) -> ReadOutput {
    let Some((main, agents)) = sources.split_first() else { return ReadOutput::default() };
    let mut output = read(main);
    let mut subagents: BTreeMap<usize, Vec<Trajectory>> = BTreeMap::new();
    for source in agents {
        let mut read = session(source, NAME);
        for mut subagent in read.trajectories.drain(..) {
            if subagent.id.is_none() {
                let name = source.path.rsplit('/').next().unwrap_or(source.path);
                subagent.id = Some(name.trim_end_matches(".jsonl").to_owned());
            }
            let same = |one: &Trajectory| one.session_id.is_some() && one.session_id == subagent.session_id;
            let index = output.trajectories.iter().position(same).unwrap_or(0);
            subagents.entry(index).or_default().push(subagent);
        }
        output.append(read);
    }
    for (index, list) in subagents {
        match output.trajectories.get_mut(index) {
            Some(trajectory) => {
                tie(trajectory, &list);
                trajectory.subagents.extend(list);
            }
            // The session itself could not be read.
            None => output.trajectories.extend(list),
        }
    }
    output
}
