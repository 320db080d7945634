//! Runtime `openhands-v0`: the last of the 0.x line (November 2025).

use super::super::{Runtime, RuntimeReading};
use super::runtime::{self, Habits};
use super::write;
use crate::model::{ToolCall, ToolDef};

pub(super) const RUNTIME: Runtime = Runtime { name: "openhands-v0", read, write: write_calls };

static HABITS: Habits = Habits {
    call: &runtime::CALL_V0,
    strips_values: false,
    always_appends: true,
    unwraps: false,
    aliases: &[],
    never_missing: &[],
    crashes_without_properties: true,
};

fn read(text: &str, tools: &[ToolDef], next_id: u32) -> RuntimeReading {
    runtime::read(text, tools, next_id, &HABITS)
}

fn write_calls(content: &str, calls: &[ToolCall]) -> Result<String, String> {
    write::message(content, calls, false)
}
