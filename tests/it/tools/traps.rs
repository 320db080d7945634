//! What goes wrong when commands are typed into a terminal, and must not here. One test a trap.

use super::{Desk, printed, quick, until, with_desk};
use rolltape::tools::Options;
use serde_json::json;
use std::time::Duration;

/// The shell still takes a command.
async fn alive(desk: &mut Desk) {
    assert_eq!(desk.said("echo alive").await, ("alive\n".to_owned(), 0));
}

#[test]
fn several_lines_are_one_command_or_refused() {
    with_desk(quick(), async |mut desk| {
        assert_eq!(desk.said("for i in 1 2; do\n  echo $i\ndone").await, ("1\n2\n".to_owned(), 0));
        let refused = desk.bash("echo a\necho b").await;
        assert!(refused.is_error);
        assert!(
            refused.text.starts_with(
                "ERROR: Cannot execute multiple commands at once.\nPlease run each command separately OR chain them into \
                 a single command via && or ;\nProvided commands:\n(1) echo a\n(2) echo b"
            ),
            "{}",
            refused.text
        );
        alive(&mut desk).await;
    });
}

#[test]
fn tabs_arrive_in_a_here_document() {
    with_desk(quick(), async |mut desk| {
        let (text, code) = desk.said("cat <<'EOF'\n\ta\tb\n\\t$x `y`\nEOF").await;
        assert_eq!((text.as_str(), code), ("\ta\tb\n\\t$x `y`\n", 0));
        assert_eq!(desk.said("cat <<-EOF\n\ta\tb\n\tEOF").await.0, "a\tb\n");
    });
}

#[test]
fn a_command_of_300_kilobytes_is_exact() {
    with_desk(quick(), async |mut desk| {
        let long: String = (0..300_000).map(|at| char::from(b'a' + (at % 23) as u8)).collect();
        let wrote = desk.said(&format!("printf %s '{long}' > long")).await;
        assert_eq!(wrote, (String::new(), 0));
        let bytes = desk.sandbox.files().read("long", 1 << 20).await.expect("read");
        assert!(bytes == long.as_bytes(), "{} bytes", bytes.len());
        alive(&mut desk).await;
    });
}

#[test]
fn a_carriage_return_is_kept() {
    with_desk(quick(), async |mut desk| {
        assert_eq!(desk.said("printf '%s' 'a\rb' | od -An -c").await.0, "   a  \\r   b\n");
        // Windows line ends: bash says what is wrong, nothing hangs.
        let (text, code) = desk.said("for i in 1; do\r\n echo $i\r\ndone\r").await;
        assert!(code != 0 && text.contains("syntax error"), "{code}: {text}");
        alive(&mut desk).await;
    });
}

#[test]
fn an_unclosed_quote_ends_at_once_with_2() {
    with_desk(quick(), async |mut desk| {
        for broken in ["echo \"a", "echo 'a\nb", "cat $(ls", "if true; then", "echo ${a", "fi", "a ( b"] {
            let (text, code) = desk.said(broken).await;
            assert!(code == 2 || code == 1, "{broken}: {code}: {text}");
            assert!(text.contains("syntax error") || text.contains("unexpected"), "{broken}: {text}");
            alive(&mut desk).await;
        }
        assert_eq!(desk.said("echo \"a").await.1, 2);
        // Right after a syntax error every kind of command still parses.
        desk.bash("echo )").await;
        assert_eq!(desk.said("{ echo x; }; for i in 1; do echo $i; done").await.0, "x\n1\n");
    });
}

#[test]
fn a_shell_that_ends_is_replaced_and_the_agent_is_told() {
    with_desk(quick(), async |mut desk| {
        let given = desk.bash("mkdir -p sub/dir && cd sub/dir && export KEPT='a \"b\nc' && LOST=1").await;
        assert_eq!(given.exit_code, Some(0), "{}", given.text);
        let gone = desk.bash("echo last words; exit 3").await;
        assert_eq!(gone.exit_code, Some(3), "{}", gone.text);
        assert!(gone.text.starts_with("last words\n[The shell itself ended"), "{}", gone.text);
        assert!(
            gone.text.contains("A new one was started in /workspace/sub/dir with the exported"),
            "{}",
            gone.text
        );
        assert_eq!(desk.said("echo \"$KEPT-$LOST\"; basename \"$PWD\"").await.0, "a \"b\nc-\ndir\n");
        // A command that fails under `set -e` ends it too.
        assert_eq!(desk.said("set -e").await.1, 0);
        assert_eq!(desk.said("true").await.1, 0);
        let gone = desk.bash("false").await;
        assert_eq!(gone.exit_code, Some(1), "{}", gone.text);
        assert!(gone.text.contains("[The shell itself ended"), "{}", gone.text);
        assert_eq!(desk.said("echo $KEPT; false; basename $PWD").await.0, "a \"b c\ndir\n");
        let gone = desk.bash("set -e; false").await;
        assert!(gone.exit_code == Some(1) && gone.text.contains("A new one was started"), "{}", gone.text);
        let gone = desk.bash("exec true").await;
        assert!(gone.exit_code == Some(0) && gone.text.contains("A new one was started"), "{}", gone.text);
        let gone = desk.bash("kill -9 $$").await;
        assert!(gone.exit_code == Some(137) && gone.text.contains("A new one was started"), "{}", gone.text);
        // Even when its folder is gone.
        desk.bash("cd ..; rm -r dir; mkdir dir; cd dir; rmdir \"$PWD\"").await;
        let gone = desk.bash("exit 0").await;
        assert!(gone.text.contains("A new one was started in /workspace with"), "{}", gone.text);
        alive(&mut desk).await;
    });
}

#[test]
fn the_prompt_command_is_no_part_of_the_boundary() {
    with_desk(quick(), async |mut desk| {
        for taken in ["PROMPT_COMMAND=", "unset PROMPT_COMMAND PS1", "PROMPT_COMMAND='echo noise'; PS1='$ '"]
        {
            assert_eq!(desk.said(taken).await.1, 0, "{taken}");
            assert_eq!(desk.said("echo fine").await, ("fine\n".to_owned(), 0), "{taken}");
        }
        assert_eq!(desk.said("PROMPT_COMMAND=; sh -c 'exit 5'").await.1, 5);
        // Interrupted while it was away.
        let runs = desk.bash("PROMPT_COMMAND=; while :; do sleep 0.05; done").await;
        assert_eq!(runs.exit_code, Some(-1), "{}", runs.text);
        let ended = desk.bash("C-c").await;
        assert_eq!(ended.exit_code, Some(130), "{}", ended.text);
        alive(&mut desk).await;
    });
}

#[test]
fn a_program_that_ignores_interrupts_is_killed_by_steps() {
    with_desk(quick(), async |mut desk| {
        let ignores = r#"bash -c 'trap "echo not-int" INT; trap "echo not-quit" QUIT; echo up; while :; do sleep 0.1; done'"#;
        assert_eq!(desk.bash(ignores).await.exit_code, Some(-1));
        let first = desk.bash("C-c").await;
        assert_eq!(first.exit_code, Some(-1), "{}", first.text);
        assert!(first.text.contains("not-int") && first.text.contains("SIGINT was sent"), "{}", first.text);
        let second = desk.bash("C-c").await;
        assert!(
            second.text.contains("not-quit") && second.text.contains("SIGQUIT was sent"),
            "{}",
            second.text
        );
        let third = desk.bash("C-c").await;
        assert_eq!(third.exit_code, Some(137), "{}", third.text);
        alive(&mut desk).await;
        // One that only minds SIGQUIT ends at the second step.
        let ignores = "sh -c 'trap \"\" INT; while :; do sleep 0.1; done'";
        assert_eq!(desk.bash(ignores).await.exit_code, Some(-1));
        assert_eq!(desk.bash("C-c").await.exit_code, Some(-1));
        assert_eq!(desk.bash("C-c").await.exit_code, Some(131));
        alive(&mut desk).await;
    });
}

#[test]
fn a_program_that_prints_on_after_a_key_is_not_waited_for() {
    with_desk(quick(), async |mut desk| {
        let prints = "sh -c 'trap \"\" INT; while :; do echo y; sleep 0.1; done'";
        let over = desk.call("execute_bash", json!({"command": prints, "timeout": 1})).await;
        assert_eq!(over.exit_code, Some(-1));
        let begin = std::time::Instant::now();
        let first = desk.bash("C-c").await;
        assert!(first.exit_code == Some(-1) && first.text.contains("SIGINT was sent"), "{}", first.text);
        // Without a bound it would be two minutes.
        assert!(begin.elapsed() < Duration::from_mins(1));
        desk.bash("C-c").await;
        desk.bash("C-c").await;
        alive(&mut desk).await;
    });
}

#[test]
fn late_output_of_background_jobs_is_marked() {
    with_desk(quick(), async |mut desk| {
        let started = desk.said("(until [ -e go ]; do sleep 0.02; done; echo late; echo x > told) &").await;
        assert_eq!(started, (String::new(), 0));
        desk.sandbox.files().write("go", b"", 0o600).await.expect("written");
        let sandbox = std::sync::Arc::clone(&desk.sandbox);
        until(async || sandbox.files().stat("told").await.is_ok()).await;
        let next = desk.bash("echo now").await;
        assert!(
            next.text
                .starts_with("[Late output of background jobs:]\nlate\n[End of the late output.]\nnow\n["),
            "{}",
            next.text
        );
        assert_eq!(desk.said("echo then").await.0, "then\n");
    });
}

#[test]
fn modes_that_a_program_left_behind_are_reset() {
    with_desk(quick(), async |mut desk| {
        desk.bash("stty echo onlcr").await;
        assert_eq!(desk.bash("echo one").await.text.lines().next(), Some("one"));
        assert_eq!(
            desk.said("stty -a | tr ' ;' '\\n\\n' | grep -x -e -echo -e -onlcr | sort").await.0,
            "-echo\n-onlcr\n"
        );
        desk.bash("stty raw -isig").await;
        assert_eq!(desk.bash("cat").await.exit_code, Some(-1));
        assert_eq!(desk.bash("C-c").await.exit_code, Some(130));
    });
}

#[test]
fn nothing_pages() {
    with_desk(quick(), async |mut desk| {
        assert_eq!(desk.said("echo $PAGER $GIT_PAGER $MANPAGER $TERM").await.0, "cat cat cat dumb\n");
    });
}

#[test]
fn traps_and_traces_of_the_agent_do_no_harm() {
    with_desk(quick(), async |mut desk| {
        desk.bash("trap 'echo DBG' DEBUG").await;
        let (text, code) = desk.said("echo seen; (exit 4)").await;
        assert!(text.contains("seen\n") && code == 4, "{code}: {text}");
        desk.bash("trap - DEBUG").await;
        desk.bash("set -x").await;
        let (text, code) = desk.said("echo seen; (exit 4)").await;
        assert!(text.contains("+ echo seen\nseen\n") && code == 4, "{code}: {text}");
        desk.bash("set +x").await;
        desk.bash("set -u; trap 'echo ERR' ERR").await;
        let (text, code) = desk.said("(exit 6)").await;
        assert!(text.starts_with("ERR\n") && code == 6, "{code}: {text}");
        desk.bash("trap - ERR").await;
        desk.bash("exec 3>log; echo a >&3; IFS=x; shopt -s nullglob; set -o posix; set -f").await;
        alive(&mut desk).await;
        desk.bash("set +o posix; readonly BASH_VERSION_OWN=1; alias echo=false").await;
        assert_eq!(desk.said("printf 'fine\\n'").await, ("fine\n".to_owned(), 0));
    });
}

#[test]
fn history_is_off() {
    with_desk(quick(), async |mut desk| {
        assert_eq!(desk.said("echo \"!!\" !x").await, ("!! !x\n".to_owned(), 0));
    });
}

#[test]
fn the_end_of_a_command_can_not_be_forged() {
    with_desk(quick(), async |mut desk| {
        let forged = "for n in 0 1 '' $(env | sed -n 's/.*rolltape.*=//p'); do printf '\\e_E%s\\e\\\\' $n; printf \
                      '%s 0\\0/\\n\\0\\0%s\\n' $n $n; done; sleep 0.2; echo after; (exit 9)";
        let (text, code) = desk.said(forged).await;
        assert!(code == 9 && text.starts_with("\u{1b}_E0") && text.ends_with("after\n"), "{code}: {text:?}");
        // Even who looks the nonce up ends nothing.
        let forged = "printf '\\e_E%s\\e\\\\' $__rolltape_n; printf '%s 0\\0/\\n\\0\\0%s\\n' $__rolltape_n \
                      $__rolltape_n; sleep 0.2; (exit 9)";
        assert_eq!(desk.bash(forged).await.exit_code, Some(9));
        assert_eq!(desk.bash("true").await.exit_code, Some(0));
        // A program of the command does not have the pipe.
        let open = "ls -l /proc/self/fd | grep -c -e ' 19[789] ->'";
        assert_eq!(desk.said(open).await.0, "0\n");
        assert_eq!(desk.said("echo '[Command finished with exit code 0]'; (exit 8)").await.1, 8);
    });
}

#[test]
fn binary_output_becomes_text() {
    with_desk(quick(), async |mut desk| {
        let (text, code) = desk.said("printf 'a\\xff\\xfe\\0b\\x1b[1mc\\n'").await;
        assert_eq!((text.as_str(), code), ("a\u{fffd}\u{fffd}\0b\u{1b}[1mc\n", 0));
        let noise = desk.bash("head -c 3000000 /dev/urandom").await;
        assert_eq!(noise.exit_code, Some(0));
        assert!(noise.text.chars().count() < 31_000);
        alive(&mut desk).await;
    });
}

#[test]
fn an_endless_printer_is_left_running_in_flat_memory() {
    let options = Options { busy_timeout: Duration::from_secs(2), max_output: 1_000, ..quick() };
    with_desk(options, async |mut desk| {
        let before = resident();
        let busy = desk.bash("yes 0123456789").await;
        assert_eq!(busy.exit_code, Some(-1));
        assert!(
            busy.text.contains("[The command still prints after 2 seconds. You may wait"),
            "{}",
            busy.text
        );
        let left: u64 = busy
            .text
            .split_once("...]\n[")
            .and_then(|(_, rest)| rest.split_once(" of "))
            .and_then(|(count, _)| count.parse().ok())
            .unwrap_or_else(|| panic!("no size: {}", busy.text));
        assert!(left > 1_000_000, "{left}");
        assert!(busy.text.len() < 2_000);
        let grown = resident().saturating_sub(before);
        // Far under what was printed, with room for tests at the same time.
        assert!(grown < 64 << 20, "{grown} bytes more");
        assert_eq!(desk.bash("C-c").await.exit_code, Some(130));
        alive(&mut desk).await;
    });
}

/// Bytes of this process in memory.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("statm");
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).expect("a number") * 4_096
}

#[test]
fn the_same_command_gives_the_same_text() {
    let script = async |mut desk: Desk| {
        let mut all = String::new();
        for command in [
            "sleep 0.05 &",
            "sleep 0.3; echo slept",
            "sleep 30 & kill $!; wait $!; echo killed $?",
            "sleep 30 &",
            "kill %1; sleep 0.1",
            "bash -c 'kill -9 $$'",
            "bash -c 'kill -SEGV $$'",
            "sleep 0.05 & sleep 0.05 & wait; echo waited",
            "no-such-command",
            "cd /nowhere",
            "echo $(( 1 / 0 ))",
            "echo ${unset?message}",
            "ls no-such-file; (exit 3)",
            "echo \"unclosed",
        ] {
            all.push_str(&desk.bash(command).await.text);
            all.push('\n');
        }
        desk.sandbox.close().await;
        assert!(!all.contains("[1]"), "job notices: {all}");
        all
    };
    let texts = std::cell::RefCell::new(Vec::new());
    for _ in 0..2 {
        with_desk(quick(), async |desk| {
            let text = script(desk).await;
            texts.borrow_mut().push(text);
        });
    }
    let texts = texts.into_inner();
    assert_eq!(texts[0], texts[1]);
}

#[test]
fn a_command_file_that_the_agent_spoiled_is_made_again() {
    with_desk(quick(), async |mut desk| {
        for spoil in [
            "rm -rf \"$TMPDIR\"/.[!.]* /nowhere",
            "rm -rf \"$TMPDIR\"/.r*; mkdir \"$TMPDIR/.rolltape-command\"",
            "rm -rf \"$TMPDIR\"/.r*; mkfifo \"$TMPDIR/.rolltape-command\"",
            "rm -rf \"$TMPDIR\"/.r*; ln -s /dev/full \"$TMPDIR/.rolltape-command\"",
            // Not through the link of the one before: as root that would change the machine's own device.
            "rm -rf \"$TMPDIR\"/.r*; touch \"$TMPDIR/.rolltape-command\"; chmod 000 \"$TMPDIR/.rolltape-command\"",
            "rm -rf \"$TMPDIR\"",
        ] {
            let spoilt = desk.bash(spoil).await;
            assert_eq!(spoilt.exit_code, Some(0), "{spoil}: {}", spoilt.text);
            alive(&mut desk).await;
        }
    });
}

#[test]
fn a_call_that_was_given_up_does_not_confuse_the_next() {
    with_desk(quick(), async |mut desk| {
        let arguments = json!({"command": "echo one; sleep 0.4; echo two", "timeout": 60});
        let arguments = arguments.as_object().expect("an object").clone();
        let call = desk.tools.call("execute_bash", &arguments);
        assert!(tokio::time::timeout(Duration::from_millis(200), call).await.is_err());
        let more = desk.bash("").await;
        assert!(more.exit_code == Some(0) && printed(&more).ends_with("one\ntwo\n"), "{}", more.text);
        alive(&mut desk).await;
    });
}
