//! The tables `[check]` and `[redact]` of `rolltape.toml`: words with their places, as `check` takes them.
//!
//! Types and keys are judged here; which policies, rules or dialects there are is known to others, who say so with the
//! place that each word keeps.

use super::reader::{Reader, Table};

/// Keys of `[check]` that hold one word.
const WORDS: &[&str] = &["policy", "ask", "reading", "dialect", "fail_on", "tools", "baseline"];
/// Keys of `[check]` that hold a list of words.
const LISTS: &[&str] = &["select", "ignore"];
/// The table of severities by rule.
const SEVERITY: &str = "severity";
/// Keys of `[redact]`.
const REDACT: &[&str] = &["allow", "env"];

/// A word of a configuration, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The key, for example `policy`; of a severity the rule.
    pub key: String,
    /// What is said.
    pub value: String,
    /// Line, from 1.
    pub line: u64,
    /// Column, from 1, in characters.
    pub column: u64,
}

/// What a configuration says of `check`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CheckConfig {
    /// File in which it stands.
    pub file: String,
    /// Words of `[check]`; a list has several of one key.
    pub words: Vec<Told>,
    /// Lists that are there, the empty ones too.
    pub lists: Vec<String>,
    /// `[check] severity`: rule and severity.
    pub severities: Vec<Told>,
    /// `[redact] allow`: values or placeholders that are no secrets.
    pub allow: Vec<String>,
    /// `[redact] env`: variables whose values are secrets.
    pub env: Vec<Told>,
}

/// Reads both tables; slips go to the reader.
pub(super) fn read(reader: &mut Reader<'_>, root: &Table<'_, '_>) -> CheckConfig {
    let mut config = CheckConfig { file: reader.file().to_owned(), ..CheckConfig::default() };
    if let Some(table) = reader.table(root, "check", "'check'") {
        let known: Vec<&str> = WORDS.iter().chain(LISTS).copied().chain([SEVERITY]).collect();
        reader.known(&table, &known);
        for key in WORDS {
            if let Some(value) = reader.string(&table, key) {
                let told = told(reader, &table, key, value);
                config.words.push(told);
            }
        }
        for key in LISTS {
            for value in reader.strings(&table, key).unwrap_or_default() {
                let told = told(reader, &table, key, value);
                config.words.push(told);
            }
            if table.has(key) {
                config.lists.push((*key).to_owned());
            }
        }
        if let Some(inner) = reader.table(&table, SEVERITY, "'severity' of 'check'") {
            for (rule, _, _) in inner.entries() {
                if let Some(value) = reader.string(&inner, rule) {
                    let told = told(reader, &inner, rule, value);
                    config.severities.push(told);
                }
            }
        }
    }
    if let Some(table) = reader.table(root, "redact", "'redact'") {
        reader.known(&table, REDACT);
        config.allow = reader.strings(&table, "allow").unwrap_or_default();
        for value in reader.strings(&table, "env").unwrap_or_default() {
            let told = told(reader, &table, "env", value);
            config.env.push(told);
        }
    }
    config
}

fn told(reader: &Reader<'_>, table: &Table<'_, '_>, key: &str, value: String) -> Told {
    let (line, column) = reader.place(table.place_of(key).start);
    Told { key: key.to_owned(), value, line, column }
}

#[cfg(test)]
mod tests {
    use crate::suite::parse_config;

    #[test]
    fn both_tables_are_read_with_their_places() {
        let text = "[check]\npolicy = \"any\"\nignore = [\"FC001\", \"CO\"]\nselect = []\nseverity = { FC011 = \"error\" }\n[redact]\nallow = [\"x\"]\nenv = [\"MY_KEY\"]\n";
        let config = parse_config("c.toml", text.as_bytes(), &[], &[]).unwrap().check;
        let words: Vec<(&str, &str, u64, u64)> = config
            .words
            .iter()
            .map(|told| (told.key.as_str(), told.value.as_str(), told.line, told.column))
            .collect();
        assert_eq!(words, [("policy", "any", 2, 10), ("ignore", "FC001", 3, 10), ("ignore", "CO", 3, 10)]);
        assert_eq!(config.lists, ["select", "ignore"]);
        assert_eq!((config.severities[0].key.as_str(), config.severities[0].line), ("FC011", 5));
        assert_eq!(
            (config.allow.as_slice(), config.env[0].value.as_str()),
            (&["x".to_owned()][..], "MY_KEY")
        );
    }

    #[test]
    fn slips_are_said_all_at_once() {
        let text =
            "[check]\npolcy = \"any\"\nselect = \"FC\"\nseverity = { FC011 = 1 }\n[redact]\nallow = [1]\n";
        let errors = parse_config("c.toml", text.as_bytes(), &[], &[]).unwrap_err();
        let lines: Vec<u64> = errors.iter().map(|error| error.line).collect();
        assert_eq!(lines, [2, 3, 4, 6], "{errors:?}");
        assert!(errors[0].hint.as_deref().is_some_and(|hint| hint.contains("policy")), "{errors:?}");
    }
}
