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
