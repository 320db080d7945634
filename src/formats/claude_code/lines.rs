//! The lines of a session and the tree that they form.

use crate::util::json::View;
use std::collections::{HashMap, HashSet};

/// Kinds of lines that hold no message.
const KNOWN: [&str; 18] = [
    "system",
    "summary",
    "progress",
    "attachment",
    "file-history-snapshot",
    "queue-operation",
    "custom-title",
    "ai-title",
    "agent-name",
    "agent-color",
    "agent-setting",
    "last-prompt",
    "mode",
    "permission-mode",
    "pr-link",
    "tag",
    "task-summary",
    "content-replacement",
];

/// Whether a kind of line is known.
pub(super) fn is_known(kind: &str) -> bool {
    matches!(kind, "user" | "assistant") || KNOWN.contains(&kind)
}

/// One line.
pub(super) struct Line<'a> {
    pub(super) view: View<'a>,
    pub(super) kind: String,
    uuid: Option<String>,
    pub(super) session: Option<String>,
    pub(super) sidechain: bool,
    pub(super) agent: Option<String>,
    /// Id of the API's message.
    pub(super) message_id: Option<String>,
    /// Whether it is a step of a conversation.
    pub(super) is_step: bool,
}

/// All lines, each uuid once.
pub(super) struct Lines<'a> {
    pub(super) all: Vec<Line<'a>>,
    /// The line that each one goes on from.
    parents: Vec<Option<usize>>,
}

/// Lines that make one trajectory, in file order.
#[derive(Default)]
pub(super) struct Part {
    pub(super) lines: Vec<usize>,
    /// Sidechains and branches that were left.
    pub(super) inner: Vec<Part>,
    /// Id, where it has one of its own.
    pub(super) id: Option<String>,
    /// Where a branch goes on from: the uuid of that line.
    pub(super) branch_of: Option<String>,
}

impl<'a> Lines<'a> {
    /// Looks at the lines; remarks go to the second argument.
    pub(super) fn of(views: &[View<'a>], remarks: &mut Vec<(usize, String)>) -> Self {
        let mut all: Vec<Line<'a>> = Vec::new();
        let mut known: HashMap<String, usize> = HashMap::new();
        for view in views {
            if !view.is_object() {
                remarks.push((
                    view.offset(),
                    format!("a line must be an object, not {}: it is kept", view.type_name()),
                ));
            }
            let uuid = view.text_at("uuid");
            if let Some(first) = uuid.as_ref().and_then(|uuid| known.get(uuid)) {
                let same = all[*first].view.raw() == view.raw();
                let what =
                    if same { "a line stands twice" } else { "a line repeats the uuid of another one" };
                remarks.push((view.offset(), format!("{what}: the first one counts")));
                continue;
            }
            if let Some(uuid) = &uuid {
                known.insert(uuid.clone(), all.len());
            }
            let kind = view.text_at("type").unwrap_or_default();
            let message = view.get("message").filter(|message| message.is_object());
            let says = matches!(&*kind, "user" | "assistant") && message.is_some();
            let meta = is_known(&kind) && message.is_none_or(|_| kind == "progress");
            if !says && !meta {
                let what = format!("a line of the kind '{kind}' is not known: it is kept in \"meta\"");
                remarks.push((view.offset(), what));
            } else if !says && matches!(&*kind, "user" | "assistant") {
                let what = format!("a line of the kind '{kind}' has no message: it is kept in \"meta\"");
                remarks.push((view.offset(), what));
            }
            let placed = uuid.is_some() && matches!(&*kind, "system" | "attachment");
            all.push(Line {
                view: *view,
                uuid,
                session: view.text_at("sessionId"),
                sidechain: view.get("isSidechain").and_then(View::bool).unwrap_or(false),
                agent: view.text_at("agentId"),
                message_id: message.filter(|_| kind == "assistant").and_then(|message| message.text_at("id")),
                is_step: says || placed,
                kind,
            });
        }
        let parents = parents(&all, &known);
        Self { all, parents }
    }

    /// The trajectories of the file: one a session, sidechains and branches inside.
    pub(super) fn parts(&self) -> Vec<Part> {
        let mut sessions: Vec<(Vec<usize>, Vec<usize>)> = Vec::new();
        let mut known: HashMap<Option<&String>, usize> = HashMap::new();
        for (n, line) in self.all.iter().enumerate().filter(|(_, line)| line.is_step) {
            let index = *known.entry(line.session.as_ref()).or_insert(sessions.len());
            if index == sessions.len() {
                sessions.push(Default::default());
            }
            sessions[index].0.push(n);
        }
        // Lines without a conversation of their session go with the first one.
        for (n, line) in self.all.iter().enumerate().filter(|(_, line)| !line.is_step) {
            let index = known.get(&line.session.as_ref()).copied().unwrap_or(0);
            match sessions.get_mut(index) {
                Some((_, meta)) => meta.push(n),
                // A file of nothing but such lines is a conversation in which nothing was said.
                None => sessions.push((Vec::new(), vec![n])),
            }
        }
        sessions.into_iter().map(|(steps, meta)| self.part(&steps, meta)).collect()
    }

    /// One session.
    fn part(&self, steps: &[usize], meta: Vec<usize>) -> Part {
        let main: Vec<usize> = steps.iter().copied().filter(|n| !self.all[*n].sidechain).collect();
        let mut part = Part::default();
        let chains = self.sidechains(steps);
        if main.is_empty() {
            // The file of a subagent is a conversation of its own.
            let mut chains = chains.into_iter();
            part = chains.next().unwrap_or_default();
            part.inner.extend(chains);
        } else {
            (part.lines, part.inner) = self.split(&main);
            part.inner.extend(chains);
        }
        part.lines.extend(meta);
        part.lines.sort_unstable();
        part
    }

    /// The path to the last leaf, with all that belongs to its messages and calls, and the branches that were left.
    fn split(&self, main: &[usize]) -> (Vec<usize>, Vec<Part>) {
        let mut taken: HashSet<usize> = HashSet::new();
        let mut at = main.last().copied();
        while let Some(n) = at.filter(|n| taken.insert(*n)) {
            at = self.parents[n];
        }
        let inside: HashSet<usize> = main.iter().copied().collect();
        taken.retain(|n| inside.contains(n));
        // Parallel calls fork the tree: each result hangs at the line of its own call.
        let ids: HashSet<&String> = taken.iter().filter_map(|n| self.all[*n].message_id.as_ref()).collect();
        taken.extend(
            main.iter().filter(|n| self.all[**n].message_id.as_ref().is_some_and(|id| ids.contains(id))),
        );
        let made: HashSet<String> =
            taken.iter().flat_map(|n| blocks(self.all[*n].view, "tool_use", "id")).collect();
        taken.extend(main.iter().filter(|n| {
            let answers = blocks(self.all[**n].view, "tool_result", "tool_use_id");
            !answers.is_empty() && answers.iter().all(|id| made.contains(id))
        }));
        // Nothing can go on from a line without a uuid, and still it was said on the path.
        let nameless = main.iter().copied().filter(|n| {
            self.all[*n].uuid.is_none() && self.parents[*n].is_none_or(|parent| taken.contains(&parent))
        });
        let nameless: Vec<usize> = nameless.collect();
        taken.extend(nameless);
        let mut branches: Vec<Part> = Vec::new();
        let mut branch: HashMap<usize, usize> = HashMap::new();
        for n in main.iter().filter(|n| !taken.contains(n)) {
            let parent = self.parents[*n];
            let index = parent.and_then(|parent| branch.get(&parent).copied()).unwrap_or_else(|| {
                let branch_of = parent.and_then(|parent| self.all[parent].uuid.clone());
                branches.push(Part {
                    id: Some(format!("branch-{}", branches.len() + 1)),
                    branch_of,
                    ..Part::default()
                });
                branches.len() - 1
            });
            branch.insert(*n, index);
            branches[index].lines.push(*n);
        }
        let lines = main.iter().copied().filter(|n| taken.contains(n)).collect();
        (lines, branches)
    }

    /// Sidechains: by the id of their agent, else by the line that begins them.
    fn sidechains(&self, steps: &[usize]) -> Vec<Part> {
        let mut chains: Vec<Part> = Vec::new();
        let mut by_agent: HashMap<&String, usize> = HashMap::new();
        let mut by_line: HashMap<usize, usize> = HashMap::new();
        for &n in steps.iter().filter(|n| self.all[**n].sidechain) {
            let line = &self.all[n];
            let known = match &line.agent {
                Some(agent) => by_agent.get(agent).copied(),
                None => self.parents[n].and_then(|parent| by_line.get(&parent).copied()),
            };
            let index = known.unwrap_or_else(|| {
                let id = line.agent.clone().unwrap_or_else(|| format!("sidechain-{}", chains.len() + 1));
                chains.push(Part { id: Some(id), ..Part::default() });
                chains.len() - 1
            });
            if let Some(agent) = &line.agent {
                by_agent.insert(agent, index);
            }
            by_line.insert(n, index);
            chains[index].lines.push(n);
        }
        chains
    }
}

/// The line that each one goes on from. Where a line names none, or one that is not there, it is the one before it in
/// the same session and chain; a sidechain without a parent begins anew.
fn parents(all: &[Line<'_>], known: &HashMap<String, usize>) -> Vec<Option<usize>> {
    let mut last: HashMap<(Option<&String>, bool, Option<&String>), usize> = HashMap::new();
    let mut parents = Vec::with_capacity(all.len());
    for (n, line) in all.iter().enumerate() {
        let key = (line.session.as_ref(), line.sidechain, line.agent.as_ref());
        let named = ["parentUuid", "logicalParentUuid"].iter().find_map(|key| line.view.text_at(key));
        let named = named.and_then(|uuid| known.get(&uuid)).copied().filter(|parent| *parent < n);
        let begins = line.sidechain && line.agent.is_none() && line.view.some("parentUuid").is_none();
        parents.push(named.or_else(|| last.get(&key).copied().filter(|_| !begins)));
        if line.is_step {
            last.insert(key, n);
        }
    }
    parents
}

/// The texts `key` of a message's blocks of a kind.
fn blocks(line: View<'_>, kind: &str, key: &str) -> Vec<String> {
    let content = line.get("message").and_then(|message| message.get("content"));
    let blocks = content.into_iter().flat_map(View::items);
    blocks
        .filter(|block| block.text_at("type").as_deref() == Some(kind))
        .filter_map(|block| block.text_at(key))
        .collect()
}
