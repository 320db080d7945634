//! Commands that hold one statement, several, or none that is whole.

use super::*;

const ONE: &[&str] = &[
    "echo a",
    "echo a; echo b",
    "a &&\nb",
    "a ||\n# why\n\nb",
    "for i in 1 2; do\n  echo $i\ndone",
    "for i in if then; do\n  echo $i\ndone",
    "for ((i = 0; i < 3; i++)); do\n  echo $i\ndone",
    "for i\ndo\n  echo $i\ndone",
    "select x in a b\ndo\nbreak\ndone",
    "cat <<EOF > f\nline one\n\nline two\nEOF",
    "cat <<'EOF'\n$(not run)\n\"unclosed\nEOF",
    "cat <<-\\EOF | tr a b\n\tif (\n\tEOF",
    "cat <<A <<\"B C\"\n1\nB C\nA\n2\nB C",
    "cat <<EOF\n a \\\nEOF\nEOF",
    "cat <<EOF\nnever ended\n",
    "python3 - <<'PY'\nfor i in range(3):\n    print(f\"{i}'\")\nPY",
    "python3 -c \"\nimport os\nprint(1)\n\"",
    "python3 -c '\nif True:\n  print(\"}\")\n'",
    "echo \"$(cat <<EOF\nit's\nEOF\n)\"",
    "f() {\n  echo 1\n  echo 2\n}",
    "f ( )\n{\n  echo 1\n}",
    "function f\n{\n  case $1 in a) echo; esac\n}",
    "echo a \\\n  b \\\n  c",
    "# what it does\necho a",
    "echo a\n# done",
    "echo a # it's (\n# done",
    "(cd x\nls)",
    "((a = 1 <<\n2))",
    "if true; then\n  a\nelif { b; } then\n  c\nelse\n  b\nfi",
    "if (true) then\n  a\nfi >/dev/null 2>&1",
    "while read -r x; do\n  echo $x\ndone < f | sort &>> log",
    "until [ -f x ]\ndo sleep 1\ndone &",
    "case $x in\n  a) echo 1;;\n  (b|\"c d\") echo 2 ;&\n  @(e|f)) g ;;&\n  *) echo 2\nesac",
    "case in in\nin) echo;;\nesac",
    "x=$(case a in\n a) echo 1;;\nesac)",
    "arr=(1\nif\n# c\n3)",
    "declare -A m+=([a]=1\n[b]=2)",
    "a |\nb |&\nc",
    "echo $(\nls\n)",
    "echo `\nls\n` ${x:-\n'}'} \"${y:-'\n}'}\"",
    "[[ a == b &&\n c =~ ^(d|e)$ ]]",
    "diff <(a\nb) >(c\nd)",
    "echo $'it\\'s\n' $\"a\nb\" ${#x}",
    "{ a\nb; }",
    "! time {\na\n}",
    "coproc {\na\n}",
    "if a; then if b; then if c; then if d; then\n(((e)))\nfi; fi; fi; fi",
    "x() (\nls\n)",
    "shopt -s extglob; ls !(a|\nb)",
];

const MANY: &[(&str, &[&str])] = &[
    ("echo é\nls -l\n", &["echo é", "ls -l"]),
    (
        "cat > f <<EOF\na\nEOF\n# then\npython f\n\n\necho done; ls",
        &["cat > f <<EOF\na\nEOF", "python f", "echo done; ls"],
    ),
    ("cd /tmp &\nx=1\n# end", &["cd /tmp &", "x=1"]),
    ("echo if\necho done }", &["echo if", "echo done }"]),
    ("x=1 if\necho {", &["x=1 if", "echo {"]),
    ("f() { a; }\nf", &["f() { a; }", "f"]),
    ("if a; then b; fi\nc", &["if a; then b; fi", "c"]),
    ("for i in a; do b; done\nc <<<x\nd", &["for i in a; do b; done", "c <<<x", "d"]),
    ("case a in a) ;; esac\nb", &["case a in a) ;; esac", "b"]),
    ("[[ a ]]\nb", &["[[ a ]]", "b"]),
    ("((x++))\necho $((1 << 2))\nc", &["((x++))", "echo $((1 << 2))", "c"]),
    ("a \\\n b # no; \"\nc", &["a \\\n b", "c"]),
    ("a=(1 2)\necho a#b ${a[@]}\nc", &["a=(1 2)", "echo a#b ${a[@]}", "c"]),
    ("a 2>&1 >|f\nb &>g", &["a 2>&1 >|f", "b &>g"]),
    ("echo \"a\nb\"\nc", &["echo \"a\nb\"", "c"]),
    ("\\\na\nb", &["a", "b"]),
    // Deep, and still two.
    (
        "if ((((((((1)))))))); then { { { { { { { a; }; }; }; }; }; }; }; fi\nb",
        &["if ((((((((1)))))))); then { { { { { { { a; }; }; }; }; }; }; }; fi", "b"],
    ),
];

#[test]
fn one_statement_may_have_many_lines() {
    for command in ONE {
        assert_eq!(statements(command).len(), 1, "{command:?}: {:?}", statements(command));
        assert!(whole(command), "{command:?}");
    }
    assert!(!whole("cat $(ls") && !whole("fi"));
    assert_eq!(statements(" \n ").len(), 0);
}

#[test]
fn several_statements_are_told_apart() {
    for (command, wanted) in MANY {
        assert_eq!(statements(command), *wanted, "{command:?}");
    }
}

/// The tables above are true: bash itself finds no fault with them, and each part of several is whole.
#[test]
fn bash_agrees_with_the_tables() {
    let sound = |text: &str| {
        let checked = std::process::Command::new("bash").args(["-O", "extglob", "-n", "-c", text]).output();
        match checked {
            Ok(output) => output.status.success(),
            // No bash here: nothing to compare with.
            Err(_) => true,
        }
    };
    for command in ONE {
        assert!(sound(command), "{command:?}");
    }
    for (command, parts) in MANY {
        assert!(sound(command), "{command:?}");
        assert!(parts.iter().all(|part| sound(part)), "{command:?}");
    }
}

#[test]
fn what_is_not_shell_counts_as_one() {
    for command in
        ["echo \"a\nb", "if true\nfi }\n", ")\n(", "for\n\n", "\u{0}\n\u{1}\n)", "cat <<\n<", "fi\na"]
    {
        assert_eq!(statements(command).len(), 1, "{command:?}: {:?}", statements(command));
    }
}

#[test]
fn hostile_nesting_and_size_cost_no_more_than_their_length() {
    let start = std::time::Instant::now();
    for piece in [
        "(",
        "$(",
        "{ ",
        "if true; then\n",
        "((",
        "`",
        "[[ ",
        "case x in\n",
        "while ",
        "\"$(",
        "${x:-",
        "<<a ",
        "'",
        "\\",
        "f() ",
        "a=(",
        "for x in\n",
        "case x in a) ",
        "))\n",
        "<(",
        "$((",
        "@(",
    ] {
        statements(&format!("{}\necho", piece.repeat(200_000)));
    }
    assert_eq!(statements(&"echo a\n".repeat(100_000)).len(), 100_000);
    assert!(start.elapsed().as_secs() < 60, "{:?}", start.elapsed());
}
