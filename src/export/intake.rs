//! First pass: filters by verdict, makes dialogues, takes secrets out, and puts what is left into the
//! spool. In memory stays what is small.

use super::convert::{self, Ask};
use super::dialogue::{Dialogue, Notes, Role};
use super::error::ExportError;
use super::guard::{Guard, Leak};
use super::reason::{Reason, Reject};
use super::spool::{At, Spool};
use super::{Target, Units};
use crate::model::Trajectory;
use crate::util::digest::sha256_parts;
use rayon::prelude::*;
use std::collections::BTreeSet;
use std::path::Path;

/// Which attempts are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Only {
    /// Those that passed and keep the call format; what has no verdict is taken too.
    Default,
    /// Those that passed and keep the call format.
    Passed,
    /// Those that did not pass.
    Failed,
    /// All that were scored, and all without a verdict.
    All,
}

/// What a run says of an attempt.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// Word of the outcome.
    pub outcome: &'static str,
    /// Whether the attempt is inside the rates.
    pub scored: bool,
    /// Verdict of the scorers.
    pub success: Option<bool>,
    /// Number for training.
    pub reward: Option<f64>,
}

/// What is known of a trajectory beside its steps.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Meta {
    /// Index of its source.
    pub source: usize,
    /// Attempt id, or what the source calls it.
    pub id: String,
    /// Where it stands: path and line.
    pub place: String,
    /// `suite/task`; for what comes from elsewhere a digest of what the user asks.
    pub task: String,
    /// Digest of the task.
    pub task_digest: Option<String>,
    /// Digest of the suite.
    pub suite_digest: Option<String>,
    /// Subject.
    pub subject: Option<String>,
    /// Model.
    pub model: Option<String>,
    /// Whether a message may hold one call at most; unknown for what comes from elsewhere.
    pub one_call: Option<bool>,
    /// Whether all messages keep the call format.
    pub format: Option<bool>,
    /// What a run says of it; nothing comes from elsewhere.
    pub verdict: Option<Verdict>,
}

impl Meta {
    /// Number for training.
    pub fn reward(&self) -> Option<f64> {
        self.verdict.as_ref()?.reward
    }

    /// Verdict of the scorers.
    pub fn success(&self) -> Option<bool> {
        self.verdict.as_ref()?.success
    }

    /// Verdict of the rules.
    pub fn format_ok(&self) -> Option<bool> {
        self.format
    }
}

/// A trajectory that comes in.
#[derive(Debug)]
pub struct Entry {
    /// What is known of it.
    pub meta: Meta,
    /// The trajectory, or why it can't be had.
    pub trajectory: Result<Trajectory, String>,
    /// Steps whose message breaks the call format.
    pub broken: BTreeSet<u64>,
}

/// A trajectory that may become a row.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) meta: Meta,
    pub(super) at: At,
    /// Digest of the turns before the model speaks.
    pub(super) prompt: String,
    /// Digest of what the user says there.
    pub(super) ask: String,
    pub(super) leaks: Vec<Leak>,
    pub(super) notes: Notes,
}

/// Something that gives no row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rejected {
    pub(super) source: Option<usize>,
    pub(super) id: String,
    pub(super) place: String,
    pub(super) task: String,
    pub(super) reject: Reject,
}

impl Rejected {
    fn new(meta: &Meta, reject: Reject) -> Self {
        Self {
            source: Some(meta.source),
            id: meta.id.clone(),
            place: meta.place.clone(),
            task: meta.task.clone(),
            reject,
        }
    }
}

/// What is taken in.
#[derive(Debug)]
pub struct Intake {
    pub(super) units: Units,
    only: Only,
    min_reward: Option<f64>,
    pub(super) ask: Ask,
    pub(super) guard: Guard,
    pub(super) spool: Spool,
    pub(super) candidates: Vec<Candidate>,
    pub(super) rejected: Vec<Rejected>,
    /// Trajectories that came in.
    pub(super) seen: u64,
}

impl Intake {
    /// An empty intake that spools into `folder`.
    ///
    /// # Errors
    /// The folder can't be written.
    pub fn new(
        target: &Target,
        only: Only,
        min_reward: Option<f64>,
        ask: Ask,
        guard: Guard,
        folder: &Path,
    ) -> Result<Self, ExportError> {
        let spool = Spool::new(folder).map_err(|error| ExportError::disk("write", folder, &error))?;
        let (candidates, rejected) = (Vec::new(), Vec::new());
        Ok(Self { units: target.units, only, min_reward, ask, guard, spool, candidates, rejected, seen: 0 })
    }

    /// Takes trajectories in, in order.
    ///
    /// # Errors
    /// The spool can't be written.
    pub fn take(&mut self, entries: Vec<Entry>) -> Result<(), ExportError> {
        self.seen += entries.len() as u64;
        let made: Vec<_> = entries.into_par_iter().map(|entry| self.one(entry)).collect();
        let mut pieces = Vec::with_capacity(made.len());
        let mut ready = Vec::with_capacity(made.len());
        for item in made {
            match item {
                Ok(made) => {
                    pieces.push(made.bytes);
                    ready.push((made.meta, made.prompt, made.ask, made.leaks, made.notes));
                }
                Err(rejected) => self.rejected.push(rejected),
            }
        }
        let places = self
            .spool
            .push(&pieces)
            .map_err(|error| ExportError::disk("write", Path::new("the spool"), &error))?;
        for ((meta, prompt, ask, leaks, notes), at) in ready.into_iter().zip(places) {
            self.candidates.push(Candidate { meta, at, prompt, ask, leaks, notes });
        }
        Ok(())
    }

    fn one(&self, entry: Entry) -> Result<Made, Rejected> {
        let Entry { mut meta, trajectory, broken } = entry;
        if let Err(reject) = self.filter(&meta) {
            return Err(Rejected::new(&meta, reject));
        }
        let trajectory = match trajectory {
            Ok(trajectory) => trajectory,
            Err(text) => return Err(Rejected::new(&meta, Reject::new(Reason::Unreadable, text))),
        };
        let made = convert::dialogue(&trajectory, &self.ask, &broken);
        drop(trajectory);
        let (mut dialogue, notes) = made.map_err(|reject| Rejected::new(&meta, reject))?;
        let mut leaks = Vec::new();
        self.guard.dialogue(&mut dialogue, &meta.place, &mut leaks);
        for text in [&mut meta.id, &mut meta.task] {
            self.guard.text(text, &String::new, &mut Vec::new());
        }
        let prompt = prompt_digest(&dialogue);
        let ask = ask_digest(&dialogue);
        if meta.task.is_empty() {
            meta.task = format!("prompt:{}", &ask[..16]);
        }
        // Strings and maps with text keys can't fail to serialise.
        let bytes = serde_json::to_vec(&dialogue).unwrap_or_default();
        Ok(Made { meta, bytes, prompt, ask, leaks, notes })
    }

    /// Whether the verdict lets the attempt in.
    fn filter(&self, meta: &Meta) -> Result<(), Reject> {
        let Some(verdict) = &meta.verdict else {
            let wanted = matches!(self.only, Only::Passed | Only::Failed);
            if wanted {
                let text = "it comes from elsewhere and nobody scored it";
                return Err(Reject::new(Reason::NoVerdict, text));
            }
            return self.rewarded(None);
        };
        let outcome = verdict.outcome;
        let ended = || format!("the attempt ended as '{outcome}'");
        if !verdict.scored {
            return Err(Reject::new(Reason::NotScored, ended()));
        }
        if self.units == Units::Rows {
            let passed = verdict.success == Some(true);
            match self.only {
                Only::Default | Only::Passed if !passed => {
                    return Err(Reject::new(Reason::NotPassed, ended()));
                }
                Only::Failed if passed => return Err(Reject::new(Reason::Passed, ended())),
                Only::Default | Only::Passed if meta.format == Some(false) && !self.ask.mask_errors => {
                    let text = "a message of it breaks the call format";
                    return Err(Reject::new(Reason::BadFormat, text));
                }
                _ => {}
            }
        }
        self.rewarded(verdict.reward)
    }

    fn rewarded(&self, reward: Option<f64>) -> Result<(), Reject> {
        match (self.min_reward, reward) {
            (None, _) => Ok(()),
            (Some(_), None) => Err(Reject::new(Reason::NoReward, "it has no reward")),
            (Some(least), Some(reward)) if reward < least => {
                Err(Reject::new(Reason::LowReward, format!("its reward is {reward}")))
            }
            _ => Ok(()),
        }
    }

    /// The dialogue of a candidate.
    pub(super) fn load(&self, index: usize) -> Result<Dialogue, ExportError> {
        let place = Path::new("the spool");
        let bytes = self
            .spool
            .read(self.candidates[index].at)
            .map_err(|error| ExportError::disk("read", place, &error))?;
        serde_json::from_slice(&bytes)
            .map_err(|error| ExportError::Disk(format!("can't read back the spool: {error}")))
    }
}

struct Made {
    meta: Meta,
    bytes: Vec<u8>,
    prompt: String,
    ask: String,
    leaks: Vec<Leak>,
    notes: Notes,
}

fn prompt_digest(dialogue: &Dialogue) -> String {
    let parts = dialogue.prompt().iter().flat_map(|turn| [turn.role.as_str(), turn.content.as_str()]);
    sha256_parts(parts.map(str::as_bytes))
}

/// Instructions differ from agent to agent; the task is what the user says.
pub(super) fn ask_digest(dialogue: &Dialogue) -> String {
    let asked = dialogue.prompt().iter().filter(|turn| turn.role == Role::User);
    sha256_parts(asked.map(|turn| turn.content.as_bytes()))
}
