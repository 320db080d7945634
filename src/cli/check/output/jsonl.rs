//! One finding a line, as JSON.

use super::json::item_json;
use super::{Look, Output};
use crate::cli::check::Plan;
use crate::cli::check::judge::Checked;
use crate::util::text::json_unmarked;
use std::io::{self, Write};

pub(super) static ITEM: Output = Output { name: "jsonl", about: "one finding a line, as JSON", render };

fn render(checked: &Checked, _: &Plan, _: &Look<'_>, out: &mut dyn Write) -> io::Result<()> {
    for item in checked.items.iter() {
        out.write_all(json_unmarked(&format!("{}\n", item_json(&item?))).as_bytes())?;
    }
    Ok(())
}
