//! What all attempts of a run share, and what they tell the dispatcher.

use super::plan::Plan;
use crate::model::{AttemptId, Exchanged};
use crate::sandbox::{Config, Launcher, Sandbox, SandboxError};
use crate::util::clock::Clock;
use std::sync::Arc;
use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;

/// What all attempts of a run share.
pub(super) struct Surroundings {
    pub(super) plan: Arc<Plan>,
    /// `None` if no attempt needs a sandbox.
    pub(super) launcher: Option<Arc<Launcher>>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) messages: UnboundedSender<Message>,
    pub(super) stop: CancellationToken,
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
    /// A model exchange took place.
    Exchanged(Box<Exchanged>),
}
