//! Images for an ordinary user, with ids of its own lent by `newuidmap`, and without.
//!
//! As root, a test runs itself again as such a user, where `/etc/subuid` lends it ids or does not.

use super::Lab;
use super::build::{Pack, Tree, busybox, image};
use crate::sandbox::{finish, run, sh, with_launcher};
use rolltape::sandbox::{Command, Config, Level};
use serde_json::json;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use tar::EntryType;

const AGAIN: &str = "ROLLTAPE_TEST_AGAIN";
const USER: u32 = 54321;

/// Whether the test may go on here. As root it runs itself again, with `lent` in `/etc/subuid`.
fn ordinary(test: &str, lent: &str) -> bool {
    if std::env::var_os(AGAIN).is_some() {
        return crate::sandbox::levels::works(Level::User);
    }
    let lab = Lab::new();
    std::fs::write(lab.path("lent"), lent).unwrap();
    // newuidmap looks for its caller by name.
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap();
    std::fs::write(lab.path("passwd"), format!("{passwd}lent:x:{USER}:{USER}::/:/bin/sh\n")).unwrap();
    std::fs::set_permissions(lab.0.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let this = std::env::current_exe().unwrap();
    let script = format!(
        "mount --bind {0} /etc/subuid && mount --bind {0} /etc/subgid && mount --bind {passwd} /etc/passwd && \
         exec setpriv --reuid={USER} --regid={USER} --clear-groups --inh-caps=-all {1} --exact {test} --nocapture",
        lab.path("lent").display(),
        this.display(),
        passwd = lab.path("passwd").display()
    );
    let output = std::process::Command::new("unshare")
        .args(["--mount", "sh", "-c", &script])
        .env(AGAIN, "1")
        .env_remove("TMPDIR")
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if err.contains("setpriv: failed to execute") || err.contains("bind") && err.contains("/etc/sub") {
        crate::support::ledger::note(
            test,
            "an ordinary user can't reach the built programs, or there is no /etc/subuid",
        );
        return false;
    }
    assert!(output.status.success() && out.contains("1 passed"), "{out}\n{err}");
    false
}

fn lab() -> Lab {
    let lab = Lab::new();
    let second = Tree::new()
        .any("mine", EntryType::Regular, 0o600, (1000, 1001), b"mine", "")
        .folder("locked/", 0o000)
        .file("locked/x", 0o600, b"x")
        .done();
    image(&[(busybox(), Pack::Gzip), (second, Pack::Gzip)], json!({ "User": "app" }))
        .layout(&lab.path("image"));
    lab
}

#[test]
fn a_user_with_lent_ids_has_all_users_of_the_image() {
    need!("busybox", "unshare", "setpriv", "mount", "newuidmap", "newgidmap", userns, root_or_again);
    if !ordinary("oci::ordinary::a_user_with_lent_ids_has_all_users_of_the_image", "lent:300000:65536\n") {
        return;
    }
    let lab = lab();
    with_launcher(lab.choice(&lab.path("image")), async |launcher| {
        assert_eq!(launcher.level(), Level::User);
        assert!(launcher.layers().iter().any(|layer| layer.name == "overlay" && layer.on));
        assert!(launcher.warnings().is_empty());
        assert_eq!(launcher.unmet("install"), None);
        let sandbox = launcher.start(Config::default()).await.unwrap();
        let (out, err, _) = run(&sandbox, "id -u; id -g; cat /mine; touch /bin/x").await;
        assert_eq!(out, "1000\n1001\nmine");
        assert!(err.contains("Permission denied") || err.contains("ermission"), "{err}");
        let root =
            sandbox.spawn(Command { root: true, ..sh("id -u; touch /x; chown 7:8 /x; stat -c '%u %g' /x") });
        assert_eq!(finish(root.await.unwrap()).await.0, "0\n7 8\n");
        let other = sandbox.spawn(Command { unprivileged: true, ..sh("id -u") }).await.unwrap();
        assert_eq!(finish(other).await.0, "65534\n");
        sandbox.close().await;
    });
    let root = lab.roots().remove(0);
    assert_eq!(std::fs::metadata(root.join("bin/busybox")).unwrap().uid(), USER);
    assert_eq!(std::fs::metadata(root.join("mine")).unwrap().uid(), 300_999);
    lab.rolltape(&["images", "remove", "./image"]).expect_code(0);
    assert!(lab.roots().is_empty() && lab.kept("tmp").is_empty(), "files of lent ids go too");
}

#[test]
fn a_user_with_one_id_is_told_what_does_not_work() {
    need!("busybox", "unshare", "setpriv", "mount", userns, root_or_again);
    if !ordinary("oci::ordinary::a_user_with_one_id_is_told_what_does_not_work", "") {
        return;
    }
    let lab = lab();
    with_launcher(lab.choice(&lab.path("image")), async |launcher| {
        let warnings = launcher.warnings().join("\n").replace(&lab.0.path().display().to_string(), "<LAB>");
        assert!(warnings.starts_with("image '<LAB>/image' is shown with one user id, as "), "{warnings}");
        assert!(warnings.contains("its programs run as root and not as user 1000"), "{warnings}");
        assert!(launcher.unmet("install").is_some());
        assert_eq!(launcher.unmet("root-inside"), None);
        let sandbox = launcher.start(Config::default()).await.unwrap();
        let (out, err, _) = run(
            &sandbox,
            "id -u; cat /mine; echo x >/bin/x && cat /bin/x; rm /mine; ls /mine; chown 7 /bin/x",
        )
        .await;
        assert_eq!(out, "0\nminex\n");
        assert!(err.contains("/mine") && err.contains("chown"), "{err}");
        sandbox.close().await;
    });
    lab.rolltape(&["images", "remove", "./image"]).expect_code(0);
    assert!(lab.roots().is_empty());
}
