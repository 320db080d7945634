//! `rolltape sandbox`: a command in a fresh sandbox, as a user runs it.

mod kept;
mod limits;
pub(crate) mod network;
mod packages;
mod streams;
mod terminal;

use crate::sandbox::levels::levels;
use crate::support::{Output, Rolltape, fixture, rolltape, temp};
use rolltape::sandbox::Level;
use serde_json::Value;
use std::path::Path;

/// `rolltape -q sandbox --level LEVEL …`
fn sandbox(level: Level, arguments: &[&str]) -> Rolltape {
    let mut all = vec!["-q", "sandbox", "--level", level.as_str()];
    all.extend(arguments);
    Rolltape::new(&all)
}

/// The object of `--json=FILE`.
fn told(file: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(file).expect("a report")).expect("JSON")
}

/// Runs with a report: what was printed, and the object.
fn reported(level: Level, arguments: &[&str]) -> (Output, Value) {
    let folder = temp();
    let file = folder.path().join("report.json");
    let json = format!("--json={}", file.display());
    let mut all = vec![json.as_str()];
    all.extend(arguments);
    let output = sandbox(level, &all).run();
    (output, told(&file))
}

#[test]
fn what_is_wrong_is_said_with_the_codes_of_a_shell() {
    let mut text = String::new();
    for arguments in [
        &[] as &[&str],
        &["--"],
        &["no-such-program", "x"],
        &["--", "/no/such"],
        &["/etc/passwd"],
        &["/usr"],
        &["--level", "overlays", "true"],
        &["--sandbox", "namespace", "true"],
        &["--require", "netn", "true"],
        &["--sandbox", "none", "--require", "netns", "true"],
        &["--memory", "1G", "true"],
        &["--cpus", "0", "true"],
        &["--wall", "5", "true"],
        &["--network", "ful", "true"],
        &["--network", "allow:10.0.0.1", "true"],
        &["--mount", "/no/such", "true"],
        &["--mount", "/usr:relative", "true"],
        &["--env", "ROLLTAPE_TEST_NOT_SET", "true"],
        &["--env", "=x", "true"],
        &["--workspace", "/no/such", "true"],
        &["--json=/no/such/file", "true"],
    ] {
        let mut all = vec!["sandbox"];
        all.extend(arguments);
        let output = rolltape(&all);
        // The levels of this machine are no part of it.
        let told: Vec<&str> = output.stderr.lines().filter(|line| !line.starts_with("warning: ")).collect();
        text.push_str(&format!(
            "$ rolltape {}\nexit {}\n{}\n\n",
            all.join(" "),
            output.code,
            told.join("\n")
        ));
        assert_eq!(output.stdout, "");
    }
    insta::assert_snapshot!(text);
}

#[test]
fn files_come_in_and_what_changed_is_told() {
    let folder = temp();
    std::fs::create_dir_all(folder.path().join("deep/er")).expect("a folder");
    std::fs::write(folder.path().join("deep/er/old.txt"), "old").expect("a file");
    std::fs::write(folder.path().join("gone.txt"), "gone").expect("a file");
    std::fs::write(folder.path().join("same.txt"), "same").expect("a file");
    let workspace = folder.path().to_str().expect("UTF-8");
    for level in levels() {
        let script =
            "cat deep/er/old.txt; echo new > new.txt; echo now > deep/er/old.txt; rm gone.txt; mkdir made";
        let (output, report) = reported(level, &["--workspace", workspace, "sh", "-c", script]);
        output.clone().expect_code(0);
        assert_eq!(output.stdout, "old", "{level:?}");
        let changes = report["changes"].as_array().expect("a list");
        let workspace: Vec<String> = changes
            .iter()
            .filter(|change| change["path"].as_str().is_some_and(|path| path.starts_with("/workspace/")))
            .map(|change| format!("{} {} {}", change["path"], change["change"], change["size"]))
            .collect();
        assert_eq!(
            workspace,
            [
                "\"/workspace/deep/er/old.txt\" \"changed\" 4",
                "\"/workspace/gone.txt\" \"removed\" 0",
                "\"/workspace/made\" \"added\" 0",
                "\"/workspace/new.txt\" \"added\" 4",
            ],
            "{level:?}"
        );
        assert_eq!(report["level"], level.as_str());
        assert!(report["layers"].as_array().is_some_and(|layers| layers.len() > 10), "{report}");
        assert_eq!((&report["exit_code"], &report["limits"]), (&0.into(), &serde_json::json!([])));
    }
    assert_eq!(std::fs::read(folder.path().join("gone.txt")).expect("still there"), b"gone");
}

#[test]
fn changes_of_the_system_are_told_too() {
    for level in levels().into_iter().filter(|level| *level == Level::Overlay) {
        let script = "echo x > /usr/bin/made-up; rm /usr/bin/env; echo '# x' >> /etc/profile; mkdir -p /opt/a; \
                      chmod 700 /usr/bin/cat";
        let (output, report) = reported(level, &["sh", "-c", script]);
        output.expect_code(0);
        let changes = report["changes"].as_array().expect("a list");
        let has = |path: &str, what: &str| {
            changes.iter().any(|change| change["path"] == path && change["change"] == what)
        };
        assert!(has("/usr/bin/made-up", "added") && has("/usr/bin/env", "removed"), "{report}");
        assert!(has("/etc/profile", "changed") && has("/usr/bin/cat", "changed"), "{report}");
        assert!(std::path::Path::new("/usr/bin/env").exists(), "the host is never touched");
    }
}

#[test]
fn variables_and_mounts_are_passed() {
    let data = fixture("");
    let data = data.to_str().expect("UTF-8").trim_end_matches('/');
    for level in levels() {
        let arguments =
            ["--env", "ONE=1", "--env", "ROLLTAPE_TEST_TWO", "sh", "-c", "echo $ONE $ROLLTAPE_TEST_TWO"];
        let output = sandbox(level, &arguments).env("ROLLTAPE_TEST_TWO", "2 2").run().expect_code(0);
        assert_eq!(output.stdout, "1 2 2\n", "{level:?}");
        let output = sandbox(level, &["env"]).env("ROLLTAPE_TEST_TWO", "2").run().expect_code(0);
        assert!(!output.stdout.contains("ROLLTAPE_TEST_TWO"), "{level:?}: {}", output.stdout);
        if level != Level::Process {
            let mount = format!("{data}:/data/set");
            let script = "ls /data/set | head -c 3 | wc -c; echo x > /data/set/made; echo $?";
            let output = sandbox(level, &["--mount", &mount, "sh", "-c", script]).run().expect_code(0);
            assert_eq!(output.stdout, "3\n2\n", "{level:?}: {}", output.stderr);
        }
    }
}
