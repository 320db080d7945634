//! `str_replace_editor`: five commands and every text that tells of a failure.

use super::{Desk, quick, with_desk};
use rolltape::tools::Options;
use serde_json::{Value, json};
use std::time::Duration;

const FILE: &str = "/workspace/f.txt";

/// A call that fails: its text after the word ERROR.
async fn refused(desk: &mut Desk, arguments: Value) -> String {
    let output = desk.edit(arguments.clone()).await;
    assert!(output.is_error, "{arguments}: {}", output.text);
    let text = output.text.strip_prefix("ERROR:\n").unwrap_or_else(|| panic!("no ERROR: {}", output.text));
    text.to_owned()
}

/// A call that works.
async fn done(desk: &mut Desk, arguments: Value) -> String {
    let output = desk.edit(arguments.clone()).await;
    assert!(!output.is_error, "{arguments}: {}", output.text);
    output.text
}

async fn content(desk: &Desk, path: &str) -> String {
    String::from_utf8(desk.sandbox.files().read(path, 1 << 20).await.expect("read")).expect("UTF-8")
}

#[test]
fn create_writes_new_files_only() {
    with_desk(quick(), async |mut desk| {
        let path = "/workspace/new/deep/f.txt";
        let text =
            done(&mut desk, json!({"command": "create", "path": path, "file_text": "a\tb\r\nno end"})).await;
        assert_eq!(text, "File created successfully at: /workspace/new/deep/f.txt");
        assert_eq!(content(&desk, path).await, "a\tb\r\nno end");
        assert_eq!(desk.said("cat new/deep/f.txt; stat -c %a new/deep/f.txt").await.0, "a\tb\r\nno end644\n");
        let again = refused(&mut desk, json!({"command": "create", "path": path, "file_text": ""})).await;
        assert_eq!(
            again,
            format!(
                "Invalid `path` parameter: {path}. File already exists at: {path}. Cannot overwrite files using command \
                 `create`."
            )
        );
        let missing = refused(&mut desk, json!({"command": "create", "path": "/workspace/x"})).await;
        assert_eq!(missing, "Parameter `file_text` is required for command: create.");
        done(&mut desk, json!({"command": "create", "path": "/workspace/empty", "file_text": ""})).await;
        assert_eq!(content(&desk, "empty").await, "");
    });
}

#[test]
fn view_numbers_lines_and_takes_a_range() {
    with_desk(quick(), async |mut desk| {
        desk.bash("printf 'one\\n\\ttwo\\nthree' > f.txt").await;
        let all = done(&mut desk, json!({"command": "view", "path": FILE})).await;
        assert_eq!(
            all,
            "Here's the result of running `cat -n` on /workspace/f.txt:\n     1\tone\n     2\t\ttwo\n     3\tthree\n"
        );
        for (range, wanted) in
            [(json!([2, 2]), "     2\t\ttwo\n"), (json!("[2, -1]"), "     2\t\ttwo\n     3\tthree\n")]
        {
            let part = done(&mut desk, json!({"command": "view", "path": FILE, "view_range": range})).await;
            assert_eq!(part, format!("Here's the result of running `cat -n` on {FILE}:\n{wanted}"));
        }
        let beyond = done(&mut desk, json!({"command": "view", "path": FILE, "view_range": [3, 9]})).await;
        assert_eq!(
            beyond,
            format!(
                "NOTE: We only show up to 3 since there're only 3 lines in this file.\nHere's the result of running `cat \
                 -n` on {FILE}:\n     3\tthree\n"
            )
        );
        for (range, why) in [
            (
                json!([0, 1]),
                "[0, 1]. Its first element `0` should be within the range of lines of the file: [1, 3].",
            ),
            (
                json!([4, 5]),
                "[4, 5]. Its first element `4` should be within the range of lines of the file: [1, 3].",
            ),
            (
                json!([3, 2]),
                "[3, 2]. Its second element `2` should be greater than or equal to the first element `3`.",
            ),
            (json!([1]), "[1]. It should be a list of two integers."),
            (json!(["a", 2]), "[\"a\",2]. It should be a list of two integers."),
            (json!("all"), "\"all\". It should be a list of two integers."),
        ] {
            let text =
                refused(&mut desk, json!({"command": "view", "path": FILE, "view_range": range})).await;
            assert_eq!(text, format!("Invalid `view_range` parameter: {why}"));
        }
    });
}

#[test]
fn view_lists_folders_two_levels_deep() {
    with_desk(quick(), async |mut desk| {
        desk.bash("mkdir -p t/a/b/c t/.git/x; touch t/z t/a/f t/a/b/g t/.env t/a/.h; ln -s a t/l").await;
        let text = done(&mut desk, json!({"command": "view", "path": "/workspace/t"})).await;
        assert_eq!(
            text,
            "Here's the files and directories up to 2 levels deep in /workspace/t, excluding hidden items:\n\
             /workspace/t/\n/workspace/t/a/\n/workspace/t/a/b/\n/workspace/t/a/f\n/workspace/t/l\n/workspace/t/z\n\n\
             2 hidden files/directories in this directory are excluded. You can use 'ls -la /workspace/t/' to see them."
        );
        let link = done(&mut desk, json!({"command": "view", "path": "/workspace/t/l"})).await;
        assert!(link.ends_with("\n/workspace/t/l/b/\n/workspace/t/l/b/c/\n/workspace/t/l/b/g\n/workspace/t/l/f\n\n1 hidden files/directories \
                                in this directory are excluded. You can use 'ls -la /workspace/t/l/' to see them."), "{link}");
        let range = json!({"command": "view", "path": "/workspace/t", "view_range": [1, 2]});
        assert_eq!(
            refused(&mut desk, range).await,
            "Invalid `view_range` parameter. The `view_range` parameter is not allowed when `path` points to a directory."
        );
    });
}

#[test]
fn str_replace_changes_one_place() {
    with_desk(quick(), async |mut desk| {
        desk.bash("seq 1 20 > f.txt; chmod 751 f.txt").await;
        let replace = |old: &str, new: &str| json!({"command": "str_replace", "path": FILE, "old_str": old, "new_str": new});
        let text = done(&mut desk, replace("10\n11\n", "ten\n\televen\n")).await;
        assert_eq!(
            text,
            "The file /workspace/f.txt has been edited. Here's the result of running `cat -n` on a snippet of \
             /workspace/f.txt:\n     6\t6\n     7\t7\n     8\t8\n     9\t9\n    10\tten\n    11\t\televen\n    12\t12\n    \
             13\t13\n    14\t14\n    15\t15\n    16\t16\nReview the changes and make sure they are as expected. Edit the \
             file again if necessary."
        );
        assert_eq!(
            desk.said("stat -c %a f.txt; sed -n '9,12l' f.txt").await.0,
            "751\n9$\nten$\n\\televen$\n12$\n"
        );
        for (old, new, why) in [
            (
                "zzz",
                "y",
                "No replacement was performed, old_str `zzz` did not appear verbatim in /workspace/f.txt.",
            ),
            (
                "7",
                "y",
                "No replacement was performed. Multiple occurrences of old_str `7` in lines [7, 17]. Please ensure it is \
                 unique.",
            ),
            (
                "20",
                "20",
                "Invalid `new_str` parameter: the text is the same as `old_str`. `new_str` and `old_str` must be different.",
            ),
        ] {
            assert_eq!(refused(&mut desk, replace(old, new)).await, why);
        }
        let missing =
            refused(&mut desk, json!({"command": "str_replace", "path": FILE, "new_str": "x"})).await;
        assert_eq!(missing, "Parameter `old_str` is required for command: str_replace.");
        // Blanks around it are forgiven once; without new_str it is deleted.
        done(&mut desk, replace("\n  ten  \n", " TEN ")).await;
        assert!(content(&desk, "f.txt").await.contains("9\nTEN\n\televen\n"));
        done(&mut desk, json!({"command": "str_replace", "path": FILE, "old_str": "TEN\n"})).await;
        assert!(content(&desk, "f.txt").await.contains("9\n\televen\n"));
        // Bytes elsewhere stay: other line ends, no last newline.
        desk.bash("printf 'a\\r\\nb\\r\\nc' > crlf.txt").await;
        done(
            &mut desk,
            json!({"command": "str_replace", "path": "/workspace/crlf.txt", "old_str": "b", "new_str": "B"}),
        )
        .await;
        assert_eq!(content(&desk, "crlf.txt").await, "a\r\nB\r\nc");
    });
}

#[test]
fn insert_puts_lines_after_a_line() {
    with_desk(quick(), async |mut desk| {
        desk.bash("printf 'a\\nb' > f.txt; : > empty").await;
        let insert = |line: i64, new: &str| json!({"command": "insert", "path": FILE, "insert_line": line, "new_str": new});
        let text = done(&mut desk, insert(1, "between")).await;
        assert_eq!(
            text,
            "The file /workspace/f.txt has been edited. Here's the result of running `cat -n` on a snippet of the edited \
             file:\n     1\ta\n     2\tbetween\n     3\tb\nReview the changes and make sure they are as expected (correct \
             indentation, no duplicate lines, etc). Edit the file again if necessary."
        );
        done(&mut desk, insert(3, "end")).await;
        done(&mut desk, insert(0, "top\n")).await;
        assert_eq!(content(&desk, "f.txt").await, "top\na\nbetween\nb\nend");
        for line in [-1, 6] {
            assert_eq!(
                refused(&mut desk, insert(line, "x")).await,
                format!(
                    "Invalid `insert_line` parameter: {line}. It should be within the range of lines of the file: [0, 5]"
                )
            );
        }
        let mut call = insert(0, "x");
        call["path"] = json!("/workspace/empty");
        done(&mut desk, call).await;
        assert_eq!(content(&desk, "empty").await, "x");
        let missing = refused(&mut desk, json!({"command": "insert", "path": FILE, "new_str": "x"})).await;
        assert_eq!(missing, "Parameter `insert_line` is required for command: insert.");
        let missing =
            refused(&mut desk, json!({"command": "insert", "path": FILE, "insert_line": "1"})).await;
        assert_eq!(missing, "Parameter `new_str` is required for command: insert.");
        let wrong =
            desk.edit(json!({"command": "insert", "path": FILE, "insert_line": "two", "new_str": ""})).await;
        assert_eq!(wrong.text, "ERROR: The parameter `insert_line` must be a whole number.");
    });
}

#[test]
fn undo_takes_back_edit_by_edit() {
    with_desk(quick(), async |mut desk| {
        desk.bash("echo one > f.txt").await;
        let undo = json!({"command": "undo_edit", "path": FILE});
        assert_eq!(refused(&mut desk, undo.clone()).await, "No edit history found for /workspace/f.txt.");
        for (old, new) in [("one", "two"), ("two", "three")] {
            let call = json!({"command": "str_replace", "path": FILE, "old_str": old, "new_str": new});
            done(&mut desk, call).await;
        }
        let text = done(&mut desk, undo.clone()).await;
        assert_eq!(
            text,
            "Last edit to /workspace/f.txt undone successfully. Here's the result of running `cat -n` on \
             /workspace/f.txt:\n     1\ttwo\n"
        );
        done(&mut desk, undo.clone()).await;
        assert_eq!(content(&desk, "f.txt").await, "one\n");
        assert_eq!(refused(&mut desk, undo).await, "No edit history found for /workspace/f.txt.");
    });
}

#[test]
fn wrong_commands_and_paths_are_told() {
    with_desk(quick(), async |mut desk| {
        desk.bash("touch f.txt; mkdir d").await;
        for (arguments, why) in [
            (
                json!({"command": "write", "path": FILE}),
                "Unrecognized command write. The allowed commands for the str_replace_editor tool are: view, create, \
                 str_replace, insert, undo_edit",
            ),
            (
                json!({"command": "view", "path": "f.txt"}),
                "Invalid `path` parameter: f.txt. The path should be an absolute path, starting with `/`. Maybe you meant \
                 /workspace/f.txt?",
            ),
            (
                json!({"command": "view", "path": "nothing.txt"}),
                "Invalid `path` parameter: nothing.txt. The path should be an absolute path, starting with `/`.",
            ),
            (
                json!({"command": "view", "path": "/workspace/none"}),
                "Invalid `path` parameter: /workspace/none. The path /workspace/none does not exist. Please provide a valid \
                 path.",
            ),
            (
                json!({"command": "view", "path": "/a\u{0}b"}),
                "Invalid `path` parameter: a path can't hold a NUL byte.",
            ),
        ] {
            assert_eq!(refused(&mut desk, arguments.clone()).await, why, "{arguments}");
        }
        for (command, more) in [
            ("str_replace", json!({"old_str": "a", "new_str": "b"})),
            ("insert", json!({"insert_line": 0, "new_str": "b"})),
            ("undo_edit", json!({})),
        ] {
            let mut call = more;
            call["command"] = json!(command);
            call["path"] = json!("/workspace/d");
            assert_eq!(
                refused(&mut desk, call.clone()).await,
                "Invalid `path` parameter: /workspace/d. It is a directory, and only the `view` command can be used on \
                 directories."
            );
            if command != "undo_edit" {
                call["path"] = json!("/workspace/none");
                assert!(refused(&mut desk, call).await.contains("/workspace/none does not exist"));
            }
        }
    });
}

#[test]
fn hostile_files_neither_block_nor_break() {
    let options = Options { max_file: 1_000, ..quick() };
    with_desk(options, async |mut desk| {
        let made = desk
            .said("mkfifo fifo; ln -s /dev/zero dev; ln -s fifo tofifo; ln -s loop loop; printf 'a\\377b' > bad; printf \
                   'a\\0b\\377' > bin; truncate -s 5G huge; ln -s /nowhere dangling; echo x > real; ln -s real link")
            .await;
        assert_eq!(made, (String::new(), 0));
        for (name, wanted) in [
            ("fifo", "It is a FIFO, so it can't be read or written here."),
            ("tofifo", "It is a FIFO, so it can't be read or written here."),
            ("dev", "It is a device, so it can't be read or written here."),
            ("bad", "It is not UTF-8 text (byte 1); use bash to look at it."),
            ("bin", "It is a binary file (byte 3); use bash to look at it."),
            (
                "huge",
                "The file has 5368709120 bytes, more than the limit of 1000; use bash to look at parts of it.",
            ),
            ("dangling", "does not exist. Please provide a valid path."),
            ("loop", "oo many levels of symbolic links"),
        ] {
            for (command, more) in [
                ("view", json!({})),
                ("str_replace", json!({"old_str": "x", "new_str": "y"})),
                ("insert", json!({"insert_line": 0, "new_str": "y"})),
            ] {
                let mut call = more;
                call["command"] = json!(command);
                call["path"] = json!(format!("/workspace/{name}"));
                let answer = tokio::time::timeout(Duration::from_secs(10), refused(&mut desk, call)).await;
                let text = answer.expect("it does not block");
                assert!(text.contains(wanted), "{command} {name}: {text}");
            }
        }
        let call =
            json!({"command": "str_replace", "path": "/workspace/link", "old_str": "x", "new_str": "y"});
        done(&mut desk, call).await;
        assert_eq!(desk.said("cat real; test -L link; stat -c %a real").await.0, "y\n644\n");
        let over =
            refused(&mut desk, json!({"command": "create", "path": "/workspace/dangling", "file_text": ""}))
                .await;
        assert!(over.contains("File already exists"), "{over}");
    });
}

#[test]
fn long_answers_are_clipped() {
    with_desk(quick(), async |mut desk| {
        desk.bash("seq 1 9000 > f.txt").await;
        let text = done(&mut desk, json!({"command": "view", "path": FILE})).await;
        let (shown, note) = text.split_once("<response clipped>").expect("a note");
        assert_eq!(shown.chars().count(), 16_000);
        assert!(note.starts_with("<NOTE>The last ") && note.ends_with("</NOTE>"), "{note}");
    });
}
