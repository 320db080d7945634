//! SL020 git-history: a git history among the agent's files holds the fix.

use super::{Check, Found, Lint, Look, git, lines};
use crate::model::Severity;
use crate::util::plural::plural;
use std::collections::BTreeSet;

pub(super) static ITEM: Lint = Lint {
    id: "SL020",
    name: "git-history",
    about: "a git history among the agent's files holds the fix",
    since: "0.1.0",
    severity: Severity::Error,
    manual: include_str!("git_history.md"),
    check: Check::Suite(check),
};

/// Names that are told.
const TOLD: usize = 4;

fn check(look: &Look<'_>, found: &mut Found) {
    for repository in git::repositories(look) {
        let Some(task) = look.suite.tasks.iter().find(|task| task.id == repository.task) else { continue };
        let place = || look.place(&repository.path, 0);
        let history = repository.history();
        if !history.ahead.is_empty() {
            let names: BTreeSet<&str> = history.ahead.values().map(String::as_str).collect();
            let more = names.len().saturating_sub(TOLD);
            let mut told = names.into_iter().take(TOLD).collect::<Vec<_>>().join(", ");
            if more > 0 {
                told.push_str(&format!(", {more} more"));
            }
            let count = plural(history.ahead.len(), "commit");
            found.add(
                Some(&task.id),
                place(),
                format!("the repository holds {count} that HEAD does not lead to ({told})"),
            );
        }
        let Some(solution) = &task.solution else { continue };
        let mut common: BTreeSet<String> = lines::all(&task.prompt).collect();
        for file in task.files.values() {
            common.extend(lines::all(&String::from_utf8_lossy(&file.bytes)));
        }
        for blob in repository.blobs().filter(|(id, _)| history.checked_out.contains(*id)) {
            common.extend(lines::all(&String::from_utf8_lossy(blob.1)));
        }
        let wanted = lines::telling(&solution.text, &common);
        for (id, bytes) in repository.blobs().filter(|(id, _)| !history.checked_out.contains(*id)) {
            if let Some(count) = lines::held(&wanted, &String::from_utf8_lossy(bytes)) {
                let text = format!(
                    "the object {} of the repository holds {} of the solution, and is no file of HEAD",
                    git::short(id),
                    plural(count, "line")
                );
                found.add(Some(&task.id), place(), text);
            }
        }
    }
}
