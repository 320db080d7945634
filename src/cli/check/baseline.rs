//! `--baseline FILE`: findings that were accepted, known by their content.
//!
//! An entry is a digest of rule, sentence, underlined text and the message around it, all without secrets, and how
//! often it was found. Neither paths nor lines count: a file may move or grow.

use super::items::Items;
use super::judge::{Checked, Item};
use crate::cli::CliError;
use crate::model::{Finding, Severity, Trajectory};
use crate::util::digest::{sha256_hex, sha256_parts};
use crate::util::redact::Redactor;
use crate::util::suggest::nearest;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

/// What the file says of itself.
const SCHEMA: &str = "rolltape-baseline";
/// Version of the file.
const VERSION: &str = "1.0";

/// An accepted finding.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    rule: String,
    text: String,
    count: u64,
}

/// Accepted findings by digest.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Baseline {
    entries: BTreeMap<String, Entry>,
}

/// What a baseline came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Applied {
    /// Findings that were accepted.
    pub(super) accepted: u64,
    /// Entries that were found less often than they say: `RULE: sentence`, and how often they are missing.
    pub(super) stale: Vec<(String, u64)>,
}

/// Digests of findings of one trajectory. The message around a finding is digested once, however many it holds.
#[derive(Default)]
pub(super) struct Digests {
    /// The step looked at last, and the digest of its message and results.
    last: Option<(u64, String, String)>,
}

impl Digests {
    /// The digest of a finding with the message around it.
    pub(super) fn of(&mut self, trajectory: &Trajectory, finding: &Finding) -> String {
        // Known values depend on the machine, and a baseline must not.
        let redactor = Redactor::default();
        let id = finding.step.unwrap_or(0);
        let index = usize::try_from(id).unwrap_or(0).wrapping_sub(1);
        let step = trajectory.steps.get(index).filter(|step| step.id == id);
        let step = step.or_else(|| trajectory.steps.iter().find(|step| step.id == id));
        if self.last.as_ref().is_none_or(|(known, ..)| *known != id) {
            let message = step.map(|step| redactor.redact(&step.judged_text()).into_owned());
            let results = step.iter().flat_map(|step| &step.observation).flat_map(|seen| &seen.results);
            let results: Vec<String> = results
                .filter_map(|result| result.content.as_ref())
                .map(|content| redactor.redact(&content.text()).into_owned())
                .collect();
            let results = sha256_parts(results.iter().map(String::as_bytes));
            self.last = Some((id, sha256_hex(message.unwrap_or_default().as_bytes()), results));
        }
        let (message, results) =
            self.last.as_ref().map_or(("", ""), |(_, message, results)| (message.as_str(), results.as_str()));
        let text = step.filter(|_| finding.span.is_some()).map(|step| step.judged_text());
        let under = finding.span.zip(text.as_ref()).map_or("", |(span, text)| span.text(text));
        let under = redactor.redact(under);
        // A finding about a result stands in no message of the model.
        let results = if finding.message.is_none() { results } else { "" };
        let parts = [finding.rule, &finding.text, &under, message, results].map(str::as_bytes);
        let mut digest = sha256_parts(parts);
        digest.truncate(40);
        digest
    }
}

impl Baseline {
    /// Reads a file that [`Baseline::write`] made.
    pub(super) fn read(path: &Path) -> Result<Self, CliError> {
        let bad = |what: String| {
            CliError::usage(format!("{}: {what}", path.display()))
                .hint("rolltape check PATH --write-baseline FILE makes one")
        };
        let bytes = std::fs::read(path)
            .map_err(|error| bad(format!("the baseline can't be read: {}", crate::store::io_text(&error))))?;
        let value: Value = serde_json::from_slice(&bytes)
            .map_err(|error| bad(format!("the baseline is not JSON: {error}")))?;
        if value.get("schema").and_then(Value::as_str) != Some(SCHEMA) {
            return Err(bad(format!("is no baseline: its 'schema' is not \"{SCHEMA}\"")));
        }
        let version = value.get("schema_version").and_then(Value::as_str).unwrap_or("");
        if version.split('.').next() != VERSION.split('.').next() {
            return Err(bad(format!(
                "the baseline has version '{version}', and this program reads {VERSION}"
            )));
        }
        let list = value.get("findings").and_then(Value::as_array);
        let list = list.ok_or_else(|| bad("the baseline has no list 'findings'".to_owned()))?;
        let mut entries = BTreeMap::new();
        for (index, item) in list.iter().enumerate() {
            let text = |key: &str| item.get(key).and_then(Value::as_str).map(str::to_owned);
            let count = item.get("count").and_then(Value::as_u64);
            let (Some(rule), Some(digest), Some(count)) = (text("rule"), text("digest"), count) else {
                return Err(bad(format!("entry {} lacks 'rule', 'digest' or 'count'", index + 1)));
            };
            if crate::rules::find(&rule).is_none() {
                let near = nearest(&rule, crate::rules::ALL.iter().map(|rule| rule.id));
                let hint = near.map_or_else(String::new, |near| format!("; did you mean '{near}'?"));
                return Err(bad(format!(
                    "entry {} names the rule '{rule}', which does not exist{hint}",
                    index + 1
                )));
            }
            let entry = Entry { rule, text: text("text").unwrap_or_default(), count };
            entries.insert(digest, entry);
        }
        Ok(Self { entries })
    }

    /// The findings of a check, as a file.
    ///
    /// # Errors
    /// If the file in which findings wait can't be read back.
    pub(super) fn write(items: &Items) -> io::Result<String> {
        let mut entries: BTreeMap<String, (Item, u64)> = BTreeMap::new();
        for item in items.iter() {
            let item = item?;
            let digest = item.context.clone().unwrap_or_default();
            entries.entry(digest).or_insert((item, 0)).1 += 1;
        }
        let mut list: Vec<Value> = entries
            .iter()
            .map(|(digest, (item, count))| {
                json!({ "rule": item.finding.rule, "text": item.finding.text, "digest": digest, "count": count })
            })
            .collect();
        list.sort_by_key(|item| {
            (item["rule"].to_string(), item["text"].to_string(), item["digest"].to_string())
        });
        let whole = json!({ "schema": SCHEMA, "schema_version": VERSION, "findings": list });
        Ok(format!("{whole:#}\n"))
    }

    /// Takes accepted findings out of what a check found.
    ///
    /// Entries of rules that are off say nothing, and are not stale.
    ///
    /// # Errors
    /// If the file in which findings wait can't be read back.
    pub(super) fn apply(&self, checked: &mut Checked, off: &[&str]) -> io::Result<Applied> {
        let mut left: BTreeMap<&str, u64> =
            self.entries.iter().map(|(digest, entry)| (digest.as_str(), entry.count)).collect();
        let mut accepted = 0;
        let mut kept = Items::default();
        for item in checked.items.iter() {
            let item = item?;
            match item.context.as_deref().and_then(|digest| left.get_mut(digest)) {
                Some(left) if *left > 0 => {
                    *left -= 1;
                    accepted += 1;
                }
                _ => kept.push(&item),
            }
        }
        checked.items = kept;
        let stale = self.entries.iter().filter(|(_, entry)| !off.contains(&entry.rule.as_str()));
        let stale = stale.filter_map(|(digest, entry)| {
            let missing = left.get(digest.as_str()).copied().unwrap_or(0);
            (missing > 0).then(|| (format!("{}: {}", entry.rule, entry.text), missing))
        });
        Ok(Applied { accepted, stale: stale.collect() })
    }
}

/// Whether a finding of that severity is left.
pub(super) fn fails(checked: &Checked, fail_on: Severity) -> bool {
    checked.any(fail_on)
}
