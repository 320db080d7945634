//! README, ARCHITECTURE, CHANGELOG and what CI runs say the same.

use super::{none, source::Source};
use crate::support::{read, root};

/// README's two commands.
const COMMANDS: [&str; 2] = ["cargo run --release -- run suites/deepseek-api", "cargo test"];

/// The lines of the shell blocks of a Markdown page.
fn shell_lines(text: &str) -> Vec<&str> {
    let mut inside = false;
    let mut lines = Vec::new();
    for line in text.lines() {
        match line.strip_prefix("```") {
            Some(language) => inside = !inside && language == "sh",
            None if inside => lines.push(line),
            None => {}
        }
    }
    lines
}

#[test]
fn readme_shows_the_commands_that_ci_runs() {
    let readme = read(&root().join("README.md"));
    let script = read(&root().join(".ci/run"));
    for command in COMMANDS {
        assert!(shell_lines(&readme).iter().any(|line| line.starts_with(command)), "README.md: {command}");
        assert!(script.lines().any(|line| line.trim_start().ends_with(command)), ".ci/run: {command}");
    }
    assert_eq!(shell_lines("a\n```sh\nb\n```\nc\n```text\nd\n```\n"), ["b"]);
}

/// Programs that tests declare with `need!`.
fn needed(text: &str) -> Vec<String> {
    let need = regex::Regex::new(r"need!\(([^;]*)\);").expect("the pattern is right");
    let literal = regex::Regex::new("\"([a-z0-9_.-]+)\"").expect("the pattern is right");
    let bodies = need.captures_iter(text).map(|hit| hit.get(1).map_or("", |body| body.as_str()));
    let outside_brackets =
        bodies.flat_map(|body| literal.captures_iter(body).filter(|hit| !in_brackets(body, hit)));
    outside_brackets.map(|hit| hit[1].to_owned()).collect()
}

fn in_brackets(body: &str, hit: &regex::Captures<'_>) -> bool {
    let before = hit.get(0).map_or("", |all| &body[..all.start()]);
    before.matches('(').count() > before.matches(')').count()
}

#[test]
fn ci_installs_what_tests_need() {
    // A machine that builds has the first; the second and third are the system's.
    const THERE: [&str; 3] = ["cargo", "sh", "bash"];
    let script = read(&root().join(".ci/run"));
    let table = script.split_once("declare -A package=(").expect("the table of packages").1;
    let table = table.split_once("\n)").expect("its end").0;
    let named = table.split_whitespace().filter_map(|entry| entry.strip_prefix('[')?.split_once("]="));
    let installed: Vec<&str> = named.map(|(program, _)| program).collect();
    let missing = |name: &String| !installed.contains(&name.as_str()) && !THERE.contains(&name.as_str());
    let mut complaints = Vec::new();
    for source in Source::below(root(), "tests") {
        // The macro's own page shows it, this one looks for it.
        if source.path.contains("/support/") || source.path.contains("/tidy/") {
            continue;
        }
        let names = needed(&source.text).into_iter().filter(missing);
        complaints.extend(names.map(|name| format!("{}: .ci/run does not install {name}", source.path)));
    }
    none(&complaints);
    assert_eq!(needed(r#"need!("a", root, python("b"), "c");"#), ["a", "c"]);
}

#[test]
fn architecture_stays_a_map() {
    let lines = read(&root().join("ARCHITECTURE.md")).lines().count();
    assert!(lines < 300, "ARCHITECTURE.md has {lines} lines");
}

#[test]
fn the_changelog_has_this_version() {
    let heading = format!("## {}", env!("CARGO_PKG_VERSION"));
    assert!(read(&root().join("CHANGELOG.md")).lines().any(|line| line.starts_with(&heading)), "{heading}");
}

/// Relative links of a page that lead nowhere.
fn dead_links(page: &str, text: &str) -> Vec<String> {
    let link = regex::Regex::new(r"\]\(([^)#:]+)(?:#[^)]*)?\)").expect("the pattern is right");
    let folder = root().join(page);
    let folder = folder.parent().expect("a page lies in a folder");
    let targets = link.captures_iter(text).map(|hit| hit[1].to_owned());
    targets.filter(|target| !folder.join(target).exists()).map(|target| format!("{page}: {target}")).collect()
}

#[test]
fn links_between_pages_lead_somewhere() {
    let pages = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"];
    none(&pages.iter().flat_map(|page| dead_links(page, &read(&root().join(page)))).collect::<Vec<_>>());
    assert_eq!(
        dead_links("README.md", "[a](nowhere.md) [b](README.md#x) [c](https://x.org)"),
        ["README.md: nowhere.md"]
    );
}
