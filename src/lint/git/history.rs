//! What of a repository HEAD leads to.

use super::Id;
use super::objects::{Kind, Objects, id};
use std::collections::{BTreeMap, BTreeSet};

/// A repository's commits as seen from HEAD.
pub(in crate::lint) struct History {
    /// Commits that HEAD does not lead to, and what does.
    pub(in crate::lint) ahead: BTreeMap<Id, String>,
    /// Contents of the files of HEAD.
    pub(in crate::lint) checked_out: BTreeSet<Id>,
}

pub(super) fn of(objects: &Objects, refs: &BTreeMap<String, Id>, head: Option<Id>) -> History {
    let behind = commits(objects, head, &BTreeSet::new());
    let mut ahead = BTreeMap::new();
    let mut seen = behind.clone();
    // Branches and tags first: a log says less.
    let mut names: Vec<(&str, Id)> =
        refs.iter().map(|(name, id)| (name.split('\u{0}').next().unwrap_or(name), *id)).collect();
    names.sort_by_key(|(name, _)| name.starts_with("the reflog"));
    for (name, id) in names {
        for commit in commits(objects, Some(id), &seen) {
            seen.insert(commit);
            ahead.insert(commit, name.to_owned());
        }
    }
    let all = objects.all.iter().filter(|(_, object)| object.kind == Kind::Commit);
    for (id, _) in all.filter(|(id, _)| !seen.contains(*id)) {
        ahead.insert(*id, "no ref at all".to_owned());
    }
    let tree =
        head.and_then(|head| objects.all.get(&head)).and_then(|commit| named(&commit.bytes, "tree ").next());
    History { ahead, checked_out: files(objects, tree) }
}

/// Names behind a word in the head of a commit or a tag.
fn named<'a>(bytes: &'a [u8], word: &'static str) -> impl Iterator<Item = Id> + 'a {
    let lines = bytes.split(|byte| *byte == b'\n').take_while(|line| !line.is_empty());
    lines.filter_map(move |line| {
        let rest = line.strip_prefix(word.as_bytes())?;
        id(std::str::from_utf8(rest).ok()?)
    })
}

/// The commit, or the one that a tag names, and all that it stands upon; without what is known.
fn commits(objects: &Objects, from: Option<Id>, known: &BTreeSet<Id>) -> BTreeSet<Id> {
    let mut found = BTreeSet::new();
    let mut tags = BTreeSet::new();
    let mut rest: Vec<Id> = from.into_iter().collect();
    while let Some(id) = rest.pop() {
        let Some(object) = objects.all.get(&id).filter(|_| !known.contains(&id)) else { continue };
        match object.kind {
            Kind::Commit if found.insert(id) => rest.extend(named(&object.bytes, "parent ")),
            Kind::Tag if tags.insert(id) => rest.extend(named(&object.bytes, "object ")),
            _ => {}
        }
    }
    found
}

/// All contents below a tree.
fn files(objects: &Objects, tree: Option<Id>) -> BTreeSet<Id> {
    let (mut found, mut trees) = (BTreeSet::new(), BTreeSet::new());
    let mut rest: Vec<Id> = tree.into_iter().collect();
    while let Some(id) = rest.pop() {
        match objects.all.get(&id) {
            Some(object) if object.kind == Kind::Tree && trees.insert(id) => {
                rest.extend(entries(&object.bytes));
            }
            Some(object) if object.kind == Kind::Blob => drop(found.insert(id)),
            _ => {}
        }
    }
    found
}

/// `MODE NAME`, a zero and a name, one after the other.
fn entries(mut bytes: &[u8]) -> Vec<Id> {
    let mut found = Vec::new();
    while let Some(end) = bytes.iter().position(|byte| *byte == 0) {
        let Some(id) = bytes.get(end + 1..end + 21).and_then(|id| id.try_into().ok()) else { break };
        found.push(id);
        bytes = &bytes[end + 21..];
    }
    found
}
