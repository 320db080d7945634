//! A harness that is killed leaves nothing.

use super::{choice, run};
use crate::support;
use rolltape::sandbox::{Choice, Config, Launcher};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const VICTIM: &str = "ROLLTAPE_TEST_VICTIM";

/// Not a test of its own: what [`a_killed_harness_leaves_nothing`] kills.
#[test]
fn victim() {
    let Ok(backend) = std::env::var(VICTIM) else { return };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let (name, level) = backend.split_once(':').expect("back end and level");
        let level = if level == "process" { Some(rolltape::sandbox::Level::Process) } else { None };
        let launcher = Launcher::new(choice(name, level)).await.expect("a launcher");
        let mut all = Vec::new();
        for _ in 0..8 {
            let config = Config { memory: Some(1 << 30), pids: Some(99), ..Config::default() };
            let sandbox = launcher.start(config).await.expect("a sandbox");
            run(&sandbox, "setsid sleep 953 >/dev/null 2>&1 & true").await;
            all.push(sandbox);
        }
        // Straight to the descriptor: the test's own output is captured.
        use std::io::Write;
        let _ = writeln!(std::io::stderr(), "started");
        tokio::time::sleep(Duration::from_secs(600)).await;
    });
}

#[test]
fn a_killed_harness_leaves_nothing() {
    for backend in ["none:", "namespaces:", "namespaces:process"] {
        let folder = tempfile::Builder::new().prefix("rolltape-test-").tempdir_in("/tmp").expect("a folder");
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(folder.path(), open).expect("walkable");
        let mut victim = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "sandbox::killed::victim", "--nocapture"])
            .env(VICTIM, backend)
            .env("TMPDIR", folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("started");
        let lines = BufReader::new(victim.stderr.take().expect("stderr")).lines();
        let seen: Vec<String> = lines.map_while(Result::ok).take_while(|line| line != "started").collect();
        assert!(seen.is_empty(), "{backend}: {seen:?}");
        victim.kill().expect("killed");
        victim.wait().expect("ended");
        let start = Instant::now();
        let end = start + Duration::from_secs(2);
        while Instant::now() < end && !gone(folder.path()) {
            std::thread::sleep(Duration::from_millis(10));
        }
        let left: Vec<_> = std::fs::read_dir(folder.path()).expect("folder").flatten().collect();
        assert!(gone(folder.path()), "{backend}: after {:?} still there: {left:?}", start.elapsed());
        println!("{backend} 8 sandboxes cleared after {:?}", start.elapsed());
    }
}

/// Whether neither a folder of the run nor a process that works in it is left.
fn gone(folder: &Path) -> bool {
    std::fs::read_dir(folder).expect("the folder").next().is_none()
        && super::levels::processes_with("sleep\0953") == 0
}

/// What forks the inits may be killed, as any process may: sandboxes that run go on, and another one takes over.
#[test]
fn a_killed_nursery_is_replaced() {
    // Nobody else sees which program a hidden process runs.
    need!(root);
    let folder = support::temp();
    let helper = folder.path().join("helper");
    std::fs::hard_link(env!("CARGO_BIN_EXE_rolltape"), &helper)
        .or_else(|_| std::fs::copy(env!("CARGO_BIN_EXE_rolltape"), &helper).map(drop))
        .expect("a helper of our own");
    // A sandbox's user must get at it.
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(folder.path(), open).expect("walkable");
    for backend in ["none", "namespaces"] {
        let choice = Choice { helper: Some(helper.clone()), ..choice(backend, None) };
        super::with_launcher(choice, async |launcher| {
            let before = launcher.start(Config::default()).await.expect("a sandbox");
            let nurseries = children_of(std::process::id(), &helper);
            assert_eq!(nurseries.len(), 1, "{backend}: {nurseries:?}");
            rustix::process::kill_process(nurseries[0], rustix::process::Signal::KILL).expect("killed");
            let after = launcher.start(Config::default()).await.expect("another sandbox");
            for sandbox in [before, after] {
                assert_eq!(run(&sandbox, "echo here").await, ("here\n".to_owned(), String::new(), 0));
                sandbox.close().await;
            }
        });
    }
}

/// Inits and what forks them, by their parent and their program.
fn children_of(parent: u32, program: &Path) -> Vec<rustix::process::Pid> {
    let all = std::fs::read_dir("/proc").expect("/proc").flatten();
    let all = all.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    all.filter(|pid| {
        let of = |name: &str| std::fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default();
        let stat = of("stat");
        let ppid =
            stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1)).unwrap_or_default();
        ppid == parent.to_string()
            && of("cmdline").starts_with("rolltape: init")
            && std::fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == program)
    })
    .filter_map(rustix::process::Pid::from_raw)
    .collect()
}
