//! The ledger of skipped tests, printed when the run ends.
//!
//! libtest has no hook for its end and captures what tests print. So the first entry starts a small `sh`
//! that collects the entries from a pipe. The pipe closes when this process ends, however it ends; then
//! the shell writes them sorted to the real stderr. Nothing is written to disk.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

/// Says that a test was skipped. A failure with `ROLLTAPE_REQUIRE_ALL=1`.
///
/// `test` is the path of an item inside the test, as the compiler names it.
pub(crate) fn skip(test: &str, missing: &str) {
    let test = test.trim_end_matches("::here").trim_end_matches("::{{closure}}");
    assert!(
        missing == super::needs::ORDINARY_USER || !require_all(),
        "{missing}, and ROLLTAPE_REQUIRE_ALL is set"
    );
    note(test, missing);
}

/// Says that a test, or a part of it, had nothing to work on. Never a failure.
pub(crate) fn note(test: &str, missing: &str) {
    static PIPE: OnceLock<Option<Mutex<ChildStdin>>> = OnceLock::new();
    let line = format!("  {missing}: {}\n", test.strip_prefix("it::").unwrap_or(test));
    let told = PIPE.get_or_init(start).as_ref().is_some_and(|pipe| {
        let mut pipe = pipe.lock().unwrap_or_else(PoisonError::into_inner);
        pipe.write_all(line.as_bytes()).is_ok()
    });
    if !told {
        // Writing to the handle, not by macro, passes libtest's capture by.
        let _ = write!(std::io::stderr(), "skipped:{line}");
    }
}

fn require_all() -> bool {
    std::env::var_os("ROLLTAPE_REQUIRE_ALL").is_some_and(|value| value == "1")
}

fn start() -> Option<Mutex<ChildStdin>> {
    const PRINT: &str = r#"printf '\nskipped, as something is missing here:\n%s\n\n' "$(sort -u)" >&2"#;
    let child = Command::new("/bin/sh")
        .args(["-c", PRINT])
        // A group of its own: Ctrl-C ends the tests, and the shell still tells what was skipped.
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .spawn();
    // Never waited for: it lives until this process has ended.
    child.ok().and_then(|mut child| child.stdin.take()).map(Mutex::new)
}
