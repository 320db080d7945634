//! What all attempts of a run share, and what they tell the dispatcher.

use super::plan::Plan;
use crate::backend::Purse;
use crate::model::{AttemptId, Exchanged};
use crate::sandbox::Launcher;
use crate::util::clock::Clock;
use std::sync::Arc;
use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;

/// What all attempts of a run share.
pub(super) struct Surroundings {
    pub(super) plan: Arc<Plan>,
    pub(super) launcher: Arc<Launcher>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) purse: Option<Arc<Purse>>,
    pub(super) messages: UnboundedSender<Message>,
    pub(super) stop: CancellationToken,
}

/// What executors tell the dispatcher while they work.
pub(super) enum Message {
    /// A step was added.
    Step(AttemptId, u64, String),
    /// A model exchange took place.
    Exchanged(Box<Exchanged>),
}
