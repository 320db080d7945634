//! Git repositories among the files of a suite, read without git: nothing of theirs is run, no link is followed.
//!
//! Objects are found by the names under which they lie; digests are not made again, as nobody gains by a wrong one
//! here. What is broken, borrowed or too large is told, and the rest is still looked at.

mod history;
mod objects;
mod pack;
mod refs;

use super::Look;
use history::History;
use objects::{Kind, Objects};
use std::collections::{BTreeMap, BTreeSet};

/// Name of an object.
pub(super) type Id = [u8; 20];

/// The first digits of a name, as git shows it.
pub(super) fn short(id: &Id) -> String {
    crate::util::digest::hex(&id[..4])
}

/// A repository.
pub(super) struct Repository<'a> {
    /// Task in whose environment it lies.
    pub(super) task: &'a str,
    /// Its folder, by path from the suite's.
    pub(super) path: String,
    /// What could not be read, in words.
    pub(super) troubles: Vec<String>,
    objects: Objects,
    refs: BTreeMap<String, Id>,
    head: Option<Id>,
}

impl Repository<'_> {
    /// What of it HEAD leads to, and what it does not.
    pub(super) fn history(&self) -> History {
        history::of(&self.objects, &self.refs, self.head)
    }

    /// All contents of files.
    pub(super) fn blobs(&self) -> impl Iterator<Item = (&Id, &[u8])> {
        self.objects.all.iter().filter(|(_, object)| object.kind == Kind::Blob).map(|(id, o)| (id, &*o.bytes))
    }
}

/// Files of a repository, by path inside it.
type Files<'a> = BTreeMap<&'a str, &'a [u8]>;

/// All repositories in the environments of the selected tasks.
pub(super) fn repositories<'a>(look: &Look<'a>) -> Vec<Repository<'a>> {
    let mut found = Vec::new();
    for (folder, files) in folders(look) {
        let Some(task) = task_of(look, &folder) else { continue };
        found.push(read(task, folder, &files));
    }
    found
}

/// Files named `.git` that name another place, and that place.
pub(super) fn links<'a>(look: &'a Look<'_>) -> Vec<(&'a str, String)> {
    let named = look.git.iter().filter(|(path, _)| path.ends_with("/.git") && path.contains("/environment/"));
    named
        .filter_map(|(path, file)| {
            let text = String::from_utf8_lossy(&file.bytes);
            let target = text.trim().strip_prefix("gitdir:")?.trim().chars().take(200).collect();
            Some((path.as_str(), target))
        })
        .collect()
}

fn task_of<'a>(look: &Look<'a>, path: &str) -> Option<&'a str> {
    let suite = look.suite;
    let id = look.owner(&format!("{path}/x")).task().map(|task| task.id.clone())?;
    suite.tasks.iter().find(|task| task.id == id).map(|task| task.id.as_str())
}

/// Folders that look like repositories: they have a HEAD, and objects or refs.
fn folders<'a>(look: &Look<'a>) -> BTreeMap<String, Files<'a>> {
    let (files, git) = (look.files, look.git);
    let all = || files.iter().chain(git).map(|(path, file)| (path.as_str(), file.bytes.as_slice()));
    let heads = all().filter_map(|(path, _)| path.strip_suffix("/HEAD"));
    let roots: BTreeSet<&str> = heads
        .filter(|root| root.contains("/environment/") || root.ends_with("/environment"))
        .filter(|root| {
            let inside = |name: &str| {
                let prefix = format!("{root}/{name}");
                all().any(|(path, _)| path.starts_with(&prefix))
            };
            inside("objects/") || inside("refs/heads/") || inside("packed-refs") || inside("config")
        })
        .filter(|root| !root.ends_with("/logs"))
        .collect();
    let of = |root: &str| {
        let prefix = format!("{root}/");
        let own = all().filter_map(|(path, bytes)| Some((path.strip_prefix(&prefix)?, bytes)));
        own.collect()
    };
    roots.into_iter().map(|root| (root.to_owned(), of(root))).collect()
}

fn read<'a>(task: &'a str, path: String, files: &Files<'_>) -> Repository<'a> {
    let mut troubles = Vec::new();
    for (name, what) in [
        ("objects/info/alternates", "it borrows objects from another repository"),
        ("commondir", "it shares another repository's folder"),
    ] {
        if files.contains_key(name) {
            troubles.push(what.to_owned());
        }
    }
    let config = files.get("config").map(|bytes| String::from_utf8_lossy(bytes).to_lowercase());
    if config.is_some_and(|text| text.replace(' ', "").contains("objectformat=sha256")) {
        troubles.push("its objects are named by SHA-256".to_owned());
    }
    let objects = objects::read(files, &mut troubles);
    let (refs, head) = refs::read(files, &mut troubles);
    if let Some(id) = head.filter(|id| !objects.all.contains_key(id)) {
        troubles.push(format!("HEAD names the commit {}, which is not there", short(&id)));
    }
    Repository { task, path, troubles, objects, refs, head }
}
