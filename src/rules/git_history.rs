//! CO004 git-history: the fix of a task that was made from a repository lies in the commits ahead of it.

use super::acts::{Words, acts, span_of, tell, text_of};
use super::shell::Command;
use super::{Check, Found, Rule, View, quote};
use crate::model::Severity;

pub(super) static ITEM: Rule = Rule {
    id: "CO004",
    name: "git-history",
    about: "git is asked for commits that are not behind HEAD, or history is searched",
    since: "0.1.0",
    severity: Severity::Warning,
    manual: include_str!("git_history.md"),
    check: Check::Trajectory(check),
};

static WORDS: Words = Words::new(|| vec!["git"]);

fn check(view: &View, found: &mut Found) {
    // What an agent put away or fetched for itself it may look at again.
    let mut stashed = false;
    for message in &view.messages {
        for act in acts(message, &WORDS) {
            for (given, command) in act.commands() {
                let ahead = looks_ahead(&command, &mut stashed);
                let told = ahead
                    .map(|what| (Severity::Warning, what))
                    .or_else(|| searches(&command).map(|what| (Severity::Info, what)));
                if let Some((severity, what)) = told {
                    let text = format!("{}: {what}", quote(text_of(given, &command)));
                    tell(message, span_of(given, &command), severity, text, found);
                }
            }
        }
    }
}

/// The sub-command of git and what follows it.
fn git<'a>(command: &'a Command<'_>) -> Option<(&'a str, Vec<&'a str>)> {
    if command.name() != "git" {
        return None;
    }
    let mut words = command.arguments().iter().map(|word| &*word.text).peekable();
    while let Some(word) = words.next_if(|word| word.starts_with('-')) {
        if matches!(word, "-C" | "-c" | "--git-dir" | "--work-tree") {
            words.next();
        }
    }
    Some((words.next()?, words.collect()))
}

/// What reaches beyond the commits behind HEAD.
fn looks_ahead(command: &Command, stashed: &mut bool) -> Option<&'static str> {
    if matches!(command.name(), "cat" | "ls" | "head" | "strings" | "grep" | "less") {
        let inside = ["packed-refs", ".git/objects", "ORIG_HEAD", "FETCH_HEAD", ".git/logs"];
        let touches =
            command.arguments().iter().any(|word| inside.iter().any(|part| word.text.contains(part)));
        return touches.then_some("git's own files tell commits ahead");
    }
    let (verb, words) = git(command)?;
    let has = |wanted: &[&str]| words.iter().any(|word| wanted.contains(word));
    let remote = words.iter().any(|word| {
        ["origin/", "upstream/", "refs/remotes"].iter().any(|part| word.contains(part))
            || matches!(*word, "FETCH_HEAD" | "ORIG_HEAD" | "@{u}" | "@{upstream}")
    });
    match verb {
        "reflog" => Some("the reflog tells commits that are no longer reached"),
        "fsck" => Some("fsck finds commits that nothing refers to"),
        "fetch" | "pull" => Some("commits are fetched from elsewhere"),
        "log" | "rev-list" | "shortlog" | "grep"
            if has(&["--all", "--remotes", "--reflog", "-g", "--walk-reflogs"]) =>
        {
            Some("all commits are looked at, those ahead too")
        }
        "branch" if has(&["-r", "-a", "--remotes", "--all"]) => Some("branches of the remote are listed"),
        "log" | "show" | "diff" | "checkout" | "cherry-pick" | "merge" | "rebase" | "reset" | "restore"
        | "cat-file"
            if remote =>
        {
            Some("commits of the remote are looked at")
        }
        "cat-file" if has(&["--batch-all-objects", "--unordered"]) => Some("all objects are looked at"),
        "for-each-ref" | "ls-remote" | "show-ref" => Some("refs are listed, those ahead too"),
        "stash" => {
            let word = words.iter().find(|word| !word.starts_with('-')).copied().unwrap_or("push");
            match word {
                "push" | "save" => {
                    *stashed = true;
                    None
                }
                "list" | "show" | "pop" | "apply" | "branch" if !*stashed => {
                    Some("a stash is looked at that the agent did not make")
                }
                _ => None,
            }
        }
        _ => None,
    }
}

/// What searches the past: commits behind HEAD, told for information.
fn searches(command: &Command) -> Option<&'static str> {
    let (verb, words) = git(command)?;
    let commit = |word: &&str| {
        let name = word.split([':', '^', '~', '.']).next().unwrap_or("");
        name.len() >= 7 && name.len() <= 40 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    match verb {
        "log"
            if words
                .iter()
                .any(|word| ["--grep", "-S", "-G"].iter().any(|option| word.starts_with(option))) =>
        {
            Some("the history is searched")
        }
        "show" | "cherry-pick" | "checkout" | "diff" if words.iter().any(commit) => {
            Some("a commit is looked at by its id")
        }
        _ => None,
    }
}
