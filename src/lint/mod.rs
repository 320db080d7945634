//! Lints: what can be said of a suite by reading it, and by the proofs that were run of it. One file a lint, one manual.
//!
//! Invariant: a lint judges what it is handed and says what it could not look at. A proof that could not be made is
//! no finding here: whoever ran it tells that. Must not know: files on disk, sandboxes, how proofs are run.

mod found;
mod git;
mod lines;
mod look;
mod proof;

use crate::model::Severity;

pub use found::{Finding, Found};
pub use look::{Look, Owner, Place};
pub use proof::{Proof, Role};

/// A lint.
pub struct Lint {
    /// Id, for example `SL005`.
    pub id: &'static str,
    /// Name, for example `cheat-scores`.
    pub name: &'static str,
    /// One line for `list lints`.
    pub about: &'static str,
    /// Version that brought it.
    pub since: &'static str,
    /// Weight.
    pub severity: Severity,
    /// The manual that `explain` prints and a test runs, in Markdown.
    pub manual: &'static str,
    check: Check,
}

/// What a lint looks at.
#[derive(Clone, Copy)]
enum Check {
    /// The suite as it stands.
    Suite(fn(&Look<'_>, &mut Found)),
    /// What the runs of this role came to.
    Proof(Role),
    /// Runs of all roles.
    Proofs(fn(&Look<'_>, &mut Found)),
}

registry! {
    /// All lints, by id.
    Lint: oracle_fails, nop_scores, empty_answer_scores, echo_scores, cheat_scores, not_proven,
    no_solution, no_cheats, cannot_fail, no_limits, unmet_needs,
    git_history, git_unread, hidden_visible, answer_visible, secret_in_suite
}

impl Lint {
    /// Whether it needs runs.
    pub fn is_proof(&self) -> bool {
        !matches!(self.check, Check::Suite(_))
    }

    /// The runs that it judges.
    pub fn role(&self) -> Option<Role> {
        match self.check {
            Check::Proof(role) => Some(role),
            Check::Suite(_) | Check::Proofs(_) => None,
        }
    }
}

/// The lint of that id or name, in any case of letters.
pub fn find(word: &str) -> Option<&'static Lint> {
    ALL.iter()
        .copied()
        .find(|lint| lint.id.eq_ignore_ascii_case(word) || lint.name.eq_ignore_ascii_case(word))
}

/// Findings of these lints, in the order of files, lines and ids.
pub fn judge(look: &Look<'_>, lints: &[&'static Lint]) -> Vec<Finding> {
    let mut found = Found::default();
    for lint in lints.iter().copied() {
        found.lint = Some(lint);
        match lint.check {
            Check::Suite(check) | Check::Proofs(check) => check(look, &mut found),
            Check::Proof(role) => proof::judge(look, role, &mut found),
        }
    }
    found.sorted()
}
