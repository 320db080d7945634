//! What a machine may lack. Each function says in words what is missing.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// Finds out whether one thing that a test needs is there; only for `need!`.
macro_rules! check {
    ($program:literal) => {
        $crate::support::needs::program($program)
    };
    ($power:ident) => {
        $crate::support::needs::$power()
    };
    ($power:ident ($($argument:expr),*)) => {
        $crate::support::needs::$power($($argument),*)
    };
}
pub(crate) use check;

/// Where a program lies in PATH.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| rustix::fs::access(file, rustix::fs::Access::EXEC_OK).is_ok() && file.is_file())
}

/// A program in PATH.
pub(crate) fn program(name: &str) -> Result<(), String> {
    find(name).map(|_| ()).ok_or_else(|| format!("{name} is not in PATH"))
}

/// The first of several programs that is in PATH, for what has many names.
pub(crate) fn one_of(names: &[&str]) -> Result<(), String> {
    if names.iter().any(|name| find(name).is_some()) {
        Ok(())
    } else {
        Err(format!("none of {} is in PATH", names.join(", ")))
    }
}

/// The name of Chromium here.
pub(crate) fn chromium_name() -> Option<PathBuf> {
    ["chromium", "chromium-browser", "google-chrome"].iter().find_map(|name| find(name))
}

/// A Chromium for headless use.
pub(crate) fn chromium() -> Result<(), String> {
    chromium_name().map(|_| ()).ok_or_else(|| "chromium is not in PATH".to_owned())
}

/// A module that Python can import.
pub(crate) fn python(module: &str) -> Result<(), String> {
    program("python3")?;
    let import = format!("import {module}");
    if quiet("python3", &["-c", &import]) { Ok(()) } else { Err(format!("python3 has no module {module}")) }
}

/// Folder of a Python environment that `tests/venvs` makes.
pub(crate) fn venv_folder(name: &str) -> PathBuf {
    let folder = std::env::var_os("ROLLTAPE_VENVS").filter(|folder| !folder.is_empty());
    folder.map_or_else(|| PathBuf::from("/var/tmp/rolltape-venvs"), PathBuf::from).join(name)
}

/// A Python environment that `tests/venvs` makes.
pub(crate) fn venv(name: &str) -> Result<(), String> {
    let folder = venv_folder(name);
    // Written last: without it the installation broke off.
    if folder.join("made").is_file() {
        Ok(())
    } else {
        Err(format!("{} is not there; tests/venvs {name} makes it", folder.display()))
    }
}

/// The system's Python is what it is: never a failure.
pub(crate) const NEW_PYTHON: &str = "Python 3.12 or later is needed";

/// A Python that is new enough for the OpenHands SDK, or its environment, however that was made.
pub(crate) fn new_python() -> Result<(), String> {
    let enough = "import sys; sys.exit(sys.version_info < (3, 12))";
    if venv("openhands").is_ok() || quiet("/usr/bin/python3", &["-c", enough]) {
        Ok(())
    } else {
        Err(NEW_PYTHON.to_owned())
    }
}

/// The tests run as root.
pub(crate) fn root() -> Result<(), String> {
    if rustix::process::geteuid().is_root() { Ok(()) } else { Err("root is needed".to_owned()) }
}

/// Nothing that can be installed, and at odds with what other tests need: never a failure.
pub(crate) const ORDINARY_USER: &str = "an ordinary user is needed";

/// The tests run as somebody else than root.
pub(crate) fn not_root() -> Result<(), String> {
    if rustix::process::geteuid().is_root() { Err(ORDINARY_USER.to_owned()) } else { Ok(()) }
}

/// A user namespace can be made, with a mount and a network namespace below it.
pub(crate) fn userns() -> Result<(), String> {
    static ABLE: OnceLock<bool> = OnceLock::new();
    program("unshare")?;
    if *ABLE.get_or_init(|| quiet("unshare", &["--user", "--map-root-user", "--mount", "--net", "true"])) {
        Ok(())
    } else {
        Err("user namespaces are forbidden here".to_owned())
    }
}

fn quiet(program: &str, arguments: &[&str]) -> bool {
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// A power that is never there, for the test of `need!` itself.
pub(crate) fn nothing(name: &str) -> Result<(), String> {
    Err(name.to_owned())
}

/// Root, or the ordinary user that a test of root runs itself again as.
pub(crate) fn root_or_again() -> Result<(), String> {
    if std::env::var_os("ROLLTAPE_TEST_AGAIN").is_some() { Ok(()) } else { root() }
}
