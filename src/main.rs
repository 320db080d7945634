//! The `rolltape` binary: parse, call, map to an exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    // A re-executed copy of this binary is the sandbox's init; it must stay single-threaded,
    // so it is told apart before anything else runs.
    if let Some(code) = rolltape::sandbox::run_if_helper() {
        return code;
    }
    rolltape::cli::main()
}
