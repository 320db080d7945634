//! How long the program takes to say its version: exec, dynamic linking, parsing of arguments.

mod common;

use common::{ROLLTAPE, figure, middle, ms, rounds, timed};
use std::process::Command;

fn main() {
    let run = |program: &str, arguments: &[&str]| {
        let times = (0..rounds(200)).map(|_| timed(Command::new(program).args(arguments), 0).0).collect();
        middle(times)
    };
    let (bare, _) = run("true", &[]);
    let (version, quickest) = run(ROLLTAPE, &["--version"]);
    figure("true, for comparison", &ms(bare), "", "");
    figure("--version, middle", &ms(version), "≤ 5 ms", "2 ms");
    figure("--version, quickest", &ms(quickest), "", "");
    let (help, _) = run(ROLLTAPE, &["--help"]);
    figure("--help, middle", &ms(help), "≤ 5 ms", "2 ms");
}
