//! Stands before a program that hidden tests judge, where both are one user: gives up every way to the tests, and then
//! becomes the program.
//!
//! What the kernel's Landlock takes: all of the file system but the system to read and the workspace and the temporary
//! folders to write; tracing, and with it the memory, environment and descriptors, of whoever does not stand behind it
//! too; signals to them where the kernel can (6.12). Nothing is run where it can't be taken.
#![expect(unsafe_code, reason = "close_range has no safe wrapper")]

use super::confine;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// What of the system a program may read. Neither hidden tests nor the home of those who run them are below.
const SYSTEM: &[&str] = &[
    "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc", "/opt", "/proc", "/sys", "/dev", "/run",
    "/var", "/srv", "/mnt",
];
/// What is told to the tests alone.
const TOLD: &[&str] = &["ROLLTAPE_NONCE", "ROLLTAPE_TESTS", "ROLLTAPE_AS_AGENT"];

/// `w=FOLDER… r=FOLDER… -- PROGRAM ARGUMENT…`, behind the mark. Comes back only with an error.
pub(in crate::sandbox) fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().skip(2).collect();
    let error = match run(&words) {
        Ok(never) => match never {},
        Err(error) => error,
    };
    let text = format!("rolltape: an untrusted program can't be run: {error}\n");
    let _ = rustix::io::write(rustix::stdio::stderr(), text.as_bytes());
    ExitCode::from(if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 })
}

fn run(words: &[OsString]) -> io::Result<std::convert::Infallible> {
    let (mut writes, mut reads) = (Vec::new(), Vec::new());
    let mut words = words.iter();
    for word in words.by_ref() {
        match word.as_bytes() {
            b"--" => break,
            [b'w', b'=', path @ ..] => writes.push(PathBuf::from(OsStr::from_bytes(path))),
            [b'r', b'=', path @ ..] => reads.push(PathBuf::from(OsStr::from_bytes(path))),
            _ => return Err(io::Error::other(format!("'{}' is no folder", word.display()))),
        }
    }
    let program = words.next().ok_or_else(|| io::Error::other("no program was named"))?;
    // Where it leads already, that is fine too: whoever is in front of a session may not make another.
    let _ = rustix::process::setsid();
    // SAFETY: nothing was opened in this process, so no value owns what is closed. The tests' own descriptors, that of
    // the verdict among them, are none of the program's business.
    if unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, 0) } == -1 {
        return Err(io::Error::last_os_error());
    }
    let reads: Vec<&Path> = SYSTEM.iter().map(Path::new).chain(reads.iter().map(PathBuf::as_path)).collect();
    confine::untrusted(&reads, &writes)?;
    let mut command = Command::new(program);
    command.args(words);
    for name in TOLD {
        command.env_remove(name);
    }
    if let Some(folder) = writes.first() {
        command.env("HOME", folder).env("TMPDIR", folder);
    }
    Err(command.exec())
}
