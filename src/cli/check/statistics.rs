//! `--statistics`: how often each rule was broken, and how models and tools fare; rates with Wilson 95 % intervals.
//!
//! A rate is of messages or of trajectories that have at least one finding of the rule, so that one bad message can't
//! count twice. What a baseline accepted is counted too: the figures are those of what was judged.

use super::judge::Checked;
use crate::model::{Severity, Trajectory};
use crate::rules::{self, Judgement};
use crate::stats::{Z95, wilson};
use crate::util::text::{cut, one_line, unmarked, width};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Figures of one rule.
#[derive(Debug, Clone, Copy, Default)]
struct OfRule {
    findings: u64,
    messages: u64,
    trajectories: u64,
}

/// Figures of a model or of a tool.
#[derive(Debug, Clone, Copy, Default)]
struct OfName {
    messages: u64,
    compliant: u64,
    findings: u64,
}

/// Everything that is counted.
#[derive(Debug, Clone, Default)]
pub(super) struct Statistics {
    trajectories: u64,
    /// Trajectories of which every message keeps the format.
    whole: u64,
    messages: u64,
    rules: BTreeMap<&'static str, OfRule>,
    models: BTreeMap<String, OfName>,
    tools: BTreeMap<String, OfName>,
}

/// Name of what no log tells.
const UNKNOWN: &str = "unknown";
/// Tools and models that a table shows; JSON has all.
const ROWS: usize = 20;

impl Statistics {
    /// Counts a trajectory.
    pub(super) fn count(&mut self, trajectory: &Trajectory, judgement: &Judgement) {
        if judgement.messages > 0 {
            self.trajectories += 1;
            self.whole += u64::from(judgement.format_ok() == Some(true));
        }
        self.messages += judgement.messages;
        let mut broken: BTreeSet<u64> = BTreeSet::new();
        let mut found: BTreeMap<u64, u64> = BTreeMap::new();
        let mut by_rule: BTreeMap<&'static str, (u64, BTreeSet<u64>)> = BTreeMap::new();
        for finding in &judgement.findings {
            let entry = by_rule.entry(finding.rule).or_default();
            entry.0 += 1;
            let Some(message) = finding.message else { continue };
            entry.1.insert(message);
            *found.entry(message).or_default() += 1;
            if finding.severity == Severity::Error && finding.rule.starts_with("FC") {
                broken.insert(message);
            }
        }
        for (rule, (findings, messages)) in by_rule {
            let row = self.rules.entry(rule).or_default();
            row.findings += findings;
            row.messages += messages.len() as u64;
            row.trajectories += 1;
        }
        for (index, step) in (0..).zip(trajectory.judged()) {
            let model = step.model.as_deref().or(trajectory.agent.model.as_deref()).unwrap_or(UNKNOWN);
            let findings = found.get(&index).copied().unwrap_or(0);
            let compliant = !broken.contains(&index);
            let add = |rows: &mut BTreeMap<String, OfName>, name: &str| {
                // Looked up first: a name is only copied when it is new.
                if !rows.contains_key(name) {
                    rows.insert(name.to_owned(), OfName::default());
                }
                if let Some(row) = rows.get_mut(name) {
                    row.messages += 1;
                    row.compliant += u64::from(compliant);
                    row.findings += findings;
                }
            };
            add(&mut self.models, model);
            let names: BTreeSet<&str> = step.calls.iter().map(|call| call.name.as_str()).collect();
            for name in names {
                add(&mut self.tools, name);
            }
        }
    }

    /// Adds the figures of other files.
    pub(super) fn add(&mut self, other: Statistics) {
        self.trajectories += other.trajectories;
        self.whole += other.whole;
        self.messages += other.messages;
        for (rule, row) in other.rules {
            let own = self.rules.entry(rule).or_default();
            own.findings += row.findings;
            own.messages += row.messages;
            own.trajectories += row.trajectories;
        }
        for (own, theirs) in [(&mut self.models, other.models), (&mut self.tools, other.tools)] {
            for (name, row) in theirs {
                let own = own.entry(name).or_default();
                own.messages += row.messages;
                own.compliant += row.compliant;
                own.findings += row.findings;
            }
        }
    }

    /// Tables for people.
    ///
    /// Without `format`, no rule of the FC family was on, and nothing can be said of compliance.
    pub(super) fn text(&self, format: bool) -> String {
        let mut out = String::from("\nstatistics: rates with 95 % intervals (Wilson)\n");
        let mut rows = vec![cells(["rule", "name", "findings", "of messages", "of trajectories"])];
        for (id, row) in &self.rules {
            let name = rules::find(id).map_or("", |rule| rule.name);
            rows.push(cells([
                id,
                name,
                &row.findings.to_string(),
                &rate(row.messages, self.messages),
                &rate(row.trajectories, self.trajectories.max(row.trajectories)),
            ]));
        }
        out.push_str(&table(&rows));
        if format {
            let whole = rate(self.whole, self.trajectories);
            out.push_str(&format!("\ntrajectories that keep the format in every message: {whole}\n"));
        }
        for (what, names) in [("model", &self.models), ("tool", &self.tools)] {
            let mut all: Vec<(&String, &OfName)> = names.iter().collect();
            all.sort_by_key(|(name, row)| (std::cmp::Reverse(row.messages), *name));
            let mut rows = vec![cells([what, "findings", "compliant messages"])];
            for (name, row) in all.iter().take(ROWS) {
                let name = cut(&unmarked(&one_line(name)), 40);
                let kept = if format { rate(row.compliant, row.messages) } else { "not judged".to_owned() };
                rows.push(cells([&name, &row.findings.to_string(), &kept]));
            }
            out.push('\n');
            out.push_str(&table(&rows));
            if all.len() > ROWS {
                out.push_str(&format!("and {} more, all of them in --format json\n", all.len() - ROWS));
            }
        }
        out
    }

    /// The same as JSON; compliance is null without `format`.
    pub(super) fn json(&self, format: bool) -> Value {
        let kept = |hits, of| if format { share(hits, of) } else { Value::Null };
        let rules: Vec<Value> = self
            .rules
            .iter()
            .map(|(id, row)| {
                json!({ "rule": id, "findings": row.findings,
                    "messages": share(row.messages, self.messages),
                    "trajectories": share(row.trajectories, self.trajectories.max(row.trajectories)) })
            })
            .collect();
        let names = |rows: &BTreeMap<String, OfName>| -> Vec<Value> {
            rows.iter()
                .map(|(name, row)| {
                    json!({ "name": name, "findings": row.findings, "compliant": kept(row.compliant, row.messages) })
                })
                .collect()
        };
        json!({ "interval": "wilson", "level": 0.95, "rules": rules, "format_ok": kept(self.whole, self.trajectories),
            "models": names(&self.models), "tools": names(&self.tools) })
    }
}

/// The block that the text output ends with; empty if it was not asked for.
pub(super) fn block(checked: &Checked, format: bool) -> String {
    checked.statistics.as_ref().map(|statistics| statistics.text(format)).unwrap_or_default()
}

fn share(hits: u64, of: u64) -> Value {
    let bounds = wilson(hits, of, Z95);
    let rate = (of > 0).then(|| hits as f64 / of as f64);
    json!({ "hits": hits, "of": of, "rate": rate, "low": bounds.map(|(low, _)| low), "high": bounds.map(|(_, high)| high) })
}

/// `3/40  7.5 % [2.6, 19.9]`
fn rate(hits: u64, of: u64) -> String {
    match wilson(hits, of, Z95) {
        Some((low, high)) => {
            let percent = hits as f64 * 100.0 / of as f64;
            format!("{hits}/{of} {percent:.1} % [{:.1}, {:.1}]", low * 100.0, high * 100.0)
        }
        None => "none".to_owned(),
    }
}

fn cells<const N: usize>(texts: [&str; N]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// Rows with their columns aligned.
fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let wide: Vec<usize> =
        (0..columns).map(|column| rows.iter().map(|row| width(&row[column])).max().unwrap_or(0)).collect();
    let mut out = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, wide) in row.iter().zip(&wide) {
            line.push_str(cell);
            line.push_str(&" ".repeat(wide - width(cell) + 2));
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}
