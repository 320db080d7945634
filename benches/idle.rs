//! Many sandboxes at once, each with a live shell that waits: how soon they are there, what each takes beyond the shell,
//! how soon they are gone; and what a command in a live shell takes beyond itself.

mod common;

use common::{ROLLTAPE, figure, middle, ms, rounds};
use rolltape::model::Object;
use rolltape::sandbox::{Choice, Config, Launcher, Level, Sandbox};
use rolltape::tools::Toolbox;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Sandboxes at once; `ROLLTAPE_BENCH_ROUNDS` sets another number.
const MANY: usize = 500;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap_or_else(|error| {
        panic!("the runtime does not start: {error}");
    });
    let shell = shells(rounds(MANY));
    for level in [Level::Overlay, Level::User] {
        if let Err(reason) = runtime.block_on(measure(level, shell)) {
            figure(&format!("{}: {reason}", level.as_str()), "not here", "", "");
        }
    }
}

/// Kibibytes of memory that the machine has left.
fn available() -> i64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

/// Kibibytes of one plain shell that waits.
fn shells(count: usize) -> i64 {
    let before = available();
    let start = || {
        let mut command = std::process::Command::new("bash");
        command.args(["--norc", "--noprofile"]).stdin(Stdio::piped()).stdout(Stdio::null()).spawn()
    };
    let shells: Vec<Child> = (0..count).filter_map(|_| start().ok()).collect();
    std::thread::sleep(Duration::from_millis(500));
    let each = (before - available()) / shells.len().max(1) as i64;
    for mut shell in shells {
        drop(shell.stdin.take());
        let _ = shell.wait();
    }
    figure("a plain shell that waits", &format!("{each} KiB"), "", "");
    each
}

async fn measure(level: Level, shell: i64) -> Result<(), String> {
    let choice = Choice { level: Some(level), helper: Some(ROLLTAPE.into()), ..Choice::default() };
    let launcher = Arc::new(Launcher::new(choice).await.map_err(|error| error.message)?);
    let name = level.as_str();
    let mut toolbox = alive(&launcher).await?;
    let mut times = Vec::new();
    for _ in 0..200 {
        let begin = Instant::now();
        run(&mut toolbox, ":").await?;
        times.push(begin.elapsed());
    }
    toolbox.sandbox.close().await;
    figure(&format!("{name}: a command in the live shell, middle"), &ms(middle(times).0), "≤ 0.1 ms", "");

    let (many, before, begin) = (rounds(MANY), available(), Instant::now());
    let mut starting = JoinSet::new();
    for _ in 0..many {
        let launcher = Arc::clone(&launcher);
        starting.spawn(async move { alive(&launcher).await });
    }
    let all: Vec<Toolbox> = starting.join_all().await.into_iter().collect::<Result<_, _>>()?;
    let took = begin.elapsed();
    figure(&format!("{name}: {many} with a live shell"), &ms(took), "≤ 1000 ms", "");
    let each = (before - available()) / many as i64 - shell;
    figure(&format!("{name}: memory of each beyond the shell"), &format!("{each} KiB"), "≤ 2048 KiB", "");
    let begin = Instant::now();
    let mut ending = JoinSet::new();
    for toolbox in &all {
        let sandbox: Arc<dyn Sandbox> = Arc::clone(&toolbox.sandbox);
        ending.spawn(async move { sandbox.close().await });
    }
    ending.join_all().await;
    figure(&format!("{name}: all gone"), &ms(begin.elapsed()), "≤ 200 ms", "");
    drop(all);
    if let Ok(launcher) = Arc::try_unwrap(launcher) {
        launcher.finish(Duration::from_secs(5)).await;
    }
    Ok(())
}

/// A sandbox whose shell has answered.
async fn alive(launcher: &Launcher) -> Result<Toolbox, String> {
    let sandbox = launcher.start(Config::default()).await.map_err(|error| error.message)?;
    let mut toolbox = Toolbox::new(sandbox);
    run(&mut toolbox, ":").await?;
    Ok(toolbox)
}

async fn run(toolbox: &mut Toolbox, command: &str) -> Result<(), String> {
    let mut arguments = Object::new();
    arguments.insert("command".to_owned(), command.into());
    let output = toolbox.call("execute_bash", &arguments).await.map_err(|error| error.message)?;
    if output.is_error { Err(output.text) } else { Ok(()) }
}
