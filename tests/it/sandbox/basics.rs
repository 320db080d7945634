//! What every sandbox does, tried in `none`.

use super::{choice, run, sh, with_launcher};
use rolltape::sandbox::{Command, Config, Exit, FileError, FileKind, ProcessControl, Signal, SignalTarget};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[test]
fn a_program_runs_with_a_clean_environment() {
    with_launcher(choice("none", None), async |launcher| {
        let sandbox = launcher.start(Config::default()).await.expect("a sandbox");
        sandbox.set_env("ADDED", "later");
        let (out, err, code) = run(&sandbox, "env; pwd; echo oops >&2; exit 7").await;
        assert_eq!((err.as_str(), code), ("oops\n", 7));
        assert!(out.contains("LANG=C.UTF-8\n") && out.contains("ADDED=later\n"), "{out}");
        assert!(!out.contains("CARGO"), "the environment of the harness is inside: {out}");
        assert!(out.ends_with(&format!("{}\n", sandbox.workspace())), "{out}");
        sandbox.close().await;
    });
}

#[test]
fn files_go_in_and_out_and_traps_do_not_hurt() {
    with_launcher(choice("none", None), async |launcher| {
        let sandbox = launcher.start(Config::default()).await.expect("a sandbox");
        let files = sandbox.files();
        files.write("a/b.txt", b"hello", 0o640).await.expect("written");
        assert_eq!(files.read("/workspace/a/b.txt", 5).await.expect("read"), b"hello");
        assert_eq!(files.stat("a/b.txt").await.expect("stat").mode, 0o640);
        let cap = files.read("a/b.txt", 4).await;
        assert!(matches!(cap, Err(FileError::TooLarge { size: 5, max: 4, .. })), "{cap:?}");
        run(&sandbox, "mkfifo fifo; ln -s a/b.txt link; mkdir -p d/e/f; cat a/b.txt").await;
        let fifo =
            tokio::time::timeout(Duration::from_secs(5), files.read("fifo", 9)).await.expect("no block");
        assert!(matches!(&fifo, Err(FileError::WrongKind { what, .. }) if what == "is a FIFO"), "{fifo:?}");
        let fifo = tokio::time::timeout(Duration::from_secs(5), files.write("fifo", b"x", 0o600)).await;
        assert!(matches!(fifo, Ok(Err(FileError::WrongKind { .. }))), "{fifo:?}");
        assert_eq!(files.read("link", 9).await.expect("a link inside"), b"hello");
        assert_eq!(files.stat("link").await.expect("stat").kind, FileKind::Symlink);
        let names: Vec<_> =
            files.list("", 2).await.expect("list").into_iter().map(|entry| entry.path).collect();
        assert_eq!(names, ["a", "a/b.txt", "d", "d/e", "fifo", "link"]);
        files.remove("link").await.expect("removed");
        assert!(matches!(files.read("link", 9).await, Err(FileError::NotFound(_))));
        files.write("/tests/check.sh", b"#", 0o700).await.expect("hidden files");
        let (out, _, _) = run(&sandbox, &format!("cat {}", sandbox.resolve("/tests/check.sh"))).await;
        assert_eq!(out, "#");
        let large = vec![7u8; 3 << 20];
        files.write("large", &large, 0o600).await.expect("written");
        assert_eq!(files.read("large", 1 << 30).await.expect("read"), large);
        sandbox.close().await;
        assert!(matches!(files.read("large", 9).await, Err(FileError::Gone(_))));
    });
}

#[test]
fn a_terminal_tells_whether_a_program_runs_in_it() {
    with_launcher(choice("none", None), async |launcher| {
        let sandbox = launcher.start(Config::default()).await.expect("a sandbox");
        let shell = ["/bin/bash", "--noprofile", "--norc", "--noediting", "-i"].map(str::to_owned);
        let command =
            Command { argv: shell.to_vec(), pty: Some((80, 24)), status_fd: Some(9), ..Command::default() };
        let mut process = sandbox.spawn(command).await.expect("a shell");
        let mut stdin = process.stdin.take().expect("stdin");
        let mut status = process.status.take().expect("status");
        stdin.write_all(b"echo ready >&9; tty; stty size >&9\n").await.expect("typed");
        let mut seen = [0u8; 12];
        status.read_exact(&mut seen).await.expect("the status pipe");
        assert_eq!(&seen, b"ready\n24 80\n");
        busy_becomes(&*process.control, false).await;
        stdin.write_all(b"sh -c 'echo go >&9; exec sleep 60'\n").await.expect("typed");
        status.read_exact(&mut seen[..3]).await.expect("the status pipe");
        busy_becomes(&*process.control, true).await;
        process.control.signal(Signal::Int, SignalTarget::Foreground).await.expect("sent");
        stdin.write_all(b"echo code $? >&9\n").await.expect("typed");
        status.read_exact(&mut seen[..9]).await.expect("the status pipe");
        assert_eq!(&seen[..9], b"code 130\n");
        stdin.write_all(b"exit 3\n").await.expect("typed");
        assert_eq!(process.control.wait().await.expect("an end"), Exit::Code(3));
        assert_eq!(process.control.wait().await.expect("again"), Exit::Code(3));
        let mut rest = String::new();
        process.stdout.take().expect("stdout").read_to_string(&mut rest).await.expect("the terminal ends");
        assert!(rest.contains("/dev/pts/") && !rest.contains('\r'), "{rest:?}");
        sandbox.close().await;
    });
}

#[test]
fn what_can_not_start_is_told() {
    with_launcher(choice("none", None), async |launcher| {
        let sandbox = launcher.start(Config::default()).await.expect("a sandbox");
        let start = async |argv: &[&str], cwd: &str| {
            let argv = argv.iter().map(|word| (*word).to_owned()).collect();
            let command = Command { argv, cwd: cwd.to_owned(), ..Command::default() };
            sandbox.spawn(command).await.err().expect("an error").message
        };
        assert_eq!(
            start(&["no-such-program"], "").await,
            "no program named 'no-such-program' in the sandbox's PATH"
        );
        assert_eq!(start(&["/no/such"], "").await, "run /no/such: no such file or directory");
        assert!(start(&["true"], "nowhere").await.ends_with("/nowhere: no such file or directory"));
        assert_eq!(start(&[], "").await, "no program was named");
        assert_eq!(start(&["true", "a\0b"], "").await, "a NUL byte in an argument, variable or path");
        sandbox.close().await;
    });
}

#[test]
fn freeze_kills_all_and_close_leaves_nothing() {
    with_launcher(choice("none", None), async |launcher| {
        let sandbox = launcher.start(Config::default()).await.expect("a sandbox");
        let mut sleeper = sandbox
            .spawn(sh("setsid sleep 987 & setsid sh -c 'sleep 986 & exit' ; sleep 985"))
            .await
            .expect("started");
        sandbox.files().write("kept", b"x", 0o600).await.expect("written");
        tokio::time::sleep(Duration::from_millis(200)).await;
        let report = sandbox.freeze().await.expect("frozen");
        assert!(report.leftovers >= 3, "{report:?}");
        assert_eq!(sleeper.control.wait().await.expect("an end"), Exit::Signal(9));
        assert_eq!(sandbox.files().read("kept", 9).await.expect("still there"), b"x");
        let folder = std::path::PathBuf::from(sandbox.workspace());
        let report = sandbox.close().await;
        assert!(report.leftovers >= 3, "{report:?}");
        assert!(!folder.parent().expect("a parent").exists());
        assert_eq!(sandbox.close().await.leftovers, 0);
        assert!(sandbox.spawn(sh("true")).await.is_err());
    });
}

async fn busy_becomes(control: &dyn ProcessControl, wanted: bool) {
    for _ in 0..1000 {
        if control.foreground_busy().await.expect("known") == wanted {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("the terminal's foreground did not become {wanted}");
}
