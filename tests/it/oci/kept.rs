//! Snapshots and kept states of sandboxes that show an image.

use super::build::{Pack, Tree, bash, busybox, image};
use super::{Lab, can_show};
use crate::sandbox::{run, with_launcher};
use crate::support::Small;
use rolltape::sandbox::{About, Config, State};
use serde_json::json;

#[test]
fn what_was_made_of_an_image_is_there_again() {
    need!("busybox");
    if !can_show("oci::kept") {
        return;
    }
    let lab = Lab::new();
    let own =
        Tree::new().folder("d/", 0o755).file("d/gone", 0o644, b"gone").file("d/old", 0o640, b"old").done();
    image(&[(busybox(), Pack::Gzip), (own, Pack::Gzip)], json!({ "WorkingDir": "/app" }))
        .layout(&lab.path("image"));
    let file = lab.path("kept.state");
    with_launcher(lab.choice(&lab.path("image")), async |launcher| {
        let config = Config { keep: true, ..Config::default() };
        let sandbox = launcher.start(config).await.expect("a sandbox");
        let script = "set -e; rm /d/gone; echo more >> /d/old; echo made > made; mkdir /new; chmod 711 /new";
        let (_, err, code) = run(&sandbox, script).await;
        assert_eq!(code, 0, "{err}");
        sandbox.keep(&file, &About::default(), 1 << 30).await.expect("kept");
        let memory = sandbox.snapshot().await.expect("a snapshot");
        sandbox.close().await;
        let stored = launcher.open(State::open(&file, "kept").expect("a state"), "").await.expect("opened");
        for snapshot in [memory, stored] {
            for _ in 0..2 {
                let config = Config { from: Some(snapshot.clone()), ..Config::default() };
                let again = launcher.start(config).await.expect("again");
                let script = "set -e; test ! -e /d/gone; cat /d/old /app/made; stat -c %a /new /d/old; \
                              ls -d /proc/1 /dev/null; echo x > /d/gone; rm /app/made";
                let (out, err, code) = run(&again, script).await;
                assert_eq!(
                    (out.as_str(), code),
                    ("oldmore\nmade\n711\n640\n/dev/null\n/proc/1\n", 0),
                    "{err}"
                );
                again.close().await;
            }
            snapshot.close().await;
        }
    });
}

#[test]
fn an_attempt_in_an_image_is_looked_at_again() {
    need!("busybox", "bash", "ldd");
    if !can_show("oci::kept") {
        return;
    }
    let small = Small::new(
        "[defaults]\nagent = \"command:sh do.sh\"\nbackend = \"echo\"\n[[task]]\nid = \"in\"\nprompt = \"Look.\"\n\
         needs = [\"bash\"]\nsandbox = { root = \"oci:./image\" }\nfiles = { \"do.sh\" = 'rm /of-the-image; echo y > made' }\n\
         score = [{ kind = \"file\", path = \"made\", equals = \"x\" }]\n",
    );
    let lay = |text: &[u8]| {
        let own = Tree::new().file("of-the-image", 0o644, text).done();
        let layers = [(busybox(), Pack::Gzip), (bash(), Pack::Gzip), (own, Pack::Gzip)];
        image(&layers, json!({ "WorkingDir": "/app" })).layout(&small.path("own/image"));
    };
    lay(b"text");
    let home = small.path("home");
    small.program("out", &["--keep-sandbox", "failed"]).env("ROLLTAPE_HOME", &home).run().expect_code(1);
    let open = || {
        let script = "cat /app/made; test ! -e /of-the-image; pwd";
        let arguments = ["-q", "sandbox", "--from", "out/in", "--", "sh", "-ec", script];
        crate::support::Rolltape::new(&arguments).cwd(small.path("")).env("ROLLTAPE_HOME", &home).run()
    };
    assert_eq!(open().expect_code(0).stdout, "y\n/app\n");
    // Another image under the name of the one that it was.
    std::fs::remove_dir_all(small.path("own/image")).expect("removed");
    lay(b"changed");
    crate::support::Rolltape::new(&["images", "pull", &small.path("own/image").display().to_string()])
        .env("ROLLTAPE_HOME", &home)
        .run()
        .expect_code(0);
    let told = open().expect_code(3).stderr;
    assert!(
        told.starts_with("error: the sandbox of 'own/in/command:sh_do.sh@echo/1' showed the image '"),
        "{told}"
    );
    assert!(told.contains("hint: pull the image that it was, or run the attempt again\n"), "{told}");
}
