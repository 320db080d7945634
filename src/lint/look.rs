//! What lints look at, and where in the files of a suite a thing stands.

use super::Proof;
use crate::score::Compiled;
use crate::suite::{FileSpec, ScorerSpec, Suite, Task};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Everything that is known of a suite.
pub struct Look<'a> {
    /// The suite; only the selected tasks.
    pub suite: &'a Suite,
    /// All its files, by path from its folder.
    pub files: &'a BTreeMap<String, FileSpec>,
    /// What lies in folders named `.git`, which the suite itself leaves out, and files of that name.
    pub git: &'a BTreeMap<String, FileSpec>,
    /// Paths below which not all was read, and why.
    pub unread: &'a BTreeMap<String, String>,
    /// Scorers of each task, as the engine has them.
    pub scorers: &'a [Vec<Arc<Compiled>>],
    /// What was run.
    pub proofs: &'a [Proof],
}

/// A place in a file of the suite.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place {
    /// File, from the folder that the user gave.
    pub file: String,
    /// Line from 1; 0 for a whole file.
    pub line: u64,
}

/// Whose a file of a suite is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Owner<'a> {
    /// No task's alone.
    Suite,
    /// That of a selected task.
    Task(&'a Task),
    /// That of a task that was not selected.
    Other,
}

impl<'a> Owner<'a> {
    /// The selected task.
    pub fn task(self) -> Option<&'a Task> {
        match self {
            Owner::Task(task) => Some(task),
            Owner::Suite | Owner::Other => None,
        }
    }
}

impl Look<'_> {
    /// A file of the suite as the user finds it.
    pub fn place(&self, path: &str, line: u64) -> Place {
        Place { file: format!("{}/{path}", self.suite.root.trim_end_matches('/')), line }
    }

    /// The folder of a task, with a slash at its end; `None` if it stands in `suite.toml`.
    pub fn folder(&self, task: &str) -> Option<String> {
        let folders = [format!("tasks/{task}/"), format!("{task}/")];
        folders.into_iter().find(|folder| self.files.contains_key(&format!("{folder}task.toml")))
    }

    /// Where a task is defined.
    pub fn home(&self, task: &Task) -> Place {
        if let Some(folder) = self.folder(&task.id) {
            return self.place(&format!("{folder}task.toml"), 0);
        }
        let text = self.files.get("suite.toml").map(|file| String::from_utf8_lossy(&file.bytes));
        let line = text.as_deref().and_then(|text| id_line(text, &task.id)).unwrap_or(0);
        self.place("suite.toml", line)
    }

    /// Where the prompt of a task stands.
    pub fn prompt(&self, task: &Task) -> Place {
        match self.folder(&task.id) {
            Some(folder) => self.place(&format!("{folder}instruction.md"), 0),
            None => self.home(task),
        }
    }

    /// A file that the agent finds in its workspace.
    pub fn visible(&self, task: &Task, path: &str) -> Place {
        match self.folder(&task.id) {
            Some(folder) => self.place(&format!("{folder}environment/{path}"), 0),
            None => self.home(task),
        }
    }

    /// Where a scorer stands.
    pub fn scorer(&self, spec: &ScorerSpec) -> Place {
        Place { file: spec.file.clone(), line: spec.line }
    }

    /// The selected task whose folder holds this path.
    pub fn owner(&self, path: &str) -> Owner<'_> {
        let parts: Vec<&str> = path.split('/').collect();
        let folder = match parts.as_slice() {
            ["tasks", name, _, ..] => *name,
            [name, _, ..] if self.files.contains_key(&format!("{name}/task.toml")) => *name,
            _ => return Owner::Suite,
        };
        self.suite.tasks.iter().find(|task| task.id == folder).map_or(Owner::Other, Owner::Task)
    }
}

/// The line of `id = "ID"`.
fn id_line(text: &str, id: &str) -> Option<u64> {
    let is_it = |line: &str| {
        let value = line.trim().strip_prefix("id")?.trim_start().strip_prefix('=')?.trim();
        (value.trim_matches(['"', '\'']) == id).then_some(())
    };
    text.lines().position(|line| is_it(line).is_some()).map(|at| at as u64 + 1)
}
