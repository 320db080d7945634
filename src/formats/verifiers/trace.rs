//! A v1 trace: its message graph, a trajectory a branch.

use super::super::chat::{self, Chat, expected};
use super::super::source::Refusal;
use super::replied;
use crate::model::{Object, Source as Speaker, Step, Trajectory, Usage};
use crate::util::json::View;
use std::collections::BTreeMap;

/// Longest path and most branches that are followed: a graph of a hostile file could have more paths than fit.
const LIMIT: usize = 100_000;

pub(super) fn read(record: View<'_>, warnings: &mut Vec<Refusal>) -> Result<Trajectory, Refusal> {
    let list = record.get("nodes").ok_or_else(|| (record.offset(), "has no \"nodes\"".to_owned()))?;
    if !list.is_array() {
        return Err(expected(list, "\"nodes\"", "a list"));
    }
    let nodes: Vec<View<'_>> = list.items().collect();
    let mut parents = Vec::with_capacity(nodes.len());
    for (n, node) in nodes.iter().enumerate() {
        if !node.is_object() {
            return Err(expected(*node, "a node", "an object"));
        }
        parents.push(match node.some("parent") {
            None => None,
            // A parent stands before its children, so that no path goes round in a circle.
            Some(parent) => match parent.uint().filter(|parent| (*parent as usize) < n) {
                Some(parent) => Some(parent as usize),
                None => {
                    return Err((parent.offset(), format!("the parent of node {n} is no earlier node")));
                }
            },
        });
    }
    let mut leaf = vec![true; nodes.len()];
    parents.iter().flatten().for_each(|&parent| leaf[parent] = false);
    if nodes.is_empty() {
        return Err((list.offset(), "the list \"nodes\" is empty: it holds no message".to_owned()));
    }
    let calls = calls(record, nodes.len(), warnings);
    let mut seen = vec![false; nodes.len()];
    let mut branches = Vec::new();
    let mut steps = 0;
    for end in (0..nodes.len()).filter(|&n| leaf[n]) {
        let mut path = vec![end];
        while let Some(parent) = path.last().and_then(|&last| parents[last]) {
            path.push(parent);
        }
        path.reverse();
        steps += path.len();
        if steps > LIMIT {
            warnings.push((list.offset(), format!("branches beyond {LIMIT} messages are left out")));
            break;
        }
        branches.push(branch(&path, &nodes, &calls, &mut seen)?);
    }
    finish(record, &mut branches);
    let mut branches = branches.into_iter();
    let mut first = branches.next().unwrap_or_default();
    first.subagents = branches.collect();
    Ok(first)
}

/// The model call of each node.
fn calls<'a>(record: View<'a>, nodes: usize, warnings: &mut Vec<Refusal>) -> BTreeMap<usize, View<'a>> {
    let mut calls = BTreeMap::new();
    for call in record.get("calls").into_iter().flat_map(View::items) {
        match call.some("node").and_then(View::uint).map(|node| node as usize).filter(|node| *node < nodes) {
            Some(node) => {
                calls.insert(node, call);
            }
            None => warnings.push((
                call.offset(),
                "a model call committed no message: it is kept in \"calls\"".to_owned(),
            )),
        }
    }
    calls
}

fn branch(
    path: &[usize],
    nodes: &[View<'_>],
    calls: &BTreeMap<usize, View<'_>>,
    seen: &mut [bool],
) -> Result<Trajectory, Refusal> {
    let mut conversation = Chat::new();
    let mut trajectory = Trajectory::default();
    for &n in path {
        let node = nodes[n];
        let message =
            node.get("message").ok_or_else(|| (node.offset(), format!("node {n} has no \"message\"")))?;
        let before = conversation.steps.len();
        conversation.add(message)?;
        if let Some(list) = node.some("tools").filter(|list| list.is_array()) {
            (trajectory.agent.tools, trajectory.agent.raw_tools) = chat::tools(list);
        }
        let again = std::mem::replace(&mut seen[n], true);
        let rest = |known: &[&str]| -> Object {
            let members = node.members().filter(|(key, _)| !known.contains(&&**key));
            members.map(|(key, value)| (key.into_owned(), value.value())).collect()
        };
        let Some(step) = conversation.steps.get_mut(before) else {
            // A result went to the step of its call; what its node says beside stays with the message.
            if let Some(step) = conversation.steps.last_mut() {
                step.extra.insert(format!("node_{n}"), rest(&["parent", "message", "tools"]).into());
            }
            continue;
        };
        let sampled = node.get("sampled").and_then(View::bool) == Some(true);
        let mut kept = rest(&["parent", "message", "tools"]);
        if let Some(call) = calls.get(&n) {
            answered(step, *call);
            kept.insert("call".to_owned(), call.value());
        }
        step.extra.insert("node".to_owned(), kept.into());
        if step.source == Speaker::Agent {
            step.frame = again || !sampled;
        }
        if again {
            step.copied = Some(true);
        }
    }
    trajectory.steps = conversation.steps;
    Ok(trajectory)
}

/// Figures of the call that made a message.
fn answered(step: &mut Step, call: View<'_>) {
    if step.source != Speaker::Agent {
        return;
    }
    let reply = replied(step);
    reply.finish_reason = call.text_at("finish_reason");
    step.model = call.text_at("model");
    let Some(tokens) = call.some("usage") else { return };
    let count = |key: &str| tokens.some(key).and_then(View::uint);
    let cached = count("cached_input_tokens");
    step.usage = Some(Usage {
        // Their prompt tokens leave cached ones out.
        prompt_tokens: count("prompt_tokens").map(|prompt| prompt.saturating_add(cached.unwrap_or(0))),
        completion_tokens: count("completion_tokens"),
        cached_tokens: cached,
        cost_usd: tokens.some("cost").and_then(View::float),
    });
}

/// What the trace says as a whole stands on its first branch.
fn finish(record: View<'_>, branches: &mut [Trajectory]) {
    let id = record.text_at("id");
    // An empty list is what stands there where nobody has told the tools.
    let told = |list: &View<'_>| list.is_array() && list.items().next().is_some();
    let tools = record.some("tools").filter(told).map(chat::tools);
    for (n, branch) in branches.iter_mut().enumerate() {
        branch.id = id.clone().map(|id| if n == 0 { id } else { format!("{id}#{n}") });
        if let (None, Some((tools, raw))) = (&branch.agent.tools, &tools) {
            branch.agent.tools.clone_from(tools);
            branch.agent.raw_tools.clone_from(raw);
        }
        if let Some(agent) = record.some("agent") {
            branch.agent.name = agent.text_at("name").unwrap_or_default();
        }
        let config = record.some("agent").and_then(|agent| agent.some("config"));
        branch.agent.model = config.and_then(|config| config.text_at("model"));
        if n > 0 {
            branch.extra.insert("branch".to_owned(), n.into());
        }
    }
    if let [first, ..] = branches {
        let taken = |key: &str| key == "nodes" || key == "id" && id.is_some();
        let rest = record.members().filter(|(key, _)| !taken(key));
        first.extra.extend(rest.map(|(key, value)| (key.into_owned(), value.value())));
    }
}
