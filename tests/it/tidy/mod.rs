//! The tree keeps its own rules: layers, sizes, registries, what no file may hold.
//!
//! Each check is a function from sources to complaints. A test runs it over the tree, and over a bad
//! example that it must complain about.

mod papers;
mod source;
mod tree;

use crate::support::root;
use source::Source;
use std::collections::BTreeSet;

/// The modules in their order, as ARCHITECTURE.md lists them in its block `text order`.
fn order() -> Vec<String> {
    let text = crate::support::read(&root().join("ARCHITECTURE.md"));
    let block = text.split_once("```text order\n").expect("a block ```text order").1;
    let block = block.split_once("```").expect("an end of the block").0;
    let lines = block.lines().map(|line| line.split_whitespace().next().unwrap_or_default().to_owned());
    lines.filter(|name| !name.is_empty()).collect()
}

fn sources() -> Vec<Source> {
    Source::below(root(), "src")
}

#[track_caller]
fn none(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

fn layer_breaks(source: &Source, order: &[String]) -> Vec<String> {
    let Some(module) = source.module() else { return Vec::new() };
    let place = |name: &str| order.iter().position(|other| other == name);
    let Some(own) = place(module) else {
        return vec![format!("{}: module {module} is not in the order of ARCHITECTURE.md", source.path)];
    };
    let later = source.uses().into_iter().filter(|(_, name)| place(name).is_some_and(|other| other > own));
    later.map(|(line, name)| format!("{}:{line}: {module} must not know {name}", source.path)).collect()
}

#[test]
fn a_module_knows_only_those_before_it() {
    let order = order();
    let unique: BTreeSet<_> = order.iter().collect();
    assert_eq!(unique.len(), order.len(), "a module stands twice in ARCHITECTURE.md");
    none(&sources().iter().flat_map(|source| layer_breaks(source, &order)).collect::<Vec<_>>());
    let bad = Source::new("src/model/step.rs", "fn f() { crate::cli::main(); }");
    assert_eq!(layer_breaks(&bad, &order), ["src/model/step.rs:1: model must not know cli"]);
    let unknown = Source::new("src/helpers.rs", "");
    assert_eq!(layer_breaks(&unknown, &order).len(), 1);
}

#[test]
fn the_order_and_lib_rs_name_the_same_modules() {
    let lib = Source::new("src/lib.rs", &crate::support::read(&root().join("src/lib.rs")));
    let declared: BTreeSet<String> = lib
        .code
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod "))
        .map(|name| name.trim_end_matches(';').to_owned())
        .collect();
    let listed: BTreeSet<String> = order().into_iter().collect();
    assert_eq!(declared, listed);
}

/// Modules that do no IO and know no clock, no environment and no async.
const PURE: [&str; 11] =
    ["model", "util", "dialects", "formats", "suite", "stats", "diff", "rules", "rewards", "score", "lint"];

fn impurities(source: &Source) -> Vec<String> {
    const EFFECTS: [&str; 12] = [
        "std::fs",
        "std::net",
        "std::env",
        "std::process",
        "std::thread",
        "tokio",
        "async fn",
        ".await",
        "Instant::now",
        "SystemTime::now",
        "Timestamp::now",
        "rustix",
    ];
    // The clock has one home.
    if !source.module().is_some_and(|module| PURE.contains(&module)) || source.path == "src/util/clock.rs" {
        return Vec::new();
    }
    let lines = source.code.lines().enumerate();
    lines
        .flat_map(|(at, line)| {
            let found = EFFECTS.iter().filter(move |effect| line.contains(**effect));
            found.map(move |effect| (at + 1, effect))
        })
        .map(|(line, effect)| format!("{}:{line}: {effect} in the pure half", source.path))
        .collect()
}

#[test]
fn the_pure_half_is_pure() {
    none(&sources().iter().flat_map(impurities).collect::<Vec<_>>());
    let bad = Source::new("src/score/x.rs", "use std::fs;\nasync fn f() {}");
    assert_eq!(impurities(&bad).len(), 2);
}

fn misplaced_serde(source: &Source) -> Vec<String> {
    const HOMES: [&str; 8] = [
        "src/formats/",
        "src/suite/",
        "src/store/",
        "src/backend/",
        "src/service/",
        "src/report/",
        "src/export/",
        "src/sandbox/",
    ];
    if HOMES.iter().any(|home| source.path.starts_with(home)) {
        return Vec::new();
    }
    let lines = source.code.lines().enumerate();
    let derives = lines.filter(|(_, line)| line.contains("derive(") && line.contains("erialize"));
    derives
        .map(|(at, _)| format!("{}:{}: serde is derived where bytes meet types", source.path, at + 1))
        .collect()
}

#[test]
fn serde_is_derived_only_where_bytes_meet_types() {
    none(&sources().iter().flat_map(misplaced_serde).collect::<Vec<_>>());
    assert_eq!(misplaced_serde(&Source::new("src/model/x.rs", "#[derive(Serialize)]")).len(), 1);
}

fn panics(source: &Source) -> Vec<String> {
    const WORDS: [&str; 4] = [".unwrap()", "todo!(", "unimplemented!(", "#[ignore"];
    let lines = source.code.lines().enumerate();
    lines
        .flat_map(|(at, line)| {
            WORDS.iter().filter(move |word| line.contains(**word)).map(move |word| (at + 1, word))
        })
        .map(|(line, word)| format!("{}:{line}: {word}", source.path))
        .collect()
}

#[test]
fn nothing_unwraps_outside_tests() {
    none(&sources().iter().flat_map(panics).collect::<Vec<_>>());
    let bad = Source::new(
        "src/x.rs",
        "fn f() { g().unwrap(); }\n#[cfg(test)]\nmod tests { fn f() { g().unwrap() } }",
    );
    assert_eq!(panics(&bad), ["src/x.rs:1: .unwrap()"]);
}

fn bad_unsafe(source: &Source) -> Vec<String> {
    let lines: Vec<&str> = source.text.lines().collect();
    let mut complaints = Vec::new();
    for (at, line) in source.code.lines().enumerate() {
        let word = line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == "unsafe");
        if !word || line.contains("unsafe_code") {
            continue;
        }
        if !source.path.starts_with("src/sandbox/") {
            complaints.push(format!("{}:{}: unsafe outside src/sandbox", source.path, at + 1));
        } else if !lines[at.saturating_sub(8)..=at]
            .iter()
            .any(|line| line.contains("SAFETY") || line.contains("# Safety"))
        {
            complaints.push(format!("{}:{}: unsafe without a SAFETY note", source.path, at + 1));
        }
    }
    complaints
}

#[test]
fn unsafe_is_in_the_sandbox_and_says_why_it_is_sound() {
    let all = ["src", "tests", "benches"].iter().flat_map(|folder| Source::below(root(), folder));
    none(&all.flat_map(|source| bad_unsafe(&source)).collect::<Vec<_>>());
    assert_eq!(bad_unsafe(&Source::new("src/util/x.rs", "unsafe { f() }")).len(), 1);
    assert_eq!(bad_unsafe(&Source::new("src/sandbox/x.rs", "unsafe { f() }")).len(), 1);
    assert_eq!(bad_unsafe(&Source::new("src/sandbox/x.rs", "// SAFETY: so.\nunsafe { f() }")).len(), 0);
}
