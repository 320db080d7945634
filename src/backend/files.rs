//! Files that back ends read: named by the user, whole, regular, of bounded size.

use super::OpenError;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Bytes that a script or a cassette may have.
const MAX_BYTES: u64 = 2 << 30;

/// The path after the colon, relative to `base`.
pub(super) fn named(kind: &str, arg: Option<&str>, base: &Path, example: &str) -> Result<PathBuf, OpenError> {
    match arg.filter(|arg| !arg.is_empty()) {
        Some(arg) => Ok(base.join(arg)),
        None => Err((
            format!("the back end '{kind}' needs a path after a colon"),
            Some(format!("write --backend {kind}:PATH, for example {kind}:{example}")),
        )),
    }
}

/// The bytes of a regular file; `what` names it in errors.
pub(super) fn read(path: &Path, what: &str) -> Result<Vec<u8>, OpenError> {
    let shown = path.display();
    let failed = |error: std::io::Error| {
        let text = error.to_string().to_lowercase();
        let reason = text.split(" (os error").next().unwrap_or(&text);
        let hint = "a relative path is taken from the folder of the file that names it, on the command line \
                    from the current folder";
        (format!("the {what} {shown} can't be read: {reason}"), Some(hint.to_owned()))
    };
    // A FIFO would block for ever without O_NONBLOCK; a regular file does not care.
    let mut options = File::options();
    options.read(true).custom_flags(libc::O_NONBLOCK);
    let file = options.open(path).map_err(failed)?;
    let meta = file.metadata().map_err(failed)?;
    if !meta.is_file() {
        let kind = if meta.is_dir() { "a folder" } else { "not a regular file" };
        let hint = format!("name the file of the {what} itself");
        return Err((format!("the {what} {shown} is {kind}"), Some(hint)));
    }
    if meta.len() > MAX_BYTES {
        let message = format!("the {what} {shown} has {} bytes, more than {MAX_BYTES}", meta.len());
        return Err((message, None));
    }
    let mut bytes = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}
