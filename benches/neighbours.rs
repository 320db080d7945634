//! How fast a sandbox works beside one that takes all it can: a fork bomb, a memory hog, a disk filler, an endless
//! printer, a spinner. The target of the design is 20 % at most, where control groups hold.

mod common;

use common::{ROLLTAPE, figure, middle, ms, rounds};
use rolltape::sandbox::{Choice, Command, Config, Launcher, Level, Sandbox};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt;

/// Each goes on for ever.
const OFFENDERS: [(&str, &str); 5] = [
    ("fork bomb", "f() { f | f & sleep 0.2; }; while :; do (f) 2>/dev/null; sleep 0.1; done"),
    ("memory hog", "while :; do head -c 900000000 /dev/zero | tail -c 900000000 >/dev/null; done"),
    ("disk filler", "while :; do head -c 900000000 /dev/zero >big 2>/dev/null; rm big; done"),
    ("endless printer", "exec yes"),
    ("spinner", "while :; do :; done & while :; do :; done"),
];

/// Some CPU time, some processes, some files.
const WORK: &str = "i=0; while [ $i -lt 60 ]; do head -c 200000 /dev/zero > f$i; cksum f$i >/dev/null; i=$((i+1)); done; \
                    i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done";

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap_or_else(|error| {
        panic!("the runtime does not start: {error}");
    });
    for level in [Level::Overlay, Level::User, Level::Process] {
        if let Err(reason) = runtime.block_on(beside(level)) {
            figure(&format!("{}: {reason}", level.as_str()), "not here", "", "");
        }
    }
}

async fn beside(level: Level) -> Result<(), String> {
    let choice = Choice { level: Some(level), helper: Some(ROLLTAPE.into()), ..Choice::default() };
    let launcher = Launcher::new(choice).await.map_err(|error| error.message)?;
    let alone = work(&launcher).await?;
    figure(&format!("{}: work alone, middle", level.as_str()), &ms(alone), "", "");
    for (name, script) in OFFENDERS {
        let sandbox = start(&launcher).await?;
        let mut process = spawn(sandbox.as_ref(), script).await?;
        let mut stdout = process.stdout.take().ok_or("no output")?;
        let reader = tokio::spawn(async move {
            let mut buffer = vec![0; 64 << 10];
            while stdout.read(&mut buffer).await.is_ok_and(|count| count > 0) {}
        });
        tokio::time::sleep(Duration::from_millis(300)).await;
        let beside = work(&launcher).await?;
        sandbox.close().await;
        let _ = reader.await;
        let more = (beside.as_secs_f64() / alone.as_secs_f64() - 1.0) * 100.0;
        figure(&format!("{}: beside a {name}", level.as_str()), &format!("{more:+.0} %"), "≤ +20 %", "0 %");
    }
    launcher.finish(Duration::from_secs(5)).await;
    Ok(())
}

async fn start(launcher: &Launcher) -> Result<Arc<dyn Sandbox>, String> {
    let config = Config {
        memory: Some(512 << 20),
        cpus: Some(1.0),
        pids: Some(128),
        disk: Some(256 << 20),
        ..Config::default()
    };
    launcher.start(config).await.map_err(|error| error.message)
}

async fn spawn(sandbox: &dyn Sandbox, script: &str) -> Result<rolltape::sandbox::Process, String> {
    let argv = ["/bin/sh", "-c", script].map(str::to_owned).to_vec();
    sandbox.spawn(Command { argv, ..Command::default() }).await.map_err(|error| error.message)
}

/// The middle time of the same work in fresh sandboxes.
async fn work(launcher: &Launcher) -> Result<Duration, String> {
    let mut times = Vec::new();
    for _ in 0..rounds(7) {
        let sandbox = start(launcher).await?;
        let begin = Instant::now();
        let mut process = spawn(sandbox.as_ref(), WORK).await?;
        process.control.wait().await.map_err(|error| error.message)?;
        times.push(begin.elapsed());
        sandbox.close().await;
    }
    Ok(middle(times).0)
}
