//! The `rolltape` binary: parse, call, map to an exit code.

use rolltape::sandbox::Memory;
use std::process::ExitCode;

#[global_allocator]
static MEMORY: Memory = Memory;

fn main() -> ExitCode {
    // A re-executed copy of this binary is the sandbox's init; it must stay single-threaded,
    // so it is told apart before anything else runs.
    if let Some(code) = rolltape::sandbox::run_if_helper() {
        return code;
    }
    rolltape::cli::main()
}
