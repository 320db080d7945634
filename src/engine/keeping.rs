//! The states of sandboxes that are kept for a person to look at, when their attempts are over.
//!
//! Invariant: whether a state is kept changes nothing of an attempt's verdict; a record that names one has it.

use super::plan::Planned;
use super::surroundings::{Message, Surroundings};
use crate::model::{Finished, Outcome};
use crate::sandbox::{About, Launcher, Sandbox};
use std::path::PathBuf;
use std::sync::Arc;

/// Folder of a run that holds states.
const FOLDER: &str = "sandboxes";
/// Most bytes of content where the task has no limit for its disk.
const MOST: u64 = 4 << 30;

/// What is kept, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keep {
    /// The run's folder.
    pub run: PathBuf,
    /// Whether states of attempts that passed are kept, too.
    pub all: bool,
}

impl Keep {
    /// The folder that holds states.
    pub fn folder(&self) -> PathBuf {
        self.run.join(FOLDER)
    }

    /// Whether a state of an attempt that ended so is kept. What is cancelled is done again.
    fn wants(&self, outcome: &Outcome) -> bool {
        match outcome {
            Outcome::Cancelled | Outcome::Skipped(_) => false,
            Outcome::Passed => self.all,
            Outcome::Failed | Outcome::Invalid | Outcome::Limit(_) | Outcome::Error(_) => true,
        }
    }
}

/// Keeps the state of an attempt's sandbox if it is wanted, names it in the record, and closes the sandbox.
pub(super) async fn keep(
    around: &Surroundings,
    planned: &Planned,
    sandbox: Arc<dyn Sandbox>,
    finished: &mut Finished,
) {
    if let Some(keep) = &around.keep {
        let name = format!("{FOLDER}/{}.state", planned.seq);
        let path = keep.run.join(&name);
        if keep.wants(&finished.record.outcome) {
            let task = around.plan.parts(planned).1;
            let max = task.sandbox.disk.unwrap_or(MOST);
            match sandbox.keep(&path, &about(around, planned), max).await {
                Ok(kept) => {
                    finished.record.kept = Some(name);
                    if kept.left_out > 0 {
                        let why = if kept.cut { ", as there was too much" } else { "" };
                        tell(
                            around,
                            planned,
                            &format!("is not kept whole: {} of its files are left out{why}", kept.left_out),
                        );
                    }
                }
                Err(error) => tell(around, planned, &format!("is not kept: {}", error.message)),
            }
        }
        if finished.record.kept.is_none() {
            // That of an earlier try, which nobody would find any more.
            let _ = std::fs::remove_file(path);
        }
    }
    sandbox.close().await;
}

/// What a state tells of itself.
fn about(around: &Surroundings, planned: &Planned) -> About {
    let task = around.plan.parts(planned).1;
    let launcher = around.launcher.as_deref();
    let own = task.sandbox.root.strip_prefix("oci:").unwrap_or_default();
    let image = launcher.and_then(|launcher| launcher.shows()).unwrap_or(own).to_owned();
    let images = launcher.map(Launcher::images).unwrap_or_default();
    let digest = images.into_iter().find(|(name, _)| *name == image).map(|(_, digest)| digest);
    About { attempt: planned.id.to_string(), image, digest: digest.unwrap_or_default() }
}

fn tell(around: &Surroundings, planned: &Planned, what: &str) {
    let text = format!("the sandbox of {} {what}", planned.id);
    let _ = around.messages.send(Message::Warning(text));
}
