//! From the start of a sandbox to the end of `true` in it, beside a plain spawn and bubblewrap; and the same on a
//! snapshot of some files.

mod common;

use common::{ROLLTAPE, figure, middle, ms, rounds, timed, wanted};
use rolltape::sandbox::{Choice, Command, Config, Exit, Launcher, Level};
use rolltape::service::Authority;
use rolltape::util::clock::{Clock as _, SystemClock};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

fn main() {
    let (plain, _) =
        middle((0..rounds(200)).map(|_| timed(&mut std::process::Command::new("true"), 0).0).collect());
    figure("plain spawn", &ms(plain), "", "");
    if wanted("bwrap") {
        bubblewrap();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap_or_else(|error| {
        panic!("the runtime does not start: {error}");
    });
    for (level, must, stretch) in [
        (Level::Overlay, "≤ 3 ms", "1.7 ms"),
        (Level::User, "≤ 8 ms", "6.5 ms"),
        (Level::Process, "", ""),
        (Level::None, "", ""),
    ] {
        if !wanted(level.as_str()) {
            continue;
        }
        match runtime.block_on(level_times(level, &Config::default())) {
            Ok((to_exit, to_closed)) => {
                let (exit, quickest) = middle(to_exit);
                let name = level.as_str();
                figure(&format!("{name}: start to exit of true, middle"), &ms(exit), must, stretch);
                figure(&format!("{name}: start to exit of true, quickest"), &ms(quickest), must, stretch);
                figure(&format!("{name}: with closing, middle"), &ms(middle(to_closed).0), "", "");
            }
            Err(reason) => figure(&format!("{}: {reason}", level.as_str()), "not here", must, stretch),
        }
        // Names cost an authority once a run, and a bundle of certificates for each sandbox.
        if let Ok((to_exit, _)) = runtime.block_on(level_times(level, &named())) {
            let (exit, quickest) = middle(to_exit);
            figure(&format!("{}: with host names, middle", level.as_str()), &ms(exit), "", "");
            figure(&format!("{}: with host names, quickest", level.as_str()), &ms(quickest), "", "");
        }
    }
    for level in [Level::Overlay, Level::User, Level::Process] {
        let name = level.as_str();
        match runtime.block_on(fork_times(level)) {
            Ok((taken, to_exit)) => {
                figure(&format!("{name}: a snapshot of 8 MB, taken once"), &ms(taken), "", "");
                let (fork, quickest) = middle(to_exit);
                figure(
                    &format!("{name}: snapshot fork to exit of a program, middle"),
                    &ms(fork),
                    "≤ 5 ms",
                    "",
                );
                figure(
                    &format!("{name}: snapshot fork to exit of a program, quickest"),
                    &ms(quickest),
                    "≤ 5 ms",
                    "",
                );
            }
            Err(reason) => figure(&format!("{name}: snapshot fork: {reason}"), "not here", "≤ 5 ms", ""),
        }
    }
    let begin = Instant::now();
    let authority = authority();
    let made = begin.elapsed();
    let server = authority.server(&["api.example".to_owned()], Ipv4Addr::LOCALHOST);
    figure("authority of a run", &ms(made), "", "");
    figure(
        "a certificate of it",
        &ms(server.map_or(Duration::MAX, |_| begin.elapsed().saturating_sub(made))),
        "",
        "",
    );
}

fn authority() -> Authority {
    Authority::new(SystemClock::default().now()).unwrap_or_else(|error| panic!("{}", error.message))
}

/// A sandbox whose task has a service with a host name.
fn named() -> Config {
    Config {
        hosts: vec![("api.example".to_owned(), Ipv4Addr::LOCALHOST)],
        authority: Some(authority().pem().to_owned()),
        ..Config::default()
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

/// Taking a snapshot of a sandbox with some files, and the times of sandboxes that start on it.
async fn fork_times(level: Level) -> Result<(Duration, Vec<Duration>), String> {
    let choice = Choice { level: Some(level), helper: Some(ROLLTAPE.into()), ..Choice::default() };
    let launcher = Launcher::new(choice).await.map_err(|error| error.message)?;
    let config = Config { keep: true, ..Config::default() };
    let sandbox = launcher.start(config).await.map_err(|error| error.message)?;
    let script = "mkdir d; for i in $(seq 128); do head -c 65536 /dev/urandom > d/$i; done";
    let command = Command { argv: ["sh", "-c", script].map(str::to_owned).to_vec(), ..Command::default() };
    let mut process = sandbox.spawn(command).await.map_err(|error| error.message)?;
    process.control.wait().await.map_err(|error| error.message)?;
    let start = Instant::now();
    let snapshot = sandbox.snapshot().await.map_err(|error| error.message)?;
    let taken = start.elapsed();
    sandbox.close().await;
    let config = Config { from: Some(snapshot.clone()), ..Config::default() };
    let mut to_exit = Vec::new();
    for _ in 0..rounds(100) {
        let start = Instant::now();
        let fork = launcher.start(config.clone()).await.map_err(|error| error.message)?;
        let argv = ["test", "-s", "d/128"].map(str::to_owned).to_vec();
        let mut process =
            fork.spawn(Command { argv, ..Command::default() }).await.map_err(|error| error.message)?;
        let exit = process.control.wait().await.map_err(|error| error.message)?;
        to_exit.push(start.elapsed());
        if exit != Exit::Code(0) {
            return Err(format!("the files of the snapshot are not there: {exit:?}"));
        }
        fork.close().await;
    }
    drop(config);
    snapshot.close().await;
    launcher.finish(Duration::from_secs(5)).await;
    Ok((taken, to_exit))
}

async fn level_times(level: Level, config: &Config) -> Result<(Vec<Duration>, Vec<Duration>), String> {
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
        let sandbox = launcher.start(config.clone()).await.map_err(|error| error.message)?;
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
