//! The files of a folder of the host, on their way into a workspace.

use crate::cli::{CliError, Context};
use crate::sandbox::Files;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// A regular file: where it is, and its path in the workspace.
pub(super) type Found = (PathBuf, String, u32);

/// The regular files below a folder, sorted. What is no file is said: links could lead anywhere.
pub(super) fn find(folder: &Path, context: &Context) -> Result<Vec<Found>, CliError> {
    let top = context.cwd.join(folder);
    let refused = |path: &Path, why: &str| {
        CliError::usage(format!("'{}' can't be copied into the workspace: {why}", path.display()))
    };
    if !top.is_dir() {
        return Err(
            refused(folder, "it is no folder").hint("--workspace takes the folder whose files are copied")
        );
    }
    let (mut files, mut left) = (Vec::new(), 0u64);
    for entry in walkdir::WalkDir::new(&top).sort_by_file_name() {
        let entry = entry.map_err(|error| {
            let why = error.io_error().map_or_else(|| "a loop of links".to_owned(), crate::store::io_text);
            refused(error.path().unwrap_or(folder), &why)
        })?;
        if entry.file_type().is_dir() {
            continue;
        }
        let path = entry.path();
        let inside = path.strip_prefix(&top).ok().and_then(Path::to_str);
        let (true, Some(inside)) = (entry.file_type().is_file(), inside) else {
            left += 1;
            continue;
        };
        let data = entry.metadata().map_err(|error| refused(path, &error.to_string()))?;
        files.push((path.to_owned(), inside.to_owned(), data.permissions().mode() & 0o777));
    }
    if left > 0 {
        context.say(&format!(
            "warning: {left} of '{}' not copied: neither a regular file nor a folder, or with a name that is not UTF-8",
            folder.display()
        ));
    }
    Ok(files)
}

/// Puts them into the workspace.
pub(super) async fn put(files: &dyn Files, found: &[Found]) -> Result<(), CliError> {
    for (path, inside, mode) in found {
        let bytes = std::fs::read(path).map_err(|error| {
            CliError::usage(format!("'{}' can't be read: {}", path.display(), crate::store::io_text(&error)))
        })?;
        files.write(inside, &bytes, *mode).await.map_err(|error| {
            CliError::harness(format!("the workspace can't be filled: {error}"))
                .hint("does it fit into --disk and --inodes?")
        })?;
    }
    Ok(())
}
