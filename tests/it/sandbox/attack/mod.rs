//! Attacks: each as the command of an agent in the whole program, judged by what the host sees.
//!
//! In `overlay` all must hold. In `user` too, where what needs a control group may end as the degradation that the
//! run's manifest names. In `process` the groups `secret`, `score` and `protocol` and all canary files hold, and what
//! else gets through is listed with the layer that is missing. The power check shows that the same attacks get
//! through where nothing holds them.

mod case;
mod ground;
mod lab;
mod power;
mod reference;
mod verdict;

use super::levels::works;
use super::poor::ordinary;
use crate::support::ledger::note;
use case::Case;
use ground::Ground;
use rolltape::sandbox::Level;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use verdict::Complaint;

/// Attacks at the same time: more would starve the machine that tests share.
const AT_ONCE: usize = 2;
/// Groups that hold in every level.
const ALWAYS: [&str; 3] = ["secret", "score", "protocol"];
/// Complaints that a missing layer can explain.
const EXPLAINED: [&str; 5] = ["print", "listener", "token", "process", "silence"];

/// Runs attacks in a level; all that was not held, and all that a missing layer let through, in words.
fn attacked(cases: &[Case], level: Level, base: &Path) -> (Vec<String>, Vec<String>) {
    let (next, bad, listed) = (AtomicUsize::new(0), Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::SeqCst)) {
                    let mut ground = Ground::new(base, &case.command);
                    let run = lab::run(case, level, &ground);
                    for complaint in verdict::judge(case, &run, &mut ground) {
                        let missing = explained(case, level, &complaint, &run);
                        let (list, line) = match missing {
                            Some(layer) => (&listed, format!("{} (no {layer})", case.id)),
                            None => (&bad, format!("{}: {}: {}", case.id, complaint.kind, complaint.text)),
                        };
                        list.lock().expect("nobody panics with it").push(line);
                    }
                }
            });
        }
    });
    let sorted = |list: Mutex<Vec<String>>| {
        let mut list = list.into_inner().expect("nobody panics with it");
        list.sort();
        list.dedup();
        list
    };
    (sorted(bad), sorted(listed))
}

/// The missing layer that explains a complaint: named for the attack, and off in the run's manifest with a reason.
fn explained<'a>(case: &'a Case, level: Level, complaint: &Complaint, run: &lab::Run) -> Option<&'a str> {
    let layer = case.layer.as_deref()?;
    let groups = level != Level::Overlay && layer.starts_with("cgroup-");
    let may = level == Level::Process || groups;
    let told = run.off.get(layer).is_some_and(|reason| !reason.is_empty());
    let explains = EXPLAINED.contains(&complaint.kind) && !ALWAYS.contains(&case.group.as_str());
    (may && told && explains).then_some(layer)
}

#[track_caller]
fn all_hold(cases: &[Case], level: Level) {
    if !works(level) {
        return;
    }
    let base = std::env::var("ROLLTAPE_TEST_ATTACK_BASE").unwrap_or_else(|_| "/tmp".to_owned());
    let only = std::env::var("ROLLTAPE_TEST_ATTACK").unwrap_or_default();
    let cases: Vec<Case> = cases.iter().filter(|case| case.id.contains(&only)).cloned().collect();
    let (bad, listed) = attacked(&cases, level, Path::new(&base));
    assert!(bad.is_empty(), "{} of {} attacks in {level:?}:\n{}", bad.len(), cases.len(), bad.join("\n"));
    if !listed.is_empty() {
        note(&format!("sandbox::attack: {} let through", level.as_str()), &listed.join(", "));
    }
}

macro_rules! attacks {
    ($($name:ident: $cases:expr, $level:ident, $as:tt;)*) => {
        $(
            #[test]
            fn $name() {
                need!("python3", "setsid", "ipcmk", "git");
                attacks!(@as $as, $name);
                let Some(cases) = $cases else { return };
                all_hold(&cases, Level::$level);
            }
        )*
    };
    (@as root, $name:ident) => {
        need!(root);
    };
    (@as user, $name:ident) => {
        if !ordinary(concat!("sandbox::attack::", stringify!($name))) {
            return;
        }
    };
}

attacks! {
    given_attacks_hold_in_overlay: case::given(), Overlay, root;
    given_attacks_hold_in_user_as_root: case::given(), User, root;
    given_attacks_hold_in_user: case::given(), User, user;
    given_attacks_are_listed_in_process_as_root: case::given(), Process, root;
    given_attacks_are_listed_in_process: case::given(), Process, user;
    own_attacks_hold_in_overlay: Some(case::own()), Overlay, root;
    own_attacks_hold_in_user_as_root: Some(case::own()), User, root;
    own_attacks_hold_in_user: Some(case::own()), User, user;
    own_attacks_are_listed_in_process_as_root: Some(case::own()), Process, root;
    own_attacks_are_listed_in_process: Some(case::own()), Process, user;
}

/// The scorers of the reference task pass an honest answer: what they refuse, they refuse for its own sake.
#[test]
fn no_attack_is_an_honest_solution() {
    need!("python3", "setsid", "git");
    let level = [Level::Overlay, Level::User, Level::Process].into_iter().find(|level| works(*level));
    let Some(level) = level else { return };
    let mut case = case::own().into_iter().find(|case| case.id == "sc-at-exit").expect("one of ours");
    case.command = "printf 'def add(a, b): return a + b\\n' > solution.py; echo 5 > answer.txt".to_owned();
    let ground = Ground::new(Path::new("/tmp"), "");
    let run = lab::run(&case, level, &ground);
    assert!(run.records.len() >= 5, "{:?}", run.told);
    for (task, record) in &run.records {
        assert_eq!(record["outcome"], "passed", "{task}: {record}");
    }
}

/// A harness that lies in a folder which is shared with programs inside, as runners of CI do in /opt.
#[test]
fn secrets_hold_where_the_harness_lies_in_a_shared_folder() {
    need!("python3", "setsid", "git", root);
    let cases: Vec<Case> = case::own().into_iter().filter(|case| case.group == "secret").collect();
    for level in [Level::Overlay, Level::User, Level::Process].into_iter().filter(|level| works(*level)) {
        let (bad, listed) = attacked(&cases, level, Path::new("/opt"));
        assert!(bad.is_empty() && listed.is_empty(), "{level:?}:\n{}\n{}", bad.join("\n"), listed.join("\n"));
    }
}
