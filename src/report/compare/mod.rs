//! Comparisons as text: one file a form, and the short table at the end of a run.
//!
//! Invariant: sides are called A, B, … in the order of the comparison, and a legend says who they are; every
//! form says that there is no test of significance.

mod csv;
mod figures;
mod json;
mod markdown;
mod short;
mod table;

use super::Options;
use crate::compare::{Comparison, Pair};
use std::io;

pub(super) use short::{brief, latency, section};

/// A form of a comparison.
pub struct Form {
    /// Name as in `--format NAME`.
    pub name: &'static str,
    /// Writes it.
    pub render: fn(&Comparison, &Options, &mut dyn io::Write) -> io::Result<()>,
}

/// All forms, in the order of help.
pub static FORMS: &[Form] = &[
    Form { name: "table", render: table::render },
    Form { name: "json", render: json::render },
    Form { name: "csv", render: csv::render },
    Form { name: "markdown", render: markdown::render },
];

/// Renders a comparison into memory.
pub fn render(form: &Form, comparison: &Comparison, options: &Options) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    (form.render)(comparison, options, &mut bytes)?;
    Ok(bytes)
}

/// What the figures of a pair mean.
const MEANING: &str = "Differences are means over tasks of the mean over each task's scored attempts. Better is more \
    success, reward and format kept, and less of all else.";

/// `A` to `Z`, then `AA` and on.
fn letter(at: usize) -> String {
    let last = char::from(b'A' + (at % 26) as u8);
    if at < 26 { last.to_string() } else { letter(at / 26 - 1) + &last.to_string() }
}

/// Who a side is, in words that are its own: the run too where there are several.
fn who(comparison: &Comparison, at: usize) -> String {
    let side = &comparison.sides[at];
    let many = comparison.sides.iter().any(|other| other.run != side.run);
    if many { format!("{}:{}", side.run, side.subject.id) } else { side.subject.id.clone() }
}

/// What the legend says of a side beside its name: model, parameters, whether it is a baseline.
fn remarks(comparison: &Comparison, at: usize) -> Vec<String> {
    let subject = &comparison.sides[at].subject;
    let mut remarks = Vec::new();
    if comparison.pairs.iter().any(|pair| pair.baseline == at) {
        remarks.push("baseline".to_owned());
    }
    remarks.extend(subject.model.as_ref().map(|model| format!("model {model}")));
    if !subject.params.is_empty() {
        let params = subject.params.iter().map(|(name, value)| format!("{name}={value}"));
        remarks.push(params.collect::<Vec<_>>().join(" "));
    }
    remarks
}

/// `B against A`.
fn against(pair: &Pair) -> String {
    format!("{} against {}", letter(pair.side), letter(pair.baseline))
}

/// The sentences under a pair: tasks that are not paired, in groups of one reason.
fn unpaired(pair: &Pair) -> Vec<String> {
    let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
    for (task, why) in &pair.unpaired {
        match groups.iter_mut().find(|(known, _)| known == why) {
            Some((_, tasks)) => tasks.push(task),
            None => groups.push((why, vec![task])),
        }
    }
    groups
        .into_iter()
        .map(|(why, tasks)| {
            let shown = tasks.iter().take(5).copied().collect::<Vec<_>>().join(", ");
            let more = tasks.len().saturating_sub(5);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            format!("not paired, {why}: {shown}{more}")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn sides_never_run_out_of_letters() {
        let names: Vec<String> = [0, 25, 26, 51, 52, 701, 702].into_iter().map(super::letter).collect();
        assert_eq!(names, ["A", "Z", "AA", "AZ", "BA", "ZZ", "AAA"]);
    }
}
