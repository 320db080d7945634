//! A command line as words: blanks divide, quotes and backslashes keep together. Nothing is expanded.

/// The words of `line`; `None` if a quote is not closed.
pub(super) fn split(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut rest = line.chars();
    while let Some(c) = rest.next() {
        match c {
            ' ' | '\t' | '\n' => words.extend(word.take()),
            '\'' => quoted(&mut rest, '\'', word.get_or_insert_default())?,
            '"' => quoted(&mut rest, '"', word.get_or_insert_default())?,
            '\\' => word.get_or_insert_default().push(rest.next()?),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Some(words)
}

/// Takes up to the closing quote.
fn quoted(rest: &mut std::str::Chars<'_>, quote: char, word: &mut String) -> Option<()> {
    loop {
        match rest.next()? {
            c if c == quote => return Some(()),
            '\\' if quote == '"' => match rest.next()? {
                c @ ('"' | '\\') => word.push(c),
                other => word.extend(['\\', other]),
            },
            other => word.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_a_shell_without_expansion() {
        let words = |line: &str| split(line).map(|words| words.join("|"));
        assert_eq!(words("python3  agent.py {prompt}").as_deref(), Some("python3|agent.py|{prompt}"));
        assert_eq!(words(r#"a 'b c' "d \"e\" \n" f\ g '' $H"#).as_deref(), Some(r#"a|b c|d "e" \n|f g||$H"#));
        assert_eq!(words("  "), Some(String::new()));
        assert_eq!(words("a 'b"), None);
        assert_eq!(words("a \\"), None);
    }
}
