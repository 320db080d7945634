//! The store: two at once, what is removed and what stays.

use super::build::{Pack, Tree, busybox, image};
use super::{Lab, can_show};
use crate::sandbox::with_launcher;
use rolltape::sandbox::Config;
use serde_json::json;

/// An image with many files, so that unpacking takes its time.
fn many(lab: &Lab, name: &str) {
    let tree = (0..3000).fold(Tree::new(), |tree, n| tree.file(&format!("f/{n}"), 0o644, &[b'x'; 2000]));
    image(&[(tree.done(), Pack::Gzip)], json!({})).layout(&lab.path(name));
}

#[test]
fn two_at_once_unpack_once() {
    let lab = Lab::new();
    many(&lab, "image");
    let program = lab.program(&["images", "pull", "./image"]);
    let mut children: Vec<_> = (0..4).map(|_| program.spawn()).collect();
    for child in &mut children {
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }
    assert_eq!(lab.roots().len(), 1);
    assert_eq!(std::fs::read_dir(lab.roots()[0].join("f")).unwrap().count(), 3000);
    assert!(lab.kept("tmp").is_empty());
}

#[test]
fn what_a_killed_pull_left_goes_with_the_next() {
    let lab = Lab::new();
    many(&lab, "image");
    let mut child = lab.program(&["images", "pull", "./image"]).spawn();
    let end = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while lab.kept("tmp").is_empty() && lab.roots().is_empty() && std::time::Instant::now() < end {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    if lab.roots().is_empty() {
        assert_eq!(lab.kept("tmp").len(), 1, "the half of an image");
    }
    lab.rolltape(&["images", "pull", "./image"]).expect_code(0);
    assert!(lab.kept("tmp").is_empty());
    assert_eq!(std::fs::read_dir(lab.roots()[0].join("f")).unwrap().count(), 3000);
}

#[test]
fn what_no_name_needs_is_removed_but_not_under_a_run() {
    need!("busybox");
    if !can_show("oci::stored") {
        return;
    }
    let lab = Lab::new();
    let other = Tree::new().file("other", 0o600, b"other").folder("locked/", 0o000).done();
    image(&[(busybox(), Pack::Gzip)], json!({})).layout(&lab.path("image"));
    image(&[(other, Pack::Gzip)], json!({})).saved(&lab.path("other.tar"));
    lab.rolltape(&["images", "pull", "image", "./other.tar"]).expect_code(0);
    assert_eq!(lab.roots().len(), 2);
    lab.rolltape(&["images", "gc"]).expect_code(0);
    assert_eq!(lab.roots().len(), 2, "both have names");
    with_launcher(lab.choice(&lab.path("image")), async |launcher| {
        let output = lab.rolltape(&["images", "remove", "./image"]).expect_code(0);
        assert!(output.stderr.contains("1 unpacked image kept that a run uses"), "{}", output.stderr);
        let sandbox = launcher.start(Config::default()).await.expect("it is still there");
        sandbox.close().await;
    });
    let output = lab.rolltape(&["images", "remove", "other.tar"]).expect_code(0);
    assert!(output.stderr.contains("removed 2 unpacked images"), "{}", output.stderr);
    assert!(lab.roots().is_empty());
    assert_eq!(lab.kept("roots").len(), 0);
    let output = lab.rolltape(&["images", "remove", "other.tar"]).expect_code(3);
    insta::assert_snapshot!(output.stderr, @r"
    error: no image named 'other.tar' is in the store
    hint: `rolltape images list` shows what there is
    ");
}

#[test]
fn a_store_that_can_not_be_written_is_said() {
    let lab = Lab::new();
    std::fs::write(lab.path("home"), "a file").unwrap();
    let output = lab.rolltape(&["images", "list"]).expect_code(3);
    let text = output.stderr.replace(&lab.0.path().display().to_string(), "<LAB>");
    insta::assert_snapshot!(text, @r"
    error: open the store of images <LAB>/home/images: not a directory
    hint: let ROLLTAPE_HOME name a folder that can be written
    ");
}

/// The store on a file system of 4 MB.
#[test]
fn no_space_is_said() {
    need!("mount", "umount", "unshare", root);
    let lab = Lab::new();
    many(&lab, "image");
    std::fs::create_dir(lab.path("home")).unwrap();
    let script = format!(
        "mount -t tmpfs -o size=4m tmpfs {0}/home && cd {0} && exec env ROLLTAPE_HOME={0}/home {1} images pull ./image",
        lab.0.path().display(),
        env!("CARGO_BIN_EXE_rolltape")
    );
    let output =
        std::process::Command::new("unshare").args(["--mount", "sh", "-c", &script]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(text.contains("no space left on device") && text.contains("hint: make room"), "{text}");
    assert!(text.contains("entry 'f/"), "{text}");
}
