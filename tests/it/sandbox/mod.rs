//! Sandboxes: every level that the machine can.

mod attack;
mod basics;
mod filter;
mod guards;
mod keeper;
mod killed;
mod left;
pub(crate) mod levels;
mod mounts;
mod poor;
mod snapshots;
mod spare;

use rolltape::sandbox::{Choice, Command, Exit, Launcher, Level, Process, Sandbox};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt;

/// A choice with the built program as helper.
pub(crate) fn choice(backend: &str, level: Option<Level>) -> Choice {
    Choice {
        backend: backend.to_owned(),
        level,
        require: Vec::new(),
        hide: Vec::new(),
        helper: Some(env!("CARGO_BIN_EXE_rolltape").into()),
        ..Choice::default()
    }
}

/// A shell command without a PTY.
pub(crate) fn sh(script: &str) -> Command {
    Command { argv: ["/bin/sh", "-c", script].map(str::to_owned).to_vec(), ..Command::default() }
}

/// All that a program wrote, and its end.
pub(crate) async fn finish(mut process: Process) -> (String, String, Exit) {
    drop(process.stdin.take());
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut stdout = process.stdout.take().expect("stdout");
    let both = async {
        let errors = async {
            if let Some(mut stderr) = process.stderr.take() {
                stderr.read_to_end(&mut err).await.expect("stderr");
            }
        };
        tokio::join!(async { stdout.read_to_end(&mut out).await.expect("stdout") }, errors);
        process.control.wait().await.expect("an end")
    };
    let end = tokio::time::timeout(Duration::from_secs(60), both).await.expect("an end within a minute");
    (String::from_utf8_lossy(&out).into_owned(), String::from_utf8_lossy(&err).into_owned(), end)
}

/// Runs a script to its end: stdout, stderr, exit code.
pub(crate) async fn run(sandbox: &Arc<dyn Sandbox>, script: &str) -> (String, String, i32) {
    let process = sandbox.spawn(sh(script)).await.expect("a program starts");
    let (out, err, end) = finish(process).await;
    (out, err, end.shell_code())
}

/// Runs a test inside a runtime of its own with a launcher, and ends the launcher.
pub(crate) fn with_launcher<F>(choice: Choice, test: impl FnOnce(Arc<Launcher>) -> F)
where
    F: Future<Output = ()>,
{
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let launcher = Arc::new(Launcher::new(choice).await.expect("a launcher"));
        test(Arc::clone(&launcher)).await;
        let launcher = Arc::into_inner(launcher).expect("the test let go of its launcher");
        launcher.finish(Duration::from_secs(5)).await;
    });
}
