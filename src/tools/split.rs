//! How many statements a command holds: only one is run at a time.
//!
//! Only newlines divide; `a; b`, `a && b`, a loop over lines or a here-document are one statement. What
//! the parser does not understand counts as one statement, and bash says what is wrong with it.

use brush_parser::ast::SourceLocation;
use brush_parser::{Parser, ParserOptions};

/// More text than this on several lines is not parsed: a generated script, not several commands.
const MAX_PARSED: usize = 256 << 10;
/// More brackets and keywords open at once than this are not parsed: the parser backtracks, and its time grows
/// exponentially with the nesting.
const MAX_DEPTH: usize = 6;
/// Stack of the parsing thread. Address space only, until it is used.
const STACK: usize = 256 << 20;

/// The statements of `command`, comments and blank lines left out. Empty for an empty command.
pub(super) fn statements(command: &str) -> Vec<String> {
    let command = command.trim();
    if command.is_empty() {
        return Vec::new();
    }
    if !command.contains('\n') || command.len() > MAX_PARSED || depth(command) > MAX_DEPTH {
        return vec![command.to_owned()];
    }
    let text = command.to_owned();
    let parser = std::thread::Builder::new().stack_size(STACK).spawn(move || parse(&text));
    match parser.map(std::thread::JoinHandle::join) {
        Ok(Ok(Some(parts))) if parts.len() > 1 => parts,
        // No thread, a panic in the parser, or nothing to divide.
        _ => vec![command.to_owned()],
    }
}

/// Where each statement starts is certain; it reaches to the next one's start.
fn parse(command: &str) -> Option<Vec<String>> {
    let options = ParserOptions::default();
    let program = Parser::new(std::io::Cursor::new(command.as_bytes()), &options).parse_program().ok()?;
    let starts: Option<Vec<usize>> =
        program.complete_commands.iter().map(|command| command.location().map(|at| at.start.index)).collect();
    let starts = starts?;
    // The parser counts characters.
    let bytes: Vec<usize> =
        command.char_indices().map(|(at, _)| at).chain(std::iter::once(command.len())).collect();
    let mut parts = Vec::with_capacity(starts.len());
    for (index, start) in starts.iter().enumerate() {
        let end = starts.get(index + 1).map_or(command.len(), |end| bytes[(*end).min(bytes.len() - 1)]);
        let part = command.get(bytes[(*start).min(bytes.len() - 1)]..end)?;
        parts.push(without_trailing_comments(part).to_owned());
    }
    Some(parts)
}

/// `text` without the comment lines and blanks at its end.
fn without_trailing_comments(text: &str) -> &str {
    let mut text = text.trim_end();
    while let Some((before, line)) = text.rsplit_once('\n') {
        if !line.trim_start().starts_with('#') {
            break;
        }
        text = before.trim_end();
    }
    text
}

/// The most brackets that are ever open, quotes ignored: an upper bound for the parser's recursion.
fn depth(text: &str) -> usize {
    let mut open = 0usize;
    let mut most = 0;
    for byte in text.bytes() {
        match byte {
            b'(' | b'{' | b'[' => open += 1,
            b')' | b'}' | b']' => open = open.saturating_sub(1),
            _ => {}
        }
        most = most.max(open);
    }
    let keywords = ["if ", "while ", "until ", "for ", "case ", "do\n"];
    most + keywords.iter().map(|word| text.matches(word).count()).sum::<usize>().saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(command: &str) -> usize {
        statements(command).len()
    }

    #[test]
    fn one_statement_may_have_many_lines() {
        for command in [
            "echo a",
            "echo a; echo b",
            "a &&\nb",
            "for i in 1 2; do\n  echo $i\ndone",
            "cat <<EOF > f\nline one\n\nline two\nEOF",
            "cat <<'EOF'\n$(not run)\n\"unclosed\nEOF",
            "python3 -c \"\nimport os\nprint(1)\n\"",
            "f() {\n  echo 1\n  echo 2\n}",
            "echo a \\\n  b \\\n  c",
            "# what it does\necho a",
            "echo a\n# done",
            "(cd x\nls)",
            "if true; then\n  a\nelse\n  b\nfi",
            "case $x in\n  a) echo 1;;\n  *) echo 2;;\nesac",
            "arr=(1\n2\n3)",
            "a |\nb",
            "echo $(\nls\n)",
            "[[ a == b &&\n c == d ]]",
        ] {
            assert_eq!(count(command), 1, "{command:?}: {:?}", statements(command));
        }
        assert_eq!(count(" \n "), 0);
    }

    #[test]
    fn several_statements_are_told_apart() {
        assert_eq!(statements("echo é\nls -l\n"), ["echo é", "ls -l"]);
        let command = "cat > f <<EOF\na\nEOF\n# then\npython f\n\n\necho done; ls";
        assert_eq!(statements(command), ["cat > f <<EOF\na\nEOF", "python f", "echo done; ls"]);
        assert_eq!(statements("cd /tmp &\nx=1\n# end"), ["cd /tmp &", "x=1"]);
    }

    #[test]
    fn what_is_not_shell_counts_as_one() {
        for command in ["echo \"a\nb", "if true\nfi", ")\n(", "for\n\n", "\u{0}\n\u{1}"] {
            assert_eq!(count(command), 1, "{command:?}");
        }
    }

    #[test]
    fn hostile_nesting_and_size_end_quickly() {
        let start = std::time::Instant::now();
        for piece in ["(", "$(", "{ ", "if true; then\n", "((", "`", "[[ ", "case x in\n", "while "] {
            statements(&format!("{}\necho", piece.repeat(5_000)));
            statements(&format!("{}\necho", piece.repeat(5)));
        }
        statements(&"echo a\n".repeat(300));
        assert!(start.elapsed().as_secs() < 60, "{:?}", start.elapsed());
    }
}
