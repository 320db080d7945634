//! Whole runs in containers: an agent with its service, and its verdict.

use super::{BASH, Lab};
use crate::support::Small;

fn suite(root: &str) -> Small {
    Small::new(&format!(
        "[defaults]\nagent = \"oracle\"\n{root}\n[[service]]\nname = \"echo\"\nkind = \"llm\"\n\
         [[task]]\nid = \"a\"\nprompt = \"x\"\nneeds = [\"bash\", \"root-inside\", \"private-net\"]\n\
         solution = \"echo $ROLLTAPE_SERVICE_ECHO_URL > url; id -u > who\"\n\
         score = [{{ kind = \"command\", command = \"grep -q '^http://127.0.0.1:8080' url && grep -qx 7 who\" }}]\n\
         [[task]]\nid = \"b\"\nprompt = \"x\"\nneeds = [\"no-such-tool\"]\n\
         score = [{{ kind = \"command\", command = \"true\" }}]\n"
    ))
}

#[test]
fn an_attempt_and_its_score_happen_in_containers() {
    need!(root, "podman", "busybox", "tar", "bash", "ldd");
    let Some(lab) = Lab::new("container::runs") else { return };
    lab.import_bash();
    let sandbox = format!("container:{BASH}");
    for (small, flags) in [
        (suite(""), vec!["--sandbox", sandbox.as_str()]),
        (suite(&format!("sandbox = {{ root = \"{sandbox}\" }}")), vec![]),
    ] {
        let program = small.program("out", &flags).env("ROLLTAPE_CONTAINERS", lab.podman());
        let output = program.env("TMPDIR", lab.folder.path()).run();
        let records = std::fs::read_to_string(small.path("out/attempts.jsonl")).expect("records");
        let outcome = |task: &str, word: &str| {
            records.lines().any(|line| {
                line.contains(&format!("/{task}/")) && line.contains(&format!("\"outcome\":\"{word}\""))
            })
        };
        assert!(outcome("a", "passed") && outcome("b", "skipped"), "{flags:?}: {records}\n{}", output.stderr);
        let manifest = std::fs::read_to_string(small.path("out/run.json")).expect("a manifest");
        let manifest: serde_json::Value = serde_json::from_str(&manifest).expect("JSON");
        let image = manifest["versions"]["images"][&sandbox].as_str().unwrap_or_default();
        assert!(image.starts_with("sha256:"), "{manifest}");
        lab.assert_clean();
    }
}
