//! A harness that is killed leaves nothing.

use super::{choice, run};
use rolltape::sandbox::{Config, Launcher};
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
