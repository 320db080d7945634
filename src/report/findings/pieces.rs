//! JSON that is written piece by piece, the same bytes as if it were one value: a log of millions of findings is
//! never held whole.

use crate::util::text::json_unmarked;
use serde_json::Value;
use std::io::{self, Write};

/// A value over several lines, those behind the first one indented as deep as it stands. Nothing in it steers a
/// terminal or a CI service.
pub fn indented(value: &Value, depth: usize) -> String {
    let text = format!("{value:#}");
    json_unmarked(&text).replace('\n', &format!("\n{}", "  ".repeat(depth)))
}

/// A list as a member of an object, element by element; no comma stands behind it.
///
/// # Errors
/// Those of the elements and of `out`.
pub fn list(
    out: &mut dyn Write,
    depth: usize,
    name: &str,
    elements: impl Iterator<Item = io::Result<Value>>,
) -> io::Result<()> {
    let margin = "  ".repeat(depth);
    let mut any = false;
    write!(out, "{margin}\"{name}\": [")?;
    for element in elements {
        write!(out, "{}\n{margin}  {}", if any { "," } else { "" }, indented(&element?, depth + 1))?;
        any = true;
    }
    if any { write!(out, "\n{margin}]") } else { out.write_all(b"]") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn pieces_are_the_bytes_of_the_whole() {
        for elements in [vec![], vec![json!(1)], vec![json!({"a": ["b\n", {}]}), json!([]), json!("é")]] {
            let whole = format!("{:#}", json!({ "list": elements }));
            let mut out = b"{\n".to_vec();
            list(&mut out, 1, "list", elements.into_iter().map(Ok)).expect("written");
            assert_eq!(format!("{}\n}}", String::from_utf8(out).expect("UTF-8")), whole);
        }
    }
}
