//! `view`: a file with line numbers, or a folder two levels deep.

use super::super::Options;
use super::{Edit, Failed, failed, kind, load, numbered, text};
use crate::sandbox::{FileKind, FileStat, Files};
use std::fmt::Write;

pub(super) async fn run(files: &dyn Files, options: &Options, edit: &Edit<'_>) -> Result<String, Failed> {
    let path = edit.path;
    // A link may lead to a folder; only the sandbox can tell, by listing it.
    let listing = match kind(files, path).await? {
        Some(FileKind::Folder) => Some(files.list(path, 2).await.map_err(|error| failed(path, &error))?),
        Some(FileKind::Symlink) => files.list(path, 2).await.ok(),
        _ => None,
    };
    match listing {
        Some(entries) if edit.view_range.is_none() => Ok(folder(path, &entries)),
        Some(_) => Err(text(
            "Invalid `view_range` parameter. The `view_range` parameter is not allowed when `path` points to a directory.",
        )),
        None => file(&load(files, options, path).await?, path, edit.view_range),
    }
}

fn folder(path: &str, entries: &[FileStat]) -> String {
    let hidden = |entry: &&FileStat| entry.path.split('/').any(|part| part.starts_with('.'));
    let root = path.trim_end_matches('/');
    let mut out = format!(
        "Here's the files and directories up to 2 levels deep in {path}, excluding hidden items:\n{root}/"
    );
    for entry in entries.iter().filter(|entry| !hidden(entry)) {
        let slash = if entry.kind == FileKind::Folder { "/" } else { "" };
        let _ = write!(out, "\n{root}/{}{slash}", entry.path);
    }
    let count = entries.iter().filter(hidden).filter(|entry| !entry.path.contains('/')).count();
    if count > 0 {
        let _ = write!(
            out,
            "\n\n{count} hidden files/directories in this directory are excluded. You can use 'ls -la {root}/' to see \
             them.",
        );
    }
    out
}

fn file(content: &str, path: &str, range: Option<(i64, i64)>) -> Result<String, Failed> {
    let lines: Vec<&str> = lines(content);
    let count = lines.len() as i64;
    let Some((first, last)) = range else {
        return Ok(format!("Here's the result of running `cat -n` on {path}:\n{}", numbered(&lines, 1)));
    };
    let invalid = |why: String| text(format!("Invalid `view_range` parameter: [{first}, {last}]. {why}"));
    if first < 1 || first > count {
        return Err(invalid(format!(
            "Its first element `{first}` should be within the range of lines of the file: [1, {count}]."
        )));
    }
    if last != -1 && last < first {
        return Err(invalid(format!(
            "Its second element `{last}` should be greater than or equal to the first element `{first}`."
        )));
    }
    let mut note = String::new();
    let end = if last == -1 || last > count { count } else { last };
    if last > count {
        note = format!("NOTE: We only show up to {count} since there're only {count} lines in this file.\n");
    }
    let shown = numbered(&lines[first as usize - 1..end as usize], first as usize);
    Ok(format!("{note}Here's the result of running `cat -n` on {path}:\n{shown}"))
}

/// The lines without their ends; a last newline begins no line, an empty file has one.
pub(super) fn lines(content: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = content.split('\n').collect();
    if lines.len() > 1 && lines.last() == Some(&"") {
        lines.pop();
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(content: &str, range: Option<(i64, i64)>) -> String {
        match file(content, "/f", range) {
            Ok(text) | Err(Failed::Text(text)) => text,
            Err(Failed::Sandbox(error)) => error.message,
        }
    }

    #[test]
    fn lines_are_numbered() {
        assert_eq!(
            shown("a\n\tb\n", None),
            "Here's the result of running `cat -n` on /f:\n     1\ta\n     2\t\tb\n"
        );
        assert_eq!(shown("", None), "Here's the result of running `cat -n` on /f:\n     1\t\n");
        assert!(shown("a\nb\nc", Some((2, -1))).ends_with(":\n     2\tb\n     3\tc\n"));
        assert!(
            shown("a\nb\nc", Some((2, 9)))
                .starts_with("NOTE: We only show up to 3 since there're only 3 lines")
        );
    }

    #[test]
    fn ranges_outside_are_refused() {
        assert!(shown("a\nb", Some((0, 1))).contains("[1, 2]"));
        assert!(shown("a\nb", Some((3, 4))).contains("`3` should be within the range"));
        assert!(shown("a\nb", Some((2, 1))).contains("greater than or equal"));
        assert!(shown("a\nb", Some((i64::MAX, i64::MIN))).contains("Invalid `view_range`"));
    }
}
