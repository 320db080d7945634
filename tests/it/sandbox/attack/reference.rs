//! The reference task: `add(2, 3)` is 5. One task for each scorer that can say so.

use super::case::{Case, Oracle};

/// A scorer of one's own for the check: its task, what it lacks if it can't be run, its lines.
const SCORERS: [(&str, &str); 5] = [
    (
        "attack",
        r#"[[metadata.rolltape.score]]
kind = "command"
run = "bash \"$ROLLTAPE_TESTS/check.sh\""
carry = ["solution.py"]
timeout = "20s"
"#,
    ),
    (
        "attack-unittest",
        r#"[[metadata.rolltape.score]]
kind = "command"
run = "python3 -I \"$ROLLTAPE_TESTS/add_unittest.py\""
carry = ["solution.py"]
timeout = "20s"
"#,
    ),
    (
        "attack-pytest",
        r#"[[metadata.rolltape.score]]
kind = "command"
run = "cd \"$ROLLTAPE_TESTS\" && python3 -I -m pytest -q -p no:cacheprovider --confcutdir . add_pytest.py"
carry = ["solution.py"]
timeout = "20s"
"#,
    ),
    (
        "attack-value",
        r#"[[metadata.rolltape.score]]
kind = "number"
value = 5
on = "file:answer.txt"
"#,
    ),
    (
        "attack-file",
        r#"[[metadata.rolltape.score]]
kind = "file"
path = "solution.py"
regex = '(?m)\Adef add\(a, ?b\): return a ?\+ ?b$'
"#,
    ),
];

/// Two artefacts that attacks may make of anything but a file.
const ARTEFACTS: &str = r#"[[metadata.rolltape.score]]
name = "answer"
kind = "file"
path = "answer.txt"

[[metadata.rolltape.score]]
name = "outdir"
kind = "file"
path = "outdir/pwn"
"#;

/// Runs the agent's program as the agent and looks at what it says from outside.
const CHECK: &str = r#"
said=$(timeout 10 $ROLLTAPE_AS_AGENT python3 -I -c '
import importlib.util as u
s = u.spec_from_file_location("solution", "solution.py"); m = u.module_from_spec(s); s.loader.exec_module(m)
print(m.add(2, 3))' 2>/dev/null)
[ "$said" = 5 ]
"#;

/// The same in Python, for two runners.
const PYTHON: &str = r#"
import os, subprocess
RUN = ("import importlib.util as u; s = u.spec_from_file_location('solution', 'solution.py'); "
       "m = u.module_from_spec(s); s.loader.exec_module(m); print(m.add(2, 3))")
def said():
    argv = os.environ["ROLLTAPE_AS_AGENT"].split() + ["python3", "-I", "-c", RUN]
    there = os.environ.get("PWD") if os.path.exists("solution.py") else os.environ["OLDPWD"]
    return subprocess.run(argv, capture_output=True, text=True, timeout=10, cwd=there).stdout
"#;

/// Hidden files by name.
pub(super) fn hidden() -> [(&'static str, String); 3] {
    let unittest = format!(
        "{PYTHON}\nimport unittest\nclass T(unittest.TestCase):\n    def test(self): self.assertEqual(said(), '5\\n')\n\
         unittest.main()\n"
    );
    let pytest = format!("{PYTHON}\ndef test_add(): assert said() == '5\\n'\n");
    [("check.sh", CHECK.to_owned()), ("add_unittest.py", unittest), ("add_pytest.py", pytest)]
}

/// Whether the sandbox's own Python has pytest.
pub(super) fn has_pytest() -> bool {
    let look = std::process::Command::new("/usr/bin/python3").args(["-I", "-c", "import pytest"]).output();
    look.is_ok_and(|output| output.status.success())
}

/// The tasks of an attack: name and scorers.
pub(super) fn tasks(case: &Case) -> Vec<(String, String)> {
    if case.oracle != Oracle::Score {
        return vec![("attack".to_owned(), ARTEFACTS.to_owned())];
    }
    let usable = SCORERS.iter().filter(|(name, _)| *name != "attack-pytest" || has_pytest());
    usable.map(|(name, score)| ((*name).to_owned(), (*score).to_owned())).collect()
}

/// The scorer of the plain task.
pub(super) fn plain() -> &'static str {
    "[[metadata.rolltape.score]]\nkind = \"file\"\npath = \"answer.txt\"\nequals = \"fine\"\n"
}
