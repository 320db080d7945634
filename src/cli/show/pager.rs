//! Shows long output in the reader's pager.
//!
//! The pager takes this process's place, so that keys and signals are its own: nothing is left to outlive it. Its
//! input lies in memory. The program ends with the exit code that is handed in, whatever the pager's is; a pager
//! that is not there is said by the shell, and the output comes all the same.

use crate::cli::{Context, Exit};
use rustix::fs::MemfdFlags;
use std::fs::File;
use std::io::{self, IsTerminal as _, Seek as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// Rows that a terminal has when it does not tell.
const ROWS: usize = 24;

/// Writes `text` to stdout, through the pager where that is a terminal with fewer rows.
pub(super) fn show(text: &str, wanted: bool, exit: Exit, context: &Context) {
    if wanted && io::stdout().is_terminal() && text.lines().count() >= rows() {
        let pager = context.var("PAGER").map_or("less -R", str::trim);
        if !pager.is_empty() && pager != "cat" {
            // Only comes back if it could not be started.
            let _ = replace(pager, text, exit);
        }
    }
    context.data(text);
}

fn rows() -> usize {
    let size = rustix::termios::tcgetwinsize(io::stdout());
    size.ok().map(|size| usize::from(size.ws_row)).filter(|rows| *rows > 0).unwrap_or(ROWS)
}

fn replace(pager: &str, text: &str, exit: Exit) -> io::Result<()> {
    let mut file = File::from(rustix::fs::memfd_create("rolltape-show", MemfdFlags::CLOEXEC)?);
    file.write_all(text.as_bytes())?;
    file.rewind()?;
    // An interrupt is for the pager. 127: the shell found no such program, and has read nothing.
    let script = format!("trap : INT\n{pager}\n[ $? -eq 127 ] && cat\nexit {}", exit.code());
    Err(Command::new("sh").args(["-c", &script]).stdin(file).exec())
}
