//! What the benches share: figures beside their targets, CPU time, a place for files.
#![allow(dead_code, reason = "not each bench uses each tool")]
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench prints, and may stop at once"
)]

pub(crate) mod corpus;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The built program, in the profile of the bench.
pub(crate) const ROLLTAPE: &str = env!("CARGO_BIN_EXE_rolltape");

/// Prints one figure. `must` and `stretch` are the targets of the design, empty where there is none.
pub(crate) fn figure(what: &str, measured: &str, must: &str, stretch: &str) {
    let targets = if must.is_empty() { String::new() } else { format!("   must {must}, stretch {stretch}") };
    println!("{what:<52} {measured:>14}{targets}");
}

/// Middle and quickest of some durations.
pub(crate) fn middle(mut times: Vec<Duration>) -> (Duration, Duration) {
    times.sort_unstable();
    (times[times.len() / 2], times[0])
}

/// As megabytes a second.
pub(crate) fn rate(bytes: u64, time: Duration) -> String {
    format!("{:.0} MB/s", bytes as f64 / 1e6 / time.as_secs_f64())
}

/// As milliseconds.
pub(crate) fn ms(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}

/// How often each thing is done; `ROLLTAPE_BENCH_ROUNDS` sets another number.
pub(crate) fn rounds(default: usize) -> usize {
    std::env::var_os("ROLLTAPE_BENCH_ROUNDS").and_then(|text| text.to_str()?.parse().ok()).unwrap_or(default)
}

/// Whether a part of a bench is asked for: `cargo bench --bench spawn -- overlay`; all are if none is named.
pub(crate) fn wanted(part: &str) -> bool {
    let named: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    named.is_empty() || named.iter().any(|name| name == part)
}

/// A folder under `target/`, on the same disk as the sources; it goes away with the value.
pub(crate) fn folder() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

/// CPU time of the children of this process that have ended, in steps of 10 ms.
pub(crate) fn children_cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    // Fields 16 and 17, counted from 1; the name in field 2 may hold blanks.
    let after = stat.rsplit_once(')').unwrap().1;
    let ticks: u64 =
        after.split_whitespace().skip(13).take(2).map(|field| field.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 10)
}

/// Does the work again and again for about a second of CPU time of this thread; the time of one round. Other jobs
/// of the machine do not count, and the kernel's steps of some milliseconds are small against it.
pub(crate) fn cpu_of(mut work: impl FnMut()) -> Duration {
    let cpu = || {
        let told = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
        Duration::from_nanos(told.split_whitespace().next().unwrap().parse().unwrap())
    };
    work();
    let (start, mut times) = (cpu(), 0);
    while times == 0 || cpu().saturating_sub(start) < Duration::from_secs(1) {
        work();
        times += 1;
    }
    cpu().saturating_sub(start) / times
}

/// Runs a command that must succeed, or end with `also`; its wall and CPU time.
pub(crate) fn timed(command: &mut Command, also: i32) -> (Duration, Duration) {
    let cpu = children_cpu();
    let start = Instant::now();
    let output = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).output().unwrap();
    let wall = start.elapsed();
    let code = output.status.code();
    assert!(code == Some(0) || code == Some(also), "{code:?}: {}", String::from_utf8_lossy(&output.stderr));
    (wall, children_cpu().saturating_sub(cpu))
}
