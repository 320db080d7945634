//! SL021 git-unread: a git repository or an archive among the agent's files can't be looked into.

use super::{Check, Found, Lint, Look, git};
use crate::model::Severity;

pub(super) static ITEM: Lint = Lint {
    id: "SL021",
    name: "git-unread",
    about: "a git repository or an archive among the agent's files can't be looked into",
    since: "0.1.0",
    severity: Severity::Warning,
    manual: include_str!("git_unread.md"),
    check: Check::Suite(check),
};

/// Names of files that hold other files.
const ARCHIVES: [&str; 12] =
    [".tar", ".tgz", ".gz", ".bz2", ".xz", ".zst", ".zip", ".7z", ".jar", ".bundle", ".pack", ".cpio"];

fn check(look: &Look<'_>, found: &mut Found) {
    for repository in git::repositories(look) {
        for trouble in &repository.troubles {
            let text = format!("the repository is not known whole: {trouble}");
            found.add(Some(repository.task), look.place(&repository.path, 0), text);
        }
    }
    for (path, link) in git::links(look) {
        let Some(task) = look.owner(path).task() else { continue };
        let text = format!("this file leads to a repository at '{link}', which is not looked into");
        found.add(Some(&task.id), look.place(path, 0), text);
    }
    for (path, why) in look.unread {
        let task = look.owner(path).task();
        found.add(
            task.map(|task| task.id.as_str()),
            look.place(path, 0),
            format!("not all of it was read: {why}"),
        );
    }
    for task in &look.suite.tasks {
        for path in task.files.keys() {
            let inside = path.split('/').any(|part| part == "objects");
            if !inside && ARCHIVES.iter().any(|ending| path.ends_with(ending)) {
                let text = format!("nobody looked for a history or for checks inside the archive '{path}'");
                found.add(Some(&task.id), look.visible(task, path), text);
            }
        }
    }
}
