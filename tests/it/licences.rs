//! Bans and licences of every dependency, read from `cargo metadata` without network.

use crate::support::{read, root};
use serde_json::Value;
use std::process::Command;
use toml::Table;

/// Whether an SPDX expression can be satisfied with the licences allowed. Brackets are not needed by any crate
/// that reads `A AND (B OR C)`: they are resolved from the inside.
fn allowed(expression: &str, allow: &[&str]) -> bool {
    if let Some(close) = expression.find(')') {
        let open = expression[..close].rfind('(').expect("brackets come in pairs");
        let word = if allowed(&expression[open + 1..close], allow) { "TRUE" } else { "FALSE" };
        return allowed(&format!("{}{word}{}", &expression[..open], &expression[close + 1..]), allow);
    }
    // `/` is the old way to write OR.
    let expression = expression.replace('/', " OR ");
    expression.split(" OR ").any(|all| {
        all.split(" AND ").map(str::trim).all(|licence| licence == "TRUE" || allow.contains(&licence))
    })
}

fn strings(table: &Table, path: [&str; 2]) -> Vec<String> {
    let list = table[path[0]][path[1]].as_array().expect("deny.toml has the list");
    let text = |item: &toml::Value| item.as_str().or_else(|| item.get("name")?.as_str()).map(str::to_owned);
    list.iter().filter_map(text).collect()
}

/// What is wrong with one package.
fn complaint(package: &Value, allow: &[&str], banned: &[String]) -> Option<String> {
    let name = package["name"].as_str()?;
    if banned.iter().any(|other| other == name) {
        return Some(format!("{name} is banned"));
    }
    match package["license"].as_str() {
        Some(licence) if allowed(licence, allow) => None,
        Some(licence) => Some(format!("{name}: {licence} is not allowed")),
        None => Some(format!("{name} names no licence")),
    }
}

#[test]
fn no_dependency_is_banned_or_under_another_licence() {
    need!("cargo");
    let output = Command::new("cargo")
        .args(["metadata", "--format-version", "1", "--offline", "--locked", "--all-features"])
        .args(["--filter-platform", "x86_64-unknown-linux-gnu"])
        .current_dir(root())
        .output()
        .expect("cargo starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo writes JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    assert!(packages.len() > 50, "only {} packages", packages.len());

    let deny: Table = read(&root().join("deny.toml")).parse().expect("deny.toml is TOML");
    let allow = strings(&deny, ["licenses", "allow"]);
    let allow: Vec<&str> = allow.iter().map(String::as_str).collect();
    let banned = strings(&deny, ["bans", "deny"]);
    let wrong: Vec<String> =
        packages.iter().filter_map(|package| complaint(package, &allow, &banned)).collect();
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));

    let bad = serde_json::json!({ "name": "openssl-sys", "license": "MIT" });
    assert_eq!(complaint(&bad, &allow, &banned).as_deref(), Some("openssl-sys is banned"));
    let bad = serde_json::json!({ "name": "x", "license": "LGPL-3.0-or-later" });
    assert!(complaint(&bad, &allow, &banned).is_some());
}

#[test]
fn licence_expressions_are_understood() {
    let allow = ["MIT", "Apache-2.0", "Zlib"];
    for good in ["MIT", "GPL-3.0 OR MIT", "MIT/Apache-2.0", "(MIT OR GPL-2.0) AND Zlib", "Zlib AND (MIT)"] {
        assert!(allowed(good, &allow), "{good}");
    }
    for bad in ["GPL-3.0", "MIT AND GPL-3.0", "(MIT OR Zlib) AND LGPL-2.1", ""] {
        assert!(!allowed(bad, &allow), "{bad}");
    }
}
