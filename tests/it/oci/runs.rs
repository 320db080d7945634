//! Runs in images: of the command line, and of a suite's tasks.

use super::build::{Pack, Tree, bash, busybox, image};
use super::can_show;
use crate::support::Small;
use serde_json::json;

const REPLIES: &str = r#"schema = 1
[[reply]]
task = "in"
calls = [{ id = "a", name = "execute_bash", arguments = '{"command": "cat /of-the-image >found"}' }]
[[reply]]
task = "in"
calls = [{ id = "z", name = "finish", arguments = '{"message": "done"}' }]
[[reply]]
task = "none"
calls = [{ id = "z", name = "finish", arguments = '{"message": "done"}' }]
"#;

fn suite(more: &str) -> Small {
    let small = Small::new(&format!(
        "[defaults]\nagent = \"tool_calling\"\nbackend = \"scripted:replies.toml\"\n\
         limits = {{ turns = 5, wall = \"60s\" }}\n\
         [[task]]\nid = \"in\"\nprompt = \"Look.\"\nneeds = [\"bash\"]\nsandbox = {{ root = \"oci:./image\" }}\n\
         score = [{{ kind = \"file\", path = \"found\", equals = \"text\" }}]\n{more}"
    ));
    small.write("own/replies.toml", REPLIES);
    let own = Tree::new().file("of-the-image", 0o644, b"text").done();
    let layers = [(busybox(), Pack::Gzip), (bash(), Pack::Gzip), (own, Pack::Gzip)];
    image(&layers, json!({ "WorkingDir": "/app" })).layout(&small.path("own/image"));
    small
}

#[test]
fn a_task_runs_in_its_image_and_one_without_is_an_error() {
    need!("busybox", "bash", "ldd");
    if !can_show("oci::runs") {
        return;
    }
    let small = suite(
        "[[task]]\nid = \"none\"\nprompt = \"Look.\"\nsandbox = { root = \"oci:./gone.tar\" }\n\
         score = [{ kind = \"file\", path = \"found\", equals = \"text\" }]\n\
         [[task]]\nid = \"lacks\"\nprompt = \"Look.\"\nneeds = [\"python3\"]\nsandbox = { root = \"oci:./image\" }\n\
         score = [{ kind = \"includes\", text = \"done\" }]\n",
    );
    let output = small.program("out", &[]).env("ROLLTAPE_HOME", small.path("home")).run().expect_code(3);
    let records = small.records("out");
    assert_eq!(records[0]["outcome"], "passed", "{}\n{}", records[0], output.stderr);
    assert_eq!(records[1]["outcome"], "error", "{}", records[1]);
    let message = records[1]["error"]["message"].as_str().unwrap();
    assert!(message.contains("gone.tar") && message.contains("no such file or folder"), "{message}");
    assert_eq!(records[2]["skipped"], "no program named 'python3' in the image", "{}", records[2]);
    let manifest: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(small.path("out/run.json")).unwrap()).unwrap();
    let images = manifest["versions"]["images"].as_object().unwrap();
    assert_eq!(images.len(), 1);
    assert!(images["image"].as_str().unwrap().starts_with("sha256:"), "{images:?}");
}

#[test]
fn the_command_line_gives_all_tasks_an_image() {
    need!("busybox", "bash", "ldd");
    if !can_show("oci::runs") {
        return;
    }
    let small = suite("");
    let run = |out: &str, image: &str| {
        let program = small.program(out, &["--sandbox", image]);
        program.env("ROLLTAPE_HOME", small.path("home")).run()
    };
    run("out", "oci:own/image").expect_code(0);
    let manifest = std::fs::read_to_string(small.path("out/run.json")).unwrap();
    assert!(manifest.contains("\"oci:image:"), "the record names the image and not its folder: {manifest}");
    let mut told = String::new();
    for image in ["oci:./none", "oci:", "oci"] {
        let output = run("bad", image);
        told.push_str(&format!("exit {}\n{}", output.code, output.stderr));
    }
    let told = told.replace(&small.path("none").display().to_string(), "<NONE>");
    insta::assert_snapshot!(told, @r"
    exit 3
    error: image '<NONE>': there is no such file or folder
    hint: a path is a tar of `docker save` or a folder in OCI layout
    exit 3
    error: the sandbox back end 'oci' names no image
    hint: for example oci:alpine:3.20, oci:./image.tar
    exit 3
    error: the sandbox back end 'oci' names no image
    hint: for example oci:alpine:3.20, oci:./image.tar
    ");
}
