//! From the start of a sandbox to the end of `true` in it, beside a plain spawn and bubblewrap.

mod common;

use common::{ROLLTAPE, figure, middle, ms, rounds, timed};
use rolltape::sandbox::{Choice, Command, Config, Exit, Launcher, Level};
use std::time::{Duration, Instant};

fn main() {
    let (plain, _) =
        middle((0..rounds(200)).map(|_| timed(&mut std::process::Command::new("true"), 0).0).collect());
    figure("plain spawn", &ms(plain), "", "");
    bubblewrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap_or_else(|error| {
        panic!("the runtime does not start: {error}");
    });
    for (level, must, stretch) in [
        (Level::Overlay, "≤ 3 ms", "1.7 ms"),
        (Level::User, "≤ 8 ms", "6.5 ms"),
        (Level::Process, "", ""),
        (Level::None, "", ""),
    ] {
        match runtime.block_on(level_times(level)) {
            Ok((to_exit, to_closed)) => {
                let (exit, quickest) = middle(to_exit);
                let name = level.as_str();
                figure(&format!("{name}: start to exit of true, middle"), &ms(exit), must, stretch);
                figure(&format!("{name}: start to exit of true, quickest"), &ms(quickest), must, stretch);
                figure(&format!("{name}: with closing, middle"), &ms(middle(to_closed).0), "", "");
            }
            Err(reason) => figure(&format!("{}: {reason}", level.as_str()), "not here", must, stretch),
        }
    }
}

fn bubblewrap() {
    let mut command = std::process::Command::new("bwrap");
    command.args(["--ro-bind", "/", "/", "--unshare-all", "true"]).stdin(std::process::Stdio::null());
    if command.output().is_ok_and(|output| output.status.success()) {
        let (time, _) = middle((0..rounds(200)).map(|_| timed(&mut command, 0).0).collect());
        figure("bwrap --unshare-all", &ms(time), "", "");
    } else {
        figure("bwrap --unshare-all", "not here", "", "");
    }
}

async fn level_times(level: Level) -> Result<(Vec<Duration>, Vec<Duration>), String> {
    let backend = if level == Level::None { "none" } else { "namespaces" };
    let choice = Choice {
        backend: backend.to_owned(),
        level: (level != Level::None).then_some(level),
        helper: Some(ROLLTAPE.into()),
        ..Choice::default()
    };
    let launcher = Launcher::new(choice).await.map_err(|error| error.message)?;
    let (mut to_exit, mut to_closed) = (Vec::new(), Vec::new());
    for _ in 0..rounds(100) {
        let start = Instant::now();
        let sandbox = launcher.start(Config::default()).await.map_err(|error| error.message)?;
        let command = Command { argv: vec!["true".to_owned()], ..Command::default() };
        let mut process = sandbox.spawn(command).await.map_err(|error| error.message)?;
        let exit = process.control.wait().await.map_err(|error| error.message)?;
        to_exit.push(start.elapsed());
        if exit != Exit::Code(0) {
            return Err(format!("true ended with {exit:?}"));
        }
        sandbox.close().await;
        to_closed.push(start.elapsed());
    }
    launcher.finish(Duration::from_secs(5)).await;
    Ok((to_exit, to_closed))
}
