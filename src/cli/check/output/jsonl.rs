//! One finding a line, as JSON.

use super::json::item_json;
use super::{Look, Output};
use crate::cli::check::Plan;
use crate::cli::check::judge::Checked;
use crate::util::text::json_unmarked;

pub(super) static ITEM: Output = Output { name: "jsonl", about: "one finding a line, as JSON", render };

fn render(checked: &Checked, _: &Plan, _: &Look<'_>) -> String {
    checked.items.iter().map(|item| json_unmarked(&format!("{}\n", item_json(item))).into_owned()).collect()
}
