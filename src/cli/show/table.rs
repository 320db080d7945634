//! The table of trajectories, where none is named.

use super::lay::masked;
use super::pick::Picked;
use crate::model::{Source, Trajectory};
use crate::util::text::{cut, name, one_line, unmarked, width};
use tabled::builder::Builder;
use tabled::settings::Style;
use tabled::settings::style::HorizontalLine;

/// Bytes of a message that its first words are taken from.
const WORDS: usize = 1000;

/// Columns that an id or the first words need to say something.
const LEAST: usize = 16;

/// What the table tells of a trajectory.
pub(super) struct Row {
    pub(super) id: Option<String>,
    place: String,
    steps: String,
    agent: String,
    outcome: Option<&'static str>,
    begins: String,
}

impl Row {
    pub(super) fn of(picked: &Picked) -> Self {
        let Trajectory { origin, agent, steps, .. } = &picked.trajectory;
        Self {
            id: picked.ids().next(),
            place: format!("{}:{}", name(&origin.path), origin.line.max(1)),
            steps: steps.len().to_string(),
            agent: match agent.name.as_str() {
                "" => "unknown".to_owned(),
                agent => cut(&name(&masked(agent)), 16),
            },
            outcome: picked.record.as_ref().map(|record| record.outcome.word()),
            begins: begins(&picked.trajectory),
        }
    }

    /// Its outcome, in a table of a run; of a try that was made again, or of a record that was lost, there is none.
    fn outcome(&self) -> &'static str {
        self.outcome.unwrap_or("no record")
    }
}

/// Number, name, steps, agent, and outcome or first words of each; `count` of them are there in all. On a narrow
/// terminal the agent is left out, then the first words.
pub(super) fn table(rows: &[Row], count: usize, columns: usize) -> String {
    let run = rows.iter().any(|row| row.outcome.is_some());
    let wide = |head: &str, cell: &dyn Fn(&Row) -> usize| {
        rows.iter().map(cell).max().unwrap_or(0).max(head.len()) + 3
    };
    let number = rows.len().to_string().len() + 3;
    let agent = wide("agent", &|row| width(&row.agent));
    let outcome = wide("outcome", &|row| row.outcome().len());
    // What is left for ids and first words, their own edges taken off.
    let last = if run { outcome } else { LEAST + 3 };
    let free = columns.saturating_sub(1 + number + wide("steps", &|row| row.steps.len()) + 3);
    let has_agent = free >= agent + last + LEAST;
    let free = free - if has_agent { agent } else { 0 };
    let has_last = run || free >= last + LEAST;
    let id_room = match (run, has_last) {
        (true, _) => free.saturating_sub(outcome).max(LEAST),
        (false, true) => (free - 3) / 2,
        (false, false) => free.max(LEAST),
    };
    let mut builder = Builder::default();
    let shown = |cells: [String; 5]| {
        let keep = [true, true, true, has_agent, has_last];
        cells.into_iter().zip(keep).filter_map(|(cell, keep)| keep.then_some(cell)).collect::<Vec<_>>()
    };
    let head = ["#", "trajectory", "steps", "agent", if run { "outcome" } else { "begins with" }];
    builder.push_record(shown(head.map(str::to_owned)));
    for (index, row) in rows.iter().enumerate() {
        let id = match &row.id {
            Some(id) => cut(&name(&masked(id)), id_room),
            // Files of a folder differ at the end of their paths.
            None => cut_front(&row.place, id_room),
        };
        let last =
            if run { row.outcome().to_owned() } else { cut(&row.begins, free.saturating_sub(3 + id_room)) };
        builder.push_record(shown([(index + 1).to_string(), id, row.steps.clone(), row.agent.clone(), last]));
    }
    let mut table = builder.build();
    let line = HorizontalLine::inherit(Style::modern());
    table.with(Style::modern_rounded().remove_horizontal().horizontals([(1, line)]));
    let more = count - rows.len();
    let rest = if more > 0 { format!("\nand {more} more") } else { String::new() };
    unmarked(&format!("{table}{rest}")).into_owned()
}

/// The end of a text, with `…` as its first column where something was cut.
fn cut_front(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let at = text.char_indices().map(|(at, _)| at).find(|at| width(&text[*at..]) < columns);
    format!("…{}", &text[at.unwrap_or(text.len())..])
}

/// The first words that the user says, or anybody.
fn begins(trajectory: &Trajectory) -> String {
    let user = trajectory.steps.iter().find(|step| step.source == Source::User && !step.frame);
    let Some(step) = user.or(trajectory.steps.first()) else { return String::new() };
    let text = step.message.text();
    one_line(&masked(&text[..text.floor_char_boundary(WORDS)]))
}
