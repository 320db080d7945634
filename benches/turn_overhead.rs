//! CPU time of a turn that costs nothing itself: scripted replies, sandbox `none`, everything written to disk.
//!
//! The same task with one turn and with ten; the difference is nine turns an attempt.

mod common;

use common::{ROLLTAPE, figure, folder, rounds, timed};
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Turns of the long variant.
const TURNS: u32 = 10;

fn main() {
    let attempts = u32::try_from(rounds(1000)).unwrap_or(u32::MAX);
    let folder = folder();
    let (wall_one, cpu_one) = run(folder.path(), 1, attempts);
    let (wall_ten, cpu_ten) = run(folder.path(), TURNS, attempts);
    let turns = f64::from(attempts) * f64::from(TURNS - 1);
    let each = |long: Duration, short: Duration| {
        format!("{:.1} µs", long.saturating_sub(short).as_secs_f64() * 1e6 / turns)
    };
    figure("a turn, CPU time of the program", &each(cpu_ten, cpu_one), "≤ 20 µs", "5 µs");
    figure("a turn, wall clock, one at a time", &each(wall_ten, wall_one), "", "");
    let attempt = |time: Duration| format!("{:.2} ms", time.as_secs_f64() * 1e3 / f64::from(attempts));
    figure("an attempt of one turn, CPU time", &attempt(cpu_one), "", "");
    figure("an attempt of ten turns, CPU time", &attempt(cpu_ten), "", "");
}

/// Wall and CPU time of a run of that many turns an attempt.
fn run(folder: &Path, turns: u32, attempts: u32) -> (Duration, Duration) {
    let suite = folder.join(format!("turns-{turns}"));
    let write = |name: &str, text: &str| {
        std::fs::create_dir_all(&suite).and_then(|()| std::fs::write(suite.join(name), text))
    };
    write("suite.toml", SUITE).unwrap_or_else(|error| panic!("{error}"));
    let mut script = "schema = 1\n".to_owned();
    for turn in 1..turns {
        let call = format!(
            "<function=think>\n<parameter=thought>\nStep {turn} of the plan is clear.\n</parameter>\n</function>"
        );
        let _ = write!(script, "[[reply]]\ntask = \"think\"\ntext = '''{call}'''\n");
    }
    let finish = "<function=finish>\n<parameter=message>\ndone\n</parameter>\n</function>";
    let _ = write!(script, "[[reply]]\ntask = \"think\"\ntext = '''{finish}'''\n");
    write("replies.toml", &script).unwrap_or_else(|error| panic!("{error}"));
    let mut command = Command::new(ROLLTAPE);
    command.arg("--quiet").arg("run").arg(&suite).args(["--sandbox", "none", "-j", "1", "--attempts"]);
    command.arg(attempts.to_string()).arg("--out").arg(folder.join(format!("out-{turns}")));
    timed(&mut command, 0)
}

const SUITE: &str = r#"schema = 1
name = "overhead"
[defaults]
agent = "codeact"
backend = "scripted:replies.toml"
policy = "exactly-one"
limits = { turns = 30, wall = "10m" }
[[task]]
id = "think"
prompt = "Think, then finish."
score = [{ kind = "includes", text = "done" }]
"#;
