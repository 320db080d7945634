//! Names of commits: HEAD, refs, packed refs, reflogs.

use super::objects::id;
use super::{Files, Id};
use std::collections::BTreeMap;

/// Names that may stand for others before one is taken for a circle.
const MAX_DEPTH: usize = 8;

/// All names with what they name, and what HEAD names, if that is anything yet.
pub(super) fn read(files: &Files<'_>, troubles: &mut Vec<String>) -> (BTreeMap<String, Id>, Option<Id>) {
    let mut refs = BTreeMap::new();
    let text = |path: &str| files.get(path).map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    for line in text("packed-refs").unwrap_or_default().lines() {
        if let Some((digits, name)) = line.split_once(' ')
            && let Some(id) = id(digits)
        {
            refs.insert(name.trim().to_owned(), id);
        }
    }
    for (path, bytes) in files {
        let text = String::from_utf8_lossy(bytes);
        let side = !path.contains('/') && path.ends_with("_HEAD");
        if path.starts_with("refs/") || side {
            // FETCH_HEAD has a line a commit, with more behind it.
            for line in text.lines() {
                if let Some(id) = line.split_whitespace().next().and_then(id) {
                    refs.insert((*path).to_owned(), id);
                }
            }
        } else if let Some(name) = path.strip_prefix("logs/") {
            for (at, line) in text.lines().enumerate() {
                for (side, digits) in line.split_whitespace().take(2).enumerate() {
                    if let Some(id) = id(digits).filter(|id| id != &[0; 20]) {
                        // Numbered, as a log names many; the number is not told.
                        refs.insert(format!("the reflog of {name}\u{0}{at}.{side}"), id);
                    }
                }
            }
        }
    }
    let mut name = "HEAD".to_owned();
    for _ in 0..MAX_DEPTH {
        let Some(said) = text(&name) else {
            // A branch without a commit yet, or one that is packed.
            return (refs.clone(), refs.get(&name).copied());
        };
        match said.trim().strip_prefix("ref:") {
            Some(other) => other.trim().clone_into(&mut name),
            None => {
                let head = id(said.trim());
                if head.is_none() {
                    troubles.push(format!("'{name}' names no commit"));
                }
                return (refs, head);
            }
        }
    }
    troubles.push("HEAD goes round in a circle".to_owned());
    (refs, None)
}
