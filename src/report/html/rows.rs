//! The index of the page: one short row an attempt, and the names that rows share.

use super::super::stats::{OUTCOMES, duration_ms};
use super::super::text;
use super::parts::{Parts, in_script};
use super::pool::{Chunks, pack};
use crate::model::{AttemptRecord, Severity};
use crate::store::RunView;
use crate::util::text::cut;
use std::collections::BTreeMap;

/// Columns of a reason that the index shows.
const REASON: usize = 160;

/// What can be opened from the index.
pub(super) struct Opened {
    /// Value and chunks of each record; `None` for one whose steps are left out.
    pub(super) attempts: Vec<Option<(usize, Chunks)>>,
    /// Two records, and the value and chunks of their difference.
    pub(super) pairs: Vec<(usize, usize, usize, Chunks)>,
    /// Number of the first value of each chunk.
    pub(super) starts: Vec<usize>,
}

/// The index as JSON for a `script` element; `page/data.js` names the fields in this order.
pub(super) fn index(view: &RunView, opened: &Opened) -> String {
    let mut names = Names::default();
    let mut rows = Parts::default();
    let mut rules: BTreeMap<(&str, &str), (usize, Severity)> = BTreeMap::new();
    for finding in view.records.iter().flat_map(|record| &record.findings) {
        let entry = rules.entry((finding.rule, finding.name)).or_insert((0, finding.severity));
        entry.1 = entry.1.max(finding.severity);
    }
    rules.values_mut().enumerate().for_each(|(at, entry)| entry.0 = at);
    rows.array(|out| {
        for (record, opened) in view.records.iter().zip(&opened.attempts) {
            out.array(|out| row(out, record, opened.as_ref(), &mut names, &rules));
        }
    });
    let mut out = Parts::default();
    out.array(|out| {
        out.name(&view.manifest.id.0);
        out.array(|out| OUTCOMES.iter().for_each(|word| out.name(word)));
        out.array(|out| names.tasks.list.iter().for_each(|name| out.name(name)));
        out.array(|out| names.subjects.list.iter().for_each(|name| out.name(name)));
        out.array(|out| {
            for ((rule, name), (_, severity)) in &rules {
                out.array(|out| [rule, name, severity.as_str()].iter().for_each(|word| out.name(word)));
            }
        });
        out.append(rows);
        out.array(|out| {
            for (left, right, value, chunks) in &opened.pairs {
                out.array(|out| {
                    [left, right, value].iter().for_each(|number| out.value(Some(number)));
                    numbers(out, chunks);
                });
            }
        });
        numbers(out, &opened.starts);
    });
    in_script(&out.resolve(|_| 0))
}

fn numbers(out: &mut Parts, list: &[usize]) {
    out.array(|out| list.iter().for_each(|number| out.value(Some(number))));
}

fn row<'a>(
    out: &mut Parts,
    record: &'a AttemptRecord,
    opened: Option<&(usize, Chunks)>,
    names: &mut Names<'a>,
    rules: &BTreeMap<(&str, &str), (usize, Severity)>,
) {
    out.value(Some(record.seq));
    out.value(Some(names.tasks.number((&record.id.suite, &record.id.task))));
    out.value(Some(names.subjects.number((&record.id.subject, ""))));
    out.value(Some(record.id.n));
    out.value(OUTCOMES.iter().position(|word| *word == record.outcome.word()));
    out.name(&text::outcome(record));
    out.name(&cut(&text::one_line(text::capped(&text::reason(record), REASON * 8).0), REASON));
    out.value(record.format_ok);
    out.float(record.reward);
    out.value(Some(record.turns));
    out.value(Some(record.calls));
    out.array(|out| {
        out.value(record.usage.prompt_tokens);
        out.value(record.usage.cached_tokens);
        out.value(record.usage.completion_tokens);
        out.float(record.cost_usd);
    });
    let mut hits: BTreeMap<usize, u64> = BTreeMap::new();
    for finding in &record.findings {
        if let Some((at, _)) = rules.get(&(finding.rule, finding.name)) {
            *hits.entry(*at).or_default() += 1;
        }
    }
    out.array(|out| {
        for (rule, count) in hits {
            out.value(Some(rule));
            out.value(Some(count));
        }
    });
    match opened {
        Some((value, chunks)) => {
            out.value(Some(value));
            numbers(out, chunks);
        }
        None => {
            out.value(None::<u8>);
            out.array(|_| {});
        }
    }
}

/// Names in the order in which rows use them.
#[derive(Default)]
struct Names<'a> {
    tasks: Numbered<'a>,
    subjects: Numbered<'a>,
}

#[derive(Default)]
struct Numbered<'a> {
    known: BTreeMap<(&'a str, &'a str), usize>,
    list: Vec<String>,
}

impl<'a> Numbered<'a> {
    fn number(&mut self, name: (&'a str, &'a str)) -> usize {
        let list = &mut self.list;
        *self.known.entry(name).or_insert_with(|| {
            list.push(if name.1.is_empty() { name.0.to_owned() } else { format!("{}/{}", name.0, name.1) });
            list.len() - 1
        })
    }
}

/// All that depends on the clock, as JSON for a `script` element: milliseconds of each attempt, and packed the
/// times of their steps as far as these are shown.
pub(super) fn timing(view: &RunView, times: &[Vec<Option<String>>]) -> String {
    let mut steps = Parts::default();
    steps.array(|out| {
        for list in times {
            out.array(|out| list.iter().for_each(|time| out.maybe_name(time.as_deref())));
        }
    });
    let packed = pack(&steps.resolve(|_| 0));
    let mut out = Parts::default();
    out.array(|out| {
        out.array(|out| view.records.iter().for_each(|record| out.float(duration_ms(record))));
        out.array(|out| {
            for record in &view.records {
                out.maybe_name(record.timing.get("started").and_then(serde_json::Value::as_str));
            }
        });
        out.plain(&packed);
    });
    in_script(&out.resolve(|_| 0))
}
