//! Sizes, registries, and what no file may hold.

use super::{none, source::Source, sources};
use crate::support::root;
use regex::Regex;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Most lines a Rust file may have.
const LINES: usize = 800;
/// Largest median of code lines.
const MEDIAN: usize = 180;

#[test]
fn no_file_outgrows_its_room() {
    let all: Vec<Source> =
        ["src", "tests", "benches"].iter().flat_map(|folder| Source::below(root(), folder)).collect();
    let long = all.iter().map(|source| (source.text.lines().count(), &source.path));
    none(
        &long
            .filter(|(lines, _)| *lines > LINES)
            .map(|(n, path)| format!("{path}: {n} lines"))
            .collect::<Vec<_>>(),
    );
    let mut sizes: Vec<usize> = sources().iter().map(Source::code_lines).collect();
    sizes.sort_unstable();
    let median = sizes[sizes.len() / 2];
    assert!(median <= MEDIAN, "the median file has {median} lines of code");
}

#[test]
fn every_source_file_says_what_it_is_for() {
    let silent = sources().into_iter().filter(|source| !source.text.starts_with("//!"));
    none(&silent.map(|source| format!("{}: no module docs", source.path)).collect::<Vec<_>>());
}

/// Plug-ins without a file, and files with an `ITEM` that no registry names.
fn registry_gaps(all: &[Source]) -> Vec<String> {
    let paths: BTreeSet<&str> = all.iter().map(|source| source.path.as_str()).collect();
    let mut listed = BTreeMap::new();
    let mut complaints = Vec::new();
    for source in all {
        let (Some(names), Some(folder)) = (source.registered(), source.path.strip_suffix("/mod.rs")) else {
            continue;
        };
        for name in names {
            let file = [format!("{folder}/{name}.rs"), format!("{folder}/{name}/mod.rs")];
            match file.iter().find(|file| paths.contains(file.as_str())) {
                Some(file) => drop(listed.insert(file.clone(), name)),
                None => complaints.push(format!("{}: {name} has no file", source.path)),
            }
        }
    }
    let items = all.iter().filter(|source| source.code.contains("static ITEM:"));
    let lost = items.filter(|source| !listed.contains_key(&source.path));
    complaints.extend(lost.map(|source| format!("{}: no registry names it", source.path)));
    complaints
}

#[test]
fn every_plug_in_has_its_file_and_its_line() {
    none(&registry_gaps(&sources()));
    let bad = [
        Source::new("src/z/mod.rs", "registry! {\n    Kind: a, b\n}"),
        Source::new("src/z/a.rs", "pub(super) static ITEM: Kind = k();"),
        Source::new("src/z/c.rs", "pub(super) static ITEM: Kind = k();"),
    ];
    assert_eq!(registry_gaps(&bad), ["src/z/mod.rs: b has no file", "src/z/c.rs: no registry names it"]);
}

#[test]
fn every_rule_has_its_manual() {
    let rules = sources().into_iter().find(|source| source.path == "src/rules/mod.rs").expect("the rules");
    let names = rules.registered().unwrap_or_default();
    assert_eq!(names.len(), rolltape::rules::ALL.len());
    let manual = |name: &String| root().join("src/rules").join(format!("{name}.md")).is_file();
    none(
        &names
            .iter()
            .filter(|name| !manual(name))
            .map(|name| format!("{name}: no manual"))
            .collect::<Vec<_>>(),
    );
}

/// Names that stand twice.
fn twice<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    names.into_iter().filter(|name| !seen.insert(*name)).map(str::to_owned).collect()
}

#[test]
fn rules_have_ids_and_names_of_their_own() {
    none(&twice(rolltape::rules::ALL.iter().map(|rule| rule.id)));
    none(&twice(rolltape::rules::ALL.iter().map(|rule| rule.name)));
    none(&twice(rolltape::formats::ALL.iter().map(|format| format.name)));
    let shape = Regex::new("^(FC|TR|RE|CO|SE)[0-9]{3}$").expect("the pattern is right");
    none(
        &rolltape::rules::ALL
            .iter()
            .map(|rule| rule.id.to_owned())
            .filter(|id| !shape.is_match(id))
            .collect::<Vec<_>>(),
    );
    assert_eq!(twice(["a", "b", "a"]), ["a"]);
}

/// Every file of the tree but what is built, run or recorded by git.
fn files() -> Vec<PathBuf> {
    // What git ignores: builds, runs, and what fuzzing finds.
    let ignored = ["target", ".git", "reports", "fuzz/target", "fuzz/corpus", "fuzz/artifacts"];
    let skip = |path: &Path| ignored.iter().any(|name| path == root().join(name));
    let walk = walkdir::WalkDir::new(root()).into_iter().filter_entry(|entry| !skip(entry.path()));
    walk.filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_file())
        .map(walkdir::DirEntry::into_path)
        .collect()
}

/// Shapes of keys of real services. A body of one or two different characters, or one with EXAMPLE in it,
/// is an obvious fake.
fn secrets(text: &str) -> Vec<String> {
    const SHAPES: &str = r"(?x)\b(?: sk-(?:ant-|proj-|or-v1-)?([A-Za-z0-9_-]{20,}) | gh[pousr]_([A-Za-z0-9]{30,})
        | github_pat_([A-Za-z0-9_]{30,}) | AKIA([0-9A-Z]{16}) | hf_([A-Za-z]{30,}) | AIza([A-Za-z0-9_-]{35})
        | xox[abprs]-([A-Za-z0-9-]{20,}) | glpat-([A-Za-z0-9_-]{20,}) )|-----BEGIN\ [A-Z\ ]*(PRIVATE\ KEY)-----[\r\n]+[A-Za-z0-9+/]{40}";
    let shapes = Regex::new(SHAPES).expect("the pattern is right");
    let real = |body: &str| body.chars().collect::<BTreeSet<_>>().len() > 2 && !body.contains("EXAMPLE");
    let found =
        shapes.captures_iter(text).filter(|hit| hit.iter().skip(1).flatten().any(|body| real(body.as_str())));
    found.map(|hit| hit[0].chars().take(12).collect()).collect()
}

#[test]
fn the_tree_holds_no_key() {
    let mut complaints = Vec::new();
    for path in files() {
        let Ok(bytes) = std::fs::read(&path) else { continue };
        let found = secrets(&String::from_utf8_lossy(&bytes));
        complaints.extend(found.iter().map(|start| format!("{}: {start}…", path.display())));
    }
    none(&complaints);
    let fake = format!("sk-{}", "0".repeat(32));
    assert_eq!(secrets(&fake), [""; 0]);
    let shaped = format!("key = sk-{}", "a1B2".repeat(8));
    assert_eq!(secrets(&shaped), ["sk-a1B2a1B2a"]);
}

fn loose_ends(path: &str, text: &str) -> Vec<String> {
    let mark = Regex::new(r"\b(TODO|FIXME|XXX)\b(?:\((?:#\d+)\))?").expect("the pattern is right");
    let lines = text.lines().enumerate();
    let open = lines.filter(|(_, line)| mark.find_iter(line).any(|hit| !hit.as_str().contains('#')));
    open.map(|(at, _)| format!("{path}:{}: an open end without an issue, as in (#12)", at + 1)).collect()
}

#[test]
fn open_ends_name_their_issue() {
    none(&sources().iter().flat_map(|source| loose_ends(&source.path, &source.text)).collect::<Vec<_>>());
    let bad = format!("// {}: later\n// {}(#3): then\n", "TODO", "TODO");
    assert_eq!(loose_ends("x", &bad).len(), 1);
}
