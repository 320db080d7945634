//! A data set of rows, one turn of `echo` each, an assertion over the answer, no sandbox: the whole program, from its
//! start to its exit, with all that it writes: manifest, journal, trajectories, cassette, five reports and the table.
//!
//! Once to the disk and once to memory, as what an fsync takes is the machine's; and once more the reports alone. The
//! wall clock is of all cores and of whatever else the machine does; the CPU time is the program's own.

mod common;

use common::{ROLLTAPE, figure, folder, middle, ms, rounds, timed};
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

const ROWS: usize = 1000;

const SUITE: &str = r#"schema = 1
name = "echo"
[defaults]
agent = "chat"
backend = "echo"
[[dataset]]
file = "rows.jsonl"
prompt = "What is {{question}}? It is {{answer}}."
score = [{ kind = "SCORER }]
"#;

fn main() {
    let folder = folder();
    let memory = tempfile::tempdir_in("/dev/shm").ok();
    for (name, scorer) in [
        ("includes", "includes\", text = \"{{answer}}\""),
        ("regex", "regex\", pattern = 'It is \\d+\\.$'"),
        ("number", "number\", value = \"{{answer}}\""),
    ] {
        let suite = folder.path().join(name);
        let rows = (0..ROWS).fold(String::new(), |mut text, n| {
            let _ = writeln!(text, "{{\"question\": \"{n} plus {n}\", \"answer\": {}}}", 2 * n);
            text
        });
        std::fs::create_dir_all(&suite)
            .and_then(|()| std::fs::write(suite.join("suite.toml"), SUITE.replace("SCORER", scorer)))
            .and_then(|()| std::fs::write(suite.join("rows.jsonl"), rows))
            .unwrap_or_else(|error| panic!("{error}"));
        measure(name, &suite, folder.path(), memory.as_ref());
    }
}

fn measure(name: &str, suite: &Path, disk: &Path, memory: Option<&TempDir>) {
    let places = [("disk", Some(disk)), ("memory", memory.map(TempDir::path))];
    for (place, folder) in places {
        let Some(folder) = folder else { continue };
        let (wall, cpu) = several(|n| run(suite, &folder.join(format!("{name}-{place}-{n}"))));
        let what = format!("{ROWS} rows of echo, {name}, to {place}");
        figure(&what, &ms(wall), "≤ 30 ms", "10 ms");
        figure(&format!("{what}, CPU time"), &ms(cpu), "", "");
    }
    // The last run's folder is still there.
    let kept = disk.join(format!("{name}-disk-0"));
    for format in ["json", "html", "table"] {
        let (wall, _) = several(|_| {
            let mut command = Command::new(ROLLTAPE);
            timed(command.args(["--quiet", "report", "--format", format]).arg(&kept), 0)
        });
        figure(&format!("of it the report {format}, with start and reading"), &ms(wall), "", "");
    }
}

fn run(suite: &Path, out: &Path) -> (Duration, Duration) {
    let mut command = Command::new(ROLLTAPE);
    command.args(["--quiet", "run"]).arg(suite).arg("--out").arg(out);
    timed(&mut command, 0)
}

/// Middle of the wall clock and mean of the CPU time, which is told in steps of 10 ms.
fn several(mut once: impl FnMut(usize) -> (Duration, Duration)) -> (Duration, Duration) {
    let rounds = rounds(10);
    let times: Vec<(Duration, Duration)> = (0..rounds).map(&mut once).collect();
    let cpu: Duration = times.iter().map(|(_, cpu)| *cpu).sum();
    let (wall, _) = middle(times.into_iter().map(|(wall, _)| wall).collect());
    (wall, cpu / u32::try_from(rounds).unwrap_or(u32::MAX))
}
