//! `create`, `str_replace`, `insert`, `undo_edit`.

use super::super::Options;
use super::view::lines;
use super::{Edit, Failed, History, kind, load, numbered, store, text};
use crate::sandbox::{FileKind, Files};

/// Lines that are shown before and after an edit.
const CONTEXT: usize = 4;

pub(super) async fn create(files: &dyn Files, edit: &Edit<'_>) -> Result<String, Failed> {
    let path = edit.path;
    let content = edit.need(edit.file_text, "file_text")?;
    if kind(files, path).await?.is_some() {
        return Err(text(format!(
            "Invalid `path` parameter: {path}. File already exists at: {path}. Cannot overwrite files using command \
             `create`."
        )));
    }
    store(files, path, content).await?;
    Ok(format!("File created successfully at: {path}"))
}

pub(super) async fn str_replace(
    files: &dyn Files,
    history: &mut History,
    options: &Options,
    edit: &Edit<'_>,
) -> Result<String, Failed> {
    let path = edit.path;
    let old = edit.need(edit.old_str, "old_str")?;
    let new = edit.new_str.unwrap_or_default();
    refuse_folder(files, edit).await?;
    if old == new {
        return Err(text(
            "Invalid `new_str` parameter: the text is the same as `old_str`. `new_str` and `old_str` must be different.",
        ));
    }
    let content = load(files, options, path).await?;
    let (at, old, new) = locate(&content, old, new, path)?;
    let changed = [&content[..at], new, &content[at + old.len()..]].concat();
    store(files, path, &changed).await?;
    let line = content[..at].matches('\n').count();
    let shown = snippet(&changed, line, new.matches('\n').count());
    history.keep(path, content);
    Ok(format!(
        "The file {path} has been edited. Here's the result of running `cat -n` on a snippet of {path}:\n{shown}\
         Review the changes and make sure they are as expected. Edit the file again if necessary."
    ))
}

/// Where the only `old` stands, and the texts that were meant.
fn locate<'a>(
    content: &str,
    old: &'a str,
    new: &'a str,
    path: &str,
) -> Result<(usize, &'a str, &'a str), Failed> {
    let mut tried = (old, new);
    if old.is_empty() || !content.contains(old) {
        tried = (old.trim(), new.trim());
    }
    let (found, new) = tried;
    let absent =
        || text(format!("No replacement was performed, old_str `{old}` did not appear verbatim in {path}."));
    if found.is_empty() {
        return Err(absent());
    }
    let places: Vec<usize> = memchr::memmem::find_iter(content.as_bytes(), found.as_bytes()).collect();
    match places.as_slice() {
        [] => Err(absent()),
        [at] => Ok((*at, found, new)),
        _ => {
            let mut at_lines: Vec<usize> =
                places.iter().map(|at| content[..*at].matches('\n').count() + 1).collect();
            at_lines.dedup();
            Err(text(format!(
                "No replacement was performed. Multiple occurrences of old_str `{old}` in lines {at_lines:?}. Please \
                 ensure it is unique."
            )))
        }
    }
}

pub(super) async fn insert(
    files: &dyn Files,
    history: &mut History,
    options: &Options,
    edit: &Edit<'_>,
) -> Result<String, Failed> {
    let path = edit.path;
    let line = edit.need(edit.insert_line, "insert_line")?;
    let new = edit.need(edit.new_str, "new_str")?;
    refuse_folder(files, edit).await?;
    let content = load(files, options, path).await?;
    let count = if content.is_empty() { 0 } else { lines(&content).len() };
    let Some(line) = usize::try_from(line).ok().filter(|line| *line <= count) else {
        return Err(text(format!(
            "Invalid `insert_line` parameter: {line}. It should be within the range of lines of the file: [0, {count}]"
        )));
    };
    let at = content.split_inclusive('\n').take(line).map(str::len).sum::<usize>();
    let mut changed = content[..at].to_owned();
    if at > 0 && !changed.ends_with('\n') {
        changed.push('\n');
    }
    changed.push_str(new);
    if at < content.len() && !new.ends_with('\n') {
        changed.push('\n');
    }
    changed.push_str(&content[at..]);
    store(files, path, &changed).await?;
    let shown = snippet(&changed, line, lines(new).len().saturating_sub(1));
    history.keep(path, content);
    Ok(format!(
        "The file {path} has been edited. Here's the result of running `cat -n` on a snippet of the edited file:\n{shown}\
         Review the changes and make sure they are as expected (correct indentation, no duplicate lines, etc). Edit the \
         file again if necessary."
    ))
}

pub(super) async fn undo(
    files: &dyn Files,
    history: &mut History,
    options: &Options,
    edit: &Edit<'_>,
) -> Result<String, Failed> {
    let path = edit.path;
    refuse_folder(files, edit).await?;
    let Some(old) = history.take(path) else {
        return Err(text(format!("No edit history found for {path}.")));
    };
    if let Err(error) = store(files, path, &old).await {
        history.keep(path, old);
        return Err(error);
    }
    let content = load(files, options, path).await?;
    let all = numbered(&lines(&content), 1);
    Ok(format!(
        "Last edit to {path} undone successfully. Here's the result of running `cat -n` on {path}:\n{all}"
    ))
}

async fn refuse_folder(files: &dyn Files, edit: &Edit<'_>) -> Result<(), Failed> {
    match kind(files, edit.path).await? {
        Some(FileKind::Folder) => Err(text(format!(
            "Invalid `path` parameter: {}. It is a directory, and only the `view` command can be used on directories.",
            edit.path
        ))),
        _ => Ok(()),
    }
}

/// The lines around an edit that begins at line `first` (from 0) and holds `more` newlines.
fn snippet(content: &str, first: usize, more: usize) -> String {
    let all = lines(content);
    let start = first.saturating_sub(CONTEXT).min(all.len());
    let end = (first + more + CONTEXT + 1).min(all.len());
    numbered(&all[start..end.max(start)], start + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn located(content: &str, old: &str, new: &str) -> Result<String, String> {
        match locate(content, old, new, "/f") {
            Ok((at, old, new)) => Ok([&content[..at], new, &content[at + old.len()..]].concat()),
            Err(Failed::Text(text)) => Err(text),
            Err(Failed::Sandbox(error)) => Err(error.message),
        }
    }

    #[test]
    fn only_a_unique_text_is_replaced() {
        assert_eq!(located("a\n  b\nc", "  b\n", "  d\n"), Ok("a\n  d\nc".into()));
        assert_eq!(located("x = 1\n", "\n  x = 1  \n", " y = 2 "), Ok("y = 2\n".into()));
        let error = located("a\nb\na\n", "a", "c").unwrap_err();
        assert_eq!(
            error,
            "No replacement was performed. Multiple occurrences of old_str `a` in lines [1, 3]. Please ensure it is \
             unique."
        );
        let error = located("abc", "zzz", "c").unwrap_err();
        assert_eq!(error, "No replacement was performed, old_str `zzz` did not appear verbatim in /f.");
        assert!(located("abc", "", "x").is_err() && located("abc", "  ", "x").is_err());
    }

    #[test]
    fn the_snippet_has_four_lines_around() {
        let content: String = (1..=20).map(|line| format!("{line}\n")).collect();
        let shown = snippet(&content, 9, 1);
        assert!(shown.starts_with("     6\t6\n") && shown.ends_with("    15\t15\n"), "{shown}");
        assert_eq!(snippet("", 0, 0), "     1\t\n");
    }
}
