//! Lines of a text that tell it apart from others.

use std::collections::BTreeSet;

/// Lines of `text` that say something of their own: no comment, long enough, and none of `common`.
pub(super) fn telling(text: &str, common: &BTreeSet<String>) -> BTreeSet<String> {
    let lines = text.lines().map(str::trim);
    lines
        .filter(|line| {
            let letters = line.chars().filter(|c| c.is_alphanumeric()).count();
            line.len() >= 12 && letters >= 6 && !line.starts_with('#') && !common.contains(*line)
        })
        .map(str::to_owned)
        .collect()
}

/// All lines of `text`, trimmed.
pub(super) fn all(text: &str) -> impl Iterator<Item = String> {
    text.lines().map(|line| line.trim().to_owned())
}

/// How many of `wanted` are lines of `text`, if they are enough to know it again.
pub(super) fn held(wanted: &BTreeSet<String>, text: &str) -> Option<usize> {
    let seen: BTreeSet<&str> = text.lines().map(str::trim).filter(|line| wanted.contains(*line)).collect();
    let enough = match wanted.len() {
        // A single short line may stand anywhere.
        1 => seen.iter().any(|line| line.len() >= 20),
        all => seen.len() >= 3 || (seen.len() >= 2 || all <= 2) && seen.len() * 2 >= all,
    };
    (enough && !seen.is_empty()).then_some(seen.len())
}

/// Whether `word` stands in `text` on its own.
pub(super) fn stands_alone(word: &str, text: &str) -> bool {
    let joins = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    text.match_indices(word).any(|(at, _)| {
        let (first, last) = (word.chars().next(), word.chars().next_back());
        let before = joins(first) && joins(text[..at].chars().next_back());
        let after = joins(last) && joins(text[at + word.len()..].chars().next());
        !before && !after
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_known_by_lines_of_its_own() {
        let common = all("import sys, json, os\n").collect();
        let wanted =
            telling("import sys, json, os\n# a comment of the author\n  return total(a) + b\nfi\n", &common);
        assert_eq!(wanted.iter().collect::<Vec<_>>(), ["return total(a) + b"]);
        assert_eq!(held(&wanted, "x\nreturn total(a) + b\n"), None, "one short line is no proof");
        let wanted = telling("first_value = compute(1)\nsecond_value = compute(2)\n", &BTreeSet::new());
        assert_eq!(held(&wanted, "first_value = compute(1)"), Some(1));
        assert_eq!(held(&wanted, "nothing of it"), None);
    }

    #[test]
    fn a_word_is_no_part_of_another() {
        assert!(stands_alone("42", "it is 42."));
        assert!(!stands_alone("42", "it is 142 or 421"));
        assert!(stands_alone("$5", "a$5 b"));
    }
}
