//! The `rolltape` binary: parse, call, map to an exit code.

use mimalloc::MiMalloc;
use std::process::ExitCode;

/// Small values come and go by the hundred thousand, on several threads at once.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    // A re-executed copy of this binary is the sandbox's init; it must stay single-threaded,
    // so it is told apart before anything else runs.
    if let Some(code) = rolltape::sandbox::run_if_helper() {
        return code;
    }
    rolltape::cli::main()
}
