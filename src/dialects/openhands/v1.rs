//! Runtime `openhands-v1`: the software agent SDK (August 2026).

use super::super::{Runtime, RuntimeReading};
use super::runtime::{self, Habits};
use super::write;
use crate::model::{ToolCall, ToolDef};

pub(super) const RUNTIME: Runtime = Runtime { name: "openhands-v1", read, write: write_calls };

static HABITS: Habits = Habits {
    call: &runtime::CALL_V1,
    strips_values: true,
    always_appends: false,
    unwraps: true,
    aliases: &[
        ("str_replace_editor", "file_editor"),
        ("bash", "terminal"),
        ("execute_bash", "terminal"),
        ("str_replace", "file_editor"),
    ],
    never_missing: &["security_risk"],
    crashes_without_properties: false,
};

fn read(text: &str, tools: &[ToolDef], next_id: u32) -> RuntimeReading {
    runtime::read(text, tools, next_id, &HABITS)
}

fn write_calls(content: &str, calls: &[ToolCall]) -> Result<String, String> {
    write::message(content, calls, true)
}
