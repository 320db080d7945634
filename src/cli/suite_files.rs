//! Reads a suite's folder from disk for the pure parser, and shows its errors in the terminal.
//!
//! A link is followed only to a file inside the folder; what is not a regular file is refused, so
//! that a pipe can't hang the harness and a link can't carry a private file into a sandbox.

use crate::score;
use crate::suite::{self, FileSpec, Suite, SuiteError};
use crate::util::plural::plural;
use crate::util::text::printable;
use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use walkdir::{DirEntry, WalkDir};

/// Bytes that all files of a suite may have together.
const MAX_BYTES: u64 = 256 << 20;
/// Files that a suite may have.
const MAX_FILES: usize = 20_000;

/// Loads the suite in the folder `path` (or whose `suite.toml` is `path`), scorers' options checked
/// too. Errors: all at once, each naming its file.
pub fn load(path: &Path) -> Result<Suite, Vec<SuiteError>> {
    load_with_files(path).map(|(suite, _)| suite)
}

/// As [`load`], with all files of the suite by path from its folder.
pub fn load_with_files(path: &Path) -> Result<(Suite, BTreeMap<String, FileSpec>), Vec<SuiteError>> {
    let root = root_of(path)?;
    let files = read_folder(&root)?;
    let (suite, mut errors) = suite::read(&root.to_string_lossy(), &files);
    if let Some(Err(found)) = suite.as_ref().map(score::compile_all) {
        errors.extend(found);
    }
    match suite {
        Some(suite) if errors.is_empty() => Ok((suite, files)),
        _ => {
            suite::sort_errors(&mut errors);
            Err(errors)
        }
    }
}

/// The errors as people read them: one block an error, `path:line:column: sentence` and its hint.
pub fn render(errors: &[SuiteError]) -> String {
    let mut out = String::new();
    for error in errors {
        let place = match (error.line, error.column) {
            (0, _) => error.file.clone(),
            (line, column) => format!("{}:{line}:{column}", error.file),
        };
        out.push_str(&format!("error: {}: {}\n", printable(&place), printable(&error.message)));
        if let Some(hint) = &error.hint {
            out.push_str(&format!("hint: {}\n", printable(hint)));
        }
    }
    if errors.len() > 1 {
        out.push_str(&format!("found {}\n", plural(errors.len(), "error")));
    }
    out
}

fn whole(path: &Path, message: impl Into<String>, hint: Option<&str>) -> SuiteError {
    SuiteError {
        file: path.to_string_lossy().into_owned(),
        line: 0,
        column: 0,
        message: message.into(),
        hint: hint.map(str::to_owned),
    }
}

/// The folder that is meant.
fn root_of(path: &Path) -> Result<PathBuf, Vec<SuiteError>> {
    let hint = "name the folder of a suite, for example suites/deepseek-api";
    let found = match fs::metadata(path) {
        Ok(found) => found,
        Err(error) => {
            let message = format!("the suite can't be opened: {}", reason(&error));
            return Err(vec![whole(path, message, Some(hint))]);
        }
    };
    if found.is_dir() {
        return Ok(path.to_owned());
    }
    if path.file_name().is_some_and(|name| name == "suite.toml") {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        return Ok(parent.unwrap_or_else(|| Path::new(".")).to_owned());
    }
    Err(vec![whole(path, "this is not a folder", Some(hint))])
}

fn read_folder(root: &Path) -> Result<BTreeMap<String, FileSpec>, Vec<SuiteError>> {
    let mut files = BTreeMap::new();
    let mut errors = Vec::new();
    let mut left = MAX_BYTES;
    let real_root = match root.canonicalize() {
        Ok(real) => real,
        Err(error) => return Err(vec![whole(root, reason(&error), None)]),
    };
    let walk = WalkDir::new(root).min_depth(1).follow_links(false).sort_by_file_name();
    for entry in walk.into_iter().filter_entry(|entry| entry.file_name() != ".git") {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                let path = error.path().unwrap_or(root).to_owned();
                let why = error.io_error().map_or_else(|| error.to_string(), reason);
                errors.push(whole(&path, format!("this can't be read: {why}"), None));
                continue;
            }
        };
        if entry.file_type().is_dir() {
            continue;
        }
        match read_entry(&entry, root, &real_root, &mut left) {
            Ok((path, file)) => {
                files.insert(path, file);
            }
            Err(error) => errors.push(error),
        }
        if files.len() > MAX_FILES || left == 0 {
            let message = format!("the suite is larger than {MAX_FILES} files or {} MiB", MAX_BYTES >> 20);
            errors.push(whole(root, message, Some("keep caches and data sets out of the suite's folder")));
            break;
        }
    }
    if errors.is_empty() { Ok(files) } else { Err(errors) }
}

fn read_entry(
    entry: &DirEntry,
    root: &Path,
    real_root: &Path,
    left: &mut u64,
) -> Result<(String, FileSpec), SuiteError> {
    let path = entry.path();
    let relative = path.strip_prefix(root).unwrap_or(path);
    let Some(name) = relative.to_str() else {
        return Err(whole(path, "the name of this file is not UTF-8", Some("rename it")));
    };
    let unreadable =
        |error: std::io::Error| whole(path, format!("this can't be read: {}", reason(&error)), None);
    if entry.path_is_symlink() {
        let target = path.canonicalize().map_err(unreadable)?;
        if !target.starts_with(real_root) {
            let hint = "copy the file into the suite";
            return Err(whole(path, "this link leads out of the suite's folder", Some(hint)));
        }
    }
    let meta = fs::metadata(path).map_err(unreadable)?;
    if !meta.is_file() {
        let message = if meta.is_dir() { "this is a link to a folder" } else { "this is not a regular file" };
        return Err(whole(path, message, Some("a suite holds regular files and folders only")));
    }
    let mut bytes = Vec::new();
    // One byte more than is left tells a file that is too large from one that just fits.
    let read = fs::File::open(path)
        .and_then(|file| file.take(*left + 1).read_to_end(&mut bytes))
        .map_err(unreadable)?;
    *left = left.saturating_sub(read as u64);
    let executable = meta.permissions().mode() & 0o111 != 0;
    Ok((name.to_owned(), FileSpec { bytes, executable }))
}

/// The system's reason without its number: `permission denied`.
fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}
