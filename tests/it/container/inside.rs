//! What programs find inside, and what the harness says of it.

use super::{BASH, BUSYBOX, Lab};
use crate::sandbox::{choice, finish, run, sh, with_launcher};
use rolltape::sandbox::{Choice, Command, Config, FileError, Signal, SignalTarget};
use serde_json::json;
use std::time::Duration;

#[test]
fn layers_are_those_that_are_seen() {
    need!(root, "podman", "busybox", "tar");
    let Some(lab) = Lab::new("container::inside") else { return };
    let script = "echo out; echo err >&2; cat /etc/hosts; echo a > new; exit 7";
    let (output, report) = lab.reported(BUSYBOX, &["sh", "-c", script]);
    assert_eq!(output.code, 7, "{output:?}");
    assert_eq!(output.stderr, "err\n");
    assert!(output.stdout.starts_with("out\n127.0.0.1 localhost sandbox\n"), "{output:?}");
    assert_eq!((&report["level"], &report["limits"]), (&json!("container"), &json!([])));
    let on: Vec<&str> = report["layers"]
        .as_array()
        .expect("a list")
        .iter()
        .filter(|layer| layer["on"] == true)
        .filter_map(|layer| layer["name"].as_str())
        .collect();
    for layer in ["mountns", "pidns", "netns", "ipcns", "seccomp"] {
        assert!(on.contains(&layer), "{layer}: {report}");
    }
    // The storage of the test copies, and nobody has mapped users or given a quota.
    for layer in ["overlay", "userns", "disk-quota", "landlock"] {
        assert!(!on.contains(&layer), "{layer}: {report}");
    }
    let changes = report["changes"].as_array().expect("a list");
    assert!(
        changes.iter().any(|change| change["path"] == "/workspace/new" && change["change"] == "added"),
        "{report}"
    );
    // Shared with the host is what is asked to be.
    let (_, report) = lab.reported(BUSYBOX, &["--network", "full", "true"]);
    let netns = report["layers"].as_array().expect("a list").iter().find(|layer| layer["name"] == "netns");
    assert_eq!(netns.expect("the layer")["on"], false, "{report}");
    let output = lab.sandbox(BUSYBOX, &["--require", "userns", "true"]).run();
    assert_eq!(output.code, 3);
    assert!(output.stderr.contains("lacks required layers: userns"), "{}", output.stderr);
    lab.assert_clean();
}

#[test]
fn programs_have_no_more_than_they_need() {
    need!(root, "podman", "busybox", "tar");
    let Some(lab) = Lab::new("container::inside") else { return };
    let mount = lab.path("shown");
    std::fs::create_dir(&mount).expect("a folder");
    std::fs::write(mount.join("file"), "text").expect("a file");
    let mount = format!("{}:/data/set", mount.display());
    let script = "cat /proc/self/status | tr '\\t' ' '; cat /data/set/file; touch /data/set/x; echo $?; \
                  echo x > /.rolltape/init; echo $?; touch /anywhere; echo $?; env";
    let output = lab.sandbox(BUSYBOX, &["--mount", &mount, "sh", "-c", script]).run();
    let has = |line: &str| output.stdout.lines().any(|found| found.trim() == line);
    // CHOWN, FOWNER, FSETID, KILL, SETGID, SETUID, NET_BIND_SERVICE, SETFCAP.
    assert!(has("CapEff: 00000000800004f9") && has("CapBnd: 00000000800004f9"), "{output:?}");
    assert!(has("NoNewPrivs: 1") && has("Seccomp: 2"), "{output:?}");
    assert!(output.stdout.contains("text1\n1\n0\n"), "{output:?}");
    for word in ["LD_", "ROLLTAPE", "container="] {
        assert!(!output.stdout.lines().any(|line| line.starts_with(word)), "{word}: {output:?}");
    }
}

#[test]
fn the_image_says_who_and_where() {
    need!(root, "podman", "busybox", "tar", "bash", "ldd");
    let Some(lab) = Lab::new("container::inside") else { return };
    lab.import_bash();
    let script = "id -u; id -g; id -G; cd /workspace && /bin/busybox pwd -P; echo $HOME $GIVEN $SHELL; touch here && echo made";
    let output = lab.sandbox(BASH, &["bash", "-c", script]).run();
    let told = "7\n8\n8 9\n/app\n/home/me by the image /bin/bash\nmade\n";
    assert_eq!((output.stdout.as_str(), output.code), (told, 0), "{output:?}");
}

#[test]
fn programs_files_and_listeners_are_as_in_every_sandbox() {
    need!(root, "podman", "busybox", "tar");
    let Some(lab) = Lab::new("container::inside") else { return };
    let engine = Some(lab.podman().display().to_string());
    let choice = Choice { engine, ..choice(&format!("container:{BUSYBOX}"), None) };
    with_launcher(choice, async |launcher| {
        assert_eq!(launcher.unmet("sh"), None);
        assert_eq!(launcher.unmet("bash").as_deref(), Some("no program named 'bash' in the image"));
        let sandbox = launcher.start(Config::default()).await.expect("a sandbox");
        let files = sandbox.files();
        files.write("deep/er/file", b"text", 0o640).await.expect("written");
        assert_eq!(
            run(&sandbox, "cat /workspace/deep/er/file; ls -l deep/er | tail -1").await.0[..14],
            *"text-rw-r-----"
        );
        run(&sandbox, "ln -s /etc/hosts link 2>/dev/null || /bin/busybox ln -s /etc/hosts link").await;
        assert!(files.read("link", 1000).await.expect("inside").starts_with(b"127.0.0.1 localhost"));
        let error = files.read("none", 10).await.expect_err("nothing");
        assert_eq!(error, FileError::NotFound("none".to_owned()));
        let (listener, address) = sandbox.listen(8080).await.expect("a listener");
        assert_eq!(address.port(), 8080, "the loopback is its own");
        listener.set_nonblocking(false).expect("blocking");
        let served = std::thread::spawn(move || {
            use std::io::Write as _;
            let (mut stream, _) = listener.accept().expect("a visit");
            let _ = stream.write_all(b"HTTP/1.0 200 OK\r\n\r\nhello");
            let _ = stream.shutdown(std::net::Shutdown::Write);
            let _ = std::io::copy(&mut stream, &mut std::io::sink());
        });
        let (out, err, _) = run(&sandbox, "wget -q -O - http://127.0.0.1:8080/").await;
        assert_eq!(out, "hello", "{err}");
        served.join().expect("served");
        let pty = Some((90, 30));
        let told =
            finish(sandbox.spawn(Command { pty, ..sh("/bin/busybox stty size") }).await.expect("a program"));
        assert_eq!(told.await.0, "30 90\n");
        let mut process = sandbox.spawn(Command { pty, ..sh("sleep 60") }).await.expect("a program");
        process.control.signal(Signal::Kill, SignalTarget::Group).await.expect("sent");
        let end = tokio::time::timeout(Duration::from_secs(10), process.control.wait()).await;
        assert_eq!(end.expect("in time").expect("an end").shell_code(), 137);
        run(&sandbox, "sleep 1000 >/dev/null 2>&1 & sleep 1000 >/dev/null 2>&1 &").await;
        assert_eq!(sandbox.freeze().await.expect("frozen").leftovers, 2);
        assert_eq!(files.read("deep/er/file", 10).await.expect("still there"), b"text");
        sandbox.close().await;
    });
    lab.assert_clean();
}
