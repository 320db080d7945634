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

/// What the table tells of a trajectory.
pub(super) struct Row {
    pub(super) id: Option<String>,
    place: String,
    steps: usize,
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
            steps: steps.len(),
            agent: agent.name.clone(),
            outcome: picked.record.as_ref().map(|record| record.outcome.word()),
            begins: begins(&picked.trajectory),
        }
    }
}

/// Number, name, outcome, steps, agent and first words of each; `count` of them are there in all.
pub(super) fn table(rows: &[Row], count: usize, columns: usize) -> String {
    let run = rows.iter().any(|row| row.outcome.is_some());
    // The id of an attempt says what it is about.
    let (id_room, text_room) = match columns.saturating_sub(36).max(40) {
        room if run => (room, 0),
        room => (room / 2, room / 2),
    };
    let mut builder = Builder::default();
    let last = if run { "outcome" } else { "begins with" };
    builder.push_record(["#", "trajectory", "steps", "agent", last]);
    for (index, row) in rows.iter().enumerate() {
        let id = match &row.id {
            Some(id) => cut(&name(&masked(id)), id_room),
            // Files of a folder differ at the end of their paths.
            None => cut_front(&row.place, id_room),
        };
        let last = match row.outcome {
            Some(outcome) => outcome.to_owned(),
            // Of a try that was made again, or of a record that was lost.
            None if run => "no record".to_owned(),
            None => cut(&row.begins, text_room),
        };
        let agent = match row.agent.as_str() {
            "" => "unknown".to_owned(),
            agent => cut(&name(&masked(agent)), 16),
        };
        builder.push_record([(index + 1).to_string(), id, row.steps.to_string(), agent, last]);
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
