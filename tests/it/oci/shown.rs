//! What a sandbox shows of an image.

use super::build::{Pack, Tree, bash, busybox, image};
use super::{Lab, can_show};
use crate::sandbox::{run, sh, with_launcher};
use rolltape::sandbox::{Command, Config, Launcher};
use serde_json::json;
use tar::EntryType;

const TEST: &str = "oci::shown";

#[test]
fn every_source_gives_the_same_root() {
    let lab = Lab::new();
    let layers = |packs: [Pack; 2]| {
        let second = Tree::new().folder("a/", 0o755).file("a/b", 0o600, b"text").done();
        image(
            &[(Tree::new().folder("a/", 0o700).done(), packs[0]), (second, packs[1])],
            json!({ "Env": ["A=1"], "Cmd": null }),
        )
    };
    layers([Pack::Gzip, Pack::Zstd]).layout(&lab.path("layout"));
    layers([Pack::Plain, Pack::Gzip]).saved(&lab.path("new.tar"));
    layers([Pack::Plain, Pack::Plain]).saved_of_old(&lab.path("old.tar"));
    for name in ["layout", "./layout:one", "new.tar", "./old.tar", "old.tar:test:one"] {
        lab.rolltape(&["images", "pull", name]).expect_code(0);
    }
    let roots = lab.roots();
    assert_eq!(roots.len(), 1, "what is unpacked once serves all");
    assert_eq!(std::fs::read(roots[0].join("a/b")).unwrap(), b"text");
    let list = lab.rolltape(&["images", "list", "--json"]).expect_code(0);
    let list: serde_json::Value = serde_json::from_str(&list.stdout).unwrap();
    assert_eq!(list["images"].as_array().unwrap().len(), 5);
    assert!(
        list["images"]
            .as_array()
            .unwrap()
            .iter()
            .all(|image| image["bytes"] == 4 && image["env"] == json!(["A=1"]))
    );
    assert!(lab.kept("tmp").is_empty());
}

#[test]
fn layers_are_laid_over_each_other() {
    need!("busybox");
    if !can_show(TEST) {
        return;
    }
    let lab = Lab::new();
    let long = format!("long/{}", "x".repeat(200));
    let second = Tree::new()
        .folder("d/", 0o750)
        .file("d/gone", 0o644, b"gone")
        .file("d/stays", 0o644, b"stays")
        .folder("o/", 0o755)
        .folder("o/sub/", 0o755)
        .file("o/sub/old", 0o644, b"old")
        .file("o/old", 0o644, b"old")
        .folder("turns/", 0o755)
        .file("turns/into", 0o644, b"a file")
        .link("to-d", "d")
        .file("/suid", 0o6755, b"set ids")
        .pax(&[("path", long.as_bytes())])
        .file("x", 0o644, b"long")
        .done();
    let third = Tree::new()
        .file("d/.wh.gone", 0o644, b"")
        .file("d/.wh.never", 0o644, b"")
        .folder("o/", 0o755)
        .file("o/.wh..wh..opq", 0o644, b"")
        .folder("o/sub/", 0o711)
        .file("o/sub/new", 0o644, b"new")
        .file("turns", 0o644, b"a file now")
        .same("d/same", "d/stays")
        .file("to-d/through", 0o644, b"through a link of below")
        .any("dev/sda", EntryType::Block, 0o660, (0, 6), b"", "")
        .done();
    let layers = [(busybox(), Pack::Gzip), (second, Pack::Zstd), (third, Pack::Plain)];
    image(&layers, json!({})).layout(&lab.path("image"));
    let root = rustix::process::geteuid().is_root();
    with_launcher(lab.choice(&lab.path("image")), async |launcher| {
        let sandbox = launcher.start(Config::default()).await.unwrap();
        let (out, err, code) = run(
            &sandbox,
            "cd /; ls d o o/sub && cat turns d/through && stat -c '%a %h' /d /d/same /o/sub /suid /tmp && cat /long/x* && ls /dev/sda; \
             readlink /to-d; readlink /workspace; id -u; ls -d /proc/1 /dev/null /sys /etc/hosts",
        )
        .await;
        insta::assert_snapshot!(format!("{out}--- {code}\n{err}"));
        let (out, _, _) =
            run(&sandbox, "touch /bin/new && rm /bin/wc && echo x >/etc/passwd; ls /bin/new /bin/wc").await;
        assert_eq!(out, "/bin/new\n");
        let other = launcher.start(Config::default()).await.unwrap();
        let (out, _, _) = run(&other, "ls /bin/new /bin/wc; cat /etc/passwd").await;
        assert!(out.starts_with("/bin/wc\nroot:"), "{out}");
        sandbox.close().await;
        other.close().await;
    });
    let inside = lab.roots().remove(0);
    assert!(inside.join("bin/wc").symlink_metadata().is_ok() && !inside.join("bin/new").exists());
    assert_eq!(std::fs::metadata(lab.store()).unwrap().permissions().mode() & 0o777, 0o700);
    if root {
        assert_eq!(std::fs::metadata(inside.join("suid")).unwrap().permissions().mode() & 0o7777, 0o6755);
    }
}

use std::os::unix::fs::PermissionsExt;

/// A sandbox with users beside root shows whose a file is.
#[test]
fn programs_start_as_the_image_says() {
    need!("busybox", root);
    if !can_show(TEST) {
        return;
    }
    let lab = Lab::new();
    let second = Tree::new()
        .folder("home/", 0o755)
        .any("home/app/", EntryType::Directory, 0o700, (1000, 1001), b"", "")
        .any("home/app/mine", EntryType::Regular, 0o600, (1000, 1001), b"mine", "")
        .any("stranger", EntryType::Regular, 0o644, (4_000_000, 5), b"", "")
        .pax(&[
            ("SCHILY.xattr.user.note", b"kept"),
            ("SCHILY.xattr.user.overlay.opaque", b"y"),
            ("SCHILY.xattr.trusted.x", b"y"),
        ])
        .file("noted", 0o644, b"")
        .done();
    let settings = json!({ "User": "app", "WorkingDir": "/srv/app", "Env": ["GREETING=hello there", "PATH=/bin"], "Entrypoint": ["/bin/never"] });
    image(&[(busybox(), Pack::Gzip), (second, Pack::Gzip)], settings).layout(&lab.path("image"));
    let pulled = lab.rolltape(&["images", "pull", "image"]).expect_code(0);
    assert!(pulled.stderr.contains("1 file of owners above 65535"), "{}", pulled.stderr);
    assert!(pulled.stderr.contains("2 extended attributes could not be kept"), "{}", pulled.stderr);
    with_launcher(lab.choice(&lab.path("image")), async |launcher| {
        let sandbox = launcher.start(Config::default()).await.unwrap();
        sandbox.files().write("sub/file", b"text", 0o640).await.unwrap();
        sandbox.files().write("/tests/secret", b"text", 0o644).await.unwrap();
        let (out, err, _) = run(
            &sandbox,
            "id; echo $GREETING $HOME $USER $SHELL; readlink /workspace; ls -ld . sub sub/file | while read a b c d e; do echo $a $c $d; done; \
             cat /home/app/mine; stat -c '%u %g' /stranger; echo x >sub/file; echo said >/dev/stderr; ls /tests; rm /noted",
        )
        .await;
        insta::assert_snapshot!(format!("{out}--- \n{err}"));
        let process = sandbox.spawn(Command { root: true, ..sh("id -u; cat /tests/secret") }).await.unwrap();
        assert_eq!(crate::sandbox::finish(process).await.0, "0\ntext");
        let process = sandbox.spawn(Command { unprivileged: true, ..sh("id -u") }).await.unwrap();
        assert_eq!(crate::sandbox::finish(process).await.0, "65534\n");
        sandbox.close().await;
        assert!(launcher.warnings().is_empty());
        assert_eq!(launcher.unmet("cat"), None);
        assert_eq!(launcher.unmet("python3"), Some("no program named 'python3' in the image".to_owned()));
        assert_eq!(launcher.unmet("install"), None);
    });
    let noted =
        rustix::fs::open(lab.roots()[0].join("noted"), rustix::fs::OFlags::RDONLY, rustix::fs::Mode::empty())
            .unwrap();
    let mut value = [0u8; 16];
    assert_eq!(rustix::fs::fgetxattr(&noted, "user.note", &mut value[..]).unwrap(), 4);
    assert!(rustix::fs::fgetxattr(&noted, "user.overlay.opaque", &mut value[..]).is_err());
}

/// No C library, no shell, no passwd, none of the folders that others have.
#[test]
fn an_image_of_one_program_is_enough() {
    need!("busybox");
    if !can_show(TEST) {
        return;
    }
    let lab = Lab::new();
    let program = std::fs::read(crate::support::needs::find("busybox").unwrap()).unwrap();
    let only = Tree::new()
        .file("busybox", 0o755, &program)
        .link("proc", "/elsewhere")
        .link("etc", "/busybox")
        .done();
    image(&[(only, Pack::Gzip)], json!({})).saved(&lab.path("one.tar"));
    with_launcher(lab.choice(&lab.path("one.tar")), async |launcher| {
        let sandbox = launcher.start(Config::default()).await.unwrap();
        let argv = [
            "/busybox",
            "sh",
            "-c",
            "/busybox cat /etc/hostname; /busybox ls /proc/self/exe; /busybox wc -c </dev/null",
        ];
        let command = Command { argv: argv.map(str::to_owned).to_vec(), ..Command::default() };
        let (out, err, _) = crate::sandbox::finish(sandbox.spawn(command).await.unwrap()).await;
        assert_eq!((out.as_str(), err.as_str()), ("sandbox\n/proc/self/exe\n0\n", ""));
        let missing = sandbox.spawn(sh("true")).await.err().expect("no shell");
        assert!(missing.message.contains("/bin/sh"), "{missing}");
        sandbox.close().await;
    });
}

#[test]
fn an_image_with_a_c_library_and_a_pty() {
    need!("bash", "ldd", "busybox");
    if !can_show(TEST) {
        return;
    }
    let lab = Lab::new();
    image(&[(busybox(), Pack::Zstd), (bash(), Pack::Gzip)], json!({ "WorkingDir": "/workspace" }))
        .layout(&lab.path("image"));
    with_launcher(lab.choice(&lab.path("image")), async |launcher| {
        let sandbox = launcher.start(Config::default()).await.unwrap();
        let argv =
            ["bash", "-c", "echo $BASH_VERSION >/workspace/v; test -t 0 && echo terminal; echo $SHELL; pwd"];
        let pty = Some((80, 24));
        let command = Command { argv: argv.map(str::to_owned).to_vec(), pty, ..Command::default() };
        let (out, _, _) = crate::sandbox::finish(sandbox.spawn(command).await.unwrap()).await;
        assert_eq!(out, "terminal\n/bin/bash\n/workspace\n");
        assert!(!sandbox.files().read("v", 100).await.unwrap().is_empty());
        sandbox.close().await;
    });
}

#[test]
fn levels_without_a_root_of_their_own_say_so() {
    let lab = Lab::new();
    image(&[(Tree::new().file("x", 0o644, b"").done(), Pack::Gzip)], json!({})).layout(&lab.path("image"));
    let mut choice = lab.choice(&lab.path("image"));
    choice.level = Some(rolltape::sandbox::Level::Process);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let error = runtime.block_on(async { Launcher::new(choice).await.err().expect("an error") });
    assert!(error.message.contains("can't be shown in the sandbox level 'process'"), "{error}");
    assert!(error.hint.is_some());
}
