//! The power check: the same attacks where nothing holds them must be seen to get through, or the tests prove nothing.
//!
//! All of it happens in a root that is thrown away: an overlay of the host's with its own mount namespace, where only
//! the planted things are the host's. What only a scorer can be deceived by is tried on one that trusts the place.

use super::case::{self, Bare, Case, Oracle};
use super::ground::Ground;
use super::lab::{self, quoted};
use super::reference;
use super::verdict;
use crate::sandbox::keeper::{Job, Told, keep};
use rolltape::sandbox::Level;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// What a kernel may refuse by itself, or not have: then the attack proves nothing, and the ledger says so.
const KERNELS: [&str; 9] = [
    "net-vsock",
    "pv-keyctl-uring",
    "pv-bpf",
    "pv-sched-rt",
    "fs-mknod-rootdisk",
    "pv-old-numbers",
    "net-route",
    "net-cloud-metadata",
    "net-interfaces",
];

/// Moves into a root of its own and runs the rest of its arguments there. `$1` is the folder of the planted things,
/// `$2` a folder for the overlay. A group of its own keeps a bomb from the machine, where one can be made.
pub(super) const AWAY: &str = r#"
set -e; ground=$1 store=$2; shift 2
for group in pids:pids.max=2000 memory:memory.limit_in_bytes=3221225472; do
  at=/sys/fs/cgroup/${group%%:*}/rolltape-attack-$$ limit=${group#*:}
  { mkdir "$at" && echo "${limit#*=}" > "$at/${limit%=*}" && echo $$ > "$at/cgroup.procs"; } 2>/dev/null || rmdir "$at" 2>/dev/null || true
done
mount -t tmpfs -o size=2g none "$store"; mkdir "$store/u" "$store/w" "$store/root"
mount -t overlay -o "lowerdir=/,upperdir=$store/u,workdir=$store/w" none "$store/root"
cd "$store/root"
for at in proc sys dev; do mount --rbind /$at $at; done
mkdir -p ".$ground"; mount --bind "$ground" ".$ground"
mkdir -p .old; pivot_root . .old; umount -l /.old; cd "$ground"
exec "$@"
"#;

/// Arguments that run `argv` away from the host.
fn away(ground: &Ground, argv: &[&str]) -> Vec<String> {
    let folder = ground.path("").display().to_string();
    let (folder, store) =
        (folder.trim_end_matches('/').to_owned(), ground.path("store").display().to_string());
    std::fs::create_dir_all(&store).expect("a folder");
    let own = ["unshare", "--mount", "--propagation", "private", "bash", "-c", AWAY, "away", &folder, &store];
    own.iter().chain(argv).map(|word| (*word).to_owned()).collect()
}

/// Whether such a root can be made here.
fn able() -> bool {
    let ground = Ground::new(Path::new("/tmp"), "");
    let argv = away(&ground, &["true"]);
    let made = Command::new(&argv[0]).args(&argv[1..]).output().expect("unshare runs");
    groups_gone();
    made.status.success()
}

/// Removes the groups of roots that were thrown away.
fn groups_gone() {
    for controller in ["pids", "memory"] {
        let Ok(groups) = std::fs::read_dir(format!("/sys/fs/cgroup/{controller}")) else { continue };
        for group in groups.flatten() {
            if group.file_name().to_string_lossy().starts_with("rolltape-attack-") {
                // One that is in use stays: that can't be removed.
                let _ = std::fs::remove_dir(group.path());
            }
        }
    }
}

/// Runs the attack in the whole program with `--sandbox none`; what is said against it.
fn seen_by_the_program(case: &Case) -> Vec<String> {
    let mut ground = Ground::new(Path::new("/tmp"), &case.command);
    let run = lab::run_as(case, Level::None, &ground, &|argv| away(&ground, argv));
    let complaints = verdict::judge(case, &run, &mut ground);
    let told = complaints
        .into_iter()
        .filter(|found| super::EXPLAINED.contains(&found.kind) || found.kind == "canary");
    told.map(|found| format!("{}: {}", found.kind, found.text)).collect()
}

/// A scorer as many are: in the same place, as the same user, by exit code. It also looks at the folder with git.
const NAIVE: &str = r#"
cd work; export HOME=$PWD/../home
bash -l -c 'python3 -c "import solution; assert solution.add(2,3)==5"' </dev/null && echo PASSED command
bash -l -c 'python3 -m unittest -q test_add' </dev/null && echo PASSED unittest
[ -z "$PYTEST" ] || python3 -m pytest -q test_add.py </dev/null && [ -n "$PYTEST" ] && echo PASSED pytest
git status; git add -A; git diff HEAD
true"#;

const TEST: &str = "import unittest, solution\nclass T(unittest.TestCase):\n    \
                    def test_add(self): self.assertEqual(solution.add(2, 3), 5)\n";

/// Runs the attack and then the naive scorer in the same place: the host's complaints, and what passed.
fn seen_by_a_naive_scorer(case: &Case, command: &str) -> Vec<String> {
    let mut ground = Ground::new(Path::new("/tmp"), command);
    let work = ground.path("work");
    if case.git {
        lab::repository(&work);
    }
    std::fs::create_dir_all(&work).expect("a folder");
    std::fs::create_dir_all(ground.path("suite/tasks/attack/tests")).expect("a folder");
    std::fs::write(ground.path("suite/tasks/attack/tests/check.sh"), ground.mark()).expect("written");
    std::fs::write(work.join("solution.py"), "def add(a,b): return 0\n").expect("written");
    std::fs::write(work.join("test_add.py"), TEST).expect("written");
    let words: Vec<String> = case.interp.iter().map(|word| quoted(word)).collect();
    let filled = ground.fill(command);
    let attack = format!(
        "cd work; HOME=$PWD/../home timeout 20 {} {}; cd ..; sleep 1.5",
        words.join(" "),
        quoted(&filled)
    );
    let script = format!("({attack}); {NAIVE}");
    let mut env: BTreeMap<String, String> = ground.environment().into_iter().collect();
    // Shims of a user's own Python would be lost with his home.
    env.insert("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin".to_owned());
    let pytest = if reference::has_pytest() { "yes" } else { "" };
    env.insert("PYTEST".to_owned(), pytest.to_owned());
    let argv = away(&ground, &["bash", "-c", &script]);
    let _: Told = keep(&Job { argv, env, folder: ground.path("") });
    let said = std::fs::read_to_string(ground.path("stdout")).unwrap_or_default();
    let passed = said.lines().filter(|line| line.starts_with("PASSED") || line.starts_with("BREACH"));
    let mut seen: Vec<String> = passed.map(str::to_owned).collect();
    seen.extend(ground.damage().into_iter().map(|(kind, text)| format!("{kind}: {text}")));
    seen
}

fn seen(case: &Case) -> Vec<String> {
    // A repository of a suite never gets into a sandbox; and what deceives a scorer needs one that can be deceived.
    if case.bare == Bare::Deceives || case.git || case.id.starts_with("sc-git") {
        return seen_by_a_naive_scorer(case, &case.command);
    }
    let seen = seen_by_the_program(case);
    // Without a sandbox the environment is clean all the same.
    if seen.is_empty() { seen_by_a_naive_scorer(case, &case.command) } else { seen }
}

#[track_caller]
fn all_get_through(cases: &[Case]) {
    let only = std::env::var("ROLLTAPE_TEST_ATTACK").unwrap_or_default();
    let mut tame = Vec::new();
    for case in cases.iter().filter(|case| case.bare != Bare::Left && case.id.contains(&only)) {
        let pytest = case.id == "sc-conftest" && !reference::has_pytest();
        if pytest || !seen(case).is_empty() {
            continue;
        }
        if KERNELS.contains(&case.id.as_str()) {
            super::note(
                "sandbox::attack::power",
                &format!("{} does not get through on this machine", case.id),
            );
        } else {
            tame.push(case.id.clone());
        }
    }
    groups_gone();
    assert!(tame.is_empty(), "nothing was seen of these without a sandbox: {tame:?}");
}

#[test]
fn given_attacks_get_through_without_a_sandbox() {
    need!("python3", "setsid", "ipcmk", "git", "unshare", root);
    let Some(cases) = case::given() else { return };
    if able() {
        all_get_through(&cases);
    } else {
        super::note("sandbox::attack::power", "no root can be thrown away here");
    }
}

#[test]
fn own_attacks_get_through_without_a_sandbox() {
    need!("python3", "setsid", "ipcmk", "git", "unshare", root);
    if able() {
        all_get_through(&case::own());
    } else {
        super::note("sandbox::attack::power", "no root can be thrown away here");
    }
}

/// The naive scorer does not believe everything: without an attack it says no.
#[test]
fn a_naive_scorer_fails_what_no_attack_touched() {
    need!("python3", "setsid", "git", "unshare", root);
    if !able() {
        super::note("sandbox::attack::power", "no root can be thrown away here");
        return;
    }
    let mut case = case::own().into_iter().find(|case| case.oracle == Oracle::Score).expect("one of ours");
    case.interp = ["bash", "-c"].map(str::to_owned).to_vec();
    assert_eq!(seen_by_a_naive_scorer(&case, "true"), Vec::<String>::new());
    let right = "echo 'def add(a,b): return a+b' > solution.py";
    assert!(seen_by_a_naive_scorer(&case, right).len() >= 2);
    groups_gone();
}
