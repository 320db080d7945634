//! Text diffs of observations and trajectories, on top of `similar`.
//!
//! Must not know: what the two sides mean. Invariant: bounded time and bounded output; what was
//! cut is said.

use similar::TextDiff;
use std::time::Duration;

/// A unified diff with three lines of context, at most `max_bytes` long; a cut says how much is missing.
pub fn unified(old: &str, new: &str, old_name: &str, new_name: &str, max_bytes: usize) -> String {
    let diff = TextDiff::configure().timeout(Duration::from_millis(500)).diff_lines(old, new);
    let text = diff.unified_diff().context_radius(3).header(old_name, new_name).to_string();
    if text.len() <= max_bytes {
        return text;
    }
    let mut end = max_bytes;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}\n[{} bytes of the diff are not shown]\n", &text[..end], text.len() - end)
}
