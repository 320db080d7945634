//! Files in folders named `.git` below the environments of tasks, which the suite itself leaves out.
//!
//! They are read as bytes, within bounds; nothing of git is run, no link is followed, no pipe is opened.

use crate::suite::{FileSpec, Suite};
use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::Path;
use walkdir::WalkDir;

/// Bytes that are read of all repositories of a suite.
const MAX_BYTES: u64 = 128 << 20;
/// Files that are read of them.
const MAX_FILES: usize = 50_000;

/// What was read.
#[derive(Default)]
pub(super) struct GitFiles {
    /// By path from the suite's folder.
    pub(super) files: BTreeMap<String, FileSpec>,
    /// Paths of which not all was read, and why.
    pub(super) unread: BTreeMap<String, String>,
}

/// Reads what lies in the environments of these tasks.
pub(super) fn read(path: &Path, suite: &Suite) -> GitFiles {
    let root = if path.is_dir() { path } else { path.parent().unwrap_or(Path::new(".")) };
    let mut found = GitFiles::default();
    let mut left = MAX_BYTES;
    for task in &suite.tasks {
        for folder in [format!("tasks/{}/environment", task.id), format!("{}/environment", task.id)] {
            let walk = WalkDir::new(root.join(&folder)).follow_links(false).sort_by_file_name();
            for entry in walk.into_iter().filter_map(Result::ok) {
                let Ok(relative) = entry.path().strip_prefix(root) else { continue };
                // A name that is not UTF-8 is refused by the suite's own reader outside of such folders.
                let name = relative.to_string_lossy().into_owned();
                if !name.split('/').any(|part| part == ".git") || entry.file_type().is_dir() {
                    continue;
                }
                if let Err(why) = file(&entry, name, &mut left, &mut found) {
                    found.unread.entry(folder.clone()).or_insert(why);
                }
            }
        }
    }
    found
}

fn file(entry: &walkdir::DirEntry, name: String, left: &mut u64, found: &mut GitFiles) -> Result<(), String> {
    if !entry.file_type().is_file() {
        return Err(format!("'{name}' is a link or no regular file"));
    }
    if found.files.len() >= MAX_FILES || *left == 0 {
        return Err(format!("its repositories have more than {MAX_FILES} files or {} MiB", MAX_BYTES >> 20));
    }
    let mut bytes = Vec::new();
    let read = fs::File::open(entry.path()).and_then(|file| file.take(*left + 1).read_to_end(&mut bytes));
    let read = read.map_err(|error| format!("'{name}': {}", crate::store::io_text(&error)))?;
    if read as u64 > *left {
        *left = 0;
        return Err(format!("its repositories have more than {} MiB", MAX_BYTES >> 20));
    }
    *left -= read as u64;
    found.files.insert(name, FileSpec { bytes, executable: false });
    Ok(())
}
