//! CO007 answer-fetched: the fix of a public project stands in its pull requests.

use super::acts::{Given, Words, acts, tell, was_named};
use super::{Check, Found, Message, Rule, View, quote};
use crate::model::{Severity, Span};

pub(super) static ITEM: Rule = Rule {
    id: "CO007",
    name: "answer-fetched",
    about: "commits, pull requests, issues or sources of a public project are fetched from the net",
    since: "0.1.0",
    severity: Severity::Warning,
    manual: include_str!("answer_fetched.md"),
    check: Check::Message(check),
};

/// Programs and calls that fetch.
const FETCHERS: &[&str] =
    &["curl", "wget", "git clone", "git fetch", "requests.get", "urlopen", "urlretrieve", "httpx.get"];

static WORDS: Words = Words::new(|| vec!["://", "gh "]);

fn check(view: &View, message: &Message, found: &mut Found) {
    for act in acts(message, &WORDS) {
        for given in &act.given {
            let asks = given.name == "url"
                || FETCHERS.iter().any(|word| given.text.contains(word))
                || browses(given.text);
            if asks {
                urls(view, message, *given, found);
            }
        }
        for (given, command) in act.commands() {
            let second = command.operands().next().map_or("", |word| &word.text);
            if command.name() == "gh" && matches!(second, "pr" | "issue" | "api" | "search" | "release") {
                let text = format!("{} asks a code host", quote(super::acts::text_of(given, &command)));
                tell(message, super::acts::span_of(given, &command), Severity::Warning, text, found);
            }
        }
    }
}

/// Calls of browser tools.
fn browses(text: &str) -> bool {
    ["goto(", "navigate(", "open_url("].iter().any(|word| text.contains(word))
}

fn urls(view: &View, message: &Message, given: Given, found: &mut Found) {
    let mut at = 0;
    while let Some(next) = given.text[at..].find("://") {
        let scheme = at + next;
        let start = given.text[..scheme]
            .rfind(|c: char| !c.is_ascii_alphabetic())
            .map_or(0, |found| found + given.text[found..].chars().next().map_or(1, char::len_utf8));
        let end = given.text[scheme..].find(|c: char| c.is_whitespace() || "\"'`<>)]}|;,".contains(c));
        let end = end.map_or(given.text.len(), |len| scheme + len);
        let url = &given.text[start..end];
        at = end.max(scheme + 3).min(given.text.len());
        let Some((severity, what)) = judge(&given.text[scheme + 3..end]) else { continue };
        if was_named(view, project(&given.text[scheme + 3..end])) {
            continue;
        }
        let span = given.start.map(|base| Span::new(base + start, base + end));
        tell(message, span, severity, format!("{what} is fetched from {}", quote(url)), found);
    }
}

/// Host, owner and name of a project.
fn project(rest: &str) -> &str {
    let end = rest.match_indices('/').nth(2).map_or(rest.len(), |(at, _)| at);
    rest[..end].trim_end_matches(".git")
}

/// What an address without its scheme leads to, if that may be an answer.
fn judge(rest: &str) -> Option<(Severity, &'static str)> {
    let (host, path) = rest.split_once('/')?;
    let host = host.strip_prefix("www.").unwrap_or(host);
    let part = |word: &str| path.split(['/', '?', '#']).any(|part| part == word);
    match host {
        "github.com"
        | "gitlab.com"
        | "api.github.com"
        | "bitbucket.org"
        | "codeberg.org"
        | "patch-diff.githubusercontent.com" => {
            let kinds = [
                ("pull", "a pull request"),
                ("pulls", "a pull request"),
                ("merge_requests", "a merge request"),
                ("commit", "a commit"),
                ("commits", "a commit"),
                ("compare", "a comparison"),
                ("issues", "an issue"),
            ];
            if let Some((_, what)) = kinds.iter().find(|(word, _)| part(word)) {
                return Some((Severity::Warning, what));
            }
            let patch = path.rsplit_once('.').is_some_and(|(_, ending)| matches!(ending, "patch" | "diff"));
            if patch {
                return Some((Severity::Warning, "a patch"));
            }
            // A release or an archive is what installers fetch.
            let source = ["blob", "raw", "contents"].iter().any(|word| part(word));
            (source || path.trim_end_matches('/').split('/').count() == 2)
                .then_some((Severity::Info, "a project's source"))
        }
        "raw.githubusercontent.com" => Some((Severity::Info, "a project's source")),
        "stackoverflow.com" if part("questions") => Some((Severity::Info, "a question with its answers")),
        _ => None,
    }
}
