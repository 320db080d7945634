//! Real data that lies outside the repository.

use super::ledger;
use std::path::PathBuf;

/// The folder of real data: `$ROLLTAPE_TEST_DATA`, else `../shared/data` beside the package.
///
/// `None` when it is absent, with a line in the ledger; that is never a failure.
#[track_caller]
pub(crate) fn data_dir() -> Option<PathBuf> {
    let folder = std::env::var_os("ROLLTAPE_TEST_DATA")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data"), PathBuf::from);
    present(folder)
}

/// A file or folder of the real data.
#[track_caller]
pub(crate) fn data(path: &str) -> Option<PathBuf> {
    let folder = data_dir()?;
    present(folder.join(path))
}

#[track_caller]
fn present(path: PathBuf) -> Option<PathBuf> {
    if let Ok(found) = path.canonicalize() {
        return Some(found);
    }
    let thread = std::thread::current();
    let caller = std::panic::Location::caller().to_string();
    // libtest names the thread after the test, but not when there is only one thread.
    let test = thread.name().filter(|name| *name != "main").unwrap_or(&caller);
    ledger::note(
        test,
        &format!("no real data at {} (ROLLTAPE_TEST_DATA names another folder)", path.display()),
    );
    None
}
