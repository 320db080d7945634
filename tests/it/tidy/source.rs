//! Rust source as the tidy tests read it: without comments, strings and test-only items.

use std::path::{Path, PathBuf};

/// One source file.
pub(super) struct Source {
    /// Path relative to the root, with `/`.
    pub(super) path: String,
    /// The file as it is.
    pub(super) text: String,
    /// Same lines; comments, contents of strings and `#[cfg(test)]` items are blanks.
    pub(super) code: String,
}

impl Source {
    pub(super) fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned(), code: without_tests(&without_text(text)) }
    }

    /// All Rust files below a folder of the package, sorted.
    pub(super) fn below(root: &Path, folder: &str) -> Vec<Source> {
        let mut files: Vec<PathBuf> = walkdir::WalkDir::new(root.join(folder))
            .into_iter()
            .filter_map(Result::ok)
            .map(walkdir::DirEntry::into_path)
            .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
            .collect();
        files.sort();
        files
            .iter()
            .map(|path| {
                let name = path.strip_prefix(root).expect("it was found below").to_string_lossy();
                Source::new(&name, &crate::support::read(path))
            })
            .collect()
    }

    /// The module right under the crate root that the file belongs to; `None` for the roots themselves.
    pub(super) fn module(&self) -> Option<&str> {
        let inner = self.path.strip_prefix("src/")?;
        let first = inner.split('/').next()?;
        let name = first.strip_suffix(".rs").unwrap_or(first);
        (!matches!(name, "lib" | "main" | "macros")).then_some(name)
    }

    /// How many `super::` lead from the file's own module to the crate root.
    fn depth(&self) -> usize {
        let parts = self.path.trim_start_matches("src/").trim_end_matches(".rs").split('/');
        parts.filter(|part| *part != "mod").count()
    }

    /// Modules under the crate root that the code names, with line numbers from 1.
    pub(super) fn uses(&self) -> Vec<(usize, String)> {
        let mut found = names_after(&self.code, "crate::");
        let up = "super::".repeat(self.depth());
        found.extend(names_after(&self.code, &up));
        found.sort();
        found
    }

    /// Lines of code that are not blank.
    pub(super) fn code_lines(&self) -> usize {
        self.code.lines().filter(|line| !line.trim().is_empty()).count()
    }

    /// Names listed in `registry! { … : a, b }`, if the file has one.
    pub(super) fn registered(&self) -> Option<Vec<String>> {
        let body = self.code.split_once("registry! {")?.1.split_once('}')?.0;
        // The type may be a path: the list stands after the last single colon.
        let spaced = body.replace("::", "  ");
        let list = spaced.rsplit_once(':')?.1;
        Some(list.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect())
    }
}

/// The names that follow a path prefix, alone or in braces.
fn names_after(code: &str, prefix: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices(prefix) {
        let before = code[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':' || c == '$') {
            continue;
        }
        let line = code[..at].matches('\n').count() + 1;
        let rest = &code[at + prefix.len()..];
        let names = match rest.strip_prefix('{') {
            Some(group) => group_names(group),
            None => vec![identifier(rest)],
        };
        found.extend(names.into_iter().filter(|name| !name.is_empty()).map(|name| (line, name)));
    }
    found
}

/// First names of each path in `a::b, c::{d, e}, f}`.
fn group_names(group: &str) -> Vec<String> {
    let (mut names, mut depth, mut start) = (Vec::new(), 0_usize, true);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => start = true,
            c if start && !c.is_whitespace() => {
                names.push(identifier(&group[at..]));
                start = false;
            }
            _ => {}
        }
    }
    names
}

fn identifier(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// Blanks comments and the contents of string and character literals; line breaks stay.
fn without_text(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = match bytes[at] {
            b'/' if bytes[at..].starts_with(b"//") => find(bytes, at, b"\n"),
            b'/' if bytes[at..].starts_with(b"/*") => block_comment(bytes, at),
            b'r' | b'b' | b'c' if !is_word(bytes, at.wrapping_sub(1)) => raw_string(bytes, at).unwrap_or(at),
            b'"' => quoted(bytes, at + 1),
            b'\'' => character(bytes, at),
            _ => {
                at += 1;
                continue;
            }
        };
        for byte in &mut out[at..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at = end.max(at + 1);
    }
    String::from_utf8(out).expect("only whole literals and comments were blanked")
}

fn is_word(bytes: &[u8], at: usize) -> bool {
    bytes.get(at).is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

fn find(bytes: &[u8], from: usize, needle: &[u8]) -> usize {
    bytes[from..].windows(needle.len()).position(|window| window == needle).map_or(bytes.len(), |n| from + n)
}

fn block_comment(bytes: &[u8], from: usize) -> usize {
    let (mut at, mut depth) = (from, 0);
    while at < bytes.len() {
        if bytes[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if bytes[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    at
}

/// The end of `r"…"`, `br#"…"#`, `c"…"` and the like that begins here; `None` if none does.
fn raw_string(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    while matches!(bytes.get(at), Some(b'r' | b'b' | b'c')) && at < from + 2 {
        at += 1;
    }
    let raw = bytes[from..at].contains(&b'r');
    let hashes = bytes[at..].iter().take_while(|byte| **byte == b'#').count();
    if bytes.get(at + hashes) != Some(&b'"') || (!raw && hashes > 0) {
        return None;
    }
    if !raw {
        return Some(quoted(bytes, at + 1));
    }
    let close = [b"\"".as_slice(), &b"#".repeat(hashes)].concat();
    Some((find(bytes, at + hashes + 1, &close) + close.len()).min(bytes.len()))
}

fn quoted(bytes: &[u8], mut at: usize) -> usize {
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// The end of a character literal, or of the tick of a lifetime.
fn character(bytes: &[u8], at: usize) -> usize {
    if bytes.get(at + 1) == Some(&b'\\') {
        return (find(bytes, at + 3, b"'") + 1).min(bytes.len());
    }
    let width = bytes.get(at + 1).map_or(0, |first| match first {
        0x00..=0x7f => 1,
        0x80..=0xdf => 2,
        0xe0..=0xef => 3,
        _ => 4,
    });
    if bytes.get(at + 1 + width) == Some(&b'\'') { at + width + 2 } else { at + 1 }
}

/// Blanks items behind `#[cfg(test)]`.
fn without_tests(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut out = code.to_owned();
    while let Some(start) = out.find(MARK) {
        let rest = &out[start..];
        let end = match (rest.find('{'), rest.find(';')) {
            (Some(brace), semicolon) if semicolon.is_none_or(|at| brace < at) => closing(rest, brace),
            (_, Some(semicolon)) => semicolon + 1,
            _ => rest.len(),
        };
        let blank: String = rest[..end]
            .chars()
            .map(|c| if c == '\n' { "\n".into() } else { " ".repeat(c.len_utf8()) })
            .collect();
        out.replace_range(start..start + end, &blank);
    }
    out
}

fn closing(text: &str, open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, byte) in text.bytes().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    text.len()
}

#[test]
fn comments_strings_and_tests_are_no_code() {
    let text = "use crate::a; // crate::b\nlet x = \"crate::c\"; let y = r#\"crate::d\"#; let q = '\"';\n/* crate::e /* */ crate::f */\n\
                fn f<'a>() { crate::g::h() }\n#[cfg(test)]\nmod tests { use crate::i; }\nuse crate::{j::k, l::{m}, n};\n";
    let source = Source::new("src/z/mod.rs", text);
    let names: Vec<_> = source.uses().into_iter().map(|(line, name)| format!("{line}{name}")).collect();
    assert_eq!(names, ["1a", "4g", "7j", "7l", "7n"]);
    assert_eq!(
        Source::new("src/z/a/b.rs", "use super::super::super::q; use super::r;").uses(),
        [(1, "q".into())]
    );
}

#[test]
fn the_names_of_a_registry_are_read() {
    let source =
        Source::new("src/z/mod.rs", "registry! {\n    /// All: of them.\n    super::Kind: a, b_c\n}\n");
    assert_eq!(source.registered(), Some(vec!["a".to_owned(), "b_c".to_owned()]));
}
