//! What can't be done, in one sentence.

use super::{BUSYBOX, Lab};
use crate::support::{Rolltape, ledger, needs, temp};
use std::os::unix::fs::PermissionsExt;

#[test]
fn what_is_wrong_with_the_words_is_said_before_anything_is_asked() {
    let mut told = String::new();
    let folder = temp();
    for arguments in [
        &["--sandbox", "container:"] as &[&str],
        &["--sandbox", "container"],
        &["--sandbox", "container:x", "--level", "user"],
        &["--sandbox", "container:-x"],
        &["--sandbox", "container:x"],
    ] {
        let mut all = vec!["sandbox"];
        all.extend(arguments);
        all.push("true");
        // No program is found in an empty folder.
        let output = Rolltape::new(&all).env("PATH", folder.path()).run();
        told.push_str(&format!("$ {}\nexit {}\n{}", arguments.join(" "), output.code, output.stderr));
        assert_eq!(output.stdout, "");
    }
    insta::assert_snapshot!(told);
}

#[test]
fn nothing_is_pulled_and_what_the_runtime_says_is_passed_on() {
    need!(root, "podman", "busybox", "tar");
    let Some(lab) = Lab::new("container::refusals") else { return };
    let mut told = String::new();
    let mut add = |output: crate::support::Output| {
        assert_eq!((output.code, output.stdout.as_str()), (3, ""), "{output:?}");
        told.push_str(&output.stderr.replace(&lab.folder.path().display().to_string(), "<LAB>"));
    };
    add(lab.sandbox("localhost/rolltape-none:1", &["true"]).run());
    lab.import("localhost/rolltape-lost:1", &["USER nobody-there"], &lab.path("busybox"));
    add(lab.sandbox("localhost/rolltape-lost:1", &["true"]).run());
    // A runtime that is broken: the image is there, and no container starts.
    let script = format!(
        "#!/bin/sh\n[ \"$1\" = run ] && shift && exec {} run --runtime /no/such/runtime \"$@\"\nexec {} \"$@\"\n",
        lab.podman().display(),
        lab.podman().display()
    );
    let broken = lab.path("broken");
    std::fs::write(&broken, script).expect("a script");
    std::fs::set_permissions(&broken, PermissionsExt::from_mode(0o755)).expect("executable");
    let output = lab.sandbox(BUSYBOX, &["true"]).env("ROLLTAPE_CONTAINERS", &broken).run();
    assert_eq!(output.code, 3);
    assert!(
        output.stderr.contains("can't start a container here: ")
            && output.stderr.contains("/no/such/runtime"),
        "{}",
        output.stderr
    );
    lab.assert_clean();
    insta::assert_snapshot!(told);
}

#[test]
fn a_daemon_that_is_down_is_named() {
    if needs::find("docker").is_none() {
        // Its client alone would need a package that is at odds with podman's on some machines.
        ledger::note("container::refusals", "docker is not in PATH");
        return;
    }
    let folder = temp();
    let socket = format!("unix://{}/none.sock", folder.path().display());
    let program = Rolltape::new(&["sandbox", "--sandbox", "container:x", "true"]);
    let output = program.env("ROLLTAPE_CONTAINERS", "docker").env("DOCKER_HOST", &socket).run();
    assert_eq!(output.code, 3, "{output:?}");
    assert!(output.stderr.contains("docker can't be asked for the image 'x': "), "{}", output.stderr);
    assert!(output.stderr.contains("hint: start its daemon"), "{}", output.stderr);
}
