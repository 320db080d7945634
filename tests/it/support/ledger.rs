//! The ledger of skipped tests, printed when the run ends.
//!
//! libtest has no hook for its end and captures what tests print. So the first entry registers a function with the
//! C library that runs when the process exits, and writes the entries sorted to the real stderr. Nothing is written
//! to disk, and no process is left behind.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::{Mutex, Once, PoisonError};

static ENTRIES: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Says that a test was skipped. A failure with `ROLLTAPE_REQUIRE_ALL=1`.
///
/// `test` is the path of an item inside the test, as the compiler names it.
pub(crate) fn skip(test: &str, missing: &str) {
    let test = test.trim_end_matches("::here").trim_end_matches("::{{closure}}");
    assert!(
        [super::needs::ORDINARY_USER, super::needs::NEW_PYTHON].contains(&missing) || !require_all(),
        "{missing}, and ROLLTAPE_REQUIRE_ALL is set"
    );
    note(test, missing);
}

/// Says that a test, or a part of it, had nothing to work on. Never a failure.
pub(crate) fn note(test: &str, missing: &str) {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        assert!(shutdown_hooks::add_shutdown_hook(tell), "the end of the run can't be hooked");
    });
    let line = format!("  {missing}: {}", test.strip_prefix("it::").unwrap_or(test));
    ENTRIES.lock().unwrap_or_else(PoisonError::into_inner).insert(line);
}

/// Runs at the end of the process. A test thread that still runs may hold the lock; it is not waited for.
extern "C" fn tell() {
    let Ok(entries) = ENTRIES.try_lock() else { return };
    let mut text = String::from("\nskipped, as something is missing here:\n");
    for line in entries.iter() {
        let _ = writeln!(text, "{line}");
    }
    text.push('\n');
    // Writing to the handle, not by macro, passes libtest's capture by.
    let _ = std::io::stderr().write_all(text.as_bytes());
}

fn require_all() -> bool {
    std::env::var_os("ROLLTAPE_REQUIRE_ALL").is_some_and(|value| value == "1")
}
