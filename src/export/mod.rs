//! Export targets: from trajectories to data sets for training. One file a target.
//!
//! A trajectory becomes a canonical [`Dialogue`] (`convert`, pure), dialogues become units (a row, a
//! pair, a group: `units`), a target writes a unit as rows and reads them back. Invariants: the same
//! input gives the same bytes; what gives no row is rejected with a [`Reason`] and listed; no row with a
//! secret is written; a folder under its final name is whole. Must not know: engine, back ends, how the
//! sources were opened.

mod build;
mod card;
mod convert;
mod dialogue;
mod error;
mod folder;
mod guard;
mod intake;
mod messages;
mod reason;
mod shape;
mod split;
mod spool;
mod table;
mod units;
mod verify;

use serde_json::{Map, Value};

pub use build::{Built, Plan, build};
pub use convert::{Ask, Calls, Think, dialogue};
pub use dialogue::{Call, Dialogue, Notes, Role, Turn};
pub use error::ExportError;
pub use folder::{Facts, RunFacts, SourceFacts, Stage};
pub use guard::{Guard, Leak};
pub use intake::{Entry, Intake, Meta, Only, Verdict};
pub use reason::{Reason, Reject};
pub use split::Splits;
pub use units::Caps;
pub use verify::{Found, Recorded, Verified, open};

registry! {
    /// All targets, in the order of `list targets`.
    Target: openai_sft, trl_sft, trl_dpo, trl_grpo, sharegpt
}

/// The target of that name.
pub fn find(name: &str) -> Option<&'static Target> {
    ALL.iter().copied().find(|target| target.name == name)
}

/// What a row is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Units {
    /// One trajectory.
    Rows,
    /// Two attempts of one task.
    Pairs,
    /// All attempts of one task and subject.
    Groups,
}

/// An export target.
pub struct Target {
    /// Name as in `--target NAME`.
    pub name: &'static str,
    /// One line for `list targets`.
    pub about: &'static str,
    /// How arguments of calls are written: `object` or `string`.
    pub arguments: &'static str,
    /// Roles that messages may have, and their order.
    pub roles: &'static str,
    /// How a row must end.
    pub ends: &'static str,
    /// Columns.
    pub container: &'static str,
    /// What a row is made of.
    pub units: Units,
    /// Whether turns can be left out of training.
    pub masks: bool,
    /// Whether reasoning has a field of its own.
    pub reasoning: bool,
    /// Folders of its tables below the output folder; the first one is the default.
    pub tables: &'static [&'static str],
    /// Columns that hold numbers with a fraction even where no row has one.
    pub floats: &'static [&'static str],
    /// Writes a unit.
    pub write: fn(&Unit<'_>) -> Result<Vec<Row>, Reject>,
    /// Reads a row of a table back: the dialogues in it, in the order of its sources.
    pub read: fn(table: usize, row: &Value) -> Result<Vec<Vec<Turn>>, String>,
    /// Turns of a source's dialogue as the target has them, to compare with what was read back.
    pub as_read: fn(&Dialogue) -> Result<Vec<Turn>, Reject>,
    /// Other files of the folder: name and text.
    pub extra: fn(splits: &[&str]) -> Vec<(&'static str, String)>,
}

/// An attempt with its dialogue.
#[derive(Debug, Clone)]
pub struct Member<'a> {
    /// Index among the candidates.
    pub index: usize,
    /// What is known of it.
    pub meta: &'a Meta,
    /// What was said.
    pub dialogue: Dialogue,
}

/// How a pair came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PairKind {
    /// One passed, the other did not.
    Outcome,
    /// Same outcome, one breaks the call format.
    Format,
}

/// What a target writes.
pub enum Unit<'a> {
    /// A trajectory.
    Row(&'a Member<'a>),
    /// Two attempts that part at turn `cut`.
    Pair {
        /// The better one.
        chosen: &'a Member<'a>,
        /// The worse one.
        rejected: &'a Member<'a>,
        /// Why it is better.
        kind: PairKind,
        /// Turns that both have in common.
        cut: usize,
        /// Whether all turns behind the cut go in, or the first alone.
        rest: bool,
    },
    /// The prompt of a task, with the attempts made of it.
    Prompt(&'a [Member<'a>]),
    /// Attempts of one prompt by one subject.
    Group(&'a [Member<'a>]),
}

/// A row as a target writes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Index of its table.
    pub table: usize,
    /// Columns.
    pub columns: Map<String, Value>,
    /// Candidates it is made of, each with how many turns of its dialogue the row holds.
    pub parts: Vec<(usize, usize)>,
}

impl Row {
    /// A row of one table.
    fn new(table: usize, columns: Value, parts: Vec<(usize, usize)>) -> Self {
        let columns = match columns {
            Value::Object(columns) => columns,
            other => Map::from_iter([("value".to_owned(), other)]),
        };
        Self { table, columns, parts }
    }
}

/// Turns as they are, for targets that change nothing.
fn same_turns(dialogue: &Dialogue) -> Result<Vec<Turn>, Reject> {
    Ok(dialogue.turns.clone())
}

/// No file but the tables.
fn no_extra(_splits: &[&str]) -> Vec<(&'static str, String)> {
    Vec::new()
}
