//! SL022 hidden-visible: a hidden check lies where the agent finds it.

use super::{Check, Found, Lint, Look};
use crate::model::Severity;
use crate::suite::FileSpec;

pub(super) static ITEM: Lint = Lint {
    id: "SL022",
    name: "hidden-visible",
    about: "a hidden check lies where the agent finds it",
    since: "0.1.0",
    severity: Severity::Error,
    manual: include_str!("hidden_visible.md"),
    check: Check::Suite(check),
};

/// Bytes of a text that is looked for inside others.
const ENOUGH: usize = 48;

fn check(look: &Look<'_>, found: &mut Found) {
    for task in &look.suite.tasks {
        for (name, hidden) in &task.hidden {
            for (path, visible) in &task.files {
                if holds(visible, hidden) {
                    let text = format!("the agent finds the hidden check 'tests/{name}' in '{path}'");
                    found.add(Some(&task.id), look.visible(task, path), text);
                }
            }
            let prompt = FileSpec { bytes: task.prompt.clone().into_bytes(), executable: false };
            if holds(&prompt, hidden) {
                let text = format!("the prompt holds the hidden check 'tests/{name}'");
                found.add(Some(&task.id), look.prompt(task), text);
            }
        }
    }
}

fn holds(visible: &FileSpec, hidden: &FileSpec) -> bool {
    let hidden = hidden.bytes.trim_ascii();
    let visible = visible.bytes.trim_ascii();
    let said = hidden.iter().filter(|byte| byte.is_ascii_alphanumeric()).count();
    if said < 8 {
        return false;
    }
    visible == hidden || (hidden.len() >= ENOUGH && memchr::memmem::find(visible, hidden).is_some())
}
