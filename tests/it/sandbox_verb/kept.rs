//! `run --keep-sandbox` and `sandbox --from`, as a user goes from a failed attempt into its sandbox.

use crate::sandbox::levels::levels;
use crate::support::{Output, Rolltape, Small};
use rolltape::sandbox::Level;
use rolltape::util::digest::sha256_hex;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// An agent that writes files; the task `good` passes, `bad` does not.
fn suite() -> Small {
    let task = |id: &str, wanted: &str| {
        format!(
            "[[task]]\nid = \"{id}\"\nprompt = \"write\"\n\
             files = {{ \"do.sh\" = 'echo made > made.txt; rm gone.txt; echo h > $HOME/h; chmod 600 made.txt', \
             \"gone.txt\" = 'x' }}\nscore = [{{ kind = \"file\", path = \"made.txt\", equals = \"{wanted}\\n\" }}]\n"
        )
    };
    Small::new(&format!(
        "[defaults]\nagent = \"command:sh do.sh\"\nbackend = \"echo\"\n{}{}",
        task("good", "made"),
        task("bad", "other")
    ))
}

/// `rolltape sandbox --from …` in the folder of a suite.
fn from(small: &Small, arguments: &[&str]) -> Output {
    let mut all = vec!["sandbox", "--from"];
    all.extend(arguments);
    small.rolltape(&all)
}

fn names(small: &Small, folder: &str) -> Vec<String> {
    let entries = std::fs::read_dir(small.path(folder)).into_iter().flatten().flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_failed_attempt_is_looked_at_as_it_ended() {
    for level in levels() {
        let small = suite();
        let run = small.run("out", &["--level", level.as_str(), "--keep-sandbox", "failed"]).expect_code(1);
        assert_eq!(run.stderr, "", "{level:?}");
        let kept: Vec<_> = small.records("out").iter().map(|record| record["kept"].clone()).collect();
        assert_eq!(kept, [serde_json::Value::Null, "sandboxes/1.state".into()], "{level:?}");
        assert_eq!(names(&small, "out/sandboxes"), ["1.state"]);
        let digest = || sha256_hex(&std::fs::read(small.path("out/sandboxes/1.state")).expect("a state"));
        let before = digest();
        let script =
            "cat made.txt $HOME/h; test ! -e gone.txt; ls; stat -c %a made.txt; rm -r made.txt; echo x > new";
        let id = small.records("out")[1]["attempt_id"].as_str().expect("an id").to_owned();
        let whole = format!("out/{id}");
        for attempt in
            ["out", "out/bad", "out/own/1", "./out//bad/1/", "out/sandboxes/1.state", whole.as_str()]
        {
            let output = from(&small, &[attempt, "--", "sh", "-ec", script]);
            output.clone().expect_code(0);
            assert_eq!(output.stdout, "made\nh\ndo.sh\nmade.txt\n600\n", "{level:?}: {attempt}");
        }
        // Two at once, each for itself.
        let both: Vec<_> = ["one", "two"]
            .map(|word| {
                let script = format!("echo {word} >> made.txt; sleep 0.5; cat made.txt");
                let arguments = ["-q", "sandbox", "--from", "out/bad", "--", "sh", "-c", script.as_str()];
                let program = Rolltape::new(&arguments).cwd(small.path(""));
                std::thread::spawn(move || program.run().expect_code(0).stdout)
            })
            .into_iter()
            .map(|thread| thread.join().expect("ended"))
            .collect();
        assert_eq!(both, ["made\none\n", "made\ntwo\n"], "{level:?}");
        assert_eq!(digest(), before, "{level:?}: what was kept stays as it was");
        // Without a command a shell reads standard input.
        let output = Rolltape::new(&["sandbox", "--from", "out/bad"])
            .cwd(small.path(""))
            .stdin("cat made.txt\nexit 7\n");
        let output = output.run().expect_code(7);
        assert_eq!(output.stdout, "made\n");
        let json = from(&small, &["out/bad", "--json", "--", "rm", "made.txt"]).stderr;
        let json = json.lines().find(|line| line.starts_with('{')).expect("an object");
        let told: serde_json::Value = serde_json::from_str(json).expect("JSON");
        assert_eq!((&told["from"], &told["level"]), (&"out/bad".into(), &level.as_str().into()));
        assert!(json.contains("\"made.txt") || json.contains("made.txt\",\"change\":\"removed\""), "{json}");
    }
}

#[test]
fn all_or_none_are_kept_and_the_way_to_them_is_shown() {
    let small = suite();
    let run = |out: &str, which: &[&str]| {
        let mut arguments = vec!["run", "own", "--out", out];
        arguments.extend(which);
        small.rolltape(&arguments).expect_code(1).stderr
    };
    assert!(!run("none", &[]).contains("--from"));
    assert_eq!(names(&small, "none/sandboxes"), [] as [&str; 0]);
    let told = run("all", &["--keep-sandbox", "all"]);
    let id = small.records("all")[0]["attempt_id"].as_str().expect("an id").to_owned();
    assert!(
        told.contains(&format!("2 sandbox states kept; to open one: rolltape sandbox --from all/{id}\n")),
        "{told}"
    );
    assert_eq!(names(&small, "all/sandboxes"), ["0.state", "1.state"]);
    let list = small.rolltape(&["list", "runs", "--dir", "."]).expect_code(0).stdout;
    assert!(
        list.contains(&format!("  all holds 2 sandbox states: rolltape sandbox --from ./all/{id}\n")),
        "{list}"
    );
    let list = small.rolltape(&["list", "runs", "--dir", ".", "--format", "json"]).expect_code(0).stdout;
    let list: serde_json::Value = serde_json::from_str(&list).expect("JSON");
    let mut counts: Vec<_> =
        list.as_array().expect("a list").iter().map(|run| run["sandboxes_kept"].as_u64()).collect();
    counts.sort();
    assert_eq!(counts, [Some(0), Some(2)]);
    let manifest = std::fs::read_to_string(small.path("all/run.json")).expect("a manifest");
    assert!(manifest.contains("\"keep_sandbox\": \"all\""), "{manifest}");
    // The verdicts are those of a run that keeps nothing.
    let verdicts = |out: &str| {
        let records = small.records(out);
        records
            .iter()
            .map(|r| (r["outcome"].clone(), r["scores"].clone(), r["evidence"].clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(verdicts("none"), verdicts("all"));
}

#[test]
fn wrong_names_are_told() {
    let small = suite();
    small.run("reports/20260101T000000-own-0000", &["--keep-sandbox", "failed"]).expect_code(1);
    small
        .run("reports/20260101T000001-own-0000", &["--keep-sandbox", "all", "--attempts", "2"])
        .expect_code(1);
    small.run("reports/20260101T000002-own-0000", &[]).expect_code(1);
    std::fs::write(small.path("reports/20260101T000000-own-0000/sandboxes/9.state"), "{}\n")
        .expect("written");
    let (first, second) = ("reports/20260101T000000-own-0000", "20260101T000001-own-0000");
    let mut text = String::new();
    for arguments in [
        &["nowhere/x"] as &[&str],
        &["reports/20260101T000003-own-0000/bad"],
        &[&format!("{first}/good")],
        &[&format!("{first}/bat/1")],
        &[&format!("{first}/own/zzz")],
        &[second],
        &[&format!("{second}/bad")],
        &["20260101T000002-own-0000"],
        &[&format!("{first}/sandboxes/9.state")],
        &[&format!("{first}/run.json")],
        &[first, "--sandbox", "none"],
        &[first, "--level", "user", "true"],
        &[first, "--level", "process", "true"],
    ] {
        let output = from(&small, arguments);
        // Which level this machine has is no part of it.
        let told = output.stderr.replace("'overlay'", "'LEVEL'").replace("'user', and", "'LEVEL', and");
        text.push_str(&format!(
            "$ rolltape sandbox --from {}\nexit {}\n{}\n",
            arguments.join(" "),
            output.code,
            told
        ));
        if arguments.len() == 3 && !levels().contains(&Level::Overlay) {
            return;
        }
        assert_eq!((output.code, output.stdout.as_str()), (2, ""), "{text}");
    }
    insta::assert_snapshot!(text.replace(&small.path("").display().to_string(), "FOLDER/"));
}

#[test]
fn a_state_that_is_gone_is_told() {
    let small = suite();
    small.run("out", &["--keep-sandbox", "failed"]).expect_code(1);
    std::fs::remove_file(small.path("out/sandboxes/1.state")).expect("removed");
    let told =
        from(&small, &["out/bad"]).expect_code(2).stderr.replace(&small.path("").display().to_string(), "");
    assert_eq!(
        told,
        "error: open the kept state 'out/sandboxes/1.state': no such file or directory\n\
         hint: was it removed? the run's records still name it\n"
    );
}

#[test]
fn a_state_that_is_damaged_is_told() {
    for level in levels() {
        let small = suite();
        small.run("out", &["--level", level.as_str(), "--keep-sandbox", "failed"]).expect_code(1);
        let file = small.path("out/sandboxes/1.state");
        let whole = std::fs::read(&file).expect("a state");
        std::fs::write(&file, &whole[..whole.len() - 9]).expect("cut");
        let output = from(&small, &["out/bad", "true"]).expect_code(2);
        let whose = if level == Level::Process { "out/bad" } else { "own/bad/command:sh_do.sh@echo/1" };
        let wanted = format!(
            "error: the kept state of '{whose}' is damaged\nhint: it was cut or changed after its run wrote it: "
        );
        assert!(output.stderr.contains(&wanted), "{level:?}: {}", output.stderr);
    }
}

#[test]
fn a_state_that_has_no_room_is_told_and_changes_no_verdict() {
    need!(root, "unshare");
    let small = Small::new(
        "[defaults]\nagent = \"command:sh do.sh\"\nbackend = \"echo\"\n[[task]]\nid = \"big\"\nprompt = \"x\"\n\
         files = { \"do.sh\" = 'head -c 9000000 /dev/urandom > big' }\n\
         score = [{ kind = \"file\", path = \"none\", equals = \"x\" }]\n",
    );
    // A file system of its own, gone with the process that sees it.
    let script = "mkdir room && mount -t tmpfs -o size=3m none room && exec \"$0\" run own --out room/out --keep-sandbox all";
    let output = std::process::Command::new("unshare")
        .args(["-m", "sh", "-c", script, env!("CARGO_BIN_EXE_rolltape")])
        .current_dir(small.path(""))
        .output();
    let output = output.expect("unshare runs");
    let told = String::from_utf8_lossy(&output.stderr);
    if told.contains("unshare: ") || told.contains("mount: ") {
        crate::support::ledger::note("sandbox_verb::kept", "no file system can be mounted here");
        return;
    }
    assert_eq!(output.status.code(), Some(1), "{told}");
    let wanted = "warning: the sandbox of own/big/command:sh_do.sh@echo/1 is not kept: \
                  write the state 'room/out/sandboxes/0.state': no space left on device\n";
    assert!(told.contains(wanted), "{told}");
    assert!(!told.contains("--from"), "{told}");
}

#[test]
fn a_run_that_is_killed_while_it_keeps_leaves_no_half_state_and_goes_on() {
    let small = Small::new(
        "[defaults]\nagent = \"command:sh do.sh\"\nbackend = \"echo\"\n[[task]]\nid = \"big\"\nprompt = \"x\"\n\
         files = { \"do.sh\" = 'head -c 150000000 /dev/urandom > big' }\n\
         score = [{ kind = \"file\", path = \"none\", equals = \"x\" }]\n",
    );
    let mut child = small.program("out", &["--keep-sandbox", "failed"]).command();
    let mut child = child.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("started");
    let young = small.path("out/sandboxes/0.state.part");
    let end = Instant::now() + Duration::from_secs(60);
    while !std::fs::metadata(&young).is_ok_and(|data| data.len() > 1 << 20) {
        assert!(Instant::now() < end, "nothing was being kept: {:?}", names(&small, "out/sandboxes"));
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().expect("killed");
    child.wait().expect("ended");
    assert_eq!(names(&small, "out/sandboxes"), ["0.state.part"], "half a state has no name of a whole one");
    assert_eq!(small.lines("out/attempts.jsonl").len(), 0);
    from(&small, &["out"]).expect_code(2);
    // The half one goes, what was in flight is done again, and kept as the run was told at first.
    small.rolltape(&["-q", "resume", "out"]).expect_code(1);
    assert_eq!(names(&small, "out/sandboxes"), ["0.state"]);
    let size = from(&small, &["out", "--", "stat", "-c", "%s", "big"]).expect_code(0).stdout;
    assert_eq!(size, "150000000\n");
}
