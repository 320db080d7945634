//! README, ARCHITECTURE, CHANGELOG and what CI runs say the same.

use super::none;
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
