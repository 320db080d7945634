//! The test support itself.

use crate::support::{self, needs, rolltape};

#[test]
fn the_built_program_tells_its_version() {
    let output = rolltape(&["--version"]).expect_code(0);
    assert_eq!(output.stdout, format!("rolltape {}\n", env!("CARGO_PKG_VERSION")));
    assert_eq!(output.stderr, "");
}

#[test]
fn a_missing_program_is_told_apart() {
    assert_eq!(needs::program("sh"), Ok(()));
    assert_eq!(
        needs::program("no-such-program-at-all"),
        Err("no-such-program-at-all is not in PATH".to_owned())
    );
    need!("sh");
    assert!(support::temp().path().is_dir());
}

/// Set for the copy of this binary that the next test starts.
const INSIDE: &str = "ROLLTAPE_TEST_INSIDE";

/// Does nothing unless the next test starts it.
#[test]
fn skips_when_asked_to() {
    if std::env::var_os(INSIDE).is_some() {
        need!(nothing("a power that no machine has"));
    }
}

#[test]
fn a_skipped_test_is_told_at_the_end_and_fails_where_all_is_required() {
    let run = |require_all: &str| {
        let output = std::process::Command::new(std::env::current_exe().expect("this binary"))
            .args(["--exact", "harness::skips_when_asked_to"])
            .env(INSIDE, "1")
            .env("ROLLTAPE_REQUIRE_ALL", require_all)
            .output()
            .expect("this binary starts");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.success(), text(&output.stdout), text(&output.stderr))
    };
    let (fine, _, told) = run("0");
    assert!(fine, "{told}");
    assert_eq!(
        told,
        "\nskipped, as something is missing here:\n  a power that no machine has: harness::skips_when_asked_to\n\n"
    );
    let (fine, report, _) = run("1");
    assert!(!fine, "{report}");
    assert!(report.contains("a power that no machine has, and ROLLTAPE_REQUIRE_ALL is set"), "{report}");
}

#[test]
fn a_program_that_hangs_is_ended() {
    let mut child = std::process::Command::new("sleep").arg("60").spawn().expect("sleep starts");
    assert_eq!(support::program::finish(&mut child, std::time::Duration::from_millis(50)), None);
    child.kill().expect("it still runs");
    assert_eq!(support::program::finish(&mut child, std::time::Duration::from_secs(10)), Some(128 + 9));
}
