//! `execute_bash`: what today's models expect of it.

use super::{printed, quick, with_desk};
use rolltape::tools::{Options, Toolbox};
use serde_json::json;
use std::time::{Duration, Instant};

#[test]
fn the_shell_keeps_its_state() {
    with_desk(quick(), async |mut desk| {
        assert_eq!(
            desk.said("cd /usr; x=7; f() { echo \"f $1 $x\"; }; export Y=8").await,
            (String::new(), 0)
        );
        let (text, code) = desk.said("pwd; f a; sh -c 'echo $Y'; set -- p q").await;
        assert_eq!((text.as_str(), code), ("/usr\nf a 7\n8\n", 0));
        assert_eq!(desk.said("echo $# $1").await.0, "2 p\n");
        assert_eq!(desk.said("(exit 42)").await.1, 42);
        assert_eq!(desk.said("echo $?").await.0, "42\n");
    });
}

#[test]
fn the_trailer_tells_folder_python_and_code() {
    with_desk(quick(), async |mut desk| {
        let text = desk.bash("mkdir d; cd d; printf no-newline; false").await.text;
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(&lines[..2], ["no-newline", "[Current working directory: /workspace/d]"], "{text}");
        assert_eq!(lines.last(), Some(&"[Command finished with exit code 1]"), "{text}");
        assert_eq!(lines.len(), 3, "{text}");
        let silent = desk.bash("true").await;
        assert!(silent.text.starts_with("[Current working directory: /workspace/d]\n"), "{}", silent.text);
        assert!(!silent.is_error && silent.exit_code == Some(0) && silent.finished.is_none());
    });
}

#[test]
fn a_silent_command_is_left_running_and_polled() {
    with_desk(quick(), async |mut desk| {
        let start = Instant::now();
        let silent = desk.bash("echo begun; until [ -e go ]; do sleep 0.02; done; echo done").await;
        assert!(start.elapsed() < Duration::from_secs(5));
        assert_eq!(silent.exit_code, Some(-1));
        assert_eq!(
            silent.text,
            "begun\n[The command has no new output after 0.7 seconds. You may wait longer with an empty command, type a \
             line for it with is_input=true, or send keys (\"C-c\", \"C-z\", \"C-d\").]"
        );
        let refused = desk.bash("ls").await;
        assert_eq!(refused.exit_code, Some(-1));
        assert!(refused.is_error);
        assert!(
            refused
                .text
                .starts_with("[Your command \"ls\" is NOT executed. The previous command is still running"),
            "{}",
            refused.text
        );
        let poll = desk.bash("").await;
        assert!(
            poll.text.starts_with("[Below is the output of the previous command.]\n[The command has no"),
            "{}",
            poll.text
        );
        desk.sandbox.files().write("go", b"", 0o600).await.expect("written");
        let end = desk.bash("  ").await;
        assert_eq!(end.exit_code, Some(0));
        assert_eq!(printed(&end), "[Below is the output of the previous command.]\ndone\n");
        for (nothing, why) in
            [("", "retrieve logs from"), ("\n", "retrieve logs from"), ("C-c", "interact with")]
        {
            let none = desk.bash(nothing).await;
            assert_eq!(none.text, format!("ERROR: No previous running command to {why}."));
            assert!(none.is_error && none.exit_code.is_none());
        }
        assert_eq!(desk.input("x").await.text, "ERROR: No previous running command to interact with.");
    });
}

#[test]
fn output_in_between_keeps_a_command_from_being_silent() {
    let options = Options { soft_timeout: Duration::from_millis(900), ..Options::default() };
    with_desk(options, async |mut desk| {
        let (text, code) = desk.said("for i in 1 2 3 4 5 6; do echo $i; sleep 0.3; done").await;
        assert_eq!((text.as_str(), code), ("1\n2\n3\n4\n5\n6\n", 0));
    });
}

#[test]
fn a_timeout_waits_for_the_silent_and_ends_the_wait_for_the_loud() {
    with_desk(quick(), async |mut desk| {
        let waited =
            desk.call("execute_bash", json!({"command": "sleep 1.5; echo x", "timeout": "30"})).await;
        assert_eq!((printed(&waited).as_str(), waited.exit_code), ("x\n", Some(0)));
        // Without a child: bash takes a C-c for that of a child which ends at that very moment, and goes on.
        let command = "mkfifo p; exec 9<>p; while :; do echo y; read -rt 0.1 -u 9; done";
        let over = desk.call("execute_bash", json!({"command": command, "timeout": 1.5})).await;
        assert_eq!(over.exit_code, Some(-1));
        assert!(
            over.text.contains("\n[The command timed out after 1.5 seconds. You may wait longer"),
            "{}",
            over.text
        );
        assert_eq!(desk.bash("C-c").await.exit_code, Some(130));
        for wrong in [json!(0), json!(-1), json!("soon"), json!([])] {
            let refused = desk.call("execute_bash", json!({"command": "true", "timeout": wrong})).await;
            assert_eq!(refused.text, "ERROR: The parameter `timeout` must be a number of seconds over 0.");
        }
    });
}

#[test]
fn a_running_program_is_typed_to() {
    with_desk(quick(), async |mut desk| {
        let asks = desk.bash("read -r -p 'name? ' name; echo \"hello $name\"; cat; echo eof $?").await;
        assert!(asks.exit_code == Some(-1) && asks.text.starts_with("name? \n["), "{}", asks.text);
        let said = desk.input("a  \"b\"\t$c").await;
        assert!(said.text.contains("hello a  \"b\"\t$c\n"), "{}", said.text);
        let said = desk.input("line").await;
        assert_eq!(said.text.matches("line").count(), 2, "{}", said.text);
        let long = desk.input(&"x".repeat(5_000)).await;
        assert_eq!(long.text, "ERROR: A line of input has at most 4095 bytes.");
        let end = desk.bash("C-d").await;
        assert_eq!(end.exit_code, Some(0), "{}", end.text);
        assert!(printed(&end).ends_with("eof 0\n"), "{}", end.text);
    });
}

#[test]
fn an_empty_line_and_two_lines_are_input_too() {
    with_desk(quick(), async |mut desk| {
        desk.bash("read a; read b; read c; echo \"<$a|$b|$c>\"").await;
        desk.input("").await;
        let end = desk.input("2\n3").await;
        assert!(end.text.contains("<|2|3>\n"), "{}", end.text);
    });
}

#[test]
fn keys_interrupt_and_stop() {
    with_desk(quick(), async |mut desk| {
        assert_eq!(desk.bash("sleep 100; echo never").await.exit_code, Some(-1));
        let start = Instant::now();
        let ended = desk.bash("C-c").await;
        assert_eq!(ended.exit_code, Some(130), "{}", ended.text);
        assert!(!ended.text.contains("never") && start.elapsed() < Duration::from_secs(2), "{}", ended.text);
        // A loop of builtins has no program to interrupt.
        assert_eq!(desk.bash("while :; do :; done").await.exit_code, Some(-1));
        assert_eq!(desk.bash("C-c").await.exit_code, Some(130));
        assert_eq!(desk.bash("sleep 100").await.exit_code, Some(-1));
        let stopped = desk.bash("C-z").await;
        assert_eq!(stopped.exit_code, Some(148), "{}", stopped.text);
        let (jobs, _) = desk.said("jobs").await;
        assert!(jobs.contains("Stopped") && jobs.contains("sleep 100"), "{jobs}");
        assert_eq!(desk.bash("fg").await.exit_code, Some(-1));
        assert_eq!(desk.bash("C-c").await.exit_code, Some(130));
        assert_eq!(desk.said("jobs").await, (String::new(), 0));
    });
}

#[test]
fn a_server_in_the_background_lives_on() {
    with_desk(quick(), async |mut desk| {
        let started = desk.said("sleep 1234 > log 2>&1 & echo $! > pid").await;
        assert_eq!(started, (String::new(), 0));
        assert_eq!(desk.said("kill -0 $(cat pid) && echo lives").await.0, "lives\n");
        assert_eq!(desk.said("kill $(cat pid); wait $(cat pid) 2>/dev/null; echo $?").await.0, "143\n");
    });
}

#[test]
fn long_output_is_cut_in_the_middle_with_its_size() {
    with_desk(quick(), async |mut desk| {
        let text = printed(&desk.bash("for ((i = 0; i < 20000; i++)); do echo $i; done").await);
        assert!(text.starts_with("0\n1\n2\n") && text.ends_with("19998\n19999\n"), "{}", text.len());
        assert!(
            text.contains(
                "\n[... Observation truncated due to length ...]\n[78890 of 108890 bytes are left out"
            ),
            "{}",
            &text[14_900..15_300]
        );
    });
}

#[test]
fn bad_arguments_are_told() {
    with_desk(quick(), async |mut desk| {
        for (arguments, wanted) in [
            (json!({}), "ERROR: `execute_bash` needs the parameter `command`."),
            (
                json!({"command": "ls", "cwd": "/"}),
                "ERROR: `execute_bash` has no parameter `cwd`. Its parameters are: command, is_input, timeout.",
            ),
            (json!({"command": 7}), "ERROR: The parameter `command` must be a string, not `7`."),
            (json!({"command": "a\u{0}b"}), "ERROR: A command can't hold a NUL byte."),
            (
                json!({"command": "a", "is_input": "perhaps"}),
                "ERROR: The parameter `is_input` must be `true` or `false`, not `\"perhaps\"`.",
            ),
        ] {
            let refused = desk.call("execute_bash", arguments.clone()).await;
            assert_eq!(refused.text, wanted, "{arguments}");
            assert!(refused.is_error);
        }
        let unknown = desk.call("execute_bush", json!({})).await;
        assert_eq!(
            unknown.text,
            "ERROR: There is no tool named 'execute_bush'. Did you mean 'execute_bash'? The tools are: execute_bash, \
             execute_ipython_cell, str_replace_editor, finish, think."
        );
    });
}

#[test]
fn finish_and_think_do_nothing_else() {
    with_desk(quick(), async |mut desk| {
        let thought = desk.call("think", json!({"thought": "hm"})).await;
        assert!(!thought.is_error && thought.finished.is_none());
        let finished = desk.call("finish", json!({"message": "all done"})).await;
        assert_eq!(finished.finished.as_deref(), Some("all done"));
        let names: Vec<_> = Toolbox::definitions().into_iter().map(|tool| tool.name).collect();
        assert_eq!(names, ["execute_bash", "execute_ipython_cell", "str_replace_editor", "finish", "think"]);
    });
}

#[test]
fn a_command_costs_little() {
    with_desk(Options::default(), async |mut desk| {
        desk.bash("true").await;
        let mut times: Vec<Duration> = Vec::new();
        for _ in 0..100 {
            let start = Instant::now();
            desk.bash(":").await;
            times.push(start.elapsed());
        }
        times.sort_unstable();
        println!("a command in the live shell: median {:?}, 95% {:?}", times[50], times[95]);
        // No target: only that no wait of ours is in it, on a busy machine too.
        assert!(times[50] < Duration::from_millis(200), "{:?}", times[50]);
    });
}
