//! `doctor`: what this machine can, and what would enable more.

use crate::support::{Rolltape, temp};
use std::os::unix::fs::PermissionsExt as _;

/// What `doctor` says of images; `engine` is a script in the place of docker or podman.
fn images(engine: &str) -> String {
    let folder = temp();
    let program = folder.path().join("engine");
    if !engine.is_empty() {
        std::fs::write(&program, format!("#!/bin/sh\n{engine}\n")).expect("a script");
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("it runs");
    }
    let program = program.display().to_string();
    let told = Rolltape::new(&["doctor"])
        .env("ROLLTAPE_CONTAINERS", &program)
        .env("ROLLTAPE_HOME", "/no/such/home")
        .run()
        .expect_code(0);
    for section in ["levels\n", "layers of ", "powers\n", "images\n"] {
        assert!(told.stdout.contains(section), "{section}: {}", told.stdout);
    }
    let (_, images) = told.stdout.split_once("images\n").expect("images");
    let oci = if cfg!(feature = "oci") { "kept in /no/such/home/images" } else { "no feature 'oci'" };
    assert!(images.contains(oci), "{images}");
    images
        .lines()
        .skip_while(|line| !line.contains(&program))
        .map(|line| line.replace(&program, "ENGINE") + "\n")
        .collect()
}

#[test]
fn what_runs_containers_is_told_with_its_lack() {
    let docker = r"printf '27.1\trunc\t[name=seccomp]\n'";
    assert_eq!(images(docker), "  ENGINE on   27.1, runtime runc, as root\n");
    let podman = "case $3 in *ServerVersion*) echo 'Error: template: info:1: can'\\''t evaluate field' >&2; exit 125 ;; esac\n\
                  printf '4.3.1\\tcrun\\trootless=true\\n'";
    assert_eq!(images(podman), "  ENGINE on   4.3.1, runtime crun, rootless\n");
    let off = "echo 'Cannot connect to the Docker daemon. Is the docker daemon running?' >&2; exit 1";
    assert_eq!(
        images(off),
        "  ENGINE off  cannot connect to the Docker daemon. Is the docker daemon running?\n\
         \x20                     enable: start its daemon, or use podman, which needs none\n"
    );
    assert_eq!(images(r"printf '\t\t[]\n'").lines().next(), Some("  ENGINE off  its daemon does not answer"));
    assert_eq!(
        images(""),
        "  ENGINE off  not in PATH\n\
         \x20                     enable: install podman, which needs no daemon, or docker\n"
    );
}
