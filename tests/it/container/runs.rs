//! Whole runs in containers: an agent with its service, and its verdict.

use super::{BASH, Lab};
use crate::support::Small;

const REPLIES: &str = r#"schema = 1
[[reply]]
task = "in"
calls = [{ id = "a", name = "execute_bash", arguments = '{"command": "echo $ROLLTAPE_SERVICE_MODEL_URL $(id -u) >found"}' }]
[[reply]]
task = "in"
calls = [{ id = "z", name = "finish", arguments = '{"message": "done"}' }]
[[reply]]
task = "none"
calls = [{ id = "z", name = "finish", arguments = '{"message": "done"}' }]
"#;

fn suite(root: &str) -> Small {
    let small = Small::new(&format!(
        "[defaults]\nagent = \"tool_calling\"\nbackend = \"scripted:replies.toml\"\n\
         limits = {{ turns = 5, wall = \"60s\" }}\n{root}\n\
         [[service]]\nname = \"model\"\nkind = \"llm\"\n\
         [[task]]\nid = \"in\"\nprompt = \"Look.\"\nneeds = [\"bash\", \"root-inside\", \"private-net\"]\n\
         score = [{{ kind = \"file\", path = \"found\", contains = \"http://127.0.0.1:8080\" }},\n\
                  {{ kind = \"command\", run = \"cat found; [[ $(cat found) == *' 7' ]]\", carry = [\"found\"] }}]\n\
         [[task]]\nid = \"lacks\"\nprompt = \"Look.\"\nneeds = [\"no-such-tool\"]\n\
         score = [{{ kind = \"includes\", text = \"done\" }}]\n"
    ));
    small.write("own/replies.toml", REPLIES);
    small
}

#[test]
fn an_attempt_and_its_score_happen_in_containers() {
    need!(root, "podman", "busybox", "tar", "bash", "ldd");
    let Some(lab) = Lab::new("container::runs") else { return };
    lab.import_bash();
    let sandbox = format!("container:{BASH}");
    let cases = [
        (suite(""), vec!["--sandbox", sandbox.as_str()]),
        (suite(&format!("sandbox = {{ root = \"{sandbox}\" }}")), vec![]),
    ];
    for (small, flags) in cases {
        let program = small.program("out", &flags).env("ROLLTAPE_CONTAINERS", lab.podman());
        let output = program.env("TMPDIR", lab.folder.path()).run().expect_code(0);
        let records = small.records("out");
        assert_eq!(records[0]["outcome"], "passed", "{}\n{}", records[0], output.stderr);
        assert_eq!(records[1]["skipped"], "no program named 'no-such-tool' in the image", "{}", records[1]);
        let manifest = std::fs::read_to_string(small.path("out/run.json")).expect("a manifest");
        let manifest: serde_json::Value = serde_json::from_str(&manifest).expect("JSON");
        let image = manifest["versions"]["images"][&sandbox].as_str().unwrap_or_default();
        assert!(image.starts_with("sha256:"), "{manifest}");
        lab.assert_clean();
    }
    // What the run demands holds for a task's own root too, and so does what a task demands.
    let small = suite(&format!("sandbox = {{ root = \"{sandbox}\" }}"));
    let program = small.program("out", &["--require", "overlay"]).env("ROLLTAPE_CONTAINERS", lab.podman());
    let output = program.env("TMPDIR", lab.folder.path()).run();
    if crate::sandbox::levels::works(rolltape::sandbox::Level::Overlay) {
        let record = &small.records("out")[0];
        let message = record["error"]["message"].as_str().unwrap_or_default();
        assert!(message.contains("'container' lacks required layers: overlay"), "{record} {output:?}");
    }
    let small = suite(&format!("sandbox = {{ root = \"{sandbox}\", require = [\"userns\"] }}"));
    let program = small.program("out", &[]).env("ROLLTAPE_CONTAINERS", lab.podman());
    program.env("TMPDIR", lab.folder.path()).run();
    let record = &small.records("out")[0];
    let skipped = record["skipped"].as_str().unwrap_or_default();
    assert!(skipped.ends_with("layer userns"), "{record}");
    lab.assert_clean();
}

#[test]
fn an_image_that_is_not_there_is_an_error_of_its_task_alone() {
    need!(root, "podman", "busybox", "tar");
    let Some(lab) = Lab::new("container::runs") else { return };
    let small = Small::new(
        "[defaults]\nagent = \"tool_calling\"\nbackend = \"scripted:replies.toml\"\n\
         [[task]]\nid = \"none\"\nprompt = \"x\"\nsandbox = { root = \"container:localhost/rolltape-none:1\" }\n\
         score = [{ kind = \"includes\", text = \"done\" }]\n",
    );
    small.write("own/replies.toml", REPLIES);
    let program = small.program("out", &[]).env("ROLLTAPE_CONTAINERS", lab.podman());
    program.env("TMPDIR", lab.folder.path()).run().expect_code(3);
    let record = &small.records("out")[0];
    assert_eq!(record["outcome"], "error", "{record}");
    let message = record["error"]["message"].as_str().unwrap_or_default();
    assert!(message.ends_with("has no image 'localhost/rolltape-none:1'"), "{record}");
    lab.assert_clean();
}
