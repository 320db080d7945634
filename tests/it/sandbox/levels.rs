//! The levels: what each promises, attacked from inside and judged from the host.

use super::{choice, run, with_launcher};
use rolltape::sandbox::{Config, Launcher, Level, Sandbox};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

/// The levels that work here, said when one does not.
pub(crate) fn levels() -> Vec<Level> {
    let all = [Level::Overlay, Level::User, Level::Process];
    all.into_iter().filter(|level| works(*level)).collect()
}

pub(crate) fn works(level: Level) -> bool {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        match Launcher::new(choice("", Some(level))).await {
            Ok(launcher) => {
                launcher.finish(Duration::from_secs(5)).await;
                true
            }
            Err(error) => {
                crate::support::ledger::note(&format!("level {}", level.as_str()), &error.message);
                false
            }
        }
    })
}

fn each(test: impl AsyncFn(Level, Arc<dyn Sandbox>) + Copy) {
    for level in levels() {
        with_launcher(choice("", Some(level)), async |launcher| {
            let config =
                Config { hosts: vec![("api.example".to_owned(), Ipv4Addr::LOCALHOST)], ..Config::default() };
            let sandbox = launcher.start(config).await.expect("a sandbox");
            assert_eq!(sandbox.level(), level);
            test(level, Arc::clone(&sandbox)).await;
            sandbox.close().await;
        });
    }
}

#[test]
fn every_level_runs_programs_and_serves_files() {
    each(async |level, sandbox| {
        let (out, err, code) = run(&sandbox, "id -u; pwd; echo hi > made.txt; env").await;
        assert_eq!((code, err.as_str()), (0, ""), "{level:?}: {out}");
        assert!(out.contains("LANG=C.UTF-8\n") && !out.contains("CARGO"), "{level:?}: {out}");
        assert!(out.contains(&format!("{}\n", sandbox.workspace())), "{level:?}: {out}");
        assert_eq!(sandbox.files().read("made.txt", 99).await.expect("read"), b"hi\n", "{level:?}");
        sandbox.files().write("deep/in.txt", b"x", 0o644).await.expect("written");
        assert_eq!(run(&sandbox, "cat deep/in.txt && echo y >> deep/in.txt").await.2, 0, "{level:?}");
        let (_, err, code) = run(&sandbox, "echo x > $HOME/a && echo x > $TMPDIR/b").await;
        assert_eq!(code, 0, "{level:?}: {err}");
    });
}

#[test]
fn the_host_is_neither_changed_nor_seen() {
    let canary = tempfile::NamedTempFile::new_in("/var/tmp").expect("a canary");
    std::fs::write(canary.path(), "alive").expect("written");
    let seen = canary.path().display().to_string();
    each(async |level, sandbox| {
        let (out, _, _) = run(&sandbox, &format!("cat {seen}; rm -f {seen}; echo x > {seen}")).await;
        assert!(!out.contains("alive"), "{level:?}: {out}");
        run(&sandbox, "rm -f /usr/bin/env /usr/bin/cat; echo broken > /etc/passwd").await;
        assert!(std::path::Path::new("/usr/bin/env").exists());
        assert_eq!(std::fs::read_to_string(canary.path()).expect("still there"), "alive");
        let code = run(&sandbox, "test -e /usr/bin/env").await.2;
        assert_eq!(code == 0, level != Level::Overlay, "{level:?}: root inside deletes its own copy");
        let home = env!("CARGO_MANIFEST_DIR");
        assert_ne!(
            run(&sandbox, &format!("cat {home}/Cargo.toml")).await.2,
            0,
            "{level:?}: the checkout is seen"
        );
    });
}

#[test]
fn no_other_process_and_no_environment_of_the_harness_is_seen() {
    each(async |level, sandbox| {
        let (out, _, _) = run(&sandbox, "cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'").await;
        assert!(!out.contains("CARGO"), "{level:?}: {out}");
        if level != Level::Process {
            let (out, _, _) = run(&sandbox, "ls -d /proc/[0-9]* | wc -l").await;
            assert!(out.trim().parse::<u32>().expect("a number") < 8, "{level:?}: {out}");
        }
        let parent = std::process::id();
        assert_ne!(
            run(&sandbox, &format!("kill -0 {parent}")).await.2,
            0,
            "{level:?}: the harness can be signalled"
        );
        let (out, _, _) = run(&sandbox, "ls -l /proc/self/fd").await;
        assert!(!out.contains("socket:"), "{level:?}: {out}");
    });
}

#[test]
fn the_network_is_the_loopback() {
    use tokio::io::AsyncWriteExt;
    let outside = std::net::TcpListener::bind("127.0.0.1:0").expect("a listener of the host");
    let port = outside.local_addr().expect("an address").port();
    each(async |level, sandbox| {
        let (listener, address) = sandbox.listen(4321).await.expect("a listener");
        let listener = tokio::net::TcpListener::from_std(listener).expect("asynchronous");
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a visitor");
            stream.write_all(b"welcome\n").await.expect("sent");
        });
        let name = if level == Level::Process { "127.0.0.1" } else { "api.example" };
        let script = format!("exec bash -c 'exec 3<>/dev/tcp/{name}/{}; head -1 <&3'", address.port());
        let (out, err, _) = run(&sandbox, &script).await;
        assert_eq!(out, "welcome\n", "{level:?}: {err}");
        server.await.expect("served");
        if level != Level::Process {
            assert_eq!(address.port(), 4321);
            let script = format!("exec bash -c 'exec 3<>/dev/tcp/127.0.0.1/{port}'");
            assert_ne!(run(&sandbox, &script).await.2, 0, "{level:?}: the host's loopback is reached");
        }
    });
}

#[test]
fn dangerous_calls_are_refused() {
    need!("python3");
    let script = "import ctypes,socket,os
c=ctypes.CDLL(None,use_errno=True)
def call(n,*a):
    r=c.syscall(n,*a); return ctypes.get_errno() if r<0 else 'DONE'
print('mount',call(165,b'none',b'/tmp',b'tmpfs',0,0))
print('ptrace',call(101,0,0,0,0))
print('bpf',call(321,0,0,0))
print('io_uring',call(425,1,0))
print('keyctl',call(250,0,-3,0))
print('unshare',call(272,0x10000000))
try: socket.socket(40,1); print('vsock DONE')
except OSError as e: print('vsock',e.errno)
print('nnp',[l for l in open('/proc/self/status') if l.startswith(('NoNewPrivs','Seccomp:'))])
try: open('/proc/sys/kernel/core_pattern','w'); print('core DONE')
except OSError as e: print('core refused')
";
    each(async |level, sandbox| {
        sandbox.files().write("try.py", script.as_bytes(), 0o644).await.expect("written");
        let (out, err, code) = run(&sandbox, "python3 try.py").await;
        assert_eq!(code, 0, "{level:?}: {err}");
        assert!(!out.contains("DONE"), "{level:?}: {out}");
        if cfg!(target_arch = "x86_64") {
            for line in ["mount 1\n", "ptrace 1\n", "bpf 1\n", "io_uring 38\n", "vsock 97\n", "unshare 1\n"] {
                assert!(out.contains(line), "{level:?}: {out}");
            }
        }
        assert!(out.contains("NoNewPrivs:\\t1") && out.contains("Seccomp:\\t2"), "{level:?}: {out}");
    });
}

#[test]
fn links_and_fifos_of_the_agent_lead_nowhere() {
    each(async |level, sandbox| {
        run(&sandbox, "ln -s /etc/shadow shadow; ln -s /proc/self/root/etc/hostname magic; mkfifo f").await;
        for name in ["shadow", "magic", "f"] {
            let read =
                tokio::time::timeout(Duration::from_secs(5), sandbox.files().read(name, 1 << 20)).await;
            let read = read.expect("no block");
            assert!(read.is_err(), "{level:?}: {name} gave {read:?}");
        }
    });
}

#[test]
fn limits_are_told() {
    for level in levels() {
        with_launcher(choice("", Some(level)), async |launcher| {
            let on = |name: &str| launcher.layers().iter().any(|layer| layer.on && layer.name == name);
            let config = Config { memory: Some(64 << 20), pids: Some(32), ..Config::default() };
            let sandbox = launcher.start(config).await.expect("a sandbox");
            if on("cgroup-memory") {
                run(&sandbox, "x=$(head -c 200000000 /dev/zero | tr '\\0' a); echo ${#x}").await;
                let report = sandbox.freeze().await.expect("frozen");
                assert!(report.limits.contains(&rolltape::model::LimitKind::Oom), "{level:?}: {report:?}");
            }
            if on("cgroup-pids") {
                run(&sandbox, "for i in $(seq 60); do sleep 5 & done; true").await;
                let report = sandbox.freeze().await.expect("frozen");
                assert!(report.limits.contains(&rolltape::model::LimitKind::Pids), "{level:?}: {report:?}");
            }
            sandbox.close().await;
        });
    }
}

#[test]
fn eight_at_once_leave_nothing() {
    for level in levels() {
        with_launcher(choice("", Some(level)), async |launcher| {
            let starts =
                (0..8).map(|_| launcher.start(Config { memory: Some(1 << 30), ..Config::default() }));
            let mut all = Vec::new();
            for start in starts.collect::<Vec<_>>() {
                all.push(start.await.expect("a sandbox"));
            }
            for sandbox in &all {
                run(sandbox, "setsid sleep 954 >/dev/null 2>&1 & setsid sleep 954 >/dev/null 2>&1 &").await;
            }
            for sandbox in &all {
                let report = sandbox.close().await;
                assert!(report.leftovers >= 2, "{level:?}: {report:?}");
            }
            assert_eq!(processes_with("sleep\0954"), 0, "{level:?}");
        });
    }
}

pub(crate) fn processes_with(words: &str) -> usize {
    let entries = std::fs::read_dir("/proc").expect("/proc");
    let lines = entries.flatten().filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    lines.filter(|line| String::from_utf8_lossy(line).contains(words)).count()
}

#[test]
fn a_wrong_choice_is_told() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let error = async |choice| Launcher::new(choice).await.err().expect("an error");
        let wrong = error(choice("namespace", None)).await;
        assert_eq!(wrong.message, "no sandbox back end is named 'namespace'");
        let mut layers = choice("", None);
        layers.require = vec!["netn".to_owned()];
        let wrong = error(layers).await;
        assert_eq!(wrong.hint.as_deref(), Some("did you mean 'netns'?"));
        let mut layers = choice("none", None);
        layers.require = vec!["netns".to_owned()];
        let wrong = error(layers).await;
        assert!(wrong.message.starts_with("the sandbox level 'none' lacks required layers: netns ("));
    });
}

/// Whether Landlock can keep signals inside: Linux 6.12.
fn signals_are_scoped() -> bool {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut numbers = release.split(['.', '-']).map_while(|part| part.parse::<u32>().ok());
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= (6, 12)
}

#[test]
fn an_agent_can_not_kill_the_init() {
    each(async |level, sandbox| {
        if level == Level::Process && !signals_are_scoped() {
            crate::support::ledger::note("signals", "Landlock of this kernel does not scope them");
            return;
        }
        // Its parent, by name: never `kill -1`, which on a kernel without scopes would end the tester's session.
        let (_, _, code) = run(&sandbox, "kill -9 $PPID; exit 3").await;
        assert_eq!(code, 3, "{level:?}");
        assert_eq!(run(&sandbox, "echo alive").await.0, "alive\n", "{level:?}");
        // What it starts itself, it may end.
        let own = run(&sandbox, "sleep 60 & kill -9 $!; wait $!; echo $?").await;
        assert_eq!(own.0, "137\n", "{level:?}: {}", own.1);
    });
}
