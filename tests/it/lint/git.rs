//! Repositories made by git itself, read by the lint without it.

use super::{findings, lint, put};
use crate::support::temp;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

const BROKEN: &str = "def mean(values):\n    return sum(values) / (len(values) + 1)\n";
const FIXED: &str = "def mean(values):\n    count_of_values = max(len(values), 1)\n    return sum(values) / count_of_values\n";

/// A suite whose task has a repository with one commit in its environment.
struct Ground {
    folder: TempDir,
}

impl Ground {
    fn new() -> Self {
        let ground = Self { folder: temp() };
        let suite = ground.folder.path().join("s");
        put(
            &suite,
            "suite.toml",
            b"schema = 1\nname = \"s\"\n[defaults]\nlimits = { turns = 3, wall = \"9s\" }\n",
        );
        let score = b"[metadata.rolltape]\nscore = [{ kind = \"command\", run = \"test -s stats.py\" }]\n";
        put(&suite, "tasks/fix/task.toml", score);
        put(&suite, "tasks/fix/instruction.md", b"Mend the mean.\n");
        let solve = format!("cat > stats.py <<'END'\n{FIXED}END\n");
        put(&suite, "tasks/fix/solution/solve.sh", solve.as_bytes());
        put(&ground.repository(), "stats.py", BROKEN.as_bytes());
        ground.git(&["init", "-q", "-b", "main"]);
        ground.commit("first");
        ground
    }

    fn repository(&self) -> PathBuf {
        self.folder.path().join("s/tasks/fix/environment/repo")
    }

    fn git(&self, arguments: &[&str]) {
        let mut git = Command::new("git");
        git.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
        git.args(["-c", "user.name=a", "-c", "user.email=a@b", "-c", "core.logAllRefUpdates=true"]);
        let done = git.args(arguments).current_dir(self.repository()).output().expect("git");
        assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    }

    fn write(&self, text: &str) {
        put(&self.repository(), "stats.py", text.as_bytes());
    }

    fn commit(&self, message: &str) {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "-m", message]);
    }

    /// Sentences of the lints of repositories.
    fn told(&self) -> Vec<String> {
        let found = findings(self.folder.path(), &["--select", "SL02"]);
        found.iter().map(text).collect()
    }
}

fn text(finding: &Value) -> String {
    format!("{} {}", finding["lint"].as_str().expect("an id"), finding["text"].as_str().expect("a text"))
}

#[track_caller]
fn holds(told: &[String], parts: &[&str]) {
    assert!(told.iter().any(|one| parts.iter().all(|part| one.contains(part))), "{parts:?} in {told:?}");
}

#[test]
fn git_with_one_commit_is_clean_loose_and_packed() {
    need!("git");
    let ground = Ground::new();
    assert_eq!(ground.told(), [""; 0]);
    ground.write("def mean(values):\n    return 0\n");
    ground.commit("second");
    ground.git(&["gc", "-q", "--prune=now"]);
    assert_eq!(ground.told(), [""; 0]);
    lint(ground.folder.path(), &["--no-run", "--fail-on", "warning"]).expect_code(0);
}

#[test]
fn git_branches_tags_and_remotes_are_seen() {
    need!("git");
    for name in ["refs/heads/later", "refs/tags/v2", "refs/remotes/origin/main"] {
        let ground = Ground::new();
        ground.write(FIXED);
        ground.commit("the fix");
        ground.git(&["update-ref", name, "HEAD"]);
        ground.git(&["reset", "-q", "--hard", "HEAD~1"]);
        ground.git(&["reflog", "expire", "--expire=now", "--all"]);
        fs::remove_file(ground.repository().join(".git/ORIG_HEAD")).expect("git keeps where it was");
        let loose = ground.told();
        holds(&loose, &["SL020", "1 commit that HEAD does not lead to", name]);
        holds(&loose, &["SL020", "2 lines of the solution"]);
        ground.git(&["gc", "-q", "--prune=now"]);
        assert!(!ground.repository().join(".git").join(name).exists(), "it is packed");
        assert_eq!(ground.told(), loose, "packed");
        lint(ground.folder.path(), &["--no-run"]).expect_code(1);
    }
}

#[test]
fn git_annotated_tags_lead_to_their_commits() {
    need!("git");
    let ground = Ground::new();
    ground.write(FIXED);
    ground.commit("the fix");
    ground.git(&["tag", "-a", "-m", "told", "v2"]);
    ground.git(&["reset", "-q", "--hard", "HEAD~1"]);
    ground.git(&["reflog", "expire", "--expire=now", "--all"]);
    fs::remove_file(ground.repository().join(".git/ORIG_HEAD")).expect("git keeps where it was");
    holds(&ground.told(), &["1 commit that HEAD does not lead to (refs/tags/v2)"]);
}

#[test]
fn git_stashes_reflogs_and_lost_objects_are_seen() {
    need!("git");
    let ground = Ground::new();
    ground.write(FIXED);
    ground.git(&["stash", "-q"]);
    holds(&ground.told(), &["SL020", "refs/stash"]);
    let ground = Ground::new();
    ground.write(FIXED);
    ground.commit("the fix");
    ground.git(&["reset", "-q", "--hard", "HEAD~1"]);
    fs::remove_file(ground.repository().join(".git/ORIG_HEAD")).expect("git keeps where it was");
    holds(&ground.told(), &["SL020", "(the reflog of "]);
    fs::remove_dir_all(ground.repository().join(".git/logs")).expect("logs");
    holds(&ground.told(), &["SL020", "(no ref at all)"]);
    ground.git(&["gc", "-q", "--prune=now"]);
    assert_eq!(ground.told(), [""; 0], "it is gone for good");
}

#[test]
fn git_history_behind_head_that_holds_the_fix_is_seen() {
    need!("git");
    let ground = Ground::new();
    ground.write(FIXED);
    ground.commit("the fix");
    ground.write(BROKEN);
    ground.commit("taken back");
    ground.git(&["gc", "-q", "--prune=now", "--aggressive"]);
    let told = ground.told();
    holds(&told, &["SL020", "2 lines of the solution, and is no file of HEAD"]);
    assert_eq!(told.len(), 1, "{told:?}");
}

#[test]
fn git_bare_repositories_are_part_of_the_workspace() {
    need!("git");
    let ground = Ground::new();
    ground.git(&["clone", "-q", "--bare", ".", "../origin.git"]);
    assert_eq!(ground.told(), [""; 0]);
    ground.write(FIXED);
    ground.commit("the fix");
    ground.git(&["push", "-q", "../origin.git", "main:refs/heads/fix"]);
    fs::remove_dir_all(ground.repository().join(".git")).expect("a repository");
    ground.write(BROKEN);
    holds(&ground.told(), &["SL020", "refs/heads/fix"]);
}

fn pack(ground: &Ground, ending: &str) -> PathBuf {
    let folder = ground.repository().join(".git/objects/pack");
    let mut all = fs::read_dir(folder).expect("packs").map(|entry| entry.expect("a pack").path());
    all.find(|path| path.extension().is_some_and(|found| found == ending)).expect("a pack")
}

fn change(path: &Path, change: impl Fn(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).expect("a file");
    change(&mut bytes);
    fs::remove_file(path).expect("a file");
    fs::write(path, bytes).expect("a file");
}

#[test]
fn git_that_is_broken_is_told_and_harms_nobody() {
    need!("git");
    let ground = Ground::new();
    for n in 0..20 {
        ground.write(&format!("{BROKEN}# {}\n", "x".repeat(n * 40)));
        ground.commit("more");
    }
    ground.git(&["gc", "-q", "--prune=now", "--aggressive"]);
    let (whole, index) =
        (fs::read(pack(&ground, "pack")).expect("it"), fs::read(pack(&ground, "idx")).expect("it"));
    let spoil = |pack_bytes: &[u8], index_bytes: &[u8]| {
        change(&pack(&ground, "pack"), |bytes| *bytes = pack_bytes.to_vec());
        change(&pack(&ground, "idx"), |bytes| *bytes = index_bytes.to_vec());
        ground.told()
    };
    holds(&spoil(&whole[..whole.len() / 2], &index), &["SL021", "not known whole"]);
    holds(&spoil(&whole, &index[..index.len() / 3]), &["SL021", "an index of a pack is broken"]);
    holds(&spoil(b"", b""), &["SL021", "a pack is broken"]);
    let mut far = index.clone();
    let end = far.len() - 48;
    far[end..end + 8].fill(0xff);
    holds(&spoil(&whole, &far), &["SL021"]);
    assert_eq!(spoil(&whole, &index), [""; 0], "whole again");
    fs::remove_file(pack(&ground, "idx")).expect("an index");
    holds(&ground.told(), &["SL021", "has no index"]);
    put(&ground.repository(), ".git/HEAD", b"ref: HEAD\n");
    holds(&ground.told(), &["SL021", "HEAD goes round in a circle"]);
}

#[test]
fn git_bombs_links_and_borrowed_objects_are_not_followed() {
    need!("git", "python3");
    let ground = Ground::new();
    let bomb = "import sys,zlib\nc=zlib.compressobj(9)\nw=sys.stdout.buffer.write\nw(c.compress(b'blob 3000000000\\0'))\nz=bytes(1<<20)\n[w(c.compress(z)) for _ in range(300)]\nw(c.flush())\n";
    let made = Command::new("python3").args(["-c", bomb]).output().expect("python3").stdout;
    assert!(made.len() < 1 << 20 && !made.is_empty());
    put(&ground.repository(), ".git/objects/aa/00000000000000000000000000000000000000", &made);
    holds(&ground.told(), &["SL021", "too large"]);
    put(&ground.repository(), ".git/objects/info/alternates", b"/elsewhere/objects\n");
    holds(&ground.told(), &["SL021", "borrows objects"]);
    fs::remove_dir_all(ground.repository().join(".git")).expect("a repository");
    put(&ground.repository(), ".git", b"gitdir: /etc/../root/.git\n");
    holds(&ground.told(), &["SL021", "leads to a repository at '/etc/../root/.git'"]);
    fs::remove_file(ground.repository().join(".git")).expect("a link file");
    std::os::unix::fs::symlink("/etc", ground.repository().join(".git")).expect("a link");
    holds(&ground.told(), &["SL021", "is a link or no regular file"]);
}
