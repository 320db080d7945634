//! `1 task`, `2 tasks`.

/// `count` and the noun, with an `s` unless there is exactly one.
pub fn plural(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}
