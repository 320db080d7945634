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
use super::{Folder, Format, Group, ReadOutput, Reader, Sniff, Source};
use crate::model::{Object, Trajectory};
use crate::util::json::View;
use lines::{Lines, Part};
use std::collections::BTreeMap;

const NAME: &str = "claude-code";

pub(super) static ITEM: Format = Format {
    name: NAME,
    about: "sessions of Claude Code, with the files of their subagents",
    sniff,
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
        "user" | "assistant" if named && record.get("message").is_some_and(View::is_object) => Sniff::new(96, ""),
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
            embed(&mut trajectory, &part, &lines, &mut remarks);
            trajectory.origin.path = source.path.to_owned();
            output.trajectories.push(trajectory);
        }
    }
    for trajectory in &mut output.trajectories {
        set_lines(trajectory, source);
    }
    values.remark(remarks.into_iter().map(|remark| (0, remark)).collect());
    values.tell(sources, &mut output);
    if output.trajectories.is_empty() && output.errors.is_empty() {
        output.errors.push(source.error(source.start, "the session holds no message"));
    }
    output
}

/// Path and line of a trajectory and of those that are embedded in it.
fn set_lines(trajectory: &mut Trajectory, source: &Source<'_>) {
    let offset = usize::try_from(trajectory.origin.offset).unwrap_or(usize::MAX);
    trajectory.origin.line = source.error(offset, "").line;
    source.path.clone_into(&mut trajectory.origin.path);
    NAME.clone_into(&mut trajectory.origin.format);
    trajectory.subagents.iter_mut().for_each(|inner| set_lines(inner, source));
}

/// Puts sidechains and branches of a part into its trajectory.
fn embed(trajectory: &mut Trajectory, part: &Part, lines: &Lines<'_>, remarks: &mut Vec<(usize, String)>) {
    for inner in &part.inner {
        let subagent = steps::trajectory(inner, lines, remarks);
        tie(trajectory, &subagent);
        trajectory.subagents.push(subagent);
    }
}

/// Lets the result that a subagent gave refer to it: by the agent's id, else by the prompt that started it.
fn tie(trajectory: &mut Trajectory, subagent: &Trajectory) {
    let Some(id) = &subagent.id else { return };
    let reference = || Object::from_iter([("trajectory_id".to_owned(), id.clone().into())]);
    let results = |trajectory: &mut Trajectory, fits: &dyn Fn(&crate::model::ObservationResult) -> bool| {
        let steps = trajectory.steps.iter_mut();
        let all = steps.flat_map(|step| step.observation.iter_mut().flat_map(|seen| &mut seen.results));
        all.filter(|result| fits(result)).take(1).map(|result| result.subagents.push(reference())).count()
    };
    let names = |result: &crate::model::ObservationResult| {
        result.extra.get("toolUseResult").and_then(|told| told.get("agentId")?.as_str()) == Some(id)
    };
    if results(trajectory, &names) > 0 {
        return;
    }
    let Some(prompt) = subagent.steps.first().map(|step| step.message.text().into_owned()) else { return };
    let calls = trajectory.steps.iter().flat_map(|step| &step.calls);
    let started = calls.into_iter().filter(|call| {
        call.arguments.parsed.as_ref().and_then(|object| object.get("prompt")?.as_str()) == Some(&*prompt)
    });
    let ids: Vec<String> = started.map(|call| call.id.clone()).collect();
    results(trajectory, &|result| {
        result.subagents.is_empty() && result.call_id.as_ref().is_some_and(|id| ids.contains(id))
    });
}

/// `SESSION.jsonl` and `SESSION/subagents/agent-ID.jsonl`.
fn claim(paths: &[&str]) -> Vec<Group> {
    let mut groups: BTreeMap<&str, Group> = BTreeMap::new();
    for (index, path) in paths.iter().enumerate() {
        let Some((session, file)) = path.rsplit_once("/subagents/") else { continue };
        if !file.starts_with("agent-") || file.contains('/') {
            continue;
        }
        if file.ends_with(".jsonl") {
            groups.entry(session).or_default().files.push(index);
        } else if file.ends_with(".meta.json") {
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
    for source in agents {
        let mut read = session(source, NAME);
        for mut subagent in read.trajectories.drain(..) {
            if subagent.id.is_none() {
                let name = source.path.rsplit('/').next().unwrap_or(source.path);
                subagent.id = Some(name.trim_end_matches(".jsonl").to_owned());
            }
            let same = |one: &Trajectory| one.session_id.is_some() && one.session_id == subagent.session_id;
            let index = output.trajectories.iter().position(same).unwrap_or(0);
            match output.trajectories.get_mut(index) {
                Some(trajectory) => {
                    tie(trajectory, &subagent);
                    trajectory.subagents.push(subagent);
                }
                None => output.trajectories.push(subagent),
            }
        }
        output.append(read);
    }
    output
}
