//! Windows of one file worked on by all cores, and what they come to taken in the order of the file.
//!
//! Invariant: the result does not depend on which core was quicker, and no more windows are held than there are
//! workers, but for [`AHEAD`].

use super::windows::{Window, Windows};
use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Results that may wait for the one before them.
const AHEAD: usize = 4;

struct Job<P, T> {
    windows: Mutex<Windows>,
    merged: Mutex<Merged<P, T>>,
    /// Told when the result that is waited for was taken.
    next: Condvar,
}

struct Merged<P, T> {
    waiting: BTreeMap<u64, P>,
    number: u64,
    take: T,
    stopped: bool,
}

/// Gives each window to a worker and each result to `take`, in order, until that says false. `worker` makes what one
/// core works with; what it makes must not wait for other threads of the pool.
pub(in crate::cli) fn in_order<P: Send, W: FnMut(&mut Window) -> P>(
    windows: Windows,
    workers: usize,
    worker: impl Fn() -> W + Sync,
    take: impl FnMut(P) -> bool + Send,
) {
    let merged = Merged { waiting: BTreeMap::new(), number: 0, take, stopped: false };
    let job = Job { windows: Mutex::new(windows), merged: Mutex::new(merged), next: Condvar::new() };
    if workers > 1 {
        rayon::scope(|scope| (0..workers).for_each(|_| scope.spawn(|_| job.work(worker()))));
    } else {
        job.work(worker());
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<P: Send, T: FnMut(P) -> bool> Job<P, T> {
    fn work(&self, mut worker: impl FnMut(&mut Window) -> P) {
        let mut window = Window::default();
        while lock(&self.windows).next(&mut window) {
            let part = worker(&mut window);
            let mut merged = lock(&self.merged);
            merged.add(window.number, part);
            self.next.notify_all();
            while merged.waiting.len() > AHEAD && !merged.stopped {
                merged = self.next.wait(merged).unwrap_or_else(PoisonError::into_inner);
            }
            if merged.stopped {
                return;
            }
        }
    }
}

impl<P, T: FnMut(P) -> bool> Merged<P, T> {
    /// Adds a result, and takes it and those behind it that waited for it.
    fn add(&mut self, number: u64, part: P) {
        self.waiting.insert(number, part);
        while !self.stopped
            && let Some(part) = self.waiting.remove(&self.number)
        {
            self.stopped = !(self.take)(part);
            self.number += 1;
        }
    }
}
