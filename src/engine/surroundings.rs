//! What all attempts of a run share, and what they tell the dispatcher.

use super::keeping::Keep;
use super::plan::Plan;
use crate::backend::Purse;
use crate::model::{AttemptId, Exchanged, RunError};
use crate::sandbox::{Config, Launcher, Sandbox, SandboxError};
use crate::service::Authority;
use crate::suite::Task;
use crate::util::clock::Clock;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;

/// What all attempts of a run share.
pub(super) struct Surroundings {
    pub(super) plan: Arc<Plan>,
    /// `None` if no attempt needs a sandbox.
    pub(super) launcher: Option<Arc<Launcher>>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) purse: Option<Arc<Purse>>,
    pub(super) messages: UnboundedSender<Message>,
    pub(super) stop: CancellationToken,
    /// Whether states of sandboxes are kept, and where.
    pub(super) keep: Option<Keep>,
    /// Made by the first task that needs it.
    pub(super) authority: Mutex<Option<Arc<Authority>>>,
}

impl Surroundings {
    /// What the sandboxes of a task trust: the run's authority, where a service of the task has host names.
    pub(super) fn authority(&self, task: &Task) -> Result<Option<Arc<Authority>>, RunError> {
        if task.services.iter().all(|service| service.hosts.is_empty()) {
            return Ok(None);
        }
        let mut made = self.authority.lock().unwrap_or_else(PoisonError::into_inner);
        if made.is_none() {
            *made = Some(Arc::new(Authority::new(self.clock.now())?));
        }
        Ok(made.clone())
    }
}

impl Surroundings {
    /// Starts a sandbox.
    pub(super) async fn start(&self, config: Config) -> Result<Arc<dyn Sandbox>, SandboxError> {
        match &self.launcher {
            Some(launcher) => launcher.start(config).await,
            None => Err(SandboxError::new("a sandbox is needed in a run that was planned without any")),
        }
    }
}

/// What executors tell the dispatcher while they work.
pub(super) enum Message {
    /// A step was added.
    Step(AttemptId, u64, String),
    /// Something the user should know, that changes nothing.
    Warning(String),
    /// A model exchange took place.
    Exchanged(Arc<Exchanged>),
}
