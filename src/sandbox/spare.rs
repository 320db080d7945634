//! The next sandbox, built while nobody waits for it.
//!
//! Most of a start is the same for every attempt of a run: namespaces, mounts, devices. An init that was forked for
//! nobody in particular does that, and waits for its spec; the attempt that comes next takes it, adds its groups, its
//! limits, its names and its authority. Invariant: a spare knows nothing of any attempt, is taken once, and has the very
//! layers of a sandbox that was not built ahead, as both are built by the same code.

use super::attempt::Waiting;
use super::janitor::Janitor;
use super::nursery::Nursery;
use super::wire::Spec;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Sandboxes that a run starts before one is built ahead: a single one would not be worth it.
const FIRST: u32 = 2;

/// The spare of a run.
#[derive(Debug, Default)]
pub(super) struct Spare {
    waiting: Mutex<Option<Waiting>>,
    starts: AtomicU32,
    /// Whether one is in the making.
    busy: AtomicBool,
    /// Whether none shall be made any more.
    over: AtomicBool,
}

impl Spare {
    fn lock(&self) -> MutexGuard<'_, Option<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the spare, if there is one for a sandbox whose `changes` are asked for or not.
    pub(super) fn take(&self, changes: bool) -> Option<Waiting> {
        let spare = self.lock().take_if(|spare| spare.spec.changes == changes)?;
        if !spare.init.is_alive() {
            // Somebody killed it; what is left of it goes.
            spare.give_up();
            return None;
        }
        Some(spare)
    }

    /// A sandbox like `like` was started: has another one built, where that is worth it. `next` gives folder and ids.
    pub(super) fn refill(
        self: &Arc<Self>,
        like: &Spec,
        helpers: (Arc<Nursery>, Arc<Janitor>),
        next: impl FnOnce() -> (String, u32),
    ) {
        let enough = self.starts.fetch_add(1, Ordering::Relaxed) < FIRST || self.over.load(Ordering::Relaxed);
        if enough || self.lock().is_some() || self.busy.swap(true, Ordering::AcqRel) {
            return;
        }
        let (folder, uid) = next();
        let spec = Spec {
            level: like.level,
            folder,
            uid,
            changes: like.changes,
            hide: like.hide.clone(),
            seccomp: like.seccomp,
            ..Spec::default()
        };
        let spare = Arc::clone(self);
        tokio::task::spawn_blocking(move || {
            // One that can't be built is no loss; whoever needs a sandbox will be told.
            if let Ok(born) = Waiting::bear(helpers.0, helpers.1, spec) {
                let mut waiting = spare.lock();
                if spare.over.load(Ordering::Acquire) {
                    drop(waiting);
                    born.give_up();
                } else {
                    *waiting = Some(born);
                }
            }
            spare.busy.store(false, Ordering::Release);
        });
    }

    /// Ends it; no other one is made.
    pub(super) fn end(&self) {
        let waiting = {
            let mut waiting = self.lock();
            self.over.store(true, Ordering::Release);
            waiting.take()
        };
        if let Some(waiting) = waiting {
            waiting.give_up();
        }
    }
}
