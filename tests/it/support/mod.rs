//! What the tests share: the built program, temporary folders, real data, and the ledger of skipped tests.
//!
//! A test that needs more than Rust and a C compiler says so in its first line:
//!
//! ```ignore
//! need!("curl", "python3");              // programs in PATH
//! need!(root, userns);                   // functions of `support::needs`
//! let Some(data) = support::data("seed") else { return };
//! ```
//!
//! What is missing ends the test early and is printed when the run ends. With `ROLLTAPE_REQUIRE_ALL=1` it is
//! a failure instead; an absent data folder never is.
#![allow(dead_code, unused_imports, reason = "a tool box: a tool may wait for its first user")]

pub(crate) mod chromium;
pub(crate) mod data;
pub(crate) mod ledger;
pub(crate) mod needs;
pub(crate) mod program;
pub(crate) mod scripted;
pub(crate) mod small;

pub(crate) use data::{data, data_dir};
pub(crate) use program::{Output, Rolltape, rolltape};
pub(crate) use small::Small;

use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A fresh folder that goes away with the value.
pub(crate) fn temp() -> TempDir {
    tempfile::Builder::new().prefix("rolltape-test-").tempdir().expect("a temporary folder")
}

/// Peak resident memory of a process in MB, as long as it is there.
pub(crate) fn peak(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kb| kb / 1024)
}

/// The root of the package.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A file or folder under `tests/fixtures/`.
pub(crate) fn fixture(path: &str) -> PathBuf {
    root().join("tests/fixtures").join(path)
}

/// The text of a file, for tests about the tree itself.
pub(crate) fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Ends the test early, with an entry in the ledger, unless all that it needs is there.
///
/// A literal is a program in PATH; a name is a function of `support::needs`; `python("mod")` and the like
/// call one with arguments.
macro_rules! need {
    ($($what:tt $(($($argument:expr),*))?),+ $(,)?) => {
        $(
            if let Err(missing) = $crate::support::needs::check!($what $(($($argument),*))?) {
                fn here() {}
                $crate::support::ledger::skip(std::any::type_name_of_val(&here), &missing);
                return;
            }
        )+
    };
}
