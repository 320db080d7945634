//! What a judged program can do to the hidden tests that run it, at each level.

use crate::attempts::{Lab, bash, evidence, finish, records};
use crate::support::ledger::note;
use crate::support::{Rolltape, temp};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

const LEVELS: [&str; 3] = ["overlay", "user", "process"];

/// Runs a suite at a level; `None` where the machine has no such level.
fn at(level: &str, suite: &Path, folder: &Path) -> Option<(BTreeMap<String, Value>, String)> {
    let out = folder.join(level);
    let (own, to) = (suite.to_str().expect("UTF-8"), out.to_str().expect("UTF-8"));
    let told = Rolltape::new(&["run", own, "--out", to, "--level", level, "-j", "4"]).run();
    if told.code == 3 {
        note("trust", &format!("{level}: {}", told.stderr.trim()));
        return None;
    }
    Some((records(&out), told.stderr))
}

/// A test of a program that adds, and what the agent makes of the program.
fn add(lab: &mut Lab, id: &str, run: &str, program: &str) {
    let test = "keep=$(mktemp -d) && echo 5 > \"$keep/want\" || exit 9\n\
        said=$($ROLLTAPE_AS_AGENT bash app.sh)\n[ \"$said\" = \"$(cat \"$keep/want\")\" ]\n";
    let score = format!(
        "tests = {{ \"check.sh\" = '''{test}''', \"direct.sh\" = '''bash app.sh >/dev/null 2>&1\nfalse\n''' }}\n\
         score = [{{ kind = \"command\", run = 'bash \"$ROLLTAPE_TESTS/{run}\"', carry = [\"app.sh\"] }}]"
    );
    lab.task(id, &score, &[bash(&format!("cat > app.sh <<'END'\n{program}\nEND")), finish("done")]);
}

/// Programs that print 4, which is wrong, and want to pass.
const ATTACKS: &[(&str, &str)] = &[
    // The shell reads its script while it goes on, so what is put behind it is done, too.
    ("appends", "for at in /tests ../tests; do echo 'exit 0' >> $at/check.sh; done 2>/dev/null"),
    (
        "replaces",
        "for at in /tests ../tests; do rm -rf $at/*; echo 'exit 0' > $at/check.sh; done 2>/dev/null",
    ),
    ("told", "echo 'exit 0' >> \"$ROLLTAPE_TESTS/check.sh\""),
    (
        "wants",
        "for file in /root/*/want /tmp/*/want /home/agent/*/want ../home/*/want; do echo 4 > $file; done 2>/dev/null",
    ),
    (
        "traces",
        "for at in /proc/[0-9]*/cwd; do echo 'exit 0' >> $at/../tests/check.sh; done 2>/dev/null\n\
         for at in /proc/[0-9]*/root; do echo 'exit 0' >> $at/tests/check.sh; done 2>/dev/null\n\
         for at in /proc/[0-9]*/fd/255; do [ $at -ef /proc/$$/fd/255 ] || echo 'exit 0' >> $at; done 2>/dev/null",
    ),
];

#[test]
fn a_judged_program_does_not_change_the_tests_that_run_it() {
    need!("setpriv");
    let folder = temp();
    let mut lab = Lab::new(folder.path(), "trust");
    add(
        &mut lab,
        "honest",
        "check.sh",
        // The workspace of a verifier with a second user is not the program's to write.
        "at=$(mktemp) && echo 5 > $at && cat $at < /dev/null",
    );
    for (id, attack) in ATTACKS {
        add(&mut lab, id, "check.sh", &format!("{attack}\necho 4"));
    }
    // Not even where it is run without anything before it, as the tests themselves can't; where root runs the tests,
    // this is theirs to know.
    let direct = "for at in /tests ../tests; do echo 'exit 0' >> $at/direct.sh; done";
    add(&mut lab, "direct", "direct.sh", direct);
    let suite = lab.write();
    for level in LEVELS {
        let Some((records, told)) = at(level, suite, folder.path()) else { continue };
        assert!(!told.contains("run as the same user"), "{told}");
        assert_eq!(records["trust/honest"]["outcome"], "passed", "{level}: {}", records["trust/honest"]);
        let own = (level != "overlay").then_some("direct");
        for id in ATTACKS.iter().map(|(id, _)| *id).chain(own) {
            let record = &records[&format!("trust/{id}")];
            assert_eq!(record["outcome"], "failed", "{id} at level {level}: {record}");
        }
    }
}

#[test]
fn what_ends_the_tests_early_does_not_pass_for_a_verdict() {
    need!("setpriv");
    let folder = temp();
    let mut lab = Lab::new(folder.path(), "verdict");
    // The tests take the program into their own process, as those do that import a module.
    let test = "nonce=$ROLLTAPE_NONCE out=$ROLLTAPE_VERDICT_FD; unset ROLLTAPE_NONCE\n\
        peek=$($ROLLTAPE_AS_AGENT bash app.sh peek 2>/dev/null)\n[ -z \"$peek\" ] || exit 1\n\
        . ./app.sh\n[ \"$(add 2 3)\" = 5 ] && echo \"$nonce passed\" >&$out\n:\n";
    for (id, program) in [
        ("honest", "add() { echo $(($1 + $2)); }"),
        ("wrong", "add() { echo 4; }"),
        ("exits", "exit 0"),
        ("traps", "trap 'exit 0' EXIT DEBUG; exit 3"),
        ("placeholder", "echo '<nonce> passed' >&9; exit 0"),
        ("guesses", "echo passed >&9; echo ' passed' >&9; exit 0"),
        // As a program of its own it finds neither the secret nor the descriptor.
        (
            "peeks",
            "if [ \"$1\" = peek ]; then\n\
             echo \"$ROLLTAPE_NONCE\"; cat /proc/[0-9]*/environ | tr '\\0' '\\n' | grep ^ROLLTAPE_NONCE\n\
             exit; fi\nadd() { echo $(($1 + $2)); }",
        ),
    ] {
        let score = format!(
            "tests = {{ \"check.sh\" = '''{test}''' }}\n\
             score = [{{ kind = \"command\", run = 'bash \"$ROLLTAPE_TESTS/check.sh\"', carry = [\"app.sh\"], verdict = true }}]"
        );
        lab.task(id, &score, &[bash(&format!("cat > app.sh <<'END'\n{program}\nEND")), finish("done")]);
    }
    let suite = lab.write();
    for level in LEVELS {
        let Some((records, _)) = at(level, suite, folder.path()) else { continue };
        for (id, outcome) in [
            ("honest", "passed"),
            ("peeks", "passed"),
            ("wrong", "failed"),
            ("exits", "failed"),
            ("traps", "failed"),
            ("placeholder", "failed"),
            ("guesses", "failed"),
        ] {
            let record = &records[&format!("verdict/{id}")];
            assert_eq!(record["outcome"], outcome, "{id} at level {level}: {record}");
        }
        let reason = records["verdict/exits"]["scores"][0]["reason"].as_str().expect("a reason");
        assert!(reason.contains("without a verdict"), "{reason}");
        let kept = evidence(&folder.path().join(level), &records["verdict/honest"], "command/0");
        assert_eq!(kept["verdict"], "<nonce> passed\n", "{kept}");
    }
}
