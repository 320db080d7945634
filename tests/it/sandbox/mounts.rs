//! Folders of the host that are hung in, wherever that is, and the certificates that are trusted inside.

use super::levels::levels;
use super::{choice, run, with_launcher};
use rolltape::sandbox::{Config, Level, Sandbox};
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;

fn own_root(config: &Config, test: impl AsyncFn(Level, Arc<dyn Sandbox>) + Copy) {
    for level in levels().into_iter().filter(|level| *level >= Level::User) {
        with_launcher(choice("", Some(level)), async |launcher| {
            let sandbox = launcher.start(config.clone()).await.expect("a sandbox");
            test(level, Arc::clone(&sandbox)).await;
            sandbox.close().await;
        });
    }
}

#[test]
fn a_folder_can_be_hung_in_anywhere_and_is_read_only() {
    let host = tempfile::tempdir_in("/var/tmp").expect("a folder");
    std::fs::write(host.path().join("told"), "alive").expect("written");
    std::os::unix::fs::chown(host.path(), Some(0), Some(0)).ok();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(host.path(), open).expect("readable");
    let places =
        ["/opt/new", "/opt/deep/er/one", "/usr/lib/rolltape-test", "/usr/local", "/data", "/srv/x/y"];
    let folder = host.path().display().to_string();
    let config = Config {
        mounts: places.iter().map(|place| (folder.clone(), (*place).to_owned())).collect(),
        ..Config::default()
    };
    own_root(&config, async |level, sandbox| {
        for place in places {
            let (out, err, _) = run(&sandbox, &format!("cat {place}/told")).await;
            assert_eq!(out, "alive", "{level:?} {place}: {err}");
            let (_, err, code) = run(&sandbox, &format!("echo x > {place}/told || rm -f {place}/told")).await;
            assert_ne!(code, 0, "{level:?}: {place} can be written");
            assert!(err.contains("Read-only") || err.contains("denied"), "{level:?} {place}: {err}");
        }
        // What the host has beside is still there, and in level user still read-only.
        let (out, err, code) = run(&sandbox, "ls /usr/lib | wc -l; ls /usr/bin/env; ls /opt").await;
        assert_eq!(code, 0, "{level:?}: {err}");
        let beside = std::fs::read_dir("/opt").expect("a folder").flatten();
        for name in beside.map(|entry| entry.file_name().to_string_lossy().into_owned()) {
            assert!(out.lines().any(|line| line == name), "{level:?}: {name} of /opt is gone: {out}");
        }
        let free = run(&sandbox, "touch /opt/mine /usr/lib/mine").await.2 == 0;
        assert_eq!(free, level == Level::Overlay, "{level:?}");
    });
    assert_eq!(std::fs::read_to_string(host.path().join("told")).expect("there"), "alive");
    assert!(!Path::new("/opt/new").exists() && !Path::new("/usr/lib/rolltape-test").exists());
}

#[test]
fn an_authority_is_trusted_inside_and_only_there() {
    let pem = "-----BEGIN CERTIFICATE-----\nbm90aGluZw==\n-----END CERTIFICATE-----\n";
    let bundle = std::fs::read_to_string("/etc/ssl/certs/ca-certificates.crt").unwrap_or_default();
    let venv = tempfile::tempdir_in("/var/tmp").expect("a folder");
    let packages = venv.path().join("lib/python3.99/site-packages/certifi");
    std::fs::create_dir_all(&packages).expect("made");
    std::fs::write(packages.join("cacert.pem"), "# of certifi").expect("written");
    for folder in packages.ancestors().take_while(|folder| folder.starts_with(venv.path())) {
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(folder, open).expect("readable");
    }
    let config = Config {
        authority: Some(pem.to_owned()),
        mounts: vec![(venv.path().display().to_string(), "/opt/venv".to_owned())],
        hosts: vec![("api.example".to_owned(), Ipv4Addr::new(127, 0, 0, 2))],
        ..Config::default()
    };
    let show =
        "cat $SSL_CERT_FILE; cmp $SSL_CERT_FILE $REQUESTS_CA_BUNDLE && cmp $SSL_CERT_FILE $CURL_CA_BUNDLE";
    own_root(&config, async |level, sandbox| {
        let (out, err, code) = run(&sandbox, show).await;
        assert!(code == 0 && out.starts_with(&bundle) && out.ends_with(pem), "{level:?}: {err}");
        assert_eq!(run(&sandbox, "cat $NODE_EXTRA_CA_CERTS").await.0, pem, "{level:?}");
        let file = "/opt/venv/lib/python3.99/site-packages/certifi/cacert.pem";
        assert_eq!(
            run(&sandbox, &format!("cat {file}")).await.0,
            format!("# of certifi\n{pem}"),
            "{level:?}"
        );
        let (out, _, _) = run(&sandbox, "grep example /etc/hosts").await;
        assert_eq!(out, "127.0.0.2 api.example\n");
    });
    for level in levels().into_iter().filter(|level| *level < Level::User) {
        with_launcher(choice("", Some(level)), async |launcher| {
            let config = Config { mounts: Vec::new(), ..config.clone() };
            let sandbox = launcher.start(config).await.expect("a sandbox");
            let (out, err, code) = run(&sandbox, show).await;
            assert!(code == 0 && out.starts_with(&bundle) && out.ends_with(pem), "{level:?}: {err}");
            sandbox.close().await;
        });
    }
    assert_eq!(std::fs::read_to_string("/etc/ssl/certs/ca-certificates.crt").unwrap_or_default(), bundle);
    assert_eq!(std::fs::read_to_string(packages.join("cacert.pem")).expect("there"), "# of certifi");
    // Without an authority nothing is said of certificates.
    own_root(&Config::default(), async |level, sandbox| {
        let (out, _, _) = run(&sandbox, "env | grep -c -e CERT -e BUNDLE; ls /etc/ssl").await;
        assert!(out.starts_with("0\n") && !out.contains("rolltape.pem"), "{level:?}: {out}");
    });
}

#[test]
fn folders_of_the_harness_are_hidden_in_shared_ones() {
    need!(root);
    let open = |folder: &Path| {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(folder, mode).expect("readable");
    };
    let (own, beside) =
        (tempfile::tempdir_in("/opt").expect("a folder"), tempfile::tempdir_in("/opt").expect("a folder"));
    let venv = own.path().join("venv");
    std::fs::create_dir(&venv).expect("a folder");
    for folder in [own.path(), beside.path(), &venv] {
        open(folder);
        std::fs::write(folder.join("told"), "alive").expect("written");
    }
    let [own, beside, venv] = [own.path(), beside.path(), &venv].map(|path| path.display().to_string());
    // What all programs need is never hidden, whoever asks.
    let hide =
        [own.as_str(), "/usr/local", "/usr/bin", "/opt", "/", "/no/such/folder"].map(Into::into).to_vec();
    for level in levels() {
        let mounts = if level == Level::Process { Vec::new() } else { vec![(venv.clone(), venv.clone())] };
        with_launcher(super::Choice { hide: hide.clone(), ..choice("", Some(level)) }, async |launcher| {
            for mounts in [mounts, Vec::new()] {
                let hung = !mounts.is_empty();
                let sandbox =
                    launcher.start(Config { mounts, ..Config::default() }).await.expect("a sandbox");
                let look = format!(
                    "cat {own}/told; cat {beside}/told; cat {venv}/told; /usr/bin/env true && echo fine"
                );
                let (out, err, _) = run(&sandbox, &look).await;
                let seen = if hung { "alivealivefine\n" } else { "alivefine\n" };
                assert_eq!(out, seen, "{level:?}: {err}");
                sandbox.close().await;
            }
        });
    }
}
