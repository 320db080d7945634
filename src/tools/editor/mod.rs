//! What the file tool does, on the file access of a sandbox.
//!
//! Where today's runtimes differ, the older one (openhands-aci) is followed: `old_str` that is not found is
//! tried once more without the blanks around it, and then `new_str` loses its own too; a `str_replace`
//! without `new_str` deletes. Bytes outside the edit stay as they are: line ends and a missing last newline.

mod edit;
mod view;

use super::Options;
use crate::sandbox::{FileError, FileKind, Files, SandboxError};
use std::collections::BTreeMap;

/// All commands.
pub(super) const COMMANDS: [&str; 5] = ["view", "create", "str_replace", "insert", "undo_edit"];
/// Edits that are remembered for each file.
const REMEMBERED: usize = 10;
/// Bytes of old texts that are remembered in all.
const REMEMBERED_BYTES: usize = 32 << 20;

/// One call.
#[derive(Debug, Clone, Default)]
pub(super) struct Edit<'a> {
    pub(super) command: &'a str,
    pub(super) path: &'a str,
    pub(super) file_text: Option<&'a str>,
    pub(super) old_str: Option<&'a str>,
    pub(super) new_str: Option<&'a str>,
    pub(super) insert_line: Option<i64>,
    pub(super) view_range: Option<(i64, i64)>,
}

impl Edit<'_> {
    fn need<T>(&self, value: Option<T>, name: &str) -> Result<T, Failed> {
        value.ok_or_else(|| text(format!("Parameter `{name}` is required for command: {}.", self.command)))
    }
}

/// Why a call failed.
#[derive(Debug)]
pub(super) enum Failed {
    /// Text for the model.
    Text(String),
    /// The sandbox is gone.
    Sandbox(SandboxError),
}

/// Texts before the edits, the newest last.
#[derive(Debug, Default)]
pub(super) struct History {
    files: BTreeMap<String, Vec<String>>,
}

impl History {
    fn keep(&mut self, path: &str, old: String) {
        let texts = self.files.entry(path.to_owned()).or_default();
        texts.push(old);
        if texts.len() > REMEMBERED {
            texts.remove(0);
        }
        let size =
            |files: &BTreeMap<String, Vec<String>>| files.values().flatten().map(String::len).sum::<usize>();
        while size(&self.files) > REMEMBERED_BYTES
            && let Some(largest) =
                self.files.values_mut().max_by_key(|texts| texts.iter().map(String::len).sum::<usize>())
            && !largest.is_empty()
        {
            largest.remove(0);
        }
    }

    fn take(&mut self, path: &str) -> Option<String> {
        self.files.get_mut(path).and_then(Vec::pop)
    }
}

/// Does what a call says and tells what the model reads.
pub(super) async fn run(
    files: &dyn Files,
    history: &mut History,
    options: &Options,
    edit: &Edit<'_>,
) -> Result<String, Failed> {
    if !COMMANDS.contains(&edit.command) {
        return Err(text(format!(
            "Unrecognized command {}. The allowed commands for the str_replace_editor tool are: {}",
            edit.command,
            COMMANDS.join(", ")
        )));
    }
    check_path(files, edit.path).await?;
    match edit.command {
        "view" => view::run(files, options, edit).await,
        "create" => edit::create(files, edit).await,
        "str_replace" => edit::str_replace(files, history, options, edit).await,
        "insert" => edit::insert(files, history, options, edit).await,
        _ => edit::undo(files, history, options, edit).await,
    }
}

async fn check_path(files: &dyn Files, path: &str) -> Result<(), Failed> {
    if path.contains('\0') {
        return Err(text("Invalid `path` parameter: a path can't hold a NUL byte."));
    }
    if path.starts_with('/') {
        return Ok(());
    }
    let mut message =
        format!("Invalid `path` parameter: {path}. The path should be an absolute path, starting with `/`.");
    let guess = format!("/workspace/{}", path.trim_start_matches("./"));
    if !path.is_empty() && files.stat(&guess).await.is_ok() {
        message.push_str(&format!(" Maybe you meant {guess}?"));
    }
    Err(text(message))
}

/// What a path is, links followed by the sandbox: `None` when there is nothing.
async fn kind(files: &dyn Files, path: &str) -> Result<Option<FileKind>, Failed> {
    match files.stat(path).await {
        Ok(stat) => Ok(Some(stat.kind)),
        Err(FileError::NotFound(_)) => Ok(None),
        Err(error) => Err(failed(path, &error)),
    }
}

/// The text of a file.
async fn load(files: &dyn Files, options: &Options, path: &str) -> Result<String, Failed> {
    let bytes = files.read(path, options.max_file).await.map_err(|error| failed(path, &error))?;
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let what = if error.as_bytes().contains(&0) { "a binary file" } else { "not UTF-8 text" };
        text(format!("Invalid `path` parameter: {path}. It is {what} (byte {at}); use bash to look at it."))
    })
}

/// Writes a file and keeps its mode.
async fn store(files: &dyn Files, path: &str, content: &str) -> Result<(), Failed> {
    // A link's own mode is of no use.
    let mode = match files.stat(path).await {
        Ok(stat) if stat.kind == FileKind::File => stat.mode & 0o7777,
        _ => 0o644,
    };
    files.write(path, content.as_bytes(), mode).await.map_err(|error| failed(path, &error))
}

fn failed(path: &str, error: &FileError) -> Failed {
    match error {
        FileError::NotFound(_) => text(format!(
            "Invalid `path` parameter: {path}. The path {path} does not exist. Please provide a valid path."
        )),
        FileError::WrongKind { what, .. } => {
            text(format!("Invalid `path` parameter: {path}. It {what}, so it can't be read or written here."))
        }
        FileError::TooLarge { size, max, .. } => text(format!(
            "Invalid `path` parameter: {path}. The file has {size} bytes, more than the limit of {max}; use bash to \
             look at parts of it."
        )),
        FileError::Denied { reason, .. } => text(format!("The path {path} can't be used: {reason}.")),
        FileError::Gone(why) => Failed::Sandbox(SandboxError::new(why.clone())),
    }
}

fn text(message: impl Into<String>) -> Failed {
    Failed::Text(message.into())
}

/// At most `max` characters, and a note about the rest.
pub(super) fn clip(text: String, max: usize) -> String {
    match text.char_indices().nth(max) {
        None => text,
        Some((end, _)) => {
            let left = text.len() - end;
            format!(
                "{}<response clipped><NOTE>The last {left} bytes of this answer are left out. Look at a part of the file \
                 with `view_range`, or search for the place with grep.</NOTE>",
                &text[..end]
            )
        }
    }
}

/// Lines with their numbers, as `cat -n` shows them.
fn numbered(lines: &[&str], first: usize) -> String {
    let numbered: Vec<String> =
        lines.iter().enumerate().map(|(index, line)| format!("{:6}\t{line}", index + first)).collect();
    numbered.join("\n") + "\n"
}
